"""Gaps between the capsules of hands, compiled: of two hands, and of the fingers of one."""

from __future__ import annotations

import numpy as np
from numba import njit

from handloom.hand.kernel import articulate, posture


@njit(cache=True, fastmath=True)
def gap_between(starts, ends, radii, other_starts, other_ends, other_radii):
    """Smallest distance between two sets of capsules, negative for an overlap."""
    smallest = 1e9
    for i in range(len(radii)):
        for j in range(len(other_radii)):
            apart = _between_axes(starts[i], ends[i], other_starts[j], other_ends[j])
            smallest = min(smallest, apart - radii[i] - other_radii[j])
    return smallest


@njit(cache=True)
def own_overlap(hand, shape, joints, starts, ends, radii, pairs, allowance, angles):
    """(N,) largest overlap beyond ``allowance`` among pairs of capsules of a hand in (N, 45) angles."""
    now = posture(len(shape))
    still, nowhere = np.eye(3), np.zeros(3)
    begin, stop = np.empty((len(radii), 3)), np.empty((len(radii), 3))
    deepest = np.full(len(angles), -np.inf)
    for n in range(len(angles)):
        articulate(hand, angles[n], shape, still, nowhere, False, now)
        for c in range(len(radii)):
            R, t = now.rotations[joints[c]], now.places[joints[c]]
            for i in range(3):
                begin[c, i], stop[c, i] = t[i], t[i]
                for k in range(3):
                    begin[c, i] += R[i, k] * starts[c, k]
                    stop[c, i] += R[i, k] * ends[c, k]
        for m in range(len(pairs)):
            i, j = pairs[m, 0], pairs[m, 1]
            deep = radii[i] + radii[j] - _between_axes(begin[i], stop[i], begin[j], stop[j])
            deepest[n] = max(deepest[n], deep - allowance[m])
    return deepest


@njit(cache=True, fastmath=True)
def _between_axes(start, end, other_start, other_end):
    """Distance of two segments (Ericson 2005, §5.1.9)."""
    uu = vv = uv = uw = vw = 0.0
    for k in range(3):
        u, v, w = end[k] - start[k], other_end[k] - other_start[k], start[k] - other_start[k]
        uu += u * u
        vv += v * v
        uv += u * v
        uw += u * w
        vw += v * w
    denominator = uu * vv - uv * uv
    s = 0.5
    if denominator > 1e-9 * uu * vv:
        s = min(max((uv * vw - uw * vv) / denominator, 0.0), 1.0)
    t = min(max((uv * s + vw) / max(vv, 1e-18), 0.0), 1.0)
    s = min(max((uv * t - uw) / max(uu, 1e-18), 0.0), 1.0)
    squared = 0.0
    for k in range(3):
        d = start[k] + s * (end[k] - start[k]) - other_start[k] - t * (other_end[k] - other_start[k])
        squared += d * d
    return np.sqrt(squared)
