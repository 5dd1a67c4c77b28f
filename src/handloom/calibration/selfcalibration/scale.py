"""Lengths of bones, and the scale that follows from one of them or from a distance between two cameras."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import product

import numpy as np
from numpy.typing import NDArray

from handloom.calibration.selfcalibration.tracks import KeypointTracks
from handloom.errors import CalibrationError

Array = NDArray[np.float64]

LIMB_NAMES = {
    "upper_arm": ("shoulder", "elbow"),
    "forearm": ("elbow", "wrist"),
    "thigh": ("hip", "knee"),
    "shank": ("knee", "ankle"),
}
"""Limbs of a body; with ``left_`` or ``right_`` before it one of them, without both."""

LEAST_TIMES = 10
"""Frames in which a bone must be known in space."""


def bone_length(name: str, tracks: KeypointTracks, points: Array) -> float:
    """Median length of a bone over time, and over all sides or subjects that have it.

    Args:
        name: a limb (``left_upper_arm``, ``upper_arm``, ``right_thigh``, …) or two joints of
            :mod:`handloom.skeleton` joined by a dash (``wrist-middle_mcp``).
        tracks: whose joints they are.
        points: (T, J, 3) in space; NaN where unknown.

    Raises:
        CalibrationError: for a name that is no bone of what is tracked, or a bone seldom seen.
    """
    lengths = []
    for skeleton, span in tracks.spans:
        for a, b in _ends(name):
            if a in skeleton.joints and b in skeleton.joints:
                ends = points[:, span.start + skeleton.index(a)], points[:, span.start + skeleton.index(b)]
                length = np.linalg.norm(ends[0] - ends[1], axis=-1)
                length = length[np.isfinite(length)]
                if len(length) >= LEAST_TIMES:
                    lengths.append(float(np.median(length)))
                elif len(length):
                    lengths.append(np.nan)
    if not lengths:
        kinds = ", ".join(sorted({skeleton.name for skeleton, _ in tracks.spans}))
        raise CalibrationError(
            f"{name!r} is no bone of what was tracked ({kinds}), or was never seen by two cameras.",
            "Name a limb such as left_upper_arm or thigh, or two joints: wrist-middle_mcp.",
        )
    if np.isnan(lengths).all():
        raise CalibrationError(
            f"{name!r} is known in space in fewer than {LEAST_TIMES} frames, too few to measure it.",
            "Give the length of a bone that at least two cameras see most of the time.",
        )
    return float(np.nanmean(lengths))


def scale_by_bones(
    lengths_m: Mapping[str, float], tracks: KeypointTracks, points: Array
) -> tuple[float, dict[str, float]]:
    """Metres per unit of the points, by the median over the bones given, and each bone's own answer.

    Raises:
        CalibrationError: for lengths that are not positive, and as :func:`bone_length`.
    """
    ratios = {}
    for name, length in lengths_m.items():
        if not (np.isfinite(length) and length > 0):
            raise CalibrationError(f"The length of {name!r} cannot be {length} m.", "Give it in metres: 0.27")
        ratios[name] = length / bone_length(name, tracks, points)
    return float(np.median(list(ratios.values()))), ratios


def _ends(name: str) -> list[tuple[str, str]]:
    """Pairs of joints that a name may mean."""
    text = name.strip().lower().replace(" ", "_")
    sides = [side for side in ("left_", "right_") if text.startswith(side)] or ["left_", "right_"]
    limb = text.removeprefix("left_").removeprefix("right_")
    if limb in LIMB_NAMES:
        a, b = LIMB_NAMES[limb]
        return [(side + a, side + b) for side in sides]
    joints = re.split(r"[-–—]", text)
    if len(joints) != 2:
        return []
    plain = (joints[0], joints[1])
    return [plain, *((side + a, side + b) for side, (a, b) in product(("left_", "right_"), [plain]))]
