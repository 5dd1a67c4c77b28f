"""What came out of one picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from handloom.detection import Reading
from handloom.fitting.sides import SideVerdict
from handloom.hand import HandModel
from handloom.pictures.indicators import Indicators
from handloom.pictures.lens import PictureLens
from handloom.video.images import read_image

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FoundHand:
    """One hand of a picture.

    Attributes:
        reading: the 2D keypoints and what else the network said.
        where: how it was found: ``"whole"``, ``"body"``, ``"part"`` or ``"brightened"``.
        verdict: the fit, in the axes of the picture's camera, and the fit as the other side.
        model: the hand fitted.
        vertices: (V, 3) the mesh.
        indicators: what points to a failure.
    """

    reading: Reading
    where: str
    verdict: SideVerdict
    model: HandModel
    vertices: Array
    indicators: Indicators


@dataclass(frozen=True, eq=False)
class PictureResult:
    """One picture.

    Attributes:
        path: of the picture.
        name: unique among the pictures of a run.
        image_size: (width, height); None where the file could not be read.
        lens: None where there is no picture.
        hands: those found and fitted, surest first.
        reason: why there is none, or why some are missing; empty otherwise.
        failed: whether the picture could not be read or used at all.
        mirrored: whether it is a mirrored selfie, turned back before it was searched.
    """

    path: Path
    name: str
    image_size: tuple[int, int] | None = None
    lens: PictureLens | None = None
    hands: tuple[FoundHand, ...] = ()
    reason: str = ""
    failed: bool = False
    mirrored: bool = False

    def picture(self) -> NDArray[np.uint8]:
        """(H, W, 3) RGB: the picture as it was searched, a mirrored selfie turned back.

        Raises:
            VideoError: if the file cannot be read any more.
        """
        return read_picture(self.path, mirrored=self.mirrored)


def read_picture(path: Path, *, mirrored: bool) -> NDArray[np.uint8]:
    """A picture as an ordinary camera would have taken it; raises :class:`VideoError` if it is none."""
    image = read_image(path)
    return np.ascontiguousarray(image[:, ::-1]) if mirrored else image
