"""What kind of pictures to make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from handloom.errors import SynthesisError

HAND_KINDS = ("one", "two", "interacting")
BACKGROUND_KINDS = ("room", "desk", "outdoors", "clutter", "cloth", "plain", "photograph")


@dataclass(frozen=True)
class Recipe:
    """Options of made pictures, all with a usual value.

    Attributes:
        image_size: (width, height), pixels.
        hands: shares of pictures with ``one`` hand, ``two`` separate ones and two ``interacting``.
        right_hands: share of right hands where there is one.
        cameras: of the same moment, around the hands.
        frames: of one scene: 1 for still pictures, more for moving hands.
        fps: frames a second of moving hands.
        field_of_view_deg: lowest and highest, of the longer side of the picture.
        hand_share: lowest and highest length of a hand as share of the shorter side of the picture.
        backgrounds: shares of the kinds of background; ``photograph`` needs ``photographs``.
        photographs: folder of JPEG or PNG pictures without hands.
        occluders: share of pictures with something held or hanging before the hand.
        distractors: share of pictures with other skin or skin-coloured things.
        accessories: chance of each rare case: rings, watches, polish, tattoos, gloves (a third of it).
        moving: share of still pictures with motion blur.
        sensor: strength of noise, blur, vignetting and compression; 0 is a perfect camera, 1 usual.
        pictures_per_person: so many scenes in a row show the same person.

    Raises:
        SynthesisError: naming the option, for a value out of its range.
    """

    image_size: tuple[int, int] = (256, 256)
    hands: Mapping[str, float] = field(default_factory=lambda: {"one": 0.6, "two": 0.2, "interacting": 0.2})
    right_hands: float = 0.5
    cameras: int = 1
    frames: int = 1
    fps: float = 30.0
    field_of_view_deg: tuple[float, float] = (35.0, 90.0)
    hand_share: tuple[float, float] = (0.3, 0.85)
    backgrounds: Mapping[str, float] = field(
        default_factory=lambda: {
            "room": 3.5,
            "desk": 2,
            "outdoors": 1,
            "clutter": 1.2,
            "cloth": 1,
            "plain": 1,
        }
    )
    photographs: Path | None = None
    occluders: float = 0.25
    distractors: float = 0.15
    accessories: float = 0.06
    moving: float = 0.25
    sensor: float = 1.0
    pictures_per_person: int = 8

    def __post_init__(self) -> None:
        _require(min(self.image_size) >= 32, "image_size", self.image_size, "at least 32 pixels a side")
        _shares("hands", self.hands, HAND_KINDS)
        _shares("backgrounds", self.backgrounds, BACKGROUND_KINDS)
        for name in ("cameras", "frames", "pictures_per_person"):
            _require(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")
        _require(np.isfinite(self.fps) and self.fps > 0, "fps", self.fps, "above 0")
        _range("field_of_view_deg", self.field_of_view_deg, 10.0, 140.0)
        _range("hand_share", self.hand_share, 0.05, 1.5)
        for name in ("right_hands", "occluders", "distractors", "accessories", "moving"):
            _require(0.0 <= getattr(self, name) <= 1.0, name, getattr(self, name), "from 0 to 1")
        _require(0.0 <= self.sensor <= 3.0, "sensor", self.sensor, "from 0 to 3")
        if self.photographs is not None:
            _require(
                Path(self.photographs).is_dir(), "photographs", str(self.photographs), "a folder of pictures"
            )
        elif self.backgrounds.get("photograph", 0) > 0:
            raise SynthesisError(
                "Backgrounds of the kind 'photograph' were asked for, but no folder of photographs is named.",
                "Name a folder of pictures without hands, or leave the kind out.",
            )


def _require(condition: bool, name: str, value: object, allowed: str) -> None:
    if not condition:
        raise SynthesisError(
            f"The option {name} is {value}; it has to be {allowed}.", "Choose another value."
        )


def _range(name: str, value: tuple[float, float], lowest: float, highest: float) -> None:
    low, high = value
    _require(
        lowest <= low <= high <= highest, name, value, f"two numbers, rising, from {lowest:g} to {highest:g}"
    )


def _shares(name: str, shares: Mapping[str, float], known: tuple[str, ...]) -> None:
    unknown = sorted(set(shares) - set(known))
    _require(not unknown, name, unknown, f"shares of {', '.join(known)}")
    values = list(shares.values())
    _require(
        all(np.isfinite(v) and v >= 0 for v in values) and sum(values) > 0,
        name,
        dict(shares),
        "shares, not all 0",
    )
