"""What is known of a hand's size: its length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from handloom.errors import FitError
from handloom.hand import HandModel

Array = NDArray[np.float64]


@dataclass(frozen=True)
class HandSize:
    """What is known of a hand's length, from the crease of the wrist to the tip of the middle finger.

    Attributes:
        length_m: None for the mean and spread of the hand model's own shapes.
        sigma_m: standard deviation of the length.

    Raises:
        FitError: for a length that no hand has.
    """

    length_m: float | None = None
    sigma_m: float = 0.002

    def __post_init__(self) -> None:
        if self.length_m is not None and not 0.05 <= self.length_m <= 0.30:
            raise FitError(
                f"A hand of {1000 * self.length_m:g} mm is none.",
                "Measure from the crease of the wrist to the tip of the middle finger, in millimetres.",
            )
        if not self.sigma_m > 0.0:
            raise ValueError(f"sigma_m must be positive, got {self.sigma_m}")


def hand_length(model: HandModel, shape: ArrayLike | None = None) -> float:
    """Length of a hand from the crease of the wrist to the tip of the middle finger, metres.

    Args:
        shape: (B,) standard deviations; the mean hand without.
    """
    mean, slope = length_and_slope(model)
    return mean if shape is None else float(mean + slope @ np.asarray(shape, dtype=np.float64))


def length_and_slope(model: HandModel) -> tuple[float, Array]:
    """Length of the mean hand, and its change per standard deviation of every shape component."""
    tip = int(model.template[:, 1].argmax())
    return float(model.template[tip, 1]), np.asarray(model.shape_directions[tip, 1])
