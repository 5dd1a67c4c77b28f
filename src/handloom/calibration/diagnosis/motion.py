"""Cameras that were moved, whose clock is off, or whose video lost pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from handloom.calibration.adjustment.bundle import BundleOptions, adjust_boards
from handloom.calibration.diagnosis.changes import (
    Seen,
    Stretch,
    apart,
    apart_px,
    fit,
    place_boards,
    seen_by,
    spread,
    stretches,
)
from handloom.calibration.diagnosis.evidence import Evidence, listed
from handloom.calibration.diagnosis.suspicion import Paths, shifted
from handloom.calibration.findings import Finding, Name, Severity
from handloom.calibration.sightings import Sightings
from handloom.cameras import Camera

Array = NDArray[np.float64]

_SUSPICIOUS_PX = 0.5  # by so much a change must move the picture to be looked into
_LATE_PX, _MOVED_PX = 1.0, 1.5  # to be told
_WRONG_PX = 3.0  # beyond which results should not be trusted
_NOISES = 3.0  # and by so many standard deviations of a corner
_SIGNIFICANT = 5.0  # standard deviations of what is estimated
_BETTER = 1.5  # times smaller the residuals must get
_WHOLE = 0.5  # of a picture: a smaller jump of the clock is no lost picture
_SCATTER = 0.3  # on both sides of a change, against the change
_MOST_CULPRITS = 4
_MOST_MOMENTS = 160  # from which the cameras are adjusted anew


@dataclass(frozen=True, eq=False)
class Culprit:
    """A camera that contradicts the others, and how.

    Attributes:
        camera: its number.
        others: the cameras it was compared with.
        seen: what it sees of the boards that they place.
        parts: its pose and clock over the recording.
    """

    camera: int
    others: tuple[int, ...]
    seen: Seen
    parts: list[Stretch]


def findings(evidence: Evidence) -> Iterator[Finding]:
    """``moved-camera``, ``unsynchronised`` and ``dropped-frames`` of cameras that are linked."""
    for culprit in culprits(evidence):
        yield from _clock(evidence, culprit)
        yield from _moved(evidence, culprit)


def culprits(evidence: Evidence) -> Iterator[Culprit]:
    """Cameras that contradict the others, the clearest first; each is left out before the next is looked"
    " for."""
    calibration = evidence.calibration
    if calibration is None:
        return
    sightings, boards = calibration.sightings, calibration.T_world_board
    cameras = list(evidence.cameras)
    believed = [c for c, camera in enumerate(cameras) if camera is not None]
    for _ in range(_MOST_CULPRITS):
        if len(believed) < 2:
            return
        gains = {c: _gain(seen_by(sightings, cameras, boards, c, believed)) for c in believed}
        worst = max(sorted(gains), key=lambda c: gains[c])
        if len(believed) == 2:
            worst = believed[1]
        if max(gains.values()) <= 0.0:
            return
        others = [c for c in believed if c != worst]
        lenses = [
            None if camera is None else _with_lens_of(camera, lens)
            for camera, lens in zip(cameras, evidence.lens_cameras_alone, strict=True)
        ]
        cameras, boards = _without(sightings, lenses, boards, others)
        found = _second_look(sightings, cameras, boards, worst, others)
        if found is not None:
            yield found
        believed = others


def _gain(seen: Seen | None) -> float:
    """How much better what a camera sees is explained if it may have changed; 0 if nothing is suspicious."""
    if seen is None:
        return 0.0
    gain = 0.0
    suspicious = False
    for part in stretches(seen, most=4):
        gain += np.log(part.before_px / part.sigma_px)
        if part.before_px < _BETTER * part.sigma_px:
            continue
        moved = apart_px(part.camera, seen.own, seen.at(part.moments))
        late = part.late_px if abs(part.late_s) > _SIGNIFICANT * part.late_std_s else 0.0
        suspicious |= max(moved, late) >= max(_SUSPICIOUS_PX, _NOISES * part.sigma_px)
    return float(gain) if suspicious else 0.0


