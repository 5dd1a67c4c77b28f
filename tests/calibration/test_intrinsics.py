"""Lenses from pictures of a board: accuracy, choice of model, and what happens when the pictures are poor."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from lens_scenes import camera, hold_board

from handloom.calibration.boards import parse_board
from handloom.calibration.lenses.intrinsics import calibrate_lens, calibrate_lenses, focal_of_view
from handloom.calibration.lenses.result import LensResult
from handloom.calibration.sightings import Sightings
from handloom.cameras import Camera, read_rig
from handloom.errors import CalibrationError
from handloom.synthesis.board_scene import make_board_scene

BOARD = parse_board("chessboard:9x6:25mm")
WEBCAM = camera(900.0, (-0.2, 0.05, 0.001, -0.0005, 0.0))


def _focal_error(result: LensResult, truth: Camera) -> float:
    return float(np.abs(np.diag(result.camera.K)[:2] / np.diag(truth.K)[:2] - 1.0).max())


@pytest.mark.parametrize(
    ("truth", "model"),
    [
        (camera(800.0, (-0.3, 0.1, 0.001, -0.0005, -0.01)), "brown-conrady-5"),
        (camera(600.0, (0.2, -0.25, 0.001, 0.001, 0.15)), "brown-conrady-5"),
        (camera(420.0, (0.5, 0.1, 0.0005, 0.0004, 0.01, 0.9, 0.3, 0.05)), "rational-8"),
        (camera(420.0, (0.05, -0.01, 0.005, -0.002), "fisheye"), "fisheye"),
        (camera(560.0, (0.1, 0.03, -0.02, 0.004), "fisheye"), "fisheye"),
    ],
    ids=["barrel", "webcam", "rational", "wide fisheye", "fisheye"],
)
def test_lens_and_its_model_are_recovered_among_outliers(truth: Camera, model: str) -> None:
    scene = hold_board(truth, BOARD)
    result = calibrate_lens(scene.sightings, 0)

    assert result.choice.model == model
    # In a rational lens of 120° the terms above and below the line trade with the focal length.
    assert _focal_error(result, truth) < (0.005 if model == "rational-8" else 0.003)
    assert np.linalg.norm(result.camera.K[:2, 2] - truth.K[:2, 2]) < 4.0
    assert result.sigma_px == pytest.approx(0.2, rel=0.1)
    assert result.rms_px == pytest.approx(0.2 * np.sqrt(2), rel=0.1)
    assert not (result.used & scene.outlier).any()
    assert (~result.used & ~scene.outlier).mean() < 0.01
    if len(result.camera.distortion) == len(truth.distortion) == 4:
        np.testing.assert_allclose(result.camera.distortion[:2], truth.distortion[:2], atol=0.03)


def test_drawn_picture_agrees_with_the_truth_where_the_board_was() -> None:
    scene = hold_board(WEBCAM, BOARD)
    result = calibrate_lens(scene.sightings, 0)
    for moment in (0, 20, 40):
        T = result.T_camera_board[moment]
        found = result.camera.project(BOARD.points @ T[:3, :3].T + T[:3, 3])
        truth = WEBCAM.project(BOARD.points @ scene.T_world_board[moment, :3, :3].T
                               + scene.T_world_board[moment, :3, 3])  # fmt: skip
        assert np.nanmax(np.linalg.norm(found - truth, axis=-1)) < 0.6


def test_rig_scene_has_honest_standard_deviations() -> None:
    board = parse_board("charuco:7x5:40mm")
    scores = []
    for seed in range(2):
        scene = make_board_scene(board, 4, 80, outliers=0.1, seed=seed)
        for result, truth in zip(calibrate_lenses(scene.sightings), scene.rig, strict=True):
            assert result is not None
            focal, deviation = np.diag(result.camera.K)[:2], result.uncertainty.focal_px
            assert (deviation < 0.02 * focal).all()
            scores.append((focal - np.diag(truth.K)[:2]) / deviation)
    assert np.sqrt(np.mean(np.square(scores))) < 2.0


def test_same_sightings_give_the_same_bytes() -> None:
    scene = hold_board(WEBCAM, BOARD, 20)
    first, second = calibrate_lens(scene.sightings, 0), calibrate_lens(scene.sightings, 0)
    assert first.camera.K.tobytes() == second.camera.K.tobytes()
    assert first.camera.distortion.tobytes() == second.camera.distortion.tobytes()
    assert first.T_camera_board.tobytes() == second.T_camera_board.tobytes()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_views_get_few_parameters_and_wide_deviations(count: int) -> None:
    for seed in range(2):
        scene = hold_board(WEBCAM, BOARD, count, near_m=0.4, far_m=0.7, reach=0.5, seed=seed)
        result = calibrate_lens(scene.sightings, 0)
        assert result.choice.model in ("pinhole", "radial-2")
        assert _focal_error(result, WEBCAM) < max(0.02, 4 * float(result.uncertainty.focal_px.max()) / 900.0)
        assert np.abs(result.camera.K[:2, 2] - WEBCAM.K[:2, 2]).max() < 100.0


def test_board_always_fronto_parallel_leaves_the_focal_length_undetermined() -> None:
    scene = hold_board(WEBCAM, BOARD, 40, near_m=0.4, far_m=0.7, reach=0.5, tilt=0.0)
    result = calibrate_lens(scene.sightings, 0)
    assert (result.uncertainty.focal_px > 0.2 * np.diag(result.camera.K)[:2]).all()
    assert 0.5 < result.camera.K[0, 0] / 900.0 < 2.0
    assert result.rms_px == pytest.approx(0.2 * np.sqrt(2), rel=0.1)


def test_corners_only_in_the_centre_leave_the_lens_tame() -> None:
    scene = hold_board(WEBCAM, BOARD, 40, near_m=2.5, far_m=3.5, reach=0.15)
    result = calibrate_lens(scene.sightings, 0)
    assert _focal_error(result, WEBCAM) < 0.15
    corners = np.array([[0.0, 0.0], [1279.0, 0.0], [0.0, 719.0], [1279.0, 719.0]])
    ideal = result.camera.undistort(corners)
    assert np.linalg.norm(ideal - WEBCAM.undistort(corners), axis=-1).max() < 0.5


def test_views_of_four_corners_are_better_than_none() -> None:
    scene = hold_board(WEBCAM, BOARD, 40, outliers=0.0)
    few = scene.sightings.where(np.isin(scene.sightings.corner, [0, 8, 45, 53]))
    result = calibrate_lens(few, 0)
    assert _focal_error(result, WEBCAM) < 0.02


def test_corners_on_a_line_are_no_view() -> None:
    scene = hold_board(WEBCAM, BOARD, 10)
    with pytest.raises(CalibrationError, match="'cam' cannot be calibrated"):
        calibrate_lens(scene.sightings.where(scene.sightings.corner < 9), 0)


def test_camera_without_views_is_told_of_and_left_out() -> None:
    scene = make_board_scene(parse_board("charuco:7x5:40mm"), 2, 60, seed=1)
    alone = scene.sightings.of_camera(0)
    with pytest.raises(CalibrationError, match="no picture shows enough of the board"):
        calibrate_lens(alone, 1)
    first, second = calibrate_lenses(alone)
    assert first is not None
    assert second is None


def test_known_focal_length_is_held_or_believed() -> None:
    scene = hold_board(WEBCAM, BOARD, 30)
    held = calibrate_lens(scene.sightings, 0, known_focal_px=900.0)
    assert np.sqrt(held.camera.K[0, 0] * held.camera.K[1, 1]) == pytest.approx(900.0)
    believed = calibrate_lens(scene.sightings, 0, known_focal_px=940.0, focal_std=0.05)
    assert _focal_error(believed, WEBCAM) < 0.003
    assert focal_of_view(np.deg2rad(90.0), 1280) == pytest.approx(640.0)


def test_shared_lens_is_one_lens_from_all_views() -> None:
    parts = [hold_board(WEBCAM, BOARD, 12, seed=seed).sightings for seed in range(2)]
    both = Sightings.build(
        BOARD,
        ("left", "right"),
        [(1280, 720)] * 2,
        np.full(24, np.nan),
        np.repeat([0, 1], [len(p) for p in parts]),
        np.concatenate([parts[0].moment, parts[1].moment + 12]),
        np.concatenate([p.corner for p in parts]),
        np.concatenate([p.pixels for p in parts]),
    )
    shared = calibrate_lenses(both, groups=[[0, 1]])
    apart = calibrate_lenses(both)
    assert shared[0] is not None
    assert shared[1] is not None
    assert apart[0] is not None
    np.testing.assert_array_equal(shared[0].camera.K, shared[1].camera.K)
    assert shared[0].camera.name == "left"
    assert shared[1].camera.name == "right"
    assert (shared[0].uncertainty.focal_px < apart[0].uncertainty.focal_px).all()
    assert _focal_error(shared[0], WEBCAM) < 0.005
    assert np.isfinite(shared[1].T_camera_board[12:]).all()
    assert np.isnan(shared[1].T_camera_board[:12]).all()

    smaller = replace(both, image_sizes=np.array([[1280, 720], [640, 480]]))
    with pytest.raises(CalibrationError, match="cannot share one lens"):
        calibrate_lenses(smaller, groups=[[0, 1]])
    with pytest.raises(CalibrationError, match="different focal lengths"):
        calibrate_lenses(both, groups=[[0, 1]], known_focal_px={"left": 900.0, "right": 800.0})


def test_given_lens_is_taken_as_it_is() -> None:
    scene = hold_board(WEBCAM, BOARD, 10)
    (result,) = calibrate_lenses(scene.sightings, known={"cam": WEBCAM})
    assert result is not None
    assert result.choice.model == "given"
    np.testing.assert_array_equal(result.camera.K, WEBCAM.K)
    assert not result.uncertainty.focal_px.any()
    assert result.sigma_px == pytest.approx(0.2, rel=0.15)
    np.testing.assert_allclose(result.T_camera_board[:, :3, 3], scene.T_world_board[:, :3, 3], atol=2e-3)


def test_chessboard_pictures_reach_a_fifth_of_a_pixel(data: Path) -> None:
    for side in ("left", "right"):
        pictures = sorted((data / "opencv_samples").glob(f"{side}[0-9][0-9].jpg"))
        result = calibrate_lens(_find(BOARD.spec, (9, 6), pictures), 0)
        assert result.rms_px <= 0.21
        assert result.camera.K[0, 0] == pytest.approx(535.0, rel=0.01)
        assert (result.uncertainty.focal_px < 1.5).all()


def test_seven_pictures_agree_with_a_motion_capture_system(data: Path) -> None:
    folder = data / "pose2sim" / "Demo_SinglePerson" / "calibration"
    rig = read_rig(folder / "Calib.qca.txt")
    for number, truth in enumerate(rig, start=1):
        pictures = sorted((folder / "intrinsics" / f"int_cam0{number}_img").glob("*.jpg"))
        result = calibrate_lens(_find("chessboard:7x4:60mm", (7, 4), pictures), 0)
        assert _focal_error(result, truth) < 0.01


def _find(spec: str, shape: tuple[int, int], pictures: list[Path]) -> Sightings:
    """Corners found by OpenCV, so that this test stands without our own detector."""
    board = parse_board(spec)
    columns: list[list[np.ndarray]] = [[], [], []]
    for moment, path in enumerate(pictures):
        gray = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        assert gray is not None
        found, corners = cv2.findChessboardCorners(gray, shape)
        if found:
            stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 60, 1e-4)
            corners = cv2.cornerSubPix(gray, corners, (7, 7), (-1, -1), stop)
            for column, values in zip(
                columns,
                (np.full(len(corners), moment), np.arange(len(corners)), corners.reshape(-1, 2)),
                strict=True,
            ):
                column.append(values)
    moments, numbers, pixels = (np.concatenate(column) for column in columns)
    return Sightings.build(
        board,
        ("cam",),
        [gray.shape[::-1]],
        np.full(len(pictures), np.nan),
        np.zeros(len(pixels)),
        moments,
        numbers,
        pixels,
    )
