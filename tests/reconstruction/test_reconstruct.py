"""From sightings to 3D keypoints: what is missing, filled, wrong, or cut into windows."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from synthetic import PERSON, RIGHT_HAND, Scene, arc_rig

from handloom.reconstruction import ReconstructionOptions, Reconstructor, Sightings, Solution
from handloom.skeleton import BODY, HAND

Array = NDArray[np.float64]
FPS = 30.0
PLAIN = ReconstructionOptions(smooth=False)
FINGERTIP = HAND.index("index_tip")


def scene(frames: int = 90, cameras: int = 3, unit: str = "m") -> Scene:
    return Scene.of(frames, rig=arc_rig(cameras, unit=unit), tracks=[RIGHT_HAND])


def sightings(scene: Scene, noise_px: float = 1.5, seed: int = 0) -> Sightings:
    truth = next(iter(scene.truth.values()))
    xy = scene.rig.project(truth)
    xy = xy + np.random.default_rng(seed).normal(0, 1, xy.shape) * noise_px
    return Sightings(xy, np.full(xy.shape[:-1], 0.95), np.full(xy.shape[:2], max(noise_px, 1.0)))


def solved(scene: Scene, seen: Sightings, options: ReconstructionOptions | None = None) -> Solution:
    solver = Reconstructor(scene.rig, next(iter(_skeletons(scene))), FPS, options)
    solver.learn(seen)
    return solver.solve(seen)


def _skeletons(scene: Scene) -> list:
    return [HAND if track.target == "hand" else BODY for track in scene.truth]


def hide(seen: Sightings, views: list[int], frames: slice, joint: int | slice = slice(None)) -> None:
    for view in views:
        seen.xy[view, frames, joint] = np.nan
        seen.confidence[view, frames, joint] = 0.0


def error(solution: Solution, scene: Scene) -> Array:
    return np.linalg.norm(solution.keypoints.xyz - next(iter(scene.truth.values())), axis=-1)


def test_without_noise_every_frame_alone_is_exact() -> None:
    made = scene()
    found = solved(made, sightings(made, 0.0), PLAIN)
    assert error(found, made).max() < 1e-6
    assert (found.keypoints.views_used == 3).all()
    assert found.keypoints.reprojection_px.max() < 1e-3
    assert found.used.all()


def test_smoothing_is_closer_to_the_truth() -> None:
    made = scene()
    seen = sightings(made, 3.0)
    plain, smooth = error(solved(made, seen, PLAIN), made), error(solved(made, seen), made)
    assert smooth.mean() < 0.75 * plain.mean()


def test_covariance_says_how_far_off_a_point_is() -> None:
    made = scene(200)
    found = solved(made, sightings(made, 2.0), PLAIN)
    off = found.keypoints.xyz - made.truth[RIGHT_HAND]
    squared = np.einsum(
        "tji,tji->tj", off, np.linalg.solve(found.keypoints.covariance, off[..., None])[..., 0]
    )
    assert 1.5 < squared.mean() < 4.5
    eigenvalues = np.linalg.eigvalsh(found.keypoints.covariance)
    assert (eigenvalues > 0).all()


@pytest.mark.parametrize("smooth", [False, True])
def test_a_joint_seen_by_one_view_only_is_missing(smooth: bool) -> None:
    made = scene()
    seen = sightings(made)
    hide(seen, [0, 2], slice(None), FINGERTIP)
    found = solved(made, seen, ReconstructionOptions(smooth=smooth))
    points = found.keypoints
    assert np.isnan(points.xyz[:, FINGERTIP]).all()
    assert np.isnan(points.covariance[:, FINGERTIP]).all()
    assert np.isnan(points.reprojection_px[:, FINGERTIP]).all()
    assert (points.views_used[:, FINGERTIP] == 0).all()
    assert not found.used[:, :, FINGERTIP].any()
    others = np.delete(np.arange(21), FINGERTIP)
    assert np.isfinite(points.xyz[:, others]).all()
    assert error(found, made)[:, others].mean() < (3e-3 if smooth else 8e-3)


def test_a_single_camera_gives_no_points_and_no_failure() -> None:
    made = scene(20, cameras=2)
    rig = made.rig.subset(["cam0"])
    alone = Scene(rig, made.times_s, made.truth)
    for options in (None, PLAIN):
        found = solved(alone, sightings(alone), options)
        assert np.isnan(found.keypoints.xyz).all()
        assert (found.keypoints.views_used == 0).all()


def test_an_observation_too_uncertain_is_not_used() -> None:
    made = scene(20)
    seen = sightings(made)
    seen.confidence[1] = 0.1
    found = solved(made, seen)
    assert not found.used[1].any()
    assert (found.keypoints.views_used == 2).all()


@pytest.mark.parametrize("gap", [1, 4, 7])
def test_a_short_gap_is_filled_and_says_so(gap: int) -> None:
    made = scene()
    seen = sightings(made)
    frames = slice(40, 40 + gap)
    hide(seen, [0, 1, 2], frames)
    found = solved(made, seen)
    points = found.keypoints
    assert np.isfinite(points.xyz).all()
    assert (points.views_used[frames] == 0).all()
    assert np.isnan(points.reprojection_px[frames]).all()
    assert error(found, made)[frames].mean() < 0.01
    # The covariance grows towards the middle.
    size = np.trace(points.covariance, axis1=-2, axis2=-1)[39 : 41 + gap].mean(axis=1)
    middle = (gap + 1) // 2
    assert (np.diff(size[: middle + 1]) > 0).all()
    assert (np.diff(size[-middle - 1 :]) < 0).all()


def test_a_short_gap_of_one_joint_is_filled() -> None:
    made = scene()
    seen = sightings(made)
    hide(seen, [0, 1], slice(40, 45), FINGERTIP)
    found = solved(made, seen)
    assert np.isfinite(found.keypoints.xyz).all()
    assert (found.keypoints.views_used[40:45, FINGERTIP] == 0).all()
    assert error(found, made)[40:45, FINGERTIP].max() < 0.015


@pytest.mark.parametrize("joint", [FINGERTIP, slice(None)], ids=["one joint", "the whole hand"])
def test_a_long_gap_stays_missing(joint: int | slice) -> None:
    made = scene()
    seen = sightings(made)
    hide(seen, [0, 1, 2], slice(40, 55), joint)
    points = solved(made, seen).keypoints
    assert np.isnan(points.xyz[40:55, joint]).all()
    assert np.isnan(points.covariance[40:55, joint]).all()
    assert np.isfinite(points.xyz[:40]).all()
    assert np.isfinite(points.xyz[55:]).all()


def test_ends_are_not_filled() -> None:
    made = scene()
    seen = sightings(made)
    hide(seen, [0, 1, 2], slice(0, 3))
    hide(seen, [0, 1, 2], slice(87, 90), FINGERTIP)
    points = solved(made, seen).keypoints
    assert np.isnan(points.xyz[:3]).all()
    assert np.isnan(points.xyz[87:, FINGERTIP]).all()
    assert np.isfinite(points.xyz[3:87]).all()


def test_filling_can_be_switched_off() -> None:
    made = scene()
    seen = sightings(made)
    hide(seen, [0, 1, 2], slice(40, 41))
    points = solved(made, seen, ReconstructionOptions(fill_s=0.0)).keypoints
    assert np.isnan(points.xyz[40]).all()
    assert np.isfinite(points.xyz[[39, 41]]).all()


def test_nothing_seen_is_nothing_found() -> None:
    made = scene(20)
    seen = sightings(made)
    hide(seen, [0, 1, 2], slice(None))
    assert np.isnan(solved(made, seen).keypoints.xyz).all()


def test_a_view_that_is_wrong_for_a_while_does_not_spoil_the_points() -> None:
    made = scene(cameras=4)
    seen = sightings(made)
    seen.xy[3, 30:60] += 120.0
    found = solved(made, seen)
    assert not found.used[3, 30:60].any()
    assert error(found, made).mean() < 3e-3


def test_windows_with_margins_agree_with_one_window() -> None:
    made = scene(240)
    seen = sightings(made, 2.0)
    hide(seen, [0, 1, 2], slice(98, 103))
    hide(seen, [0, 1], slice(50, 53), FINGERTIP)
    solver = Reconstructor(made.rig, HAND, FPS)
    solver.learn(seen)
    whole = solver.solve(seen).keypoints
    for size in (50, 100):
        parts = []
        for start in range(0, 240, size):
            first, last = max(start - solver.margin, 0), min(start + size + solver.margin, 240)
            own = slice(start - first, min(start + size, 240) - first)
            parts.append(solver.solve(seen.frames(first, last)).keypoints.at(own))
        xyz = np.concatenate([part.xyz for part in parts])
        assert np.array_equal(np.isnan(xyz), np.isnan(whole.xyz))
        apart = np.linalg.norm(xyz - whole.xyz, axis=-1) / 0.19
        assert np.median(apart) < 1e-4
        # Where the iteration ends depends a little on all that is in the window.
        assert apart.max() < 5e-3
        assert np.array_equal(np.concatenate([part.views_used for part in parts]), whole.views_used)


def test_units_that_are_not_metres_are_kept() -> None:
    metric, squares = scene(), scene(unit="board-square")
    seen = sightings(metric, 2.0)
    a, b = solved(metric, seen), solved(squares, seen)
    assert (a.keypoints.unit, b.keypoints.unit) == ("m", "board-square")
    assert np.abs(a.keypoints.xyz - b.keypoints.xyz).max() < 1e-3


def test_bodies() -> None:
    made = Scene.of(90, rig=arc_rig(3, distance=4.0), tracks=[PERSON])
    seen = sightings(made, 4.0)
    plain, smooth = error(solved(made, seen, PLAIN), made), error(solved(made, seen), made)
    assert smooth.mean() < 0.8 * plain.mean()
    assert smooth.mean() < 0.02


def test_stretches_in_a_row() -> None:
    made = scene(40)
    whole = solved(made, sightings(made), PLAIN)
    parts = [Solution(whole.keypoints.at(cut), whole.used[:, cut]) for cut in (slice(0, 15), slice(15, 40))]
    joined = Solution.concatenated(parts)
    assert np.array_equal(joined.keypoints.xyz, whole.keypoints.xyz)
    assert np.array_equal(joined.used, whole.used)
