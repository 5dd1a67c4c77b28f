"""The world's frame and scale, chosen after the calibration.

Every function takes a rig and the poses of the board, (T, 4, 4) with NaN where unknown and possibly none at
all, and gives both in another world. Only the frame and the unit of the world change, never what a camera
sees: a point that is taken along projects to the same pixels as before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from handloom.cameras import CameraRig
from handloom.errors import CalibrationError
from handloom.hand.kinematics import rigid
from handloom.skeleton import BODY, Skeleton

Array = NDArray[np.float64]
World = tuple[CameraRig, Array]

_STRAIGHT = np.cos(np.deg2rad(180.0 - 155.0))  # knees and hips of a person who stands
_FEWEST_STANDING = 5
_LARGEST_SWAY = np.deg2rad(15.0)
_FEET = ("left_heel", "right_heel", "left_foot_index", "right_foot_index")
_LOWEST = 5.0  # percent of the feet's heights: the floor, some of them being read too low


def at_first_camera(rig: CameraRig, T_world_board: Array) -> World:
    """The world is the first camera's frame."""
    return at_camera(rig, T_world_board, rig[0].name)


def at_camera(rig: CameraRig, T_world_board: Array, name: str) -> World:
    """The world is a camera's frame.

    Raises:
        RigError: if no camera has that name.
    """
    moved, boards = in_frame(rig, T_world_board, rig[name].T_camera_world)
    cameras = (
        replace(c, T_camera_world=np.eye(4)) if c.name == name else c for c in moved
    )  # to the last bit
    return replace(moved, cameras=tuple(cameras)), boards


def at_board(rig: CameraRig, T_world_board: Array, moment: int = 0) -> World:
    """The world is the board's frame at a moment: x along its rows, y down its columns, z into the paper.

    Raises:
        CalibrationError: if the board's pose at that moment is not known.
    """
    T = _pose_at(T_world_board, moment)
    R = T[:3, :3].T
    return in_frame(rig, T_world_board, rigid(R, -R @ T[:3, 3]))


def on_floor(rig: CameraRig, T_world_board: Array, moment: int = 0) -> World:
    """The world stands on the floor on which the board lies at a moment.

    The origin is the board's first point, x runs along its rows, z points away from the floor to the side on
    which most cameras are, and ``rig.up`` says so.

    Raises:
        CalibrationError: if the board's pose at that moment is not known.
    """
    T = _pose_at(T_world_board, moment)
    heights = (rig.centers - T[:3, 3]) @ T[:3, 2]
    up = T[:3, 2] if np.sign(heights).sum() > 0 else -T[:3, 2]
    turned, boards = in_frame(rig, T_world_board, _frame(T[:3, 3], T[:3, 0], up))
    return replace(turned, up=np.array([0.0, 0.0, 1.0])), boards


def upright(rig: CameraRig, T_world_board: Array, xyz: ArrayLike) -> World:
    """The world stands on the floor on which a person stands.

    Up is the average direction, robust against single frames, from the middle between the ankles to the
    middle between the shoulders while knees and hips are straight: a person who turns round or walks about
    gives a better one than a person who leans. z points up and is 0 where heels and toes are lowest, y is
    where the first camera looks, and the origin is below the middle of where the ankles were.

    Args:
        rig: the cameras.
        T_world_board: (T, 4, 4) poses of the board.
        xyz: (F, 33, 3) joints of one person, ``handloom.skeleton.BODY``, in the rig's world; NaN where
            missing.

    Raises:
        CalibrationError: if the person is not seen standing, or never the same way up.
        ValueError: if ``xyz`` does not hold a body's joints.
    """
    body = np.asarray(xyz, dtype=np.float64)
    if body.ndim != 3 or body.shape[1:] != (len(BODY), 3):
        raise ValueError(f"xyz must be (F, {len(BODY)}, 3), got {body.shape}")
    body = body[_stands(body)]
    if len(body) < _FEWEST_STANDING:
        raise CalibrationError(
            "The direction of gravity needs a person who stands upright, but only"
            f" {len(body)} frames show one with straight legs, from the shoulders to the ankles.",
            "Record a person who stands or walks a few seconds where all cameras see the whole body.",
        )
    ankles, shoulders = _middle(body, "ankle"), _middle(body, "shoulder")
    directions = shoulders - ankles
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    up = _typical_direction(directions)
    sway = float(np.median(np.arccos(np.clip(directions @ up, -1.0, 1.0))))
    if sway > _LARGEST_SWAY:
        raise CalibrationError(
            f"The person's upright direction differs by {np.degrees(sway):.0f}° (median) between the"
            f" {len(body)} frames that show straight legs, too much to tell where up is.",
            "Use a recording of one person who stands or walks, not one who lies down or exercises.",
        )
    feet = body[:, BODY.indices(_FEET)] @ up
    lowest = feet.min(axis=1, initial=np.inf, where=np.isfinite(feet))
    lowest = np.where(np.isfinite(lowest), lowest, ankles @ up)
    origin = np.median(ankles, axis=0)
    origin += (np.percentile(lowest, _LOWEST) - origin @ up) * up
    first = rig[0].T_camera_world[:3, :3]
    ahead = first[2] if abs(first[2] @ up) < 0.99 else -first[1]
    turned, boards = in_frame(rig, T_world_board, _frame(origin, np.cross(ahead, up), up))
    return replace(turned, up=np.array([0.0, 0.0, 1.0])), boards


