"""OpenPose JSON: ``<view>_<frame, 12 digits>_keypoints.json``, one file per frame and view.

Every file lists the people seen in that view, each with ``pose_keypoints_2d`` (BODY_25), and
``hand_left_keypoints_2d`` and ``hand_right_keypoints_2d`` (21 joints, whose order is ours), as x, y,
confidence. What is missing is 0, 0, 0, as the format demands, and what was never tracked is an empty list.
BODY_25 is taken from the 33 landmarks: neck and mid-hip are the middles of the shoulders and hips, the big
toe is the foot's index toe, the small toe has no landmark. The frame is that of the common timeline; pixel
(0, 0) is the centre of the top-left pixel.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from handloom.keypoints import Array, Track
from handloom.session import Observations, Session
from handloom.session.files import explained, make_folder, partial
from handloom.session.layout import ROW_GROUP_FRAMES

_BODY_25: tuple[tuple[str, ...], ...] = (
    ("nose",), ("left_shoulder", "right_shoulder"),
    ("right_shoulder",), ("right_elbow",), ("right_wrist",),
    ("left_shoulder",), ("left_elbow",), ("left_wrist",),
    ("left_hip", "right_hip"),
    ("right_hip",), ("right_knee",), ("right_ankle",), ("left_hip",), ("left_knee",), ("left_ankle",),
    ("right_eye",), ("left_eye",), ("right_ear",), ("left_ear",),
    ("left_foot_index",), (), ("left_heel",), ("right_foot_index",), (), ("right_heel",),
)  # fmt: skip
"""The landmarks that each BODY_25 joint is the middle of; none where there is no counterpart."""

_POSE = "pose_keypoints_2d"
_NOTHING: dict[str, Any] = {
    f"{part}_keypoints_{dimension}": []
    for dimension in ("2d", "3d")
    for part in ("pose", "face", "hand_left", "hand_right")
}


def write(session: Session, folder: Path, tracks: Sequence[Track]) -> list[Path]:
    """Write the session into ``folder/openpose``, see the module; called by :func:`handloom.export.export`.

    All files are written aside before the first gets its name, so a full disk leaves none.
    """
    target = folder / "openpose"
    aside = partial(target)
    names: list[str] = []
    try:
        make_folder(target)
        with explained(target):
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir()
            for name, content in _files(session, tracks):
                (aside / name).write_text(json.dumps(content), encoding="utf-8")
                names.append(name)
            for name in names:
                (aside / name).replace(target / name)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return [target / name for name in names]


def _files(session: Session, tracks: Sequence[Track]) -> Iterator[tuple[str, dict[str, Any]]]:
    fields = sorted({_field(track) for track in tracks})
    views = [view.replace("/", "_").replace("\\", "_") for view in session.views]
    for start in range(0, len(session), ROW_GROUP_FRAMES):
        stop = min(start + ROW_GROUP_FRAMES, len(session))
        triplets = {track: _triplets(session.keypoints2d(track, start, stop)) for track in tracks}
        for t in range(stop - start):
            for c, view in enumerate(views):
                yield (
                    f"{view}_{session.frames[start + t]:012d}_keypoints.json",
                    {"version": 1.3, "people": _people(triplets, fields, c, t)},
                )


def _people(triplets: dict[Track, Array], fields: list[str], c: int, t: int) -> list[dict[str, Any]]:
    people: list[dict[str, Any]] = []
    for subject in sorted({track.subject for track in triplets}):
        found = {
            _field(track): values[c, t].ravel()
            for track, values in triplets.items()
            if track.subject == subject
        }
        if any(values.any() for values in found.values()):
            empty = {field: [0.0] * (75 if field == _POSE else 63) for field in fields}
            seen = {field: [round(float(v), 4) for v in values] for field, values in found.items()}
            people.append({"person_id": [subject], **_NOTHING, **empty, **seen})
    return people


def _field(track: Track) -> str:
    return _POSE if track.target == "body" else f"hand_{track.side}_keypoints_2d"


def _triplets(seen: Observations) -> Array:
    """(C, T, K, 3) x, y, confidence in the order of the format; 0 where missing."""
    values = np.concatenate([seen.xy, seen.confidence[..., None]], axis=-1)
    if seen.skeleton.name == "body":
        values = np.stack([_middle(values, seen, joints) for joints in _BODY_25], axis=-2)
    return np.where(np.isnan(values).any(axis=-1, keepdims=True), 0.0, values)


def _middle(values: Array, seen: Observations, joints: tuple[str, ...]) -> Array:
    if not joints:
        return np.zeros((*values.shape[:-2], 3))
    parts = values[..., seen.skeleton.indices(joints), :]
    return np.concatenate([parts[..., :2].mean(axis=-2), parts[..., 2:].min(axis=-2)], axis=-1)
