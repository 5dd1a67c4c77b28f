"""Bringing predicted points onto true ones before their distance counts: all that the papers do (§9.2–9.4).

Every function takes points (..., n, 3) and the targets they are held against, works on all leading axes at
once, and leaves out what is NaN in either. What cannot be aligned comes back as NaN.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

_CHUNK = 20_000


def procrustes_aligned(
    points: ArrayLike, target: ArrayLike, *, reflection: bool = False, scaling: bool = True
) -> Array:
    """Points moved, turned and scaled onto targets with the least sum of squared distances.

    With ``reflection`` this is the alignment of FreiHAND's and HO-3D's evaluation, orthogonal Procrustes
    (Schönemann 1966), which may also mirror: a left hand predicted as a right one then has no error. Without,
    it is Umeyama's (1991). FreiHAND adds 1e-8 to the sizes it divides by; that is left out here and changes
    results by less than 1e-8 of the hand. Points that all coincide are put on the targets' centre, which is
    what the official code does to a prediction of zeros.

    Args:
        points: (..., n, 3).
        target: (..., n, 3).
        reflection: whether points may be mirrored.
        scaling: whether they may be scaled.

    Returns:
        (..., n, 3), NaN where a point is NaN and where no point is known in both.
    """
    b, a = np.broadcast_arrays(np.asarray(points, np.float64), np.asarray(target, np.float64))
    flat_b, flat_a = b.reshape(-1, *b.shape[-2:]), a.reshape(-1, *a.shape[-2:])
    aligned = np.empty_like(flat_b)
    for start in range(0, len(flat_b), _CHUNK):
        part = slice(start, start + _CHUNK)
        aligned[part] = _procrustes(flat_b[part], flat_a[part], reflection, scaling)
    return aligned.reshape(b.shape)


def is_reflected(points: ArrayLike, target: ArrayLike) -> NDArray[np.bool_]:
    """(...,) whether the Procrustes alignment that may mirror does so."""
    b, a, _, _ = _centred(np.asarray(points, np.float64), np.asarray(target, np.float64))
    U, _, Vt = np.linalg.svd(_product(a, b))
    return np.asarray(np.linalg.det(U) * np.linalg.det(Vt) < 0.0)


def root_aligned(points: ArrayLike, target: ArrayLike, root: int) -> Array:
    """Points moved so that their ``root`` lies on the target's."""
    b, a = np.asarray(points, np.float64), np.asarray(target, np.float64)
    return np.asarray(b - b[..., root : root + 1, :] + a[..., root : root + 1, :])


def bone_scaled(points: ArrayLike, target: ArrayLike, bone: tuple[int, int], root: int) -> Array:
    """Points scaled to the target's length of one bone, their ``root`` then laid on the target's.

    ColorHandPose3D's "scale known" (middle MCP to PIP), InterShape's and IntagHand's (wrist to middle MCP),
    HO-3D's scale-translation alignment (the same bone, root wrist). It gives the prediction the true size of
    the hand. A prediction whose bone has no length keeps its size, as in HO-3D's evaluation.
    """
    b, a = np.asarray(points, np.float64), np.asarray(target, np.float64)
    ours, theirs = (np.linalg.norm(x[..., bone[0], :] - x[..., bone[1], :], axis=-1) for x in (b, a))
    scale = np.where(ours == 0.0, theirs, theirs / np.where(ours == 0.0, 1.0, ours))
    return root_aligned(b * scale[..., None, None], a, root)


def _procrustes(b: Array, a: Array, reflection: bool, scaling: bool) -> Array:
    b0, a0, centre_b, centre_a = _centred(b, a)
    U, D, Vt = np.linalg.svd(_product(a0, b0))
    if not reflection:
        mirrored = np.linalg.det(U) * np.linalg.det(Vt) < 0.0
        flip = np.where(mirrored, -1.0, 1.0)
        U = U * np.stack([np.ones_like(flip), np.ones_like(flip), flip], axis=-1)[:, None, :]
        D = D * np.stack([np.ones_like(flip), np.ones_like(flip), flip], axis=-1)
    R = U @ Vt
    if scaling:
        size = np.einsum("nij,nij->n", b0, b0)
        # Points that coincide up to rounding have no size that could be brought to another.
        extent = np.where(size > 1e-24 * (1.0 + (centre_b**2).sum(axis=-1)), size, np.inf)
        R = R * (D.sum(axis=-1) / extent)[:, None, None]
    return np.asarray((b - centre_b[:, None]) @ R.swapaxes(-1, -2) + centre_a[:, None])


def _centred(b: Array, a: Array) -> tuple[Array, Array, Array, Array]:
    """Both about the centre of the points known in both, the rest zero; and the centres."""
    known = np.isfinite(a + b).all(axis=-1, keepdims=True)
    if known.all():
        centre_b, centre_a = b.mean(axis=-2), a.mean(axis=-2)
        return b - centre_b[..., None, :], a - centre_a[..., None, :], centre_b, centre_a
    count = known.sum(axis=-2)
    share = np.where(count > 0, count, 1)
    centre_b = np.where(known, b, 0.0).sum(axis=-2) / share
    centre_a = np.where(count > 0, np.where(known, a, 0.0).sum(axis=-2) / share, np.nan)
    b0 = np.where(known, b - centre_b[..., None, :], 0.0)
    a0 = np.where(known, a - np.nan_to_num(centre_a)[..., None, :], 0.0)
    return b0, a0, centre_b, centre_a


def _product(a: Array, b: Array) -> Array:
    """(..., 3, 3) sum of a bᵀ over the points."""
    return np.asarray(a.swapaxes(-1, -2) @ b)