def scale_by_factor(rig: CameraRig, T_world_board: Array, factor: float, unit: str | None = None) -> World:
    """The world with every length multiplied.

    The poses of the board keep saying where it was; its own points belong to a board of ``factor`` times the
    size.

    Args:
        rig: the cameras.
        T_world_board: (T, 4, 4) poses of the board.
        factor: lengths of the new world per length of the old.
        unit: of the new lengths; by default that of the rig.

    Raises:
        ValueError: if the factor is not positive and finite.
    """
    if not (np.isfinite(factor) and factor > 0):
        raise ValueError(f"a scale must be positive and finite, got {factor}")
    cameras = []
    for camera in rig:
        T = camera.T_camera_world.copy()
        T[:3, 3] *= factor
        cameras.append(replace(camera, T_camera_world=T))
    boards = np.array(T_world_board, dtype=np.float64)
    boards[:, :3, 3] *= factor
    return replace(rig, cameras=tuple(cameras), unit=rig.unit if unit is None else unit), boards


def scale_by_distance(
    rig: CameraRig, T_world_board: Array, camera_a: str, camera_b: str, metres: float
) -> World:
    """The world in metres, from the measured distance between the centres of two cameras' lenses.

    Raises:
        CalibrationError: if the distance is no length, or the two cameras are at one place.
        RigError: if no camera has one of the names.
    """
    _require_length(metres, f"between cameras {camera_a!r} and {camera_b!r}")
    measured = float(np.linalg.norm(rig[camera_a].center - rig[camera_b].center))
    if not measured > 1e-9 * max(1.0, float(rig.baselines.max())):
        raise CalibrationError(
            f"Cameras {camera_a!r} and {camera_b!r} are at the same place, so their distance sets no scale.",
            "Give the distance between two cameras that stand apart.",
        )
    return scale_by_factor(rig, T_world_board, metres / measured, "m")


def scale_by_bone(
    rig: CameraRig,
    T_world_board: Array,
    xyz: ArrayLike,
    skeleton: Skeleton,
    metres: Mapping[tuple[str, str], float],
) -> World:
    """The world in metres, from bones whose length is known.

    A bone's length is its median over the recording; of several bones the median of the scales counts.

    Args:
        rig: the cameras.
        T_world_board: (T, 4, 4) poses of the board.
        xyz: (..., J, 3) joints in the rig's world; NaN where missing.
        skeleton: what the joints are.
        metres: lengths of bones by the names of the joints at their ends, such as
            ``{("left_elbow", "left_wrist"): 0.26}``.

    Raises:
        CalibrationError: if a joint does not exist, a bone was never seen, or a length is none.
        ValueError: if ``xyz`` does not hold the skeleton's joints.
    """
    joints = np.asarray(xyz, dtype=np.float64)
    if joints.shape[-2:] != (len(skeleton), 3):
        raise ValueError(f"xyz must end in ({len(skeleton)}, 3), got {joints.shape}")
    if not metres:
        raise CalibrationError(
            "No bone's length was given.", "Give at least one bone with its length in metres."
        )
    scales = []
    for (start, end), length in metres.items():
        unknown = [joint for joint in (start, end) if joint not in skeleton.joints]
        if unknown:
            raise CalibrationError(
                f"A {skeleton.name} has no joint named {' or '.join(map(repr, unknown))}.",
                f"Its joints are {', '.join(skeleton.joints)}.",
            )
        _require_length(length, f"of the bone from {start} to {end}")
        lengths = np.linalg.norm(
            joints[..., skeleton.index(start), :] - joints[..., skeleton.index(end), :], axis=-1
        )
        lengths = lengths[np.isfinite(lengths)]
        if not (len(lengths) and np.median(lengths) > 0):
            raise CalibrationError(
                f"The bone from {start} to {end} was never reconstructed, so its length sets no scale.",
                "Name a bone that the cameras see.",
            )
        scales.append(length / float(np.median(lengths)))
    return scale_by_factor(rig, T_world_board, float(np.median(scales)), "m")


