"""One picture of a known hand through a known lens."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from handloom.cameras import Camera
from handloom.cameras.facing import facing
from handloom.errors import FitError
from handloom.fitting.hand_size import HandSize, hand_length
from handloom.fitting.picture import PictureFit, fit_picture
from handloom.fitting.picture_evidence import Guess, PictureEvidence, merged_guess
from handloom.fitting.sides import fit_sides
from handloom.hand import HandModel, load_open_hand
from handloom.hand.kinematics import rigid, rotation_from_vector
from handloom.synthesis.gestures import gesture

DISTANCE_M = 0.30


@pytest.fixture(scope="module")
def camera() -> Camera:
    K = np.array([[600.0, 0, 319.5], [0, 600.0, 239.5], [0, 0, 1]])
    return Camera("camera", (640, 480), K, np.zeros(5), np.eye(4))


def _hand(side: str, name: str = "spread", shape: np.ndarray | None = None) -> tuple[HandModel, np.ndarray]:
    """A hand half turned towards a camera at 0.3 m, and its keypoints in the camera's axes."""
    model = load_open_hand(side)
    R = rotation_from_vector([0.3, 0.5, 0.0]) @ np.diag([-1.0, -1.0, 1.0]) @ np.diag([-1.0, 1.0, -1.0])
    angles = model.clamp(gesture(name))
    posed = model.pose(angles, shape, rigid(R, np.array([0.02, 0.06, DISTANCE_M])))
    return model, posed.keypoints


def _seen(camera: Camera, keypoints: np.ndarray, noise_px: float = 0.0) -> PictureEvidence:
    xy = camera.project(keypoints)
    xy = xy + np.random.default_rng(3).normal(0.0, noise_px, xy.shape)
    turned = keypoints @ facing(keypoints.mean(axis=0))
    return PictureEvidence(xy, world=turned - turned.mean(axis=0))


def _root(fit: PictureFit, keypoints: np.ndarray) -> float:
    relative = (fit.keypoints - fit.keypoints[0]) - (keypoints - keypoints[0])
    return float(np.linalg.norm(relative, axis=1).mean())


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("name", ["spread", "half closed"])
def test_a_hand_of_known_size_is_where_it_is(camera: Camera, side: str, name: str) -> None:
    shape = np.zeros(load_open_hand(side).shape_count)
    shape[0] = 1.5
    model, keypoints = _hand(side, name, shape)
    fit = fit_picture(model, camera, _seen(camera, keypoints), HandSize(hand_length(model, shape)))
    assert fit.converged
    assert np.linalg.norm(fit.keypoints[0] - keypoints[0]) < 0.03 * DISTANCE_M
    assert fit.length_m == pytest.approx(hand_length(model, shape), abs=0.004)
    assert fit.reprojection_px < 4.0
    assert fit.limit_excess < np.deg2rad(3.0)


@pytest.mark.parametrize("with_guess", [True, False])
def test_never_a_metre_away_for_a_hand_at_thirty_centimetres(camera: Camera, with_guess: bool) -> None:
    model, keypoints = _hand("right")
    seen = _seen(camera, keypoints, noise_px=2.0)
    fit = fit_picture(model, camera, seen if with_guess else PictureEvidence(seen.xy))
    assert fit.distance_m == pytest.approx(np.linalg.norm(keypoints[0]), rel=0.2)


def test_what_is_not_known_of_the_size_is_not_known_of_the_depth(camera: Camera) -> None:
    model, keypoints = _hand("right")
    seen = _seen(camera, keypoints)
    free = fit_picture(model, camera, seen)
    held = fit_picture(model, camera, seen, HandSize(hand_length(model), 0.001))
    five = fit_picture(model, camera, seen, HandSize(hand_length(model), 0.05 * hand_length(model)))
    assert held.distance_sigma_m < 0.6 * free.distance_sigma_m
    spread = np.sqrt(five.distance_sigma_m**2 - held.distance_sigma_m**2) / five.distance_m
    # The population's own spread of 7 % narrows the 5 % a little.
    assert 0.03 < spread < 0.055


def test_a_larger_hand_is_farther_away_in_proportion(camera: Camera) -> None:
    model, keypoints = _hand("right")
    seen = _seen(camera, keypoints)
    near, far = (fit_picture(model, camera, seen, HandSize(length, 0.0005)) for length in (0.170, 0.187))
    assert far.distance_m / near.distance_m == pytest.approx(1.1, abs=0.02)


def test_an_assumed_focal_length_goes_into_the_depth_alone(camera: Camera) -> None:
    model, keypoints = _hand("right")
    seen = _seen(camera, keypoints)
    known, assumed = (fit_picture(model, camera, seen, focal_spread=f) for f in (0.0, 0.2))
    added = assumed.keypoint_covariance - known.keypoint_covariance
    assert np.allclose(np.sqrt(added[:, 2, 2]), 0.2 * known.keypoints[:, 2])
    assert np.allclose(added[:, :2], 0.0)


