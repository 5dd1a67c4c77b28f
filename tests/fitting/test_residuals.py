"""Each residual's gradient against differences of its own cost, through the whole chain."""

from __future__ import annotations

import numpy as np
import pytest

from handloom.fitting.equations import Observations, Terms, normal_equations
from handloom.fitting.prior import PosePrior, range_prior
from handloom.fitting.solver import advance, couples_fingers, damped_step, elimination
from handloom.hand import load_open_hand
from handloom.hand.articulation import ANGLES, POSE, articulation, keypoints_of
from handloom.hand.kinematics import rotation_from_vector

MODEL = load_open_hand()
COLUMNS = POSE + MODEL.shape_count


def empty():
    zeros = np.zeros
    return {
        "points": zeros((1, 21, 3)), "point_precision": zeros((1, 21, 3, 3)),
        "view_R": zeros((0, 3, 3)), "view_t": zeros((0, 3)),
        "rays": zeros((0, 1, 21, 2)), "ray_precision": zeros((0, 1, 21, 2)),
        "expected_angles": zeros((0, ANGLES)), "expected_R": zeros((0, 3, 3)),
        "expected_t": zeros((0, 3)), "expected_precision": zeros((0, POSE)),
    }  # fmt: skip


def points(rng, knee):
    A = rng.normal(size=(1, 21, 3, 3))
    precision = 1e4 * (A @ A.swapaxes(-1, -2) + np.eye(3))
    precision[0, 5] = 0.0
    return {"points": rng.normal(0.0, 0.05, (1, 21, 3)), "point_precision": precision}


def views(rng, knee):
    return {
        "view_R": rotation_from_vector(rng.normal(0.0, 0.2, (2, 3))),
        "view_t": np.array([[0.0, 0.0, 0.6], [0.05, 0.0, 0.7]]),
        "rays": rng.normal(0.0, 0.1, (2, 1, 21, 2)),
        "ray_precision": rng.uniform(0.0, 300.0, (2, 1, 21, 2)),
    }


def expected(rng, knee):
    return {
        "expected_angles": rng.normal(0.0, 0.3, (1, ANGLES)),
        "expected_R": np.eye(3)[None],
        "expected_t": np.zeros((1, 3)),
        "expected_precision": np.r_[np.full(3, 1e-9), rng.uniform(1.0, 9.0, POSE - 3)][None],
    }


def terms(prior: PosePrior | None = None, knee=np.inf, limits=0.0):
    B = MODEL.shape_count
    none = np.zeros((0, ANGLES)), np.zeros((0, ANGLES, ANGLES)), np.zeros(0)
    mixture = none if prior is None else (prior.mean, prior.precision, prior.offset)
    return Terms(knee, knee, limits, *mixture, np.full(B, 0.3), np.full(B, 2.0))


def mixture(rng):
    A = rng.normal(size=(2, ANGLES, ANGLES))
    return PosePrior(
        rng.normal(size=(2, ANGLES)), A @ A.swapaxes(1, 2) + np.eye(ANGLES), np.array([0.3, 0.7])
    )


def evaluate(seen, known, state):
    angles, R, t, shape = (x[None].copy() for x in state)
    H, g, cost = np.empty((1, COLUMNS, COLUMNS)), np.empty((1, COLUMNS)), np.empty(1)
    normal_equations(articulation(MODEL), keypoints_of(MODEL), seen, known, angles, R, t, shape, H, g, cost)
    return H[0], g[0], cost[0]


def state(rng):
    angles = rng.normal(0.0, 0.6, ANGLES)
    R = rotation_from_vector(rng.normal(0.0, 0.3, 3))
    return angles, R, rng.normal(0.0, 0.02, 3), rng.normal(size=MODEL.shape_count)


def moved(now, step):
    angles, R, t, shape = now
    return angles + step[6:POSE], rotation_from_vector(step[:3]) @ R, t + step[3:6], shape + step[POSE:]


CASES = {
    "3D keypoints": (points, {}),
    "3D keypoints, robust": (points, {"knee": 2.0}),
    "2D keypoints": (views, {}),
    "2D keypoints, robust": (views, {"knee": 2.0}),
    "limits": (lambda rng, knee: {}, {"limits": 0.02}),
    "range prior": (lambda rng, knee: {}, {"prior": range_prior(MODEL)}),
    "mixture prior": (lambda rng, knee: {}, {"prior": mixture(np.random.default_rng(3))}),
    "expected state": (expected, {}),
}


@pytest.mark.parametrize("case", CASES)
def test_gradient(case):
    rng = np.random.default_rng(0)
    make, extra = CASES[case]
    seen = Observations(**(empty() | make(rng, extra.get("knee"))))
    known = terms(**extra)
    now = state(rng)
    _, g, _ = evaluate(seen, known, now)
    for column in range(COLUMNS):
        step = np.zeros(COLUMNS)
        step[column] = 1e-6
        change = evaluate(seen, known, moved(now, step))[2] - evaluate(seen, known, moved(now, -step))[2]
        slack = 1e-3 + 1e-6 * np.abs(g).max()
        assert np.isclose(g[column], change / 2e-6, rtol=1e-4, atol=slack), column


def test_arrow_and_dense_elimination_agree():
    rng = np.random.default_rng(1)
    seen, known = Observations(**(empty() | points(rng, None))), terms(range_prior(MODEL))
    assert not couples_fingers(keypoints_of(MODEL), known)
    H, g, _ = evaluate(seen, known, state(rng))
    steps = []
    for coupled in (True, False):
        order, first = elimination(COLUMNS, coupled=coupled)
        step = np.empty(COLUMNS)
        assert damped_step(H, g, 0.1, order, first, np.zeros_like(H), step, np.empty(COLUMNS))
        steps.append(step)
    whole = np.tril(H) + np.tril(H, -1).T
    whole[np.diag_indices(COLUMNS)] = np.diag(H) * 1.1 + 1e-9 + 1e-4
    assert np.allclose(steps[0], np.linalg.solve(whole, -g), rtol=1e-6, atol=1e-9)
    assert np.allclose(steps[0], steps[1], rtol=1e-9, atol=1e-12)


def test_prior_over_several_fingers_couples_them():
    assert couples_fingers(keypoints_of(MODEL), terms(mixture(np.random.default_rng(0))))


def test_rotation_stays_orthonormal():
    R, t, angles, shape = np.eye(3), np.zeros(3), np.zeros(ANGLES), np.zeros(MODEL.shape_count)
    step = np.zeros(POSE)
    step[:3] = 0.3, -0.2, 0.1
    out = np.empty(ANGLES), np.empty((3, 3)), np.empty(3), np.empty(MODEL.shape_count)
    for _ in range(1000):
        advance(angles, R, t, shape, step, *out)
        R = out[1].copy()
    assert np.allclose(R @ R.T, np.eye(3), atol=1e-12)


def test_mixture_takes_the_likelier_component():
    prior = PosePrior(
        np.stack([np.zeros(ANGLES), np.ones(ANGLES)]), np.stack([np.eye(ANGLES)] * 2) * 0.01, np.full(2, 0.5)
    )
    rng = np.random.default_rng(0)
    _, R, t, shape = state(rng)
    _, g, _ = evaluate(Observations(**empty()), terms(prior), (np.full(ANGLES, 0.9), R, t, shape))
    assert np.allclose(g[6:POSE], -0.1 / 0.01)