def _without(
    sightings: Sightings, cameras: list[Camera | None], boards: Array, believed: list[int]
) -> tuple[list[Camera | None], Array]:
    """The cameras and boards by those that are believed alone; the others keep their places."""
    moments = np.flatnonzero(np.isfinite(boards).all(axis=(1, 2)))
    only = [camera if c in believed else None for c, camera in enumerate(cameras)]
    if len(believed) > 1:
        chosen = np.isin(sightings.moment, spread(moments, _MOST_MOMENTS))
        rows = chosen & np.isin(sightings.camera, believed)
        adjusted = adjust_boards(sightings.where(rows), only, boards, BundleOptions()).cameras
        only = list(adjusted)
    placed = place_boards(sightings, only, boards, moments)
    return [new or old for new, old in zip(only, cameras, strict=True)], placed


def _second_look(
    sightings: Sightings, cameras: list[Camera | None], boards: Array, camera: int, others: list[int]
) -> Culprit | None:
    seen = seen_by(sightings, cameras, boards, camera, others)
    own = cameras[camera]
    if seen is None or own is None:
        return None
    late = 0.0
    lagging = shifted(Paths.of(sightings, own, camera, boards))
    if lagging is not None and seen.path is not None:
        late = lagging.lag * seen.path.step_s
        own = replace(own, T_camera_world=lagging.T_camera_world)
    whole = fit(seen, late, own)
    if whole is not None and lagging is not None:
        seen, late = replace(seen, own=whole.camera), whole.late_s
    parts = stretches(seen, starts_s=(0.0, late) if late else (0.0,))
    return Culprit(camera, tuple(others), seen, parts) if parts else None


def _clock(evidence: Evidence, culprit: Culprit) -> Iterator[Finding]:
    telling = [p for p in culprit.parts if p.late_std_s * p.speed_px_s < _LATE_PX / _SIGNIFICANT * 2]
    path = culprit.seen.path
    if path is None or not telling:
        return
    late = np.array([part.late_s for part in telling])
    speed = float(np.median([part.speed_px_s for part in telling]))
    std = float(np.median([part.late_std_s for part in telling]))
    frame = path.step_s
    name = evidence.names[culprit.camera]
    place, jump, scatter = _best_split(late)
    dropped = (
        abs(jump) >= max(_WHOLE * frame, _SIGNIFICANT * std)
        and abs(jump) * speed >= max(_LATE_PX, _NOISES * telling[0].sigma_px)
        and scatter <= _SCATTER * abs(jump)
    )
    if dropped:
        moment = int(telling[place].moments[0])
        yield Finding(
            Name.dropped_frames,
            _severity(abs(jump) * speed),
            f"The clock of {name} jumps by {1e3 * abs(jump):.0f} ms ({abs(jump) / frame:.1f} pictures) near"
            f" {evidence.time_text(moment)}: its video {'lost' if jump < 0 else 'repeats'} pictures there"
            f" without saying so, and the board appears up to {abs(jump) * speed:.0f} px off.",
            "Record with a constant frame rate to a faster disk, or cut the recordings there and calibrate"
            " with"
            " the longer part.",
            (name,),
            {
                "jump_ms": 1e3 * jump,
                "jump_frames": jump / frame,
                "moment": float(moment),
                "effect_px": abs(jump) * speed,
            },
        )
        late = min(late[:place], late[place:], key=lambda side: abs(float(np.median(side))))
    constant = float(np.median(late))
    spread_s = float(np.median(np.abs(late - constant)))
    effect = abs(constant) * speed
    if (
        effect >= max(_LATE_PX, _NOISES * np.median([p.sigma_px for p in telling]))
        and abs(constant) > _SIGNIFICANT * std
        and spread_s <= 0.5 * abs(constant)
    ):
        yield unsynchronised(evidence, culprit.camera, culprit.others, constant, std, frame, effect)


