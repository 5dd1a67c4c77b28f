"""What the tests of pictures share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from handloom.cameras import Camera


@dataclass(frozen=True, eq=False)
class Shown:
    """A right hand, held up half a metre before a camera."""

    image: np.ndarray
    camera: Camera
    keypoints: np.ndarray  # (21, 3) in the camera's axes
    length_m: float


def write_picture(path: Path, image: np.ndarray) -> Path:
    cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    return path
