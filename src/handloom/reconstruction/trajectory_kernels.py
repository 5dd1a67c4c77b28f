"""Normal equations of the trajectory problem (:mod:`handloom.reconstruction.trajectory`), banded.

Unknowns are ordered by frame, then joint, then axis, so every term stays within two frames of the diagonal:
the half-bandwidth is 6 J. ``band[k, i]`` holds element (i + k, i), the lower form LAPACK's ``pbsv`` takes.
"""

# mypy: disable-error-code="misc"

from __future__ import annotations

import numpy as np
from numba import njit

TAIL = 300.0
"""Degrees of freedom of the observation noise: nearly Gaussian, for wrong views are removed before."""


@njit(cache=True, nogil=True)
def _add_block(band, row, column, block):
    """Add a 3×3 block whose top-left element is (row, column); only the lower triangle is kept."""
    for i in range(3):
        for j in range(3):
            offset = row + i - column - j
            if offset >= 0:
                band[offset, column + j] += block[i, j]


@njit(cache=True, nogil=True)
def add_reprojection(points, R, t, pixels, precision, band, gradient):
    """Distance to the observed rays under a Student-t noise model; returns the cost.

    points (T, J, 3) · R (C, 3, 3) · t (C, 3) · pixels (C, T, J, 2) normalised image coordinates ·
    precision (C, T, J) 1/σ, 0 where there is no observation.
    """
    views, frames, joints = precision.shape
    cost = 0.0
    jacobian = np.empty((2, 3))
    block = np.empty((3, 3))
    for frame in range(frames):
        for joint in range(joints):
            p = points[frame, joint]
            base = 3 * (frame * joints + joint)
            for view in range(views):
                scale = precision[view, frame, joint]
                if scale <= 0.0:
                    continue
                r = R[view]
                x = r[0, 0] * p[0] + r[0, 1] * p[1] + r[0, 2] * p[2] + t[view, 0]
                y = r[1, 0] * p[0] + r[1, 1] * p[1] + r[1, 2] * p[2] + t[view, 1]
                z = r[2, 0] * p[0] + r[2, 1] * p[1] + r[2, 2] * p[2] + t[view, 2]
                if z <= 1e-9:
                    continue
                u, v = x / z, y / z
                du = (u - pixels[view, frame, joint, 0]) * scale
                dv = (v - pixels[view, frame, joint, 1]) * scale
                square = du * du + dv * dv
                cost += 0.5 * (TAIL + 2.0) * np.log(1.0 + square / TAIL)
                weight = (TAIL + 2.0) / (TAIL + square)
                for k in range(3):
                    jacobian[0, k] = (r[0, k] - u * r[2, k]) * scale / z
                    jacobian[1, k] = (r[1, k] - v * r[2, k]) * scale / z
                for i in range(3):
                    gradient[base + i] += weight * (jacobian[0, i] * du + jacobian[1, i] * dv)
                    for j in range(3):
                        block[i, j] = weight * (
                            jacobian[0, i] * jacobian[0, j] + jacobian[1, i] * jacobian[1, j]
                        )
                _add_block(band, base, base, block)
    return cost


@njit(cache=True, nogil=True)
def add_acceleration(points, precision, knee, band, gradient):
    """Second differences are small unless the data insist (pseudo-Huber beyond ``knee`` σ); returns the cost.

    points (T, J, 3) · precision (J,) 1/σ of a second difference per axis.
    """
    frames, joints, _ = points.shape
    cost = 0.0
    stencil = np.array([1.0, -2.0, 1.0])
    for frame in range(frames - 2):
        for joint in range(joints):
            scale = precision[joint]
            second = np.empty(3)
            square = 0.0
            for k in range(3):
                second[k] = (
                    points[frame, joint, k] - 2.0 * points[frame + 1, joint, k] + points[frame + 2, joint, k]
                ) * scale
                square += second[k] * second[k]
            bend = np.sqrt(1.0 + square / (knee * knee))
            cost += knee * knee * (bend - 1.0)
            weight = scale / bend
            for a in range(3):
                row = 3 * ((frame + a) * joints + joint)
                for k in range(3):
                    gradient[row + k] += weight * stencil[a] * second[k]
                for b in range(a + 1):
                    column = 3 * ((frame + b) * joints + joint)
                    value = weight * scale * stencil[a] * stencil[b]
                    for k in range(3):
                        band[row - column, column + k] += value
    return cost


