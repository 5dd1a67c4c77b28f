"""One shape for many frames: poses are eliminated frame by frame, the shape remains (Schur complement)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from handloom.errors import FitError
from handloom.fitting.equations import Observations, Terms, normal_equations
from handloom.fitting.motion import States, advance_all
from handloom.hand import HandModel
from handloom.hand.articulation import POSE, articulation, keypoints_of

Array = NDArray[np.float64]

LENGTHS_M = (0.08, 0.26)
"""Between a toddler's hand and one longer than any that was measured."""

_LENGTH_SIGMA_M = 2e-4


def flat_length(model: HandModel) -> tuple[float, Array]:
    """Wrist joint to the end of the middle finger of the flat mean hand, metres, and its (B,) derivatives."""
    tip = int(model.template[:, 1].argmax())
    return float(model.template[tip, 1]), model.shape_directions[tip, 1]


def check_length(length_m: float) -> None:
    """Raise :class:`FitError` for the length of no human hand."""
    low, high = LENGTHS_M
    if not low <= length_m <= high:
        raise FitError(
            f"A hand {1000.0 * length_m:g} mm long is no human hand.",
            f"Give the distance from the wrist to the tip of the middle finger in millimetres, "
            f"{1000.0 * low:.0f} to {1000.0 * high:.0f}.",
        )


def shared_shape(
    model: HandModel,
    seen: Observations,
    terms: Terms,
    states: States,
    *,
    worth: float,
    length_m: float | None = None,
    iterations: int = 20,
) -> Array:
    """The (B,) shape that fits all frames best, their poses being found along with it.

    Args:
        model, seen, terms: the problem; its shape prior counts once.
        states: poses to begin at, finite; the first shape counts.
        worth: so many independent frames the given ones are worth: what detectors get wrong they get wrong in
            the next frame, too.
        length_m: the hand's length from wrist to middle finger tip where it was measured.
        iterations: at most.
    """
    N, B = len(states.t), model.shape_count
    hand, keypoints = articulation(model), keypoints_of(model)
    share = min(1.0, worth / N)
    own = terms._replace(shape_precision=np.zeros(B))
    prior, pull = np.diag(terms.shape_precision), terms.shape_precision * terms.shape_mean
    if length_m is not None:
        mean, row = flat_length(model)
        prior = prior + np.outer(row, row) / _LENGTH_SIGMA_M**2
        pull = pull + row * (length_m - mean) / _LENGTH_SIGMA_M**2

    def equations(at: States) -> tuple[Array, Array, float]:
        H, g, costs = np.empty((N, POSE + B, POSE + B)), np.empty((N, POSE + B)), np.empty(N)
        normal_equations(hand, keypoints, seen, own, *at, H, g, costs)
        shape = at.shapes[0]
        return H, g, share * float(costs.sum()) + 0.5 * shape @ prior @ shape - pull @ shape

    now = States(*(array.copy() for array in states))
    now.shapes[:] = now.shapes[0]
    H, g, cost = equations(now)
    damping = 1e-4
    for _ in range(iterations):
        step = _step(H, g, share, prior, prior @ now.shapes[0] - pull, damping)
        trial = States(*(np.empty_like(array) for array in now))
        advance_all(*now, step, *trial)
        new_H, new_g, new_cost = equations(trial)
        if not new_cost < cost:
            damping *= 10.0
            if damping > 1e6:
                break
            continue
        fall = cost - new_cost
        now, H, g, cost = trial, new_H, new_g, new_cost
        damping = max(damping / 10.0, 1e-8)
        if fall < 1e-5 * abs(cost):
            break
    return now.shapes[0].copy()


def _step(H: Array, g: Array, share: float, prior: Array, pull: Array, damping: float) -> Array:
    """(N, 51 + B) steps of poses and the common shape."""
    poses = np.tril(H[:, :POSE, :POSE])
    poses = poses + np.swapaxes(np.tril(poses, -1), -1, -2)
    diagonal = np.arange(POSE)
    poses[:, diagonal, diagonal] *= 1.0 + damping
    poses[:, diagonal, diagonal] += 1e-9 + 1e-3 * damping
    mixed = H[:, POSE:, :POSE]
    solved = np.linalg.solve(poses, np.concatenate([np.swapaxes(mixed, 1, 2), g[:, :POSE, None]], axis=2))
    shapes = np.tril(H[:, POSE:, POSE:])
    shapes = shapes + np.swapaxes(np.tril(shapes, -1), -1, -2)
    A = prior + share * (shapes - mixed @ solved[:, :, :-1]).sum(axis=0)
    b = pull + share * (g[:, POSE:] - (mixed @ solved[:, :, -1:])[..., 0]).sum(axis=0)
    A[np.diag_indices_from(A)] *= 1.0 + damping
    shape_step = -np.linalg.solve(A, b)
    step = np.empty_like(g)
    step[:, POSE:] = shape_step
    step[:, :POSE] = -solved[:, :, -1] - solved[:, :, :-1] @ shape_step
    return step
