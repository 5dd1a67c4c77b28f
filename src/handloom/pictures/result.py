"""What came out of one picture."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from handloom.detection import Reading
from handloom.fitting.sides import SideVerdict
from handloom.hand import HandModel
from handloom.pictures.indicators import Indicators
from handloom.pictures.lens import PictureLens

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
    """

    path: Path
    name: str
    image_size: tuple[int, int] | None = None
    lens: PictureLens | None = None
    hands: tuple[FoundHand, ...] = ()
    reason: str = ""
    failed: bool = field(default=False)
    """Whether the picture could not be read or used at all."""