@njit(cache=True, nogil=True)
def add_lengths(points, pairs, lengths, precision, band, gradient):
    """Bones keep their length; returns the cost. pairs (B, 2) · lengths (B,) · precision (B,) 1/σ."""
    frames, joints, _ = points.shape
    cost = 0.0
    block = np.empty((3, 3))
    for frame in range(frames):
        for bone in range(len(pairs)):
            scale = precision[bone]
            if scale <= 0.0:
                continue
            a, b = pairs[bone]
            d = points[frame, b] - points[frame, a]
            length = max(np.sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]), 1e-12)
            residual = (length - lengths[bone]) * scale
            cost += 0.5 * residual * residual
            low, high = 3 * (frame * joints + min(a, b)), 3 * (frame * joints + max(a, b))
            start, end = 3 * (frame * joints + a), 3 * (frame * joints + b)
            for i in range(3):
                push = d[i] / length * scale
                gradient[end + i] += push * residual
                gradient[start + i] -= push * residual
                for j in range(3):
                    block[i, j] = push * d[j] / length * scale
            _add_block(band, low, low, block)
            _add_block(band, high, high, block)
            _add_block(band, high, low, -block)
    return cost


@njit(cache=True, nogil=True)
def _cross(a, b, out):
    out[0] = a[1] * b[2] - a[2] * b[1]
    out[1] = a[2] * b[0] - a[0] * b[2]
    out[2] = a[0] * b[1] - a[1] * b[0]


@njit(cache=True, nogil=True)
def _turn(lever, direction, scale, step):
    """step = scale · [lever]× (I − d dᵀ): how lever × d moves with the end of a bone of direction d."""
    turned = np.empty(3)
    _cross(lever, direction, turned)
    step[0, 0], step[0, 1], step[0, 2] = 0.0, -lever[2], lever[1]
    step[1, 0], step[1, 1], step[1, 2] = lever[2], 0.0, -lever[0]
    step[2, 0], step[2, 1], step[2, 2] = -lever[1], lever[0], 0.0
    for i in range(3):
        for j in range(3):
            step[i, j] = scale * (step[i, j] - turned[i] * direction[j])


@njit(cache=True, nogil=True)
def add_bending(points, chains, ratio, precision, band, gradient):
    """The last knuckle of a finger bends with the one before it, in the same plane; returns the cost.

    The residual is (b×c) − ratio·(a×b) for the unit directions a, b, c of three successive bones: zero for a
    straight finger and for one that curls naturally, large for one that folds sideways or zigzags.
    chains (F, 4) joint indices, in storage order · precision 1/σ.
    """
    frames, joints, _ = points.shape
    cost = 0.0
    d = np.empty((3, 3))
    lengths = np.empty(3)
    last, first, lever, residual = np.empty(3), np.empty(3), np.empty(3), np.empty(3)
    jacobian = np.empty((4, 3, 3))
    step, block = np.empty((3, 3)), np.empty((3, 3))
    for frame in range(frames):
        for f in range(len(chains)):
            chain = chains[f]
            for k in range(3):
                square = 0.0
                for i in range(3):
                    d[k, i] = points[frame, chain[k + 1], i] - points[frame, chain[k], i]
                    square += d[k, i] * d[k, i]
                lengths[k] = max(np.sqrt(square), 1e-12)
                for i in range(3):
                    d[k, i] /= lengths[k]
            _cross(d[1], d[2], last)
            _cross(d[0], d[1], first)
            for i in range(3):
                residual[i] = (last[i] - ratio * first[i]) * precision
                cost += 0.5 * residual[i] * residual[i]
            jacobian[:] = 0.0
            for k in range(3):
                for i in range(3):
                    # a: −ratio·(a×b) = ratio·b×a · b: b×c − ratio·a×b = −(c + ratio·a)×b · c: b×c
                    if k == 0:
                        lever[i] = ratio * d[1, i]
                    elif k == 1:
                        lever[i] = -d[2, i] - ratio * d[0, i]
                    else:
                        lever[i] = d[1, i]
                _turn(lever, d[k], precision / lengths[k], step)
                for i in range(3):
                    for j in range(3):
                        jacobian[k + 1, i, j] += step[i, j]
                        jacobian[k, i, j] -= step[i, j]
            for p in range(4):
                row = 3 * (frame * joints + chain[p])
                for i in range(3):
                    for k in range(3):
                        gradient[row + i] += jacobian[p, k, i] * residual[k]
                for q in range(p + 1):
                    for i in range(3):
                        for j in range(3):
                            block[i, j] = 0.0
                            for k in range(3):
                                block[i, j] += jacobian[p, k, i] * jacobian[q, k, j]
                    _add_block(band, row, 3 * (frame * joints + chain[q]), block)
    return cost
