"""One calibrated camera: where it stands, what its lens does, and the mapping both ways."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from handloom.cameras.lens import BrownConradyLens, FisheyeLens, Lens, PinholeLens
from handloom.errors import RigError

Array = NDArray[np.float64]
LensModel = Literal["brown-conrady", "fisheye"]

COEFFICIENT_COUNTS: dict[str, tuple[int, ...]] = {"brown-conrady": (4, 5, 8), "fisheye": (4,)}
_ROTATION_TOLERANCE = 1e-6
_LARGEST_COEFFICIENT = 1e6
_BLOCK = 8192  # points worked on together: their intermediate results stay in the processor's cache


@dataclass(frozen=True, eq=False)
class Camera:
    """A calibrated camera with OpenCV axes (+X right, +Y down, +Z forward) and OpenCV lens models.

    Lengths are in the unit of the rig. Arrays are kept as read-only float64 copies.

    Attributes:
        name: unique within a rig.
        image_size: (width, height) in pixels; None where the calibration file does not say.
        K: (3, 3) intrinsic matrix ((fx, s, cx), (0, fy, cy), (0, 0, 1)), pixels.
        distortion: (4,), (5,) or (8,) k1, k2, p1, p2[, k3[, k4, k5, k6]] of ``"brown-conrady"``;
            (4,) k1 to k4 of ``"fisheye"``.
        T_camera_world: (4, 4) rigid transform that takes world points into the camera's frame.
        model: ``"brown-conrady"`` or ``"fisheye"``.

    Raises:
        ValueError: naming the camera, if a value is not finite, has the wrong shape, or is no intrinsic
            matrix or rigid transform.
    """

    name: str
    image_size: tuple[int, int] | None
    K: Array
    distortion: Array
    T_camera_world: Array
    model: LensModel = "brown-conrady"

    def __post_init__(self) -> None:
        if self.model not in COEFFICIENT_COUNTS:
            raise ValueError(
                f"camera {self.name!r}: lens model {self.model!r} is none of {list(COEFFICIENT_COUNTS)}"
            )
        for attribute in ("K", "distortion", "T_camera_world"):
            value = np.array(getattr(self, attribute), dtype=np.float64)
            value.setflags(write=False)
            object.__setattr__(self, attribute, value)
            self._require(bool(np.isfinite(value).all()), f"{attribute} holds values that are not finite")
        if self.image_size is not None:
            width, height = (int(length) for length in self.image_size)
            self._require(width > 0 and height > 0, f"image size {width}×{height} is not positive")
            object.__setattr__(self, "image_size", (width, height))
        self._require_intrinsics()
        counts = COEFFICIENT_COUNTS[self.model]
        self._require(
            self.distortion.ndim == 1 and len(self.distortion) in counts,
            f"a {self.model} lens takes {' or '.join(map(str, counts))} coefficients,"
            f" got shape {self.distortion.shape}",
        )
        self._require(
            float(np.abs(self.distortion).max()) <= _LARGEST_COEFFICIENT,
            f"distortion coefficients beyond {_LARGEST_COEFFICIENT:g} describe no lens",
        )
        self._require_pose()

    def project(self, points: ArrayLike) -> Array:
        """Distorted pixels of world points.

        Args:
            points: (..., 3) in the world's frame.

        Returns:
            (..., 2) pixels; NaN for points behind the camera, beyond the radius out to which the lens model
            is one-to-one, or themselves NaN. Pixels may lie outside the picture.
        """
        points = np.asarray(points, dtype=np.float64)
        flat = points.reshape(-1, 3)
        pixels = np.empty((len(flat), 2))
        with np.errstate(all="ignore"):
            for start in range(0, len(flat), _BLOCK):
                block = slice(start, start + _BLOCK)
                in_camera = self._rotation @ flat[block].T + self._translation[:, None]
                depth = np.where(in_camera[2] > 0, in_camera[2], np.nan)
                distorted = self._lens.distort(in_camera[:2] / depth)
                pixels[block] = (self._focal @ distorted).T + self._principal_point
        return pixels.reshape(*points.shape[:-1], 2)

    def undistort(self, pixels: ArrayLike) -> Array:
        """Normalised image coordinates x/z, y/z of the ideal lens, to 1e-10.

        Args:
            pixels: (..., 2) distorted pixels.

        Returns:
            (..., 2); NaN where the lens model cannot be inverted and for NaN.
        """
        pixels = np.asarray(pixels, dtype=np.float64)
        flat = pixels.reshape(-1, 2)
        ideal = np.empty((len(flat), 2))
        with np.errstate(all="ignore"):
            for start in range(0, len(flat), _BLOCK):
                block = slice(start, start + _BLOCK)
                distorted = self._inverse_focal @ (flat[block] - self._principal_point).T
                ideal[block] = self._lens.undistort(distorted).T
        return ideal.reshape(pixels.shape)

    def unproject(self, pixels: ArrayLike, depth: ArrayLike = 1.0) -> Array:
        """World points seen at pixels, at given depths.

        Args:
            pixels: (..., 2) distorted pixels.
            depth: (...) coordinate along the optical axis, in the rig's unit.

        Returns:
            (..., 3) in the world's frame; NaN where ``undistort`` gives NaN.
        """
        in_camera = self._homogeneous(pixels) * np.asarray(depth, dtype=np.float64)[..., None]
        return (in_camera - self._translation) @ self._rotation

    def rays(self, pixels: ArrayLike) -> tuple[Array, Array]:
        """Lines of sight in the world's frame.

        Args:
            pixels: (..., 2) distorted pixels.

        Returns:
            origin (3,), the camera's centre, and directions (..., 3) of unit length.
        """
        directions = self._homogeneous(pixels) @ self._rotation
        return self.center, directions / np.linalg.norm(directions, axis=-1, keepdims=True)

    @cached_property
    def center(self) -> Array:
        """(3,) centre of projection in the world's frame."""
        return _read_only(-self._rotation.T @ self._translation)

    @cached_property
    def axis(self) -> Array:
        """(3,) unit direction of the optical axis in the world's frame, away from the camera."""
        return _read_only(self._rotation[2].copy())

    @property
    def P_normalised(self) -> Array:
        """(3, 4) projection [R | t] to normalised image coordinates."""
        return self.T_camera_world[:3]

    @property
    def invertible_radius(self) -> float:
        """Largest distance from the axis, in normalised image coordinates, that the lens model covers."""
        return self._lens.limit

    def cropped(self, left: float, top: float, width: int, height: int) -> Camera:
        """The camera of a part of the picture; ``left`` and ``top`` are its first column and row."""
        K = self.K - np.array([[0.0, 0.0, left], [0.0, 0.0, top], [0.0, 0.0, 0.0]])
        return replace(self, image_size=(width, height), K=K)

    def scaled(self, width: int, height: int) -> Camera:
        """The camera of the picture resized to ``width`` × ``height``.

        Raises:
            RigError: if the size of the calibrated picture is not known.
        """
        if self.image_size is None:
            raise RigError(
                f"Camera {self.name!r} cannot be rescaled to {width}×{height}: its calibration does not say"
                " for which picture size it holds.",
                "State the size in the calibration file, or use recordings of the calibrated size.",
            )
        # Pixel centres are at whole numbers, so the picture's corner, which stays put, is at -1/2.
        sx, sy = width / self.image_size[0], height / self.image_size[1]
        resize = np.array([[sx, 0.0, (sx - 1.0) / 2.0], [0.0, sy, (sy - 1.0) / 2.0], [0.0, 0.0, 1.0]])
        return replace(self, image_size=(width, height), K=resize @ self.K)

    def allclose(self, other: Camera, tolerance: float = 1e-9) -> bool:
        """Whether both have the same name, picture, lens and pose; numbers relative to max(1, their size)."""
        same = (self.name, self.image_size, self.model) == (other.name, other.image_size, other.model)
        return same and all(
            a.shape == b.shape and np.allclose(a, b, rtol=tolerance, atol=tolerance)
            for a, b in (
                (self.K, other.K),
                (self.distortion, other.distortion),
                (self.T_camera_world, other.T_camera_world),
            )
        )

    def _homogeneous(self, pixels: ArrayLike) -> Array:
        ideal = self.undistort(pixels)
        return np.concatenate([ideal, np.ones_like(ideal[..., :1])], axis=-1)

    @cached_property
    def _lens(self) -> Lens:
        return _lens(self.model, self.distortion.tobytes())

    @cached_property
    def _focal(self) -> Array:
        return np.ascontiguousarray(self.K[:2, :2])

    @cached_property
    def _inverse_focal(self) -> Array:
        return np.asarray(np.linalg.inv(self._focal), dtype=np.float64)

    @cached_property
    def _principal_point(self) -> Array:
        return np.ascontiguousarray(self.K[:2, 2])

    @cached_property
    def _rotation(self) -> Array:
        return np.ascontiguousarray(self.T_camera_world[:3, :3])

    @cached_property
    def _translation(self) -> Array:
        return np.ascontiguousarray(self.T_camera_world[:3, 3])

    def _require_intrinsics(self) -> None:
        K = self.K
        self._require(K.shape == (3, 3), f"K must be (3, 3), got {K.shape}")
        self._require(
            K[0, 0] > 0 and K[1, 1] > 0,
            f"K is singular or mirrored, its focal lengths are {K[0, 0]:g} and {K[1, 1]:g}",
        )
        self._require(
            K[1, 0] == 0 and K[2].tolist() == [0.0, 0.0, 1.0],
            "K must have the form ((fx, s, cx), (0, fy, cy), (0, 0, 1))",
        )

    def _require_pose(self) -> None:
        T = self.T_camera_world
        self._require(T.shape == (4, 4), f"T_camera_world must be (4, 4), got {T.shape}")
        self._require(T[3].tolist() == [0.0, 0.0, 0.0, 1.0], "the last row of T_camera_world must be 0 0 0 1")
        R = T[:3, :3]
        deviation = float(np.abs(R @ R.T - np.eye(3)).max())
        self._require(
            deviation <= _ROTATION_TOLERANCE,
            f"its rotation is not orthonormal (R Rᵀ differs from the identity by {deviation:.2g})",
        )
        self._require(float(np.linalg.det(R)) > 0, "its rotation is a mirror image (determinant -1)")

    def _require(self, condition: bool, problem: str) -> None:
        if not condition:
            raise ValueError(f"camera {self.name!r}: {problem}")


def _read_only(array: Array) -> Array:
    array.setflags(write=False)
    return array


@lru_cache(maxsize=256)
def _lens(model: LensModel, coefficients: bytes) -> Lens:
    """Lenses are dear to make (where do they fold?) and shared by all cameras that differ in their pose."""
    distortion = np.frombuffer(coefficients)
    if model == "fisheye":
        return FisheyeLens(distortion)
    return BrownConradyLens(distortion) if distortion.any() else PinholeLens()
