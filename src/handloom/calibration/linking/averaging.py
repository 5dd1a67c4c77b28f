"""Camera poses from relative poses, some of which may be wrong: spanning tree, then robust averaging.

Rotations are averaged first, then the centres follow linearly. Both minimise the sum of absolute errors
by iteratively reweighted least squares, which lets a majority of paths through the graph overrule a wrong
relative pose (Hartley et al. 2011, Chatterjee and Govindu 2013).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

Array = NDArray[np.float64]
Pairs = Sequence[tuple[int, int]]

_ROUNDS = 60
_SMALLEST_TURN = np.deg2rad(0.2)  # errors below these count as squares
_SMALLEST_SHIFT = 0.005  # of the typical distance between cameras


def components(count: int, edges: Pairs) -> tuple[tuple[int, ...], ...]:
    """Connected groups of ``count`` nodes, largest first, of equals the one with the lowest number."""
    label = list(range(count))
    for a, b in edges:
        old, new = max(label[a], label[b]), min(label[a], label[b])
        label = [new if current == old else current for current in label]
    groups = [tuple(i for i in range(count) if label[i] == first) for first in sorted(set(label))]
    return tuple(sorted(groups, key=lambda group: (-len(group), group[0])))


def spanning_tree(group: Sequence[int], edges: Pairs, strengths: Sequence[float]) -> list[int]:
    """Positions of the edges of the strongest tree over a connected group, from its first node outwards."""
    reached, tree = {group[0]}, []
    while len(reached) < len(group):
        _, chosen = max(
            (strengths[e], -e) for e, (a, b) in enumerate(edges) if (a in reached) != (b in reached)
        )
        tree.append(-chosen)
        reached.update(edges[-chosen])
    return tree


def average(
    group: Sequence[int],
    edges: Pairs,
    T_second_first: Sequence[Array],
    strengths: Sequence[float],
    sigma_turn: Sequence[float],
    sigma_shift: Sequence[float],
) -> Array:
    """Poses of a connected group of cameras.

    Args:
        group: numbers of its N cameras; the first is the origin.
        edges: (first, second) cameras of E relative poses, all in the group.
        T_second_first: E of (4, 4).
        strengths: (E,) decides the spanning tree.
        sigma_turn: (E,) standard deviation of the rotation, radians.
        sigma_shift: (E,) standard deviation of the translation.

    Returns:
        (N, 4, 4) ``T_camera_first``, in the order of the group.
    """
    place = {camera: i for i, camera in enumerate(group)}
    first = np.array([place[a] for a, _ in edges], dtype=np.int64)
    second = np.array([place[b] for _, b in edges], dtype=np.int64)
    X = np.array(T_second_first, dtype=np.float64).reshape(-1, 4, 4)
    T = np.tile(np.eye(4), (len(group), 1, 1))
    if len(group) == 1:
        return T
    reached = {group[0]}
    for e in spanning_tree(group, edges, strengths):
        a, b = edges[e]
        if a in reached:
            T[place[b]] = X[e] @ T[place[a]]
        else:
            T[place[a]] = np.linalg.inv(X[e]) @ T[place[b]]
        reached.update((a, b))
    # Weights relative to the best edge, so that the step from squares to absolutes keeps its meaning.
    R = _average_rotations(T[:, :3, :3].copy(), first, second, X[:, :3, :3], _relative(sigma_turn))
    t = _average_translations(R, T[:, :3, 3].copy(), first, second, X, _relative(sigma_shift))
    T[:, :3, :3], T[:, :3, 3] = R, t
    return T


def _relative(sigma: Sequence[float]) -> Array:
    weights = 1.0 / np.asarray(sigma, dtype=np.float64)
    return weights / weights.max()


def _average_rotations(
    R: Array, first: NDArray[np.int64], second: NDArray[np.int64], X: Array, weights: Array
) -> Array:
    """(N, 3, 3) rotations that fit E relative ones; the first stays."""
    for _ in range(_ROUNDS):
        # R[second]ᵀ X R[first] = exp(error), in the frame of the world.
        error = Rotation.from_matrix(R[second].swapaxes(-1, -2) @ X @ R[first]).as_rotvec()
        pull = weights / np.maximum(np.linalg.norm(error, axis=-1), _SMALLEST_TURN)
        step = _laplacian_solve(len(R), first, second, pull, error)
        R = R @ Rotation.from_rotvec(step).as_matrix()
        if np.abs(step).max() < 1e-10:
            break
    return R


def _average_translations(
    R: Array, t: Array, first: NDArray[np.int64], second: NDArray[np.int64], X: Array, weights: Array
) -> Array:
    """(N, 3) translations for given rotations; the first stays.

    The centres c = −Rᵀ t obey c[second] − c[first] = −R[second]ᵀ t_X.
    """
    offsets = -np.einsum("eji,ej->ei", R[second], X[:, :3, 3])
    centres = -np.einsum("nji,nj->ni", R, t)
    smallest = _SMALLEST_SHIFT * float(np.median(np.linalg.norm(offsets, axis=-1)))
    for _ in range(_ROUNDS):
        error = offsets - (centres[second] - centres[first])
        pull = weights / np.maximum(np.linalg.norm(error, axis=-1), max(smallest, 1e-12))
        step = _laplacian_solve(len(R), first, second, pull, error)
        centres = centres + step
        if np.abs(step).max() < 1e-10 * max(smallest, 1e-12):
            break
    return -np.einsum("nij,nj->ni", R, centres)


def _laplacian_solve(
    count: int, first: NDArray[np.int64], second: NDArray[np.int64], weights: Array, difference: Array
) -> Array:
    """(count, 3) values with value[second] − value[first] nearest to the differences; the first is 0."""
    L = np.zeros((count, count))
    right = np.zeros((count, 3))
    for sign_i, i in ((-1.0, first), (1.0, second)):
        np.add.at(right, i, sign_i * weights[:, None] * difference)
        for sign_j, j in ((-1.0, first), (1.0, second)):
            np.add.at(L, (i, j), sign_i * sign_j * weights)
    values = np.zeros((count, 3))
    values[1:] = np.linalg.solve(L[1:, 1:], right[1:])
    return values
