"""Where the marks of a hand's skin are: creases, wrinkles, warm places, nails and the lines of the palm.

All of it follows from the anatomy of the flat right hand: positions and normals of points on its surface.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from handloom.hand import HAND_TREE, HandModel
from handloom.skeleton import FINGERS

Array = NDArray[np.float64]

_PALM_LINES = (
    # Heart, head and life line, as shares of (palm half-width, wrist to middle knuckle).
    ((-1.05, 0.72), (-0.5, 0.74), (0.0, 0.80), (0.45, 0.93), (0.62, 1.03)),
    ((0.98, 0.76), (0.5, 0.68), (0.0, 0.58), (-0.55, 0.47)),
    ((0.98, 0.74), (0.55, 0.62), (0.28, 0.42), (0.22, 0.15)),
)


def finger_detail(positions: Array, normals: Array, weights: Array, model: HandModel) -> Array:
    """Darkening by the creases under, and the wrinkles over, every finger joint."""
    shade = np.ones(len(positions))
    for k, joint in enumerate(HAND_TREE.articulated):
        finger, segment = joint.split("_")
        if segment == "cmc" or (finger != "thumb" and segment == "mcp"):
            continue
        own = weights[:, of_finger(finger)].sum(axis=1)
        flexion, _, bone = model.axes[k]
        local = positions - model.rest_joints[k + 1]
        along, across = local @ bone, local @ flexion
        palmar = normals @ np.cross(flexion, bone)
        under, over = np.clip(2 * palmar, 0, 1) * own, np.clip(-1.6 * palmar, 0, 1) * own
        for at, depth in ((-0.0012, 0.30), (0.0016, 0.22)):
            line = along - at - 8.0 * across**2
            shade *= 1.0 - depth * under * np.exp(-((line / 0.0006) ** 2))
        wrinkles = np.exp(-((along / 0.0065) ** 2))
        wave = 0.5 + 0.5 * np.cos(2 * np.pi * (along + 14.0 * np.sign(along) * across**2) / 0.0024)
        shade *= 1.0 - 0.26 * over * wrinkles * wave
    return shade


def warmth(positions: Array, normals: Array, model: HandModel) -> Array:
    """From 0 to 1: warmer skin over knuckles (from behind) and at finger tips."""
    warm = np.zeros(len(positions))
    behind = np.clip(0.3 - normals[:, 2], 0, 1)
    for joint, centre in zip(HAND_TREE.joints, model.rest_joints, strict=True):
        if not joint.endswith(("wrist", "cmc")):
            distance = np.linalg.norm(positions - centre, axis=1)
            warm = np.maximum(warm, 0.75 * behind * np.exp(-((distance / 0.012) ** 2)))
    for finger in FINGERS:
        last = of_finger(finger)[-1]
        reach = (positions - model.rest_joints[last]) @ model.axes[last - 1, 2]
        near = np.linalg.norm(positions - model.rest_joints[last], axis=1) < 0.04
        warm = np.maximum(warm, 0.7 * near * np.clip((reach - 0.008) / 0.014, 0, 1))
    return warm


def nails(positions: Array, normals: Array, model: HandModel) -> Array:
    """1 on the nails, 0 elsewhere: a rounded rectangle laid over the nail's vertices of every finger."""
    nail = np.zeros(len(positions))
    for finger in FINGERS:
        last = of_finger(finger)[-1]
        flexion, _, bone = model.axes[last - 1]
        own = model.template[model.nails & (model.weights[:, last] > 0.5)]
        centre, half = own.mean(axis=0), [np.ptp(own @ axis) / 2 for axis in (flexion, bone)]
        local = positions - centre
        radius = (np.abs(local @ flexion / half[0]) ** 3 + np.abs(local @ bone / half[1]) ** 3) ** (1 / 3)
        facing = (normals @ np.cross(flexion, bone) < -0.2) & (np.linalg.norm(local, axis=1) < 0.015)
        nail = np.maximum(nail, np.where(facing, np.clip((1.0 - radius) / 0.12, 0, 1), 0.0))
    return nail


def palm_lines(positions: Array, normals: Array, model: HandModel) -> Array:
    """Darkening by the three great lines of the palm."""
    knuckles = [HAND_TREE.index(f"{finger}_mcp") for finger in ("index", "middle", "little")]
    index, middle, little = model.rest_joints[knuckles]
    half, length = abs(index[0] - little[0]) / 2, middle[1]
    centre = 0.5 * (index[0] + little[0])
    thumbward = np.sign(index[0] - little[0])
    palm = np.clip(2.5 * normals[:, 2] - 0.4, 0, 1)
    shade = np.ones(len(positions))
    for line in _PALM_LINES:
        bends = np.array(line) * [half * thumbward, length] + [centre, 0.0]
        t = np.linspace(0, len(line) - 1, 80)
        course = np.stack([_smooth(t, bends[:, axis]) for axis in range(2)], axis=-1)
        distance = cKDTree(course).query(positions[:, :2])[0]
        mark, fold = np.exp(-((distance / 0.0009) ** 2)), np.exp(-((distance / 0.004) ** 2))
        shade *= 1.0 - palm * (0.20 * mark + 0.08 * fold)
    return shade


def of_finger(finger: str) -> list[int]:
    """Storage indices of a finger's joints, base first."""
    return [i for i, joint in enumerate(HAND_TREE.joints) if joint.startswith(finger)]


def _smooth(t: Array, values: Array) -> Array:
    """A polynomial through evenly spaced values."""
    return np.asarray(np.polyval(np.polyfit(np.arange(len(values)), values, len(values) - 1), t), dtype=float)
