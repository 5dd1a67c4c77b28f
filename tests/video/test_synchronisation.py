"""Time offsets found from motion and from epipolar geometry."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from handloom.cameras import Camera, read_rig
from handloom.video import estimate_offset
from handloom.video.synchronisation import epipolar_offset, motion_offset

Array = NDArray[np.float64]


def _camera(name: str, angle: float) -> Camera:
    """A camera two metres from the origin, on a circle around it."""
    cos, sin = np.cos(angle), np.sin(angle)
    T = np.eye(4)
    T[:3, :3] = [[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]]
    T[2, 3] = 2.0
    K = np.array([[900.0, 0, 640], [0, 900.0, 360], [0, 0, 1]])
    return Camera(name, (1280, 720), K, np.zeros(5), T)


CAMERAS = (_camera("left", -0.5), _camera("right", 0.6))


def _hand(times_s: Array, amplitude: float = 1.0) -> Array:
    """(T, 21, 3) joints of a hand that stops and goes, and whose fingers move on their own, in metres."""
    rng = np.random.default_rng(3)
    shape = rng.normal(0, 0.05, (21, 3))
    starts = np.cumsum(rng.uniform(0.3, 1.1, 20))
    progress = 0.2 * times_s + sum(0.35 * np.tanh((times_s - start) / 0.15) for start in starts)
    t = np.asarray(progress)[:, None, None]
    rates, phases = rng.uniform(0.3, 1.7, (2, 4, 1, 3)), rng.uniform(0, 6, (2, 4, 1, 3))
    sway = sum(np.sin(2 * np.pi * rates[0, k] * t + phases[0, k]) for k in range(4)) * 0.06
    own = rng.uniform(0.2, 2.0, (21, 3)), rng.uniform(0, 6, (21, 3))
    return shape + amplitude * (sway + 0.02 * np.sin(2 * np.pi * own[0] * t + own[1]))


def _views(
    offset_s: float, fps: tuple[float, float] = (30.0, 30.0), noise_px: float = 0.7, amplitude: float = 1.0
) -> tuple[Array, Array]:
    """Tracks of both cameras; the second began ``offset_s`` after the first."""
    rng = np.random.default_rng(5)
    tracks = []
    for camera, rate, begin in zip(CAMERAS, fps, (3.0, 3.0 + offset_s), strict=True):
        track = camera.project(_hand(begin + np.arange(int(8 * rate)) / rate, amplitude))
        track += rng.normal(0, noise_px, track.shape)
        track[rng.random(len(track)) < 0.05] = np.nan
        track[rng.random(track.shape[:2]) < 0.02] = np.nan
        tracks.append(track)
    return tracks[0], tracks[1]


@pytest.mark.parametrize("offset_s", [0.0, 0.123, -0.41, 1.017, -1.5])
def test_offset_of_a_moving_hand_to_a_fraction_of_a_frame(offset_s: float) -> None:
    left, right = _views(offset_s)
    calibrated = estimate_offset(left, right, (30, 30), CAMERAS)
    assert calibrated.seconds == pytest.approx(offset_s, abs=0.1 / 30)
    assert calibrated.frames == pytest.approx(30 * calibrated.seconds)
    assert calibrated.confidence > 0.7
    uncalibrated = estimate_offset(left, right, (30, 30))
    assert uncalibrated.seconds == pytest.approx(offset_s, abs=1 / 30)
    assert uncalibrated.confidence > 0.3


def test_views_of_different_rates() -> None:
    left, right = _views(0.27, fps=(30.0, 59.94))
    offset = estimate_offset(left, right, (30, 59.94), CAMERAS)
    assert offset.seconds == pytest.approx(0.27, abs=0.1 / 30)


def test_the_views_swapped_give_the_opposite_offset() -> None:
    left, right = _views(0.4)
    offset = estimate_offset(right, left, (30, 30), CAMERAS[::-1])
    assert offset.seconds == pytest.approx(-0.4, abs=0.1 / 30)


def test_residual_curve_has_its_bottom_at_the_offset() -> None:
    left, right = _views(0.2)
    offset = estimate_offset(left, right, (30, 30), CAMERAS)
    assert np.all(np.diff(offset.candidates_s) >= 0)
    assert offset.candidates_s[np.nanargmin(offset.residual)] == pytest.approx(0.2, abs=0.5 / 30)


def test_static_scene_has_low_confidence() -> None:
    left, right = _views(0.3, amplitude=0.0)
    assert estimate_offset(left, right, (30, 30), CAMERAS).confidence < 0.3
    assert estimate_offset(left, right, (30, 30)).confidence < 0.3


@pytest.mark.parametrize("cameras", [None, CAMERAS])
def test_nothing_seen_has_no_confidence(cameras: tuple[Camera, Camera] | None) -> None:
    nothing = np.full((200, 21, 2), np.nan)
    assert estimate_offset(nothing, nothing, (30, 30), cameras).confidence == 0
    assert estimate_offset(nothing[:0], nothing, (30, 30), cameras).confidence == 0


@pytest.mark.parametrize("shift", [0, 1, 4, -7, 25])
def test_real_hand_shifted_by_whole_frames(data: Path, shift: int) -> None:
    tracks = [_pseudo_labels(data, view) for view in range(2)]
    rig = read_rig(data / "temugeb_handpose3d" / "camera_parameters")
    reference, other = tracks[0][max(-shift, 0) :], tracks[1][max(shift, 0) :]
    offset = estimate_offset(reference, other, (30, 30), (rig[0], rig[1]))
    assert offset.frames == pytest.approx(shift, abs=0.3)
    assert offset.confidence > 0.7
    motion = motion_offset(reference, other, (30, 30))
    assert motion.frames == pytest.approx(shift, abs=0.3)
    assert motion.confidence > 0.4


@pytest.mark.parametrize("estimate", [motion_offset, lambda a, b, fps: epipolar_offset(a, b, np.eye(4), fps)])
@pytest.mark.parametrize(
    ("shapes", "fps"),
    [(((5, 21, 2), (5, 20, 2)), (30, 30)), (((5, 2), (5, 2)), (30, 30)), (((9, 3, 2), (9, 3, 2)), (30, 0))],
)
def test_arguments_that_do_not_fit(estimate, shapes, fps) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError):
        estimate(np.zeros(shapes[0]), np.zeros(shapes[1]), fps)


def _pseudo_labels(data: Path, view: int) -> Array:
    stored = json.loads((data / "pseudo_labels" / f"temugeb_hand_cam{view}.json").read_text())
    track = np.full((len(stored["frames"]), 21, 2), np.nan)
    for frame, hands in enumerate(stored["frames"]):
        if hands:
            track[frame] = np.array(hands[0]["px"])[:, :2]
    return track
