"""What a diagnosis looks at: everything a calibration knew when it ended, or when it could not go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from handloom.calibration.calibration import Calibration
from handloom.calibration.collect.facts import Facts
from handloom.calibration.lenses.intrinsics import calibrate_lenses
from handloom.calibration.lenses.result import LensResult
from handloom.calibration.linking.extrinsics import Links
from handloom.calibration.sightings import Sightings
from handloom.cameras import Camera

Array = NDArray[np.float64]

LEAST_CORNERS = 6  # of a view that counts: four give a pose, but contradict nothing
_STILL = 0.02  # of the picture's diagonal: a board that moved less is in the same place


@dataclass(frozen=True, eq=False)
class Evidence:
    """All that is known; what a calibration did not get to is None, and its findings are passed over.

    Attributes:
        found: the sightings.
        facts: what was noticed about the recordings.
        lenses: (C,) results of the lens calibration, None for cameras without one; computed anew where they
            are needed but None.
        links: how the cameras hang together.
        calibration: the result.
        given: cameras whose lens was given, by name.
        distances_m: measured distances between the centres of two cameras, by their names.
    """

    found: Sightings
    facts: Facts | None = None
    lenses: Sequence[LensResult | None] | None = None
    links: Links | None = None
    calibration: Calibration | None = None
    given: Mapping[str, Camera] = field(default_factory=dict)
    distances_m: Mapping[tuple[str, str], float] = field(default_factory=dict)

    @property
    def sightings(self) -> Sightings:
        """The sightings with the numbering that was settled on."""
        if self.calibration is not None:
            return self.calibration.sightings
        return self.found if self.links is None else self.links.sightings

    @property
    def names(self) -> tuple[str, ...]:
        """(C,) names of the cameras."""
        return self.found.cameras

    @cached_property
    def cameras(self) -> tuple[Camera | None, ...]:
        """(C,) calibrated cameras; None for those the result does not hold."""
        if self.calibration is None:
            return (None,) * len(self.names)
        by_name = {camera.name: camera for camera in self.calibration.rig}
        return tuple(by_name.get(name) for name in self.names)

    @cached_property
    def lens_cameras(self) -> tuple[Camera | None, ...]:
        """(C,) the best known lens of every camera, whatever its pose; None where there is none."""
        if all(self.cameras):
            return self.cameras
        alone = self.lens_cameras_alone
        return tuple(camera or lens for camera, lens in zip(self.cameras, alone, strict=True))

    @cached_property
    def lens_cameras_alone(self) -> tuple[Camera | None, ...]:
        """(C,) the lens of every camera by its own pictures; None where there is none."""
        lenses = self.lenses
        if lenses is None:
            lenses = calibrate_lenses(self.sightings, known=self.given)
        return tuple(None if lens is None else lens.camera for lens in lenses)

    @cached_property
    def views(self) -> NDArray[np.bool_]:
        """(T, C) whether a camera saw enough of the board at a moment to count."""
        return self.sightings.counts >= LEAST_CORNERS

    @cached_property
    def seconds(self) -> Array:
        """(T,) times of the moments; NaN where they are pictures without a clock."""
        return self.sightings.times_s

    @cached_property
    def diagonals_px(self) -> Array:
        """(C,) of the pictures."""
        return np.asarray(np.linalg.norm(self.sightings.image_sizes, axis=-1))

    def places(self, camera: int) -> int:
        """In how many different places a camera saw the board; a board at rest is one, however long."""
        anchors: list[Array] = []
        for view in self.sightings.views_of(camera):
            if len(view.ids) < LEAST_CORNERS:
                continue
            spread = view.pixels.std(axis=0)
            where = np.concatenate([view.pixels.mean(axis=0), spread])
            if all(np.abs(where - other).max() > _STILL * self.diagonals_px[camera] for other in anchors):
                anchors.append(where)
        return len(anchors)

    def time_text(self, moment: int) -> str:
        """``"12.3 s"``, or ``"picture 14"`` where there is no clock."""
        seconds = self.sightings.times_s[moment]
        return f"{seconds:.1f} s" if np.isfinite(seconds) else f"picture {moment + 1}"


def listed(names: Sequence[str]) -> str:
    """``"a"``, ``"a and b"``, ``"a, b and c"``."""
    names = list(names)
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else "none"