def test_the_guess_in_space_has_neither_place_nor_size(camera: Camera) -> None:
    model, keypoints = _hand("right")
    seen = _seen(camera, keypoints, noise_px=1.0)
    moved = PictureEvidence(seen.xy, world=3.0 * seen.world + [0.4, -1.0, 7.0])  # type: ignore[operator]
    one, other = fit_picture(model, camera, seen), fit_picture(model, camera, moved)
    assert np.allclose(one.keypoints, other.keypoints, atol=1e-3)


def test_a_second_guess_in_space_is_taken_into_account(camera: Camera) -> None:
    model, keypoints = _hand("right", "half closed")
    seen = _seen(camera, keypoints, noise_px=2.0)
    wrong = np.random.default_rng(0).normal(0.0, 0.03, (21, 3)) + seen.world  # type: ignore[operator]
    alone = fit_picture(model, camera, PictureEvidence(seen.xy, world=wrong, sigma_world_m=0.01))
    both = fit_picture(
        model,
        camera,
        PictureEvidence(seen.xy, world=wrong, sigma_world_m=0.01, guesses=(Guess(seen.world, 0.01),)),  # type: ignore[arg-type]
    )
    assert _root(both, keypoints) < _root(alone, keypoints)


def test_a_guess_for_the_other_side_is_not_used(camera: Camera) -> None:
    model, keypoints = _hand("right", "half closed")
    seen = _seen(camera, keypoints, noise_px=2.0)
    wrong = Guess(np.random.default_rng(0).normal(0.0, 0.03, (21, 3)), 0.001, "left")
    one = fit_picture(model, camera, seen)
    other = fit_picture(model, camera, replace(seen, guesses=(wrong,)))
    assert np.array_equal(one.keypoints, other.keypoints)


def test_guesses_are_weighed_by_their_precision() -> None:
    rng = np.random.default_rng(1)
    sure, unsure = (rng.normal(0.0, 0.05, (21, 3)) for _ in range(2))
    sure, unsure = sure - sure.mean(axis=0), unsure - unsure.mean(axis=0)
    merged = merged_guess([Guess(sure, 0.001), Guess(unsure, 0.1)])
    assert merged is not None
    assert merged.sigma_m == 0.001
    assert np.abs(merged.xyz - sure).max() < 1e-3
    assert merged_guess([]) is None


def test_missing_keypoints_are_left_out(camera: Camera) -> None:
    model, keypoints = _hand("right")
    seen = _seen(camera, keypoints)
    xy = seen.xy.copy()
    xy[[4, 8]] = np.nan
    fit = fit_picture(model, camera, PictureEvidence(xy, world=seen.world))
    assert np.linalg.norm(camera.project(fit.keypoints)[[4, 8]] - seen.xy[[4, 8]], axis=1).max() < 25.0


@pytest.mark.parametrize("side", ["left", "right"])
def test_an_unsure_network_is_settled_by_which_hand_fits(camera: Camera, side: str) -> None:
    models = {s: load_open_hand(s) for s in ("left", "right")}
    _, keypoints = _hand(side, "half closed")
    verdict = fit_sides(models, camera, _seen(camera, keypoints), right=0.5)
    assert verdict.side == side
    assert verdict.advantage > 4.0


def test_a_network_that_is_surely_wrong_is_doubted(camera: Camera) -> None:
    models = {s: load_open_hand(s) for s in ("left", "right")}
    _, keypoints = _hand("left", "half closed")
    verdict = fit_sides(models, camera, _seen(camera, keypoints), right=0.999)
    assert verdict.side == "right"
    assert verdict.doubtful


@pytest.mark.parametrize("present", [0, 5])
def test_too_few_keypoints(camera: Camera, present: int) -> None:
    xy = np.full((21, 2), np.nan)
    xy[:present] = np.arange(2 * present).reshape(present, 2) * 10
    with pytest.raises(FitError, match=f"Only {present} keypoints"):
        fit_picture(load_open_hand("right"), camera, PictureEvidence(xy))


def test_keypoints_on_one_spot(camera: Camera) -> None:
    with pytest.raises(FitError, match="within"):
        fit_picture(load_open_hand("right"), camera, PictureEvidence(np.full((21, 2), 100.0)))


def test_absurd_intrinsics_are_named(camera: Camera) -> None:
    model, keypoints = _hand("right")
    K = camera.K * [[1e4, 1, 1], [1, 1e4, 1], [1, 1, 1]]
    lens = Camera("camera", (640, 480), K, np.zeros(5), np.eye(4))
    with pytest.raises(FitError, match="away"):
        fit_picture(model, lens, _seen(camera, keypoints))


def test_a_guess_of_another_shape(camera: Camera) -> None:
    model, keypoints = _hand("right")
    with pytest.raises(FitError, match="world has shape"):
        fit_picture(model, camera, PictureEvidence(camera.project(keypoints), world=np.zeros((20, 3))))


@pytest.mark.parametrize("length", [0.0, -0.1, 1.8, 0.4])
def test_a_hand_of_no_hands_length(length: float) -> None:
    with pytest.raises(FitError, match="mm"):
        HandSize(length)
