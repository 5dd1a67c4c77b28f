"""Several cameras in one world."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from handloom.cameras.camera import Camera
from handloom.errors import RigError

Array = NDArray[np.float64]

UNITS = ("m", "board-square", "unknown")
_METRES = {"m": 1.0, "cm": 0.01, "mm": 0.001, "inch": 0.0254}
_LENGTH = re.compile(r"\s*(?P<number>[0-9.]+(?:e[+-]?[0-9]+)?)?\s*(?P<unit>m|cm|mm|inch)\s*", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class CameraRig:
    """Cameras calibrated into one world, and what is known of that world.

    Attributes:
        cameras: at least one, with unique names.
        unit: the unit of every length: ``"m"``, ``"board-square"`` (squares of the calibration board) or
            ``"unknown"``. Only a rig in metres may lead to figures in mm.
        up: (3,) unit direction against gravity in the world's frame; None if not known.
        warnings: reasons not to trust it, a sentence each, that its calibration found and was told to ignore.

    Raises:
        ValueError: without cameras, for a repeated name, an unknown unit or an ``up`` that is no direction.
    """

    cameras: tuple[Camera, ...]
    unit: str = "m"
    up: Array | None = None
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "cameras", tuple(self.cameras))
        object.__setattr__(self, "warnings", tuple(self.warnings))
        if not self.cameras:
            raise ValueError("a rig needs at least one camera")
        repeated = sorted({name for name in self.names if self.names.count(name) > 1})
        if repeated:
            raise ValueError(f"camera names must be unique, repeated: {', '.join(repeated)}")
        if self.unit not in UNITS:
            raise ValueError(f"unit {self.unit!r} is none of {', '.join(UNITS)}")
        if self.up is not None:
            up = np.array(self.up, dtype=np.float64)
            length = float(np.linalg.norm(up))
            if up.shape != (3,) or not np.isfinite(length) or length == 0:
                raise ValueError(f"up must be a direction of three finite numbers, got {up.tolist()}")
            up /= length
            up.setflags(write=False)
            object.__setattr__(self, "up", up)

    @property
    def names(self) -> tuple[str, ...]:
        """The cameras' names, in order."""
        return tuple(camera.name for camera in self.cameras)

    def __len__(self) -> int:
        return len(self.cameras)

    def __iter__(self) -> Iterator[Camera]:
        return iter(self.cameras)

    def __getitem__(self, key: int | str) -> Camera:
        """A camera by position or by name.

        Raises:
            RigError: if no camera has that name.
        """
        if isinstance(key, str):
            return self.subset([key]).cameras[0]
        return self.cameras[key]

    def subset(self, names: Iterable[str]) -> CameraRig:
        """The rig of the named cameras, in the order given.

        Raises:
            RigError: if no camera has one of the names.
        """
        by_name = {camera.name: camera for camera in self.cameras}
        wanted = list(names)
        missing = [name for name in wanted if name not in by_name]
        if missing:
            raise RigError(
                f"The rig has no camera named {', '.join(map(repr, missing))}.",
                f"It has {', '.join(map(repr, self.names))}.",
            )
        return replace(self, cameras=tuple(by_name[name] for name in wanted))

    def in_unit(self, unit: str) -> CameraRig:
        """The rig with its unit stated by someone who knows it.

        Args:
            unit: the length of one of the rig's present units: ``"m"``, ``"cm"``, ``"mm"``, ``"inch"`` or a
                number and one of them (``"25 mm"`` for a board with such squares) turn the rig into metres;
                ``"board-square"`` and ``"unknown"`` only name the unit.

        Raises:
            RigError: if ``unit`` cannot be understood or contradicts a rig that is already in metres.
        """
        if unit == self.unit:
            return self
        if self.unit == "m":
            raise RigError(
                f"The rig's lengths are in metres already, they cannot be in {unit!r}.",
                "Leave the unit out.",
            )
        if unit in ("board-square", "unknown"):
            return replace(self, unit=unit)
        return self.scaled(_length_m(unit))

    def scaled(self, unit_m: float) -> CameraRig:
        """The rig in metres, one of its present units being ``unit_m`` metres long."""
        if not (np.isfinite(unit_m) and unit_m > 0):
            raise ValueError(f"the length of a unit must be positive and finite, got {unit_m}")
        return replace(self, cameras=tuple(_with_scaled_world(c, unit_m) for c in self.cameras), unit="m")

    def project(self, points: ArrayLike) -> Array:
        """Distorted pixels of world points in every camera.

        Args:
            points: (..., 3) in the world's frame.

        Returns:
            (C, ..., 2); NaN where a camera cannot see a point, see :meth:`Camera.project`.
        """
        points = np.asarray(points, dtype=np.float64)
        return np.stack([camera.project(points) for camera in self.cameras])

    @property
    def centers(self) -> Array:
        """(C, 3) centres of projection in the world's frame."""
        return np.stack([camera.center for camera in self.cameras])

    @property
    def baselines(self) -> Array:
        """(C, C) distances between the cameras' centres, in the rig's unit."""
        centers = self.centers
        return np.linalg.norm(centers[:, None] - centers[None], axis=-1)

    def allclose(self, other: CameraRig, tolerance: float = 1e-9) -> bool:
        """Whether both hold the same cameras in the same order, unit and up; see :meth:`Camera.allclose`."""
        if len(self) != len(other) or self.unit != other.unit or (self.up is None) != (other.up is None):
            return False
        same_up = self.up is None or other.up is None or np.allclose(self.up, other.up, atol=tolerance)
        return same_up and all(a.allclose(b, tolerance) for a, b in zip(self, other, strict=True))


def _length_m(text: str) -> float:
    """Metres of ``"cm"``, ``"25 mm"``, ``"4.6cm"``."""
    match = _LENGTH.fullmatch(text)
    try:
        length = float(match["number"] or 1.0) * _METRES[match["unit"].lower()] if match else 0.0
    except ValueError:
        length = 0.0
    if not (np.isfinite(length) and length > 0):
        raise RigError(
            f"{text!r} is not a unit.",
            "Use m, cm, mm, inch, board-square, unknown, or the length of one unit such as '25 mm'.",
        )
    return length


def _with_scaled_world(camera: Camera, factor: float) -> Camera:
    T = camera.T_camera_world.copy()
    T[:3, 3] *= factor
    return replace(camera, T_camera_world=T)
