"""Residuals, Jacobians and the Schur complement of bundle adjustment, compiled.

Observations come sorted by block (a board's pose, or a point) and camera. A camera has ``PARAMETERS``
parameters: rotation and translation of its pose, perturbed from the left; twelve intrinsics; a time offset
and a readout time. ``columns[c, p]`` says which unknown of the reduced system a parameter is, -1 if it is
held; two cameras of one lens name the same unknowns.

The structure is that of Triggs, McLauchlan, Hartley and Fitzgibbon, "Bundle Adjustment — A Modern Synthesis"
(2000), section 6.1: every block is eliminated on its own.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from handloom.calibration.lens_kernel import brown_conrady, kannala_brandt

Array = NDArray[np.float64]

PARAMETERS = 20
INTRINSICS = slice(6, 18)
OFFSET, READOUT = 18, 19
_NEAREST = 1e-6  # depths below this, in the rig's unit, count as behind the camera


@njit(cache=True, nogil=True)
def _observe(
    R, t, intrinsics, skew, fisheye, world, pixel, by_world, by_camera, lens_jacobian, by_coefficient
):  # type: ignore[no-untyped-def]
    """Pixel of a world point with its derivatives; False if it is behind the camera."""
    qx = R[0, 0] * world[0] + R[0, 1] * world[1] + R[0, 2] * world[2] + t[0]
    qy = R[1, 0] * world[0] + R[1, 1] * world[1] + R[1, 2] * world[2] + t[1]
    qz = R[2, 0] * world[0] + R[2, 1] * world[1] + R[2, 2] * world[2] + t[2]
    if not qz > _NEAREST:
        return False
    x, y = qx / qz, qy / qz
    if fisheye:
        xd, yd = kannala_brandt(x, y, intrinsics[4:], lens_jacobian, by_coefficient)
    else:
        xd, yd = brown_conrady(x, y, intrinsics[4:], lens_jacobian, by_coefficient)
    fx, fy = intrinsics[0], intrinsics[1]
    pixel[0] = fx * xd + skew * yd + intrinsics[2]
    pixel[1] = fy * yd + intrinsics[3]
    # pixels by the point in the camera's frame, kept in the columns of the translation
    for row in range(2):
        if row == 0:
            a = fx * lens_jacobian[0, 0] + skew * lens_jacobian[1, 0]
            b = fx * lens_jacobian[0, 1] + skew * lens_jacobian[1, 1]
        else:
            a, b = fy * lens_jacobian[1, 0], fy * lens_jacobian[1, 1]
        jx, jy = a / qz, b / qz
        jz = -(a * x + b * y) / qz
        by_camera[row, 3], by_camera[row, 4], by_camera[row, 5] = jx, jy, jz
        by_camera[row, 0] = qy * jz - qz * jy
        by_camera[row, 1] = qz * jx - qx * jz
        by_camera[row, 2] = qx * jy - qy * jx
        for axis in range(3):
            by_world[row, axis] = jx * R[0, axis] + jy * R[1, axis] + jz * R[2, axis]
    by_camera[0, 6], by_camera[1, 6] = xd, 0.0
    by_camera[0, 7], by_camera[1, 7] = 0.0, yd
    by_camera[0, 8], by_camera[1, 8] = 1.0, 0.0
    by_camera[0, 9], by_camera[1, 9] = 0.0, 1.0
    for i in range(8):
        by_camera[0, 10 + i] = fx * by_coefficient[0, i] + skew * by_coefficient[1, i]
        by_camera[1, 10 + i] = fy * by_coefficient[1, i]
    return True


@njit(cache=True, nogil=True)
def _world_point(block_pose, local, world):  # type: ignore[no-untyped-def]
    """The point in the world: carried by a board's (4, 4) pose, or kept in a point's translation."""
    for axis in range(3):
        world[axis] = (
            block_pose[axis, 0] * local[0]
            + block_pose[axis, 1] * local[1]
            + block_pose[axis, 2] * local[2]
            + block_pose[axis, 3]
        )


@njit(cache=True, nogil=True)
def project(camera, block, local, poses, intrinsics, skew, fisheye, blocks):  # type: ignore[no-untyped-def]
    """(N, 2) pixels of observations, the time of the picture aside; NaN behind a camera."""
    pixels = np.full((len(camera), 2), np.nan)
    world, pixel = np.empty(3), np.empty(2)
    by_world, by_camera = np.empty((2, 3)), np.empty((2, PARAMETERS))
    lens_jacobian, by_coefficient = np.empty((2, 2)), np.empty((2, 8))
    for n in range(len(camera)):
        c = camera[n]
        _world_point(blocks[block[n]], local[n], world)
        if _observe(
            poses[c, :3, :3], poses[c, :3, 3], intrinsics[c], skew[c], fisheye[c], world,
            pixel, by_world, by_camera, lens_jacobian, by_coefficient,
        ):  # fmt: skip
            pixels[n, 0], pixels[n, 1] = pixel[0], pixel[1]
    return pixels


@njit(cache=True, nogil=True)
def linearise(
    camera,
    block,
    local,
    residuals,
    weights,
    motion,
    late,
    group_of,
    poses,
    intrinsics,
    skew,
    fisheye,
    blocks,
    columns,
    unknowns,
    groups,
    turning,
):  # type: ignore[no-untyped-def]
    """Normal equations with the cameras' unknowns gathered and every block kept apart.

    Args:
        residuals: (N, 2) seen minus projected; weights: (N,), 0 leaves an observation out.
        motion: (N, 2) pixels a second; late: (N,) rows from the middle of the picture, in picture heights.
        group_of: (N,) number of the run of observations with equal block and camera, G runs.
        turning: whether blocks have a rotation (boards, 6 parameters) or not (points, 3).

    Returns:
        U (K, K), g (K,), W (G, 20, D), V (B, D, D), h (B, D).
    """
    size = 6 if turning else 3
    U, g = np.zeros((unknowns, unknowns)), np.zeros(unknowns)
    W = np.zeros((groups, PARAMETERS, size))
    V, h = np.zeros((len(blocks), size, size)), np.zeros((len(blocks), size))
    world, pixel = np.empty(3), np.empty(2)
    by_world, by_camera, by_block = np.empty((2, 3)), np.zeros((2, PARAMETERS)), np.empty((2, size))
    lens_jacobian, by_coefficient = np.empty((2, 2)), np.empty((2, 8))
    active = np.empty(PARAMETERS, dtype=np.int64)
    for n in range(len(camera)):
        w = weights[n]
        if w == 0.0:
            continue
        c, b, run = camera[n], block[n], group_of[n]
        _world_point(blocks[b], local[n], world)
        if not _observe(
            poses[c, :3, :3], poses[c, :3, 3], intrinsics[c], skew[c], fisheye[c], world,
            pixel, by_world, by_camera, lens_jacobian, by_coefficient,
        ):  # fmt: skip
            continue
        for row in range(2):
            by_camera[row, OFFSET] = motion[n, row]
            by_camera[row, READOUT] = motion[n, row] * late[n]
            jx, jy, jz = by_world[row, 0], by_world[row, 1], by_world[row, 2]
            by_block[row, size - 3], by_block[row, size - 2], by_block[row, size - 1] = jx, jy, jz
            if turning:
                pose = blocks[b]
                a0 = jx * pose[0, 0] + jy * pose[1, 0] + jz * pose[2, 0]
                a1 = jx * pose[0, 1] + jy * pose[1, 1] + jz * pose[2, 1]
                a2 = jx * pose[0, 2] + jy * pose[1, 2] + jz * pose[2, 2]
                x, y, z = local[n, 0], local[n, 1], local[n, 2]
                by_block[row, 0] = y * a2 - z * a1
                by_block[row, 1] = z * a0 - x * a2
                by_block[row, 2] = x * a1 - y * a0
        count = 0
        for p in range(PARAMETERS):
            if columns[c, p] >= 0:
                active[count] = p
                count += 1
        for row in range(2):
            r = w * residuals[n, row]
            for i in range(size):
                wi = w * by_block[row, i]
                h[b, i] += r * by_block[row, i]
                for j in range(i + 1):
                    V[b, i, j] += wi * by_block[row, j]
            for i in range(count):
                p = active[i]
                value = by_camera[row, p]
                if value == 0.0:
                    continue
                column = columns[c, p]
                g[column] += r * value
                wi = w * value
                for j in range(count):
                    U[column, columns[c, active[j]]] += wi * by_camera[row, active[j]]
                for j in range(size):
                    W[run, p, j] += wi * by_block[row, j]
    for b in range(len(blocks)):
        for i in range(size):
            for j in range(i):
                V[b, j, i] = V[b, i, j]
    return U, g, W, V, h


@njit(cache=True, nogil=True)
def eliminate(U, g, W, V, h, damping, run_starts, run_camera, columns):  # type: ignore[no-untyped-def]
    """The reduced system of the cameras: S (K, K), s (K,), and the inverses of the damped blocks.

    Args:
        damping: λ of Levenberg–Marquardt, multiplied by the diagonals.
        run_starts: (B + 1,) first run of every block; run_camera: (G,) camera of a run.
    """
    size = V.shape[1]
    S, s = U.copy(), g.copy()
    for i in range(len(s)):
        S[i, i] += damping * U[i, i]
    inverses = np.zeros_like(V)
    Y = np.empty((PARAMETERS, size))
    for b in range(len(V)):
        first, last = run_starts[b], run_starts[b + 1]
        if first == last:
            continue
        damped = V[b].copy()
        for i in range(size):
            damped[i, i] += damping * V[b, i, i] + 1e-12 * (1.0 + V[b, i, i])
        inverse = np.linalg.inv(damped)
        inverses[b] = inverse
        for run in range(first, last):
            own = columns[run_camera[run]]
            for p in range(PARAMETERS):
                if own[p] < 0:
                    continue
                for j in range(size):
                    total = 0.0
                    for k in range(size):
                        total += W[run, p, k] * inverse[k, j]
                    Y[p, j] = total
                    s[own[p]] -= total * h[b, j]
            for other in range(first, last):
                theirs = columns[run_camera[other]]
                for p in range(PARAMETERS):
                    if own[p] < 0:
                        continue
                    for q in range(PARAMETERS):
                        if theirs[q] < 0:
                            continue
                        total = 0.0
                        for j in range(size):
                            total += Y[p, j] * W[other, q, j]
                        S[own[p], theirs[q]] -= total
    return S, s, inverses


@njit(cache=True, nogil=True)
def substitute(step, W, h, inverses, run_starts, run_camera, columns):  # type: ignore[no-untyped-def]
    """(B, D) steps of the blocks that belong to the cameras' step (K,)."""
    size = h.shape[1]
    steps = np.zeros_like(h)
    right = np.empty(size)
    for b in range(len(h)):
        right[:] = h[b]
        for run in range(run_starts[b], run_starts[b + 1]):
            own = columns[run_camera[run]]
            for p in range(PARAMETERS):
                if own[p] >= 0:
                    for j in range(size):
                        right[j] -= W[run, p, j] * step[own[p]]
        for i in range(size):
            for j in range(size):
                steps[b, i] += inverses[b, i, j] * right[j]
    return steps
