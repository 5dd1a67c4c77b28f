"""From keypoints of every camera to a rig: the steps in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from handloom.calibration.calibration import Uncertainty
from handloom.calibration.findings import Finding, Name, Severity
from handloom.calibration.selfcalibration.adjustment import Adjustment, adjust
from handloom.calibration.selfcalibration.clocks import coarse_offsets
from handloom.calibration.selfcalibration.judgement import judge
from handloom.calibration.selfcalibration.pairwise import fit_pairs
from handloom.calibration.selfcalibration.posegraph import LEAST_FRAMES, match_pairs, place_cameras
from handloom.calibration.selfcalibration.result import BIAS, SelfCalibration
from handloom.calibration.selfcalibration.scale import bone_length as measured_length
from handloom.calibration.selfcalibration.scale import scale_by_bones
from handloom.calibration.selfcalibration.subjects import matched_subjects
from handloom.calibration.selfcalibration.swaps import righted
from handloom.calibration.selfcalibration.tracks import KeypointTracks
from handloom.cameras import Camera, CameraRig
from handloom.errors import CalibrationError
from handloom.hand.kinematics import nearest_rigid
from handloom.progress import SILENT, Progress

Array = NDArray[np.float64]

STEPS = 5


def calibrate_tracks(
    tracks: KeypointTracks,
    cameras: Sequence[Camera],
    *,
    bone_length: Mapping[str, float] | None = None,
    camera_distance: tuple[str, str, float] | None = None,
    synchronised: bool = True,
    offsets_s: ArrayLike | None = None,
    progress: Progress = SILENT,
) -> SelfCalibration:
    """Find where the cameras stand from the keypoints they saw.

    Essential matrices of all pairs, one rig out of them, left and right put right, clocks and poses on
    epipolar distances, bundle adjustment of poses and joints over the whole recording, scale.

    Args:
        tracks: what every camera saw, each on its own clock, in the order of ``cameras``.
        cameras: (C) with their lenses; poses are ignored.
        bone_length: name → metres, see :func:`handloom.calibration.selfcalibration.scale.bone_length`.
        camera_distance: names of two cameras and the metres between them.
        synchronised: the clocks agree (apart from ``offsets_s``); otherwise offsets are estimated.
        offsets_s: (C,) known times on the first camera's clock at which each camera's clock shows 0.
        progress: told of every step.

    Raises:
        CalibrationError: if the recording does not determine the rig; the message says why, with numbers.
    """
    _require_lengths(bone_length, camera_distance, cameras)
    _require_keypoints(tracks)
    with progress.task("rig from keypoints", STEPS, "steps") as task:
        rough = np.zeros(len(cameras)) if offsets_s is None else np.asarray(offsets_s, dtype=np.float64)
        if not synchronised and offsets_s is None:
            rough = coarse_offsets(tracks, cameras)
        whole = np.rint(rough * tracks.fps).astype(int)
        rest = rough - whole / tracks.fps
        tracks = tracks.shifted(whole.tolist())
        tracks = matched_subjects(tracks, cameras)
        task.advance()
        poses = _placed(tracks, cameras)
        tracks, swapped = righted(tracks, cameras, poses)
        if swapped.any():
            poses = _placed(tracks, cameras)
            tracks, again = righted(tracks, cameras, poses)
            swapped = np.maximum(swapped, again)
        task.advance()
        fit = fit_pairs(tracks, cameras, poses, rest, timing=not synchronised)
        rest = fit.offsets_s
        task.advance()
        seen = tracks if np.abs(rest).max() * tracks.fps < 1e-3 else tracks.delayed(rest)
        adjustment = adjust(seen, cameras, fit.poses)
        task.advance()
        fit = fit_pairs(
            tracks,
            cameras,
            adjustment.poses,
            rest,
            timing=not synchronised,
            moving=False,
            relative_noise=adjustment.noise_px,
        )
        # Whether the clocks agree is asked even where they are said to.
        clocks = fit
        if synchronised:
            clocks = fit_pairs(
                tracks, cameras, adjustment.poses, rest, timing=True, relative_noise=adjustment.noise_px
            )
        task.advance()
    scale, ratios = _scale(bone_length, camera_distance, seen, adjustment, cameras)
    findings = judge(
        seen,
        adjustment,
        replace(fit, offsets_s=clocks.offsets_s - rest, offsets_std_s=clocks.offsets_std_s),
        synchronised=synchronised,
        scale_ratios=ratios,
    )
    start = whole / tracks.fps
    unclear = clocks.offsets_std_s * tracks.fps > 2.0
    return SelfCalibration(
        rig=_rig(cameras, adjustment, scale, "unknown" if ratios is None else "m"),
        tracks=seen,
        points=adjustment.points * scale,
        residuals=adjustment.residuals,
        used=adjustment.used,
        offsets_s=rest + start,
        measured_offsets_s=np.where(unclear, np.nan, clocks.offsets_s + start),
        offsets_std_s=clocks.offsets_std_s,
        uncertainty=_uncertainty(cameras, fit.rotation_std_rad, fit.center_std * scale),
        bones_m={name: measured_length(name, seen, adjustment.points) * scale for name in bone_length or {}},
        swapped=swapped,
        findings=findings,
    )


def refine_rig(
    rig: CameraRig,
    tracks: KeypointTracks,
    *,
    offsets_s: ArrayLike | None = None,
) -> SelfCalibration:
    """Move the cameras of an existing rig to where keypoints agree best; to be used with caution.

    The bias of the detector is carried into the rig: on a rig that a board had calibrated well, it made
    points that stand still worse. Use it where a camera has been knocked and no board is at hand. The first
    camera stays where it is and the mean distance of the others from it stays what it is.

    Args:
        rig: the cameras, posed.
        tracks: what they saw, in their order.
        offsets_s: (C,) known times on the first camera's clock at which each camera's clock shows 0.

    Raises:
        CalibrationError: if there are too few keypoints.
    """
    _require_keypoints(tracks)
    offsets = np.zeros(len(rig)) if offsets_s is None else np.asarray(offsets_s, dtype=np.float64)
    whole = np.rint(offsets * tracks.fps).astype(int)
    rest = offsets - whole / tracks.fps
    tracks = tracks.shifted(whole.tolist())
    given = np.stack([camera.T_camera_world for camera in rig])
    poses = given @ np.linalg.inv(given[0])
    scale = float(np.linalg.norm(poses[1:, :3, 3], axis=1).mean())
    poses[:, :3, 3] /= scale
    tracks, swapped = righted(tracks, rig.cameras, poses)
    seen = tracks if np.abs(rest).max() * tracks.fps < 1e-3 else tracks.delayed(rest)
    adjustment = adjust(seen, rig.cameras, poses)
    fit = fit_pairs(
        tracks,
        rig.cameras,
        adjustment.poses,
        rest,
        timing=True,
        moving=False,
        relative_noise=adjustment.noise_px,
    )
    warning = Finding(
        Name.large_residual,
        Severity.warning,
        f"The rig was refined from keypoints. {BIAS}",
        "Keep the rig as it was if a board calibrated it and no camera was moved since.",
    )
    findings = judge(seen, adjustment, fit, synchronised=False, scale_ratios={"rig": 1.0})
    cameras = _rig(rig.cameras, adjustment, scale, rig.unit)
    moved = tuple(
        replace(camera, T_camera_world=nearest_rigid(camera.T_camera_world @ given[0])) for camera in cameras
    )
    world = np.linalg.inv(given[0])
    return SelfCalibration(
        rig=replace(rig, cameras=moved),
        tracks=seen,
        points=scale * adjustment.points @ world[:3, :3].T + world[:3, 3],
        residuals=adjustment.residuals,
        used=adjustment.used,
        offsets_s=offsets,
        measured_offsets_s=np.full(len(rig), np.nan),
        offsets_std_s=fit.offsets_std_s,
        uncertainty=_uncertainty(rig.cameras, fit.rotation_std_rad, fit.center_std * scale),
        swapped=swapped,
        findings=(warning, *(f for f in findings if f.name is not Name.large_residual)),
    )


def _placed(tracks: KeypointTracks, cameras: Sequence[Camera]) -> Array:
    rays = tracks.rays(cameras)
    focal = np.array([np.sqrt(camera.K[0, 0] * camera.K[1, 1]) for camera in cameras])
    sigma = tracks.sigma_px() / focal[:, None, None]
    return place_cameras(rays, sigma, match_pairs(rays, sigma), tracks.cameras)


def _scale(
    bones: Mapping[str, float] | None,
    distance: tuple[str, str, float] | None,
    tracks: KeypointTracks,
    adjustment: Adjustment,
    cameras: Sequence[Camera],
) -> tuple[float, dict[str, float] | None]:
    """Metres per unit, and what every given length says about it; None if there is none."""
    if not bones and distance is None:
        return 1.0, None
    ratios: dict[str, float] = {}
    scale = 1.0
    if bones:
        scale, ratios = scale_by_bones(bones, tracks, adjustment.points)
    if distance is not None:
        a, b, metres = distance
        names = [camera.name for camera in cameras]
        T = adjustment.poses[[names.index(a), names.index(b)]]
        centers = -np.einsum("cji,cj->ci", T[:, :3, :3], T[:, :3, 3])
        scale = metres / float(np.linalg.norm(centers[0] - centers[1]))
        ratios[f"{a} to {b}"] = scale
    return scale, ratios


def _rig(cameras: Sequence[Camera], adjustment: Adjustment, scale: float, unit: str) -> CameraRig:
    posed = []
    for camera, T in zip(cameras, adjustment.poses, strict=True):
        T = nearest_rigid(T)
        T[:3, 3] *= scale
        posed.append(replace(camera, T_camera_world=T))
    return CameraRig(tuple(posed), unit=unit)


def _uncertainty(cameras: Sequence[Camera], rotation: Array, center: Array) -> tuple[Uncertainty, ...]:
    return tuple(
        Uncertainty(np.zeros(2), np.zeros(2), np.zeros(len(camera.distortion)), rotation[c], center[c])
        for c, camera in enumerate(cameras)
    )


def _require_lengths(
    bones: Mapping[str, float] | None, distance: tuple[str, str, float] | None, cameras: Sequence[Camera]
) -> None:
    for name, length in (bones or {}).items():
        if not (np.isfinite(length) and length > 0):
            raise CalibrationError(
                f"The length of {name!r} cannot be {length} m.", "Give metres, such as 0.27."
            )
    if distance is not None:
        a, b, metres = distance
        names = [camera.name for camera in cameras]
        if a == b or a not in names or b not in names or not (np.isfinite(metres) and metres > 0):
            raise CalibrationError(
                f"{metres} m between {a!r} and {b!r} is no distance between two cameras.",
                f"Name two of {', '.join(names)} and give metres.",
            )


def _require_keypoints(tracks: KeypointTracks) -> None:
    frames = tracks.sound.any(axis=2).sum(axis=1)
    blind = [c for c in range(len(frames)) if frames[c] < LEAST_FRAMES]
    if len(frames) - len(blind) < 2:
        counts = ", ".join(f"{name} in {n}" for name, n in zip(tracks.cameras, frames, strict=True))
        raise CalibrationError(
            f"It takes two cameras that see somebody; keypoints were found by {counts} frames.",
            "Check that the videos show what was asked for (hands or a body), large enough and well lit.",
        )
    if blind:
        names = " and ".join(f"{tracks.cameras[c]} ({frames[c]} frames)" for c in blind)
        raise CalibrationError(
            f"Hardly any keypoints were found by {names}, so that they cannot be placed.",
            "Leave these cameras out, or record somebody whom they see.",
        )
