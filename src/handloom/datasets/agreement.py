"""What can be measured of one labelled picture alone to see whether its labels agree with each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from handloom.datasets.sample import FIRST_PART, PARTS, HandLabel, Sample
from handloom.skeleton import FINGERS, HAND

Array = NDArray[np.float64]

_EDGE_PX = 2.0  # a joint may lie so far beside a mask or box: labels and masks are rounded differently


@dataclass(frozen=True)
class Measure:
    """Something measured of every hand.

    Attributes:
        lowest: that is plausible.
        highest: that is plausible.
        tolerated: share of the hands that may be beyond.
        hint: what usually is the reason where more are.
    """

    lowest: float
    highest: float
    tolerated: float
    hint: str


MEASURES = {
    "reprojection, px": Measure(
        0.0, 3.0, 0.05,
        "The 3D joints do not project onto the 2D ones: another order, camera, axes (OpenGL's?) or crop.",
    ),
    "joints behind the camera": Measure(
        0.0, 0.0, 0.0, "Axes of OpenGL (−Z forward), or a world that was not taken into the camera."
    ),
    "hand length, m": Measure(
        0.10, 0.25, 0.05,
        "About 180 is millimetres, about 18 centimetres, about 1 a scale of its own; else the joint order.",
    ),
    "flexed towards its palm": Measure(
        0.0, np.inf, 0.25,
        "Left and right are exchanged, a picture or an axis is mirrored, or the joint order is another.",
    ),
    "joints in their box, share": Measure(
        0.75, 1.0, 0.05, "A box may be left, top, width, height, centre and scale, or of another crop."
    ),
    "visible joints in the picture, share": Measure(
        0.99, 1.0, 0.05,
        "Visible joints lie outside: labels of another picture, or a crop that was not applied.",
    ),
    "visible joints on the mask, share": Measure(
        0.5, 1.0, 0.10, "The mask is of the other hand, another picture, or its numbers mean something else."
    ),
    "depth before visible joints, m": Measure(
        -0.01, 0.05, 0.10, "The depth is in another unit, of another camera, or along the ray."
    ),
    "picture has the camera's size": Measure(
        1.0, 1.0, 0.0, "The intrinsics are of another size of the picture, or width and height are exchanged."
    ),
}  # fmt: skip
"""What is measured, by name; units in the names. The hand's length runs from its root along the bones to the
tip of the middle finger; ``flexed`` is how far the tips lie on the palm's side of the knuckles, metres."""


def measures_of(sample: Sample) -> Iterator[tuple[str, float]]:
    """Names of :data:`MEASURES` and what this sample says of them, hand by hand, as far as it does."""
    size = None if sample.camera is None else sample.camera.image_size
    if sample.image is not None:
        height, width = sample.image.shape[:2]
        if size is not None:
            yield "picture has the camera's size", float(size == (width, height))
        size = width, height
    for hand in sample.hands:
        yield from _in_space(sample, hand)
        yield from _in_picture(sample, hand, size)


def _in_space(sample: Sample, hand: HandLabel) -> Iterator[tuple[str, float]]:
    known = np.isfinite(hand.xyz).all(axis=-1)
    if not known.any():
        return
    if sample.camera is not None:
        yield "joints behind the camera", float((hand.xyz[known, 2] <= 0).sum())
        projected = replace(sample.camera, T_camera_world=np.eye(4)).project(hand.xyz)
        distance = np.linalg.norm(projected - hand.xy, axis=-1)
        if np.isfinite(distance).any():
            yield "reprojection, px", float(np.nanmedian(distance))
    joint = HAND.index
    chain = hand.xyz[HAND.indices(["wrist", *(j for j in HAND.joints if j.startswith("middle_"))])]
    if np.isfinite(chain).all():
        yield "hand length, m", float(np.linalg.norm(np.diff(chain, axis=0), axis=-1).sum())
    if known.all() and hand.side in FIRST_PART:
        flexed = _flexion(hand.xyz - hand.xyz[joint("wrist")])
        yield "flexed towards its palm", flexed if hand.side == "right" else -flexed


def _in_picture(sample: Sample, hand: HandLabel, size: tuple[int, int] | None) -> Iterator[tuple[str, float]]:
    known = np.isfinite(hand.xy).all(axis=-1)
    if hand.box is not None and known.any() and np.isfinite(hand.box).all():
        inside = _within(hand.xy[known], hand.box)
        yield "joints in their box, share", float(inside.mean())
    if size is None or hand.visible is None:
        return
    xy = hand.xy[known & hand.visible]
    if not len(xy):
        return
    inside = _within(xy, np.array([0.0, 0.0, size[0] - 1.0, size[1] - 1.0]))
    yield "visible joints in the picture, share", float(inside.mean())
    if not inside.any():
        return
    if sample.parts is not None and hand.side in FIRST_PART:
        first = FIRST_PART[hand.side]
        own = (sample.parts >= first) & (sample.parts < first + PARTS)
        yield "visible joints on the mask, share", float(_near(own, xy[inside]).mean())
    z = hand.xyz[known & hand.visible, 2][inside]
    if sample.depth is not None and np.isfinite(z).any():
        columns, rows = _pixels(xy[inside], sample.depth.shape)
        before = z - sample.depth[rows, columns]
        if np.isfinite(before).any():
            yield "depth before visible joints, m", float(np.nanmedian(before))


def _flexion(points: Array) -> float:
    """How far the tips lie on the palm's side of the knuckles, metres; positive for a right hand."""
    joint = HAND.index
    across = np.cross(points[joint("index_mcp")], points[joint("little_mcp")])
    length = float(np.linalg.norm(across))
    if length == 0.0:
        return 0.0
    normal = across / length
    fingers = [points[joint(f"{f}_tip")] - points[joint(f"{f}_mcp")] for f in FINGERS[1:]]
    thumb = points[joint("thumb_tip")] - points[joint("thumb_cmc")]
    return float((np.mean(fingers, axis=0) + thumb) @ normal)


def _within(xy: Array, box: Array) -> NDArray[np.bool_]:
    return np.asarray(((xy >= box[:2] - _EDGE_PX) & (xy <= box[2:] + _EDGE_PX)).all(axis=-1))


def _pixels(xy: Array, shape: tuple[int, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Columns and rows of the nearest pixels of a map."""
    nearest = np.round(xy).astype(np.int64)
    return nearest[:, 0].clip(0, shape[1] - 1), nearest[:, 1].clip(0, shape[0] - 1)


def _near(mask: NDArray[np.bool_], xy: Array) -> NDArray[np.bool_]:
    """Whether a pixel of the mask lies within a small step of each point."""
    step = round(_EDGE_PX)
    steps = [(x, y) for x in (-step, 0, step) for y in (-step, 0, step)]
    found = np.zeros(len(xy), dtype=np.bool_)
    for offset in steps:
        columns, rows = _pixels(xy + offset, mask.shape)
        found |= mask[rows, columns]
    return found
