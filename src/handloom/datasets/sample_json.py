"""The labels of a sample as JSON and back: everything but pictures, maps and meshes. Missing is null."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from handloom.cameras import Camera
from handloom.datasets.files import numbers
from handloom.datasets.sample import HandLabel, HandParameters, ManoParameters, Sample
from handloom.skeleton import HAND

Array = NDArray[np.float64]

SCHEMA = "handloom-sample-1"


def sample_to_json(sample: Sample) -> dict[str, Any]:
    """A sample's labels as plain numbers, strings, lists and dictionaries."""
    return {
        "schema": SCHEMA,
        "key": sample.key,
        "camera": None if sample.camera is None else _camera(sample.camera),
        "hands": [_hand(hand) for hand in sample.hands],
        "moment": sample.moment,
        "frame": sample.frame,
        "conditions": dict(sample.conditions),
    }


def sample_from_json(content: Any, key: str) -> Sample:
    """The labels of :func:`sample_to_json`; ``key`` is their name in the data set.

    Raises:
        KeyError, TypeError, ValueError: if they are none.
    """
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise ValueError(f"its schema is not {SCHEMA}")
    camera = content["camera"]
    return Sample(
        key,
        None,
        None if camera is None else _camera_from(camera),
        tuple(_hand_from(hand) for hand in content["hands"]),
        moment=content["moment"],
        frame=_frame_from(content.get("frame")),
        conditions=dict(content["conditions"]),
    )


def plain(values: ArrayLike) -> Any:
    """Nested lists of numbers with None for NaN."""
    array = np.asarray(values, dtype=np.float64)
    if not np.isnan(array).any():
        return array.tolist()
    entries = array.astype(object)
    entries[np.isnan(array)] = None
    return entries.tolist()


def _frame_from(content: Any) -> tuple[str, int] | None:
    if content is None:
        return None
    video, number = content
    return str(video), int(number)


def _camera(camera: Camera) -> dict[str, Any]:
    return {
        "name": camera.name,
        "image_size": camera.image_size,
        "K": camera.K.tolist(),
        "distortion": camera.distortion.tolist(),
        "T_camera_world": camera.T_camera_world.tolist(),
        "model": camera.model,
    }


def _camera_from(content: dict[str, Any]) -> Camera:
    return Camera(**{**content, "image_size": content["image_size"] and tuple(content["image_size"])})


def _hand(hand: HandLabel) -> dict[str, Any]:
    mano, own = hand.mano, hand.parameters
    return {
        "side": hand.side,
        "root": hand.root,
        "xy": plain(hand.xy),
        "xyz": plain(hand.xyz),
        "visible": None if hand.visible is None else hand.visible.tolist(),
        "box": None if hand.box is None else plain(hand.box),
        "mano": None if mano is None else {
            "pose": plain(mano.pose),
            "shape": plain(mano.shape),
            "translation": plain(mano.translation),
            "flat_hand_mean": mano.flat_hand_mean,
        },
        "parameters": None if own is None else {
            "angles": plain(own.angles),
            "shape": plain(own.shape),
            "T_camera_wrist": plain(own.T_camera_wrist),
        },
    }  # fmt: skip


def _hand_from(content: dict[str, Any]) -> HandLabel:
    visible, box, mano, own = (content[key] for key in ("visible", "box", "mano", "parameters"))
    joints = len(HAND)
    return HandLabel(
        content["side"],
        numbers(content["xy"], (joints, 2), "xy"),
        numbers(content["xyz"], (joints, 3), "xyz"),
        None if visible is None else np.array(visible, dtype=np.bool_),
        None if box is None else numbers(box, (4,), "box"),
        mano=None if mano is None else ManoParameters(
            numbers(mano["pose"], (48,), "pose"),
            np.array(mano["shape"], dtype=np.float64),
            numbers(mano["translation"], (3,), "translation"),
            bool(mano["flat_hand_mean"]),
        ),
        parameters=None if own is None else HandParameters(
            numbers(own["angles"], (15, 3), "angles"),
            np.array(own["shape"], dtype=np.float64),
            numbers(own["T_camera_wrist"], (4, 4), "T_camera_wrist"),
        ),
        root=content["root"],
    )  # fmt: skip