def in_frame(rig: CameraRig, T_world_board: Array, T_new_world: Array) -> World:
    """Rig and boards in a frame that differs from the world's by a rigid transform (4, 4)."""
    T = np.asarray(T_new_world, dtype=np.float64)
    back = np.linalg.inv(T)
    cameras = tuple(replace(camera, T_camera_world=_rigid(camera.T_camera_world @ back)) for camera in rig)
    up = None if rig.up is None else T[:3, :3] @ rig.up
    return replace(rig, cameras=cameras, up=up), T @ np.asarray(T_world_board, dtype=np.float64)


def _frame(origin: Array, along: Array, up: Array) -> Array:
    """(4, 4) transform from the world into the frame with z up and x along a direction, as far as level."""
    x = along - (along @ up) * up
    x /= np.linalg.norm(x)
    R = np.stack([x, np.cross(up, x), up])
    return rigid(R, -R @ origin)


def _rigid(T: Array) -> Array:
    """A product of rigid transforms with its last row exact."""
    return rigid(T[:3, :3], T[:3, 3])


def _pose_at(T_world_board: Array, moment: int) -> Array:
    known = np.flatnonzero(np.isfinite(T_world_board).all(axis=(-2, -1)))
    if moment not in known:
        where = f"from {known[0]} to {known[-1]}" if len(known) else "at none"
        raise CalibrationError(
            f"The board's pose at moment {moment} is not known; it is at {len(known)} of {len(T_world_board)}"
            f" moments, {where}.",
            "Choose a moment at which the linked cameras see the board.",
        )
    return np.asarray(T_world_board[moment], dtype=np.float64)


def _stands(body: Array) -> NDArray[np.bool_]:
    """(F,) frames with a whole person whose knees and hips are straight."""
    upright = np.ones(len(body), dtype=np.bool_)
    for side in ("left", "right"):
        shoulder, hip, knee, ankle = (
            body[:, BODY.index(f"{side}_{joint}")] for joint in ("shoulder", "hip", "knee", "ankle")
        )
        for a, b, c in ((hip, knee, ankle), (shoulder, hip, knee)):
            above, below = a - b, b - c
            lengths = np.linalg.norm(above, axis=-1) * np.linalg.norm(below, axis=-1)
            # Comparisons with NaN are false: whoever is not seen does not stand.
            upright &= (above * below).sum(axis=-1) > _STRAIGHT * lengths
    return upright


def _middle(body: Array, joint: str) -> Array:
    return np.asarray(body[:, BODY.indices((f"left_{joint}", f"right_{joint}"))].mean(axis=1))


def _typical_direction(directions: Array) -> Array:
    """(3,) unit vector of least total distance to (F, 3) ones, by Weiszfeld's iteration."""
    middle = np.median(directions, axis=0)
    for _ in range(100):
        weights = 1.0 / np.maximum(np.linalg.norm(directions - middle, axis=-1), 1e-6)
        new = (weights[:, None] * directions).sum(axis=0) / weights.sum()
        moved = float(np.abs(new - middle).max())
        middle = new
        if moved < 1e-12:
            break
    return np.asarray(middle / np.linalg.norm(middle))


def _require_length(metres: float, what: str) -> None:
    if not (np.isfinite(metres) and metres > 0):
        raise CalibrationError(
            f"The distance {what} is given as {metres} m, which is no length.",
            "Give a positive length in metres.",
        )