def unsynchronised(
    evidence: Evidence,
    camera: int,
    others: tuple[int, ...],
    late_s: float,
    std_s: float,
    frame_s: float,
    effect_px: float,
) -> Finding:
    """The finding for a camera whose pictures show the board ``late_s`` before their time."""
    name, rest = evidence.names[camera], listed([evidence.names[c] for c in others])
    what = f"{1e3 * abs(late_s):.1f} ms ({abs(late_s) / frame_s:.1f} pictures)"
    side = "behind" if late_s > 0 else "ahead of"
    sure = f" (standard deviation {1e3 * std_s:.1f} ms)" if np.isfinite(std_s) else ""
    numbers = {"offset_ms": -1e3 * late_s, "offset_frames": -late_s / frame_s, "effect_px": effect_px}
    if np.isfinite(std_s):
        numbers["std_ms"] = 1e3 * std_s
    return Finding(
        Name.unsynchronised,
        _severity(effect_px),
        f"The pictures of {name} are {what} {side} those of {rest}{sure}; a moving board appears"
        f" {effect_px:.1f} px off.",
        f"Start the cameras together (hardware trigger, or a clap to align by), or pass"
        f" --offset {name}={-late_s:+.4f} (seconds, added to its clock), or hold the board still for every"
        " view.",
        (name,),
        numbers,
    )


def _moved(evidence: Evidence, culprit: Culprit) -> Iterator[Finding]:
    parts, seen = culprit.parts, culprit.seen
    if len(parts) < 2:
        return
    apart_table = np.array([[apart_px(a.camera, b.camera, seen) for b in parts] for a in parts])
    apart_table = np.nan_to_num(apart_table, nan=np.inf)
    best: tuple[float, int, float] | None = None
    for place in range(1, len(parts)):
        first, second = apart_table[:place, :place], apart_table[place:, place:]
        between = float(np.median(apart_table[:place, place:]))
        scatter = max(_middle(first), _middle(second))
        if best is None or between - 2 * scatter > best[0]:
            best = (between - 2 * scatter, place, scatter)
    assert best is not None
    _, place, scatter = best
    a = parts[int(np.median(apart_table[:place, :place], axis=0).argmin())]
    b = parts[place + int(np.median(apart_table[place:, place:], axis=0).argmin())]
    noise = float(np.median([part.sigma_px for part in parts]))
    effect = apart_px(a.camera, b.camera, seen)
    if effect < max(_MOVED_PX, _NOISES * noise) or scatter > _SCATTER * effect:
        return
    degrees, metres = apart(a.camera, b.camera)
    moment = int(parts[place].moments[0])
    name = evidence.names[culprit.camera]
    alone = len(culprit.others) == 1
    other = evidence.names[culprit.others[0]]
    who = f"{other} or {name}" if alone else name
    unit = evidence.calibration.rig.unit if evidence.calibration else "unknown"
    length = f" and {1e3 * metres:.1f} mm" if unit == "m" else ""
    yield Finding(
        Name.moved_camera,
        _severity(effect),
        f"{who} moved near {evidence.time_text(moment)}, by {degrees:.2f}°{length} between the parts before"
        " and"
        f" after, which is {effect:.1f} px in the picture.",
        "Fasten the camera (tripod, tape, no cable that pulls), then record again; or calibrate with the"
        " part of"
        " the recording that agrees with the later use.",
        (other, name) if alone else (name,),
        {"degrees": degrees, "mm": 1e3 * metres, "effect_px": effect, "moment": float(moment)},
    )


def _best_split(values: Array) -> tuple[int, float, float]:
    """Where values jump: (first number after it, by how much, scatter of both sides)."""
    best = (0, 0.0, np.inf)
    for place in range(1, len(values)):
        first, second = values[:place], values[place:]
        jump = float(np.median(second) - np.median(first))
        scatter = max(float(np.median(np.abs(side - np.median(side)))) for side in (first, second))
        if abs(jump) - 2 * scatter > abs(best[1]) - 2 * best[2]:
            best = (place, jump, scatter)
    return best


def _middle(table: Array) -> float:
    """Median distance from the part that is nearest to all others of its side."""
    return float(np.median(table, axis=0).min()) if len(table) > 1 else 0.0


def _with_lens_of(camera: Camera, lens: Camera | None) -> Camera:
    """The camera with its own lens calibration: the common one suffers from what is being looked for."""
    if lens is None:
        return camera
    return replace(camera, K=lens.K, distortion=lens.distortion, model=lens.model)


def _severity(effect_px: float) -> Severity:
    return Severity.error if effect_px >= _WRONG_PX else Severity.warning
