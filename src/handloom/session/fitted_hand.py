"""One hand fitted through a recording: its parameters, what is known of their error, the mesh on demand."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import IntFlag
from functools import cache, cached_property
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handloom.errors import SessionError
from handloom.hand import HandModel, PosedHand, load_open_hand
from handloom.hand.kinematics import rigid
from handloom.keypoints import Array, Track
from handloom.skeleton import HAND

OPEN_HAND = "handloom open hand"


class FitFlag(IntFlag):
    """What is to be said of the fit of one frame; none is 0."""

    UNSEEN = 1
    """Nothing was observed and nothing fitted: angles and place are NaN."""
    FILLED = 2
    """Nothing was observed; the pose is carried over from the frames around."""
    NOT_CONVERGED = 4
    """The solver did not come to rest."""
    RESIDUAL = 8
    """What was observed lies far from the fit."""
    LIMITS = 16
    """An angle is beyond what joints do."""
    RESTARTED = 32
    """The fit from the frames before had failed and was begun anew."""
    COLLISION = 64
    """Fingers, or two hands, reach into each other."""

    @property
    def reasons(self) -> tuple[str, ...]:
        """The flags in words, none for a frame without any."""
        return tuple(_WORDS[flag] for flag in FitFlag if flag in self)


_WORDS = {
    FitFlag.UNSEEN: "not seen",
    FitFlag.FILLED: "filled between frames",
    FitFlag.NOT_CONVERGED: "not converged",
    FitFlag.RESIDUAL: "far from what was observed",
    FitFlag.LIMITS: "beyond a joint limit",
    FitFlag.RESTARTED: "begun anew",
    FitFlag.COLLISION: "parts reach into each other",
}


@dataclass(frozen=True, eq=False)
class FittedHand:
    """A hand of one shape and a pose for each of T frames.

    Lengths are in the unit of the rig, joint angles in radians; NaN stands where a frame has no fit.

    Attributes:
        track: whose hand.
        model: the hand fitted; of the track's side.
        shape: (B,) standard deviations.
        angles: (T, 15, 3) flexion, abduction, twist.
        T_world_wrist: (T, 4, 4) rigid.
        keypoint_error: (T,) root mean square distance to the 3D keypoints.
        reprojection_px: (T,) root mean square distance to the 2D keypoints of all views.
        sigma: (T, 21) standard deviation of each keypoint, the root of a third of its covariance's trace.
        limit_excess: (T,) the furthest that an angle is beyond its limits, radians.
        flags: (T,) :class:`FitFlag` values.
        views_used: (T,) number of views the fit rests on.
        scale: units of the rig per metre; 1 for a metric rig.
        notes: how it was fitted, as plain JSON values.

    Raises:
        ValueError: if an array does not have its shape or the model is of the other side.
    """

    track: Track
    model: HandModel
    shape: Array
    angles: Array
    T_world_wrist: Array
    keypoint_error: Array
    reprojection_px: Array
    sigma: Array
    limit_excess: Array
    flags: NDArray[np.uint8]
    views_used: NDArray[np.uint8]
    scale: float = 1.0
    notes: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        T = len(self.angles)
        expected = {
            "shape": (self.model.shape_count,),
            "angles": (T, 15, 3),
            "T_world_wrist": (T, 4, 4),
            "keypoint_error": (T,),
            "reprojection_px": (T,),
            "sigma": (T, len(HAND)),
            "limit_excess": (T,),
            "flags": (T,),
            "views_used": (T,),
        }
        for name, shape in expected.items():
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} must have shape {shape}, got {getattr(self, name).shape}")
        if self.track.target != "hand" or self.model.side != self.track.side:
            raise ValueError(f"a {self.model.side} hand model was given for {self.track.name}")
        if not (np.isfinite(self.scale) and self.scale > 0):
            raise ValueError(f"scale must be positive, got {self.scale}")

    def __len__(self) -> int:
        return len(self.angles)

    @cached_property
    def fitted(self) -> NDArray[np.bool_]:
        """(T,) frames with a pose."""
        return np.asarray(
            np.isfinite(self.angles).all(axis=(1, 2)) & np.isfinite(self.T_world_wrist).all(axis=(1, 2))
        )

    @property
    def hand_length(self) -> float:
        """Wrist joint to the end of the middle finger of the flat hand, in the unit of the rig."""
        flat = self.model.template + self.model.shape_directions @ self.shape
        return float(self.scale * flat[:, 1].max())

    def reasons(self, frame: int) -> tuple[str, ...]:
        """What is to be said of one frame, in words."""
        return FitFlag(int(self.flags[frame])).reasons

    def posed(self, frames: int | slice | NDArray[np.int64] | None = None) -> PosedHand:
        """Mesh, joints and keypoints in the world, in the unit of the rig.

        Args:
            frames: positions on the T axis; all by default.

        Returns:
            Arrays (V, 3) … for a single frame, (N, V, 3) … otherwise; NaN where there is no fit.
        """
        where = slice(None) if frames is None else frames
        angles, T = self.angles[where], self.T_world_wrist[where]
        known = self.fitted[where]
        # What is not known is posed anywhere, and made unknown again.
        R = np.where(known[..., None, None], T[..., :3, :3], np.eye(3))
        place = T[..., :3, 3]
        still = np.where(known[..., None, None], angles, 0.0)
        posed = self.model.pose(still, self.shape, rigid(R, np.zeros(3)))

        def world(points: Array) -> Array:
            moved = self.scale * points + place[..., None, :]
            return np.where(known[..., None, None], moved, np.nan)

        T_world_joint = rigid(
            np.where(known[..., None, None, None], posed.T_world_joint[..., :3, :3], np.nan),
            world(posed.joints),
        )
        return PosedHand(
            world(posed.vertices), T_world_joint[..., :3, 3], world(posed.keypoints), T_world_joint
        )


@cache
def _open_hand_sha256() -> str:
    return hashlib.sha256((files("handloom.hand") / "open_hand.npz").read_bytes()).hexdigest()


def model_identity(model: HandModel) -> dict[str, Any]:
    """What must be kept of a model to recognise it: name, side, SHA-256 of its file, how it was read.

    Raises:
        SessionError: for a model that cannot be loaded again.
    """
    name = model.metadata.get("name")
    kept: dict[str, Any] = {
        key: model.metadata[key] for key in ("tips", "flat_hand_mean") if key in model.metadata
    }
    sha256 = _open_hand_sha256() if name == OPEN_HAND else model.metadata.get("sha256")
    if not name or not sha256:
        raise SessionError(
            f"The hand model {name or 'without a name'!r} does not say which file it was read from.",
            "Fit with the open hand or with MANO.",
        )
    return {"name": name, "side": model.side, "sha256": sha256, **kept}


def same_model(model: HandModel, identity: dict[str, Any]) -> bool:
    """Whether a model is the one described by :func:`model_identity`."""
    return model_identity(model) == identity


def load_identified(identity: dict[str, Any]) -> HandModel:
    """The open hand described by :func:`model_identity`.

    Raises:
        SessionError: if it is another model, or another version of the open hand.
    """
    name, side = identity.get("name"), identity.get("side")
    if name != OPEN_HAND:
        raise SessionError(
            f"The hands were fitted with {name}, which handloom may not carry and which is not where it was.",
            "Let the environment variable MANO_DIR name the folder of its files.",
        )
    model = load_open_hand(str(side))
    if not same_model(model, identity):
        raise SessionError(
            "The hands were fitted with another version of the open hand.", "Run handloom fit again."
        )
    return model
