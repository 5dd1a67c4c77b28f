"""The trajectory problem: its derivatives, and what its solution does to a motion."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from synthetic import arc_rig, hand_motion

from handloom.reconstruction import trajectory_kernels as kernels
from handloom.reconstruction import triangulate
from handloom.reconstruction.anatomy import anatomy_of
from handloom.reconstruction.trajectory import Evidence, MotionModel, smooth
from handloom.skeleton import HAND

Array = NDArray[np.float64]
Kernel = Callable[[Array, Array, Array], float]
RATE = 30.0
RIG = arc_rig()
FOCAL = RIG[0].K[0, 0]


def hand(frames: int = 60) -> Array:
    return hand_motion(np.arange(frames) / RATE)


def model_of(truth: Array, acceleration: float = 4.0) -> MotionModel:
    anatomy = anatomy_of(HAND)
    a, b = anatomy.pairs.T
    lengths = np.linalg.norm(truth[:, b] - truth[:, a], axis=-1).mean(axis=0)
    return MotionModel(
        anatomy.pairs,
        lengths,
        lengths * anatomy.stiffness,
        np.full(len(HAND), acceleration / RATE**2),
        anatomy.chains,
    )


def evidence_of(truth: Array, noise_px: float, seed: int = 0) -> tuple[Evidence, Array]:
    """Evidence of noisy observations by three views, and the points of each frame alone."""
    random = np.random.default_rng(seed)
    pixels = RIG.project(truth)
    pixels = pixels + random.normal(0, 1, pixels.shape) * noise_px
    rays = np.stack([camera.undistort(xy) for camera, xy in zip(RIG, pixels, strict=True)])
    sigma = np.full(rays.shape[:-1], max(noise_px, 1.0) / FOCAL)
    raw = triangulate(rays, np.stack([camera.T_camera_world for camera in RIG]), sigma)
    return Evidence.of(RIG, rays, sigma, np.ones(1, dtype=bool)), raw.points


def kernel_named(name: str) -> tuple[Kernel, Array]:
    """A term of the cost, and points of a small problem that is off its optimum."""
    random = np.random.default_rng(3)
    points = hand(4) + random.normal(0, 0.01, (4, 21, 3))
    evidence, _ = evidence_of(hand(4), 2.0)
    model = model_of(hand(4))
    terms: dict[str, Kernel] = {
        "reprojection": lambda p, band, gradient: kernels.add_reprojection(
            p, evidence.R, evidence.t, evidence.rays, evidence.precision, band, gradient
        ),
        "acceleration": lambda p, band, gradient: kernels.add_acceleration(
            p, 1 / model.acceleration, 10.0, band, gradient
        ),
        "lengths": lambda p, band, gradient: kernels.add_lengths(
            p, model.pairs, model.lengths, 1 / model.length_sigma, band, gradient
        ),
        "bending": lambda p, band, gradient: kernels.add_bending(
            p, model.chains, 0.6, 1 / 0.8, band, gradient
        ),
    }
    return terms[name], points


def normal_equations(term: Kernel, points: Array) -> tuple[Array, Array, float]:
    """The full normal matrix, the gradient and the cost of one term."""
    size = points.size
    band, gradient = np.zeros((6 * points.shape[1] + 1, size)), np.zeros(size)
    cost = term(points, band, gradient)
    matrix = np.zeros((size, size))
    for k in range(min(len(band), size)):
        row = np.arange(size - k)
        matrix[row + k, row] = matrix[row, row + k] = band[k, : size - k]
    return matrix, gradient, cost


def cost_of(term: Kernel, points: Array) -> float:
    return normal_equations(term, points)[2]


@pytest.mark.parametrize("name", ["reprojection", "acceleration", "lengths", "bending"])
def test_gradient_is_the_derivative_of_the_cost(name: str) -> None:
    term, points = kernel_named(name)
    _, gradient, _ = normal_equations(term, points)
    step = 1e-6
    for i in np.random.default_rng(0).choice(points.size, 60, replace=False):
        ahead, behind = points.copy(), points.copy()
        ahead.ravel()[i] += step
        behind.ravel()[i] -= step
        slope = (cost_of(term, ahead) - cost_of(term, behind)) / (2 * step)
        assert slope == pytest.approx(gradient[i], rel=1e-5, abs=1e-5 * np.abs(gradient).max())


@pytest.mark.parametrize("name", ["reprojection", "acceleration", "lengths", "bending"])
def test_normal_matrix_is_positive_and_keeps_to_its_band(name: str) -> None:
    term, points = kernel_named(name)
    matrix, _, _ = normal_equations(term, points)
    assert np.linalg.eigvalsh(matrix).min() > -1e-6 * np.abs(matrix).max()


def numeric_jacobian(residual: Callable[[Array], Array], points: Array) -> Array:
    columns = []
    for i in range(points.size):
        ahead, behind = points.copy(), points.copy()
        ahead.ravel()[i] += 1e-6
        behind.ravel()[i] -= 1e-6
        columns.append((residual(ahead) - residual(behind)).ravel() / 2e-6)
    return np.stack(columns, axis=1)


def assert_gauss_newton(matrix: Array, jacobian: Array) -> None:
    expected = jacobian.T @ jacobian
    assert np.allclose(matrix, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_normal_matrix_of_the_acceleration() -> None:
    model = model_of(hand(4))
    points = hand(4)
    matrix, gradient, cost = normal_equations(
        lambda p, band, g: kernels.add_acceleration(p, 1 / model.acceleration, 1e3, band, g), points
    )

    def residual(p: Array) -> Array:
        return (np.diff(p, n=2, axis=0) / model.acceleration[:, None]).ravel()

    jacobian = numeric_jacobian(residual, points)
    assert_gauss_newton(matrix, jacobian)
    assert np.allclose(gradient, jacobian.T @ residual(points), rtol=1e-4)
    assert cost == pytest.approx(0.5 * (residual(points) ** 2).sum(), rel=1e-3)


def test_normal_matrix_of_the_lengths() -> None:
    term, points = kernel_named("lengths")
    model = model_of(hand(4))
    a, b = model.pairs.T

    def residual(p: Array) -> Array:
        return (np.linalg.norm(p[:, b] - p[:, a], axis=-1) - model.lengths) / model.length_sigma

    matrix, _, cost = normal_equations(term, points)
    assert_gauss_newton(matrix, numeric_jacobian(residual, points))
    assert cost == pytest.approx(0.5 * (residual(points) ** 2).sum())


def test_normal_matrix_of_the_bending() -> None:
    term, points = kernel_named("bending")
    chains = anatomy_of(HAND).chains

    def residual(p: Array) -> Array:
        bones = np.diff(p[:, chains], axis=2)
        a, b, c = np.moveaxis(bones / np.linalg.norm(bones, axis=-1, keepdims=True), 2, 0)
        return (np.cross(b, c) - 0.6 * np.cross(a, b)) / 0.8

    matrix, _, cost = normal_equations(term, points)
    assert_gauss_newton(matrix, numeric_jacobian(residual, points))
    assert cost == pytest.approx(0.5 * (residual(points) ** 2).sum())


def test_normal_matrix_of_the_reprojection_at_small_residuals() -> None:
    points = hand(3)
    evidence, _ = evidence_of(points, 0.0)

    def residual(p: Array) -> Array:
        x = np.einsum("cij,tkj->ctki", evidence.R, p) + evidence.t[:, None, None]
        return (x[..., :2] / x[..., 2:] - evidence.rays) * evidence.precision[..., None]

    matrix, _, cost = normal_equations(
        lambda p, band, g: kernels.add_reprojection(
            p, evidence.R, evidence.t, evidence.rays, evidence.precision, band, g
        ),
        points,
    )
    assert_gauss_newton(matrix, np.sqrt(1 + 2 / kernels.TAIL) * numeric_jacobian(residual, points))
    assert cost == pytest.approx(0.0, abs=1e-9)


def test_a_natural_curl_costs_no_bending() -> None:
    angles = np.cumsum([0.0, 0.0, 0.5, np.arcsin(0.6 * np.sin(0.5))])[1:]
    bones = np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=1)
    points = np.concatenate([np.zeros((1, 3)), np.cumsum(bones, axis=0)])[None]
    term = kernels.add_bending
    chain = np.array([[0, 1, 2, 3]])
    assert term(points, chain, 0.6, 1.0, np.zeros((25, 12)), np.zeros(12)) == pytest.approx(0.0, abs=1e-12)
    sideways = points.copy()
    sideways[0, 3] = sideways[0, 2] + [0, 0, 1]
    assert term(sideways, chain, 0.6, 1.0, np.zeros((25, 12)), np.zeros(12)) > 0.1


def test_noise_free_data_without_other_terms_is_a_fixed_point() -> None:
    truth = hand(20)
    evidence, _ = evidence_of(truth, 0.0)
    free = model_of(truth, acceleration=1e6)
    loose = MotionModel(
        free.pairs, free.lengths, 1e6 * free.lengths, free.acceleration, free.chains, bending_sigma=1e6
    )
    assert np.abs(smooth(truth, evidence, loose) - truth).max() < 1e-8


def test_noise_free_data_stay_close_under_the_real_model() -> None:
    truth = hand()
    evidence, _ = evidence_of(truth, 0.0)
    solved = smooth(truth, evidence, model_of(truth))
    assert np.linalg.norm(solved - truth, axis=-1).mean() < 0.5e-3


def test_smoothing_brings_noisy_points_closer_to_the_truth() -> None:
    truth = hand(90)
    evidence, raw = evidence_of(truth, 3.0)
    before = np.linalg.norm(raw - truth, axis=-1)
    after = np.linalg.norm(smooth(raw, evidence, model_of(truth)) - truth, axis=-1)
    assert after.mean() < 0.7 * before.mean()
    assert np.percentile(after, 99) < np.percentile(before, 99)


def lag_of(solved: Array, truth: Array) -> float:
    """Frames by which a motion comes late: the shift that brings it closest to the true one."""
    shifts = np.arange(-3, 4)
    inner = truth[5:-5]
    misfit = np.array([((solved[5 + s : len(solved) - 5 + s] - inner) ** 2).sum() for s in shifts])
    best = int(np.clip(misfit.argmin(), 1, len(shifts) - 2))
    curvature, slope, _ = np.polyfit(shifts[best - 1 : best + 2], misfit[best - 1 : best + 2], 2)
    return float(-slope / (2 * curvature))


def test_smoothing_adds_no_lag() -> None:
    truth = hand(120)
    evidence, raw = evidence_of(truth, 3.0)
    assert lag_of(truth[:-1], truth[1:]) == pytest.approx(1.0, abs=0.1)
    assert abs(lag_of(smooth(raw, evidence, model_of(truth)), truth)) < 0.1


def test_bones_keep_their_length() -> None:
    truth = hand(90)
    evidence, raw = evidence_of(truth, 3.0)
    parent, child = np.array(HAND.bone_indices).T

    def variation(points: Array) -> float:
        lengths = np.linalg.norm(points[:, child] - points[:, parent], axis=-1)
        return float((lengths.std(axis=0) / lengths.mean(axis=0)).mean())

    assert variation(smooth(raw, evidence, model_of(truth))) < 0.6 * variation(raw)


def test_a_joint_that_is_never_observed_follows_the_others() -> None:
    truth = hand(30)
    evidence, raw = evidence_of(truth, 1.0)
    tip, pip = HAND.index("index_tip"), HAND.index("index_pip")
    evidence.precision[:, :, tip] = 0
    initial = raw.copy()
    initial[:, tip] = raw.mean(axis=(0, 1))
    solved = smooth(initial, evidence, model_of(truth), iterations=30)
    assert np.isfinite(solved).all()
    others = np.delete(np.arange(21), [tip, pip, HAND.index("index_dip")])
    assert np.linalg.norm(solved - truth, axis=-1)[:, others].mean() < 2e-3
    assert np.linalg.norm(solved[:, tip] - truth[:, tip], axis=-1).mean() < 0.06


def test_nothing_observed_at_all_leaves_a_finite_motion() -> None:
    truth = hand(10)
    evidence, _ = evidence_of(truth, 0.0)
    evidence.precision[:] = 0
    assert np.isfinite(smooth(truth, evidence, model_of(truth))).all()


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_very_short_stretches(frames: int) -> None:
    truth = hand(frames)
    evidence, raw = evidence_of(truth, 1.0)
    solved = smooth(raw, evidence, model_of(truth))
    assert solved.shape == truth.shape
    assert np.linalg.norm(solved - truth, axis=-1).mean() < 3e-3


def test_the_start_is_left_as_it_was() -> None:
    truth = hand(10)
    evidence, raw = evidence_of(truth, 2.0)
    kept = raw.copy()
    smooth(raw, evidence, model_of(truth))
    assert np.array_equal(raw, kept)


def test_the_same_input_gives_the_same_bytes() -> None:
    truth = hand(30)
    evidence, raw = evidence_of(truth, 2.0)
    a, b = (smooth(raw, evidence, model_of(truth)) for _ in range(2))
    assert np.array_equal(a, b)


def test_evidence_counts_only_what_is_known() -> None:
    rays = np.zeros((3, 1, 2, 2))
    rays[0, 0, 0] = np.nan
    sigma = np.full((3, 1, 2), 0.5)
    sigma[1, 0, 1], sigma[2, 0, 1] = np.nan, 0.0
    use = np.ones((3, 1, 2), dtype=bool)
    use[2, 0, 0] = False
    evidence = Evidence.of(RIG, rays, sigma, use)
    assert evidence.precision[:, 0].tolist() == [[0.0, 2.0], [2.0, 0.0], [0.0, 0.0]]
    assert np.isfinite(evidence.rays).all()
