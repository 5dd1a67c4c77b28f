"""One labelled picture, the same whatever data set it comes from.

Every reader brings its layout's units, axes, joint orders and codes for "missing" into the house conventions
(metres, OpenCV camera axes, named joints, NaN), so that nothing behind it has to ask where a sample is from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from handloom.cameras import Camera

Array = NDArray[np.float64]
Image = NDArray[np.uint8]

NOTHING, PERSON = 0, 1
FIRST_PART = {"left": 2, "right": 18}
PARTS = 16
"""``Sample.parts``: 0 is background, 1 a person's arm, sleeve or body; part p of a hand is
``FIRST_PART[side] + p`` with p the index of the joint of ``HAND_TREE`` that moves it (0 is the palm).
RHD divides the range likewise."""


def hand_pixels(parts: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(H, W) where ``Sample.parts`` has hands."""
    return np.asarray(parts >= min(FIRST_PART.values()))


@dataclass(frozen=True, eq=False)
class ManoParameters:
    """A hand as MANO writes it.

    Attributes:
        pose: (48,) axis-angle vectors, radians: the wrist's, then 15 joints in MANO's order.
        shape: (10,) coefficients.
        translation: (3,) metres in the camera's axes.
        flat_hand_mean: whether the joints are counted from the flat hand; otherwise MANO's mean pose
            (``hands_mean`` of its file) is to be added to them.
    """

    pose: Array
    shape: Array
    translation: Array
    flat_hand_mean: bool = True


@dataclass(frozen=True, eq=False)
class HandParameters:
    """A hand as the open hand's model writes it.

    Attributes:
        angles: (15, 3) radians.
        shape: (B,) standard deviations.
        T_camera_wrist: (4, 4).
    """

    angles: Array
    shape: Array
    T_camera_wrist: Array


@dataclass(frozen=True, eq=False)
class HandLabel:
    """What is known of one hand in a picture. ``None`` is what the data set does not say.

    Attributes:
        side: ``"left"``, ``"right"`` (the person's own) or ``"unknown"``.
        xy: (21, 2) pixels of the picture, NaN where not labelled.
        xyz: (21, 3) metres in the camera's axes, NaN where not labelled.
        visible: (21,) whether the joint is seen and not hidden.
        box: (4,) left, top, right, bottom, pixels.
        vertices: (V, 3) metres in the camera's axes.
        faces: (F, 3) vertex indices, counter-clockwise from outside.
        mano: MANO's parameters.
        parameters: the open hand's parameters.
        root: which point stands at the wrist's place: ``"wrist"``, or ``"palm"`` for its centre.
    """

    side: str
    xy: Array
    xyz: Array
    visible: NDArray[np.bool_] | None = None
    box: Array | None = None
    vertices: Array | None = None
    faces: NDArray[np.int64] | None = None
    mano: ManoParameters | None = None
    parameters: HandParameters | None = None
    root: str = "wrist"


@dataclass(frozen=True, eq=False)
class Sample:
    """A picture and its hands.

    Attributes:
        key: unique in its data set.
        image: (H, W, 3) uint8 RGB; None where only the labels were read.
        camera: intrinsics, and the place of the camera among others where the data set has several of them
            (the identity otherwise); None where the data set does not say.
        hands: every labelled hand.
        parts: (H, W) uint8, see :data:`FIRST_PART`.
        depth: (H, W) float32 metres along the optical axis, NaN where unknown.
        normals: (H, W, 3) float32 unit vectors in the camera's axes, NaN where unknown.
        moment: names pictures of one moment, taken by several cameras.
        frame: of which video this is a picture, and its number there; None for pictures that do not follow
            each other.
        conditions: what else is known: tone, light, occlusion, subject, …
    """

    key: str
    image: Image | None
    camera: Camera | None
    hands: tuple[HandLabel, ...]
    parts: NDArray[np.uint8] | None = None
    depth: NDArray[np.float32] | None = None
    normals: NDArray[np.float32] | None = None
    moment: str | None = None
    frame: tuple[str, int] | None = None
    conditions: dict[str, str | float] = field(default_factory=dict)


class DataSet(Protocol):
    """Labelled pictures by number.

    Attributes:
        name: of the layout, such as ``"freihand"``.
        lacks: what the layout does not say, in words of :class:`Sample` and :class:`HandLabel`.
    """

    name: str
    lacks: tuple[str, ...]

    def __len__(self) -> int: ...

    @property
    def keys(self) -> Sequence[str]:
        """Unique names of the samples, in order."""
        ...

    def labels(self, index: int) -> Sample:
        """A sample without opening its pictures (image, parts, depth and normals are None)."""
        ...

    def __getitem__(self, index: int) -> Sample:
        """A whole sample."""
        ...
