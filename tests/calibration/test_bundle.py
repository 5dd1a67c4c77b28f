"""Bundle adjustment: truth recovered, outliers set aside, uncertainty honest, nothing random."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from plain_grid import PlainGrid
from scipy.spatial.transform import Rotation

from handloom.calibration.adjustment.bundle import BundleOptions, adjust_boards, adjust_points
from handloom.calibration.sightings import Sightings
from handloom.cameras import Camera
from handloom.hand.kinematics import rigid
from handloom.synthesis.board_scene import (
    BoardScene,
    board_rig,
    make_board_scene,
    see_board,
    wave_board,
)

BOARD = PlainGrid()


def _shaken(T: np.ndarray, rng: np.random.Generator, angle: float = 0.02, length: float = 0.02) -> np.ndarray:
    R = Rotation.from_rotvec(rng.normal(0, angle, 3)).as_matrix()
    return rigid(R @ T[:3, :3], T[:3, 3] + rng.normal(0, length, 3))


def _start(scene: BoardScene, seed: int = 1, wrong_lens: bool = True) -> tuple[list[Camera], np.ndarray]:
    """Cameras and boards near the truth; the first camera's pose is true and keeps the world in place."""
    rng = np.random.default_rng(seed)
    cameras = []
    for number, camera in enumerate(scene.rig):
        pose = _shaken(camera.T_camera_world, rng) if number else camera.T_camera_world
        K, distortion = camera.K.copy(), camera.distortion
        if wrong_lens:
            K[[0, 1], [0, 1]] *= 1.03
            K[:2, 2] += rng.normal(0, 8, 2)
            distortion = np.zeros_like(distortion)
        cameras.append(replace(camera, K=K, distortion=distortion, T_camera_world=pose))
    return cameras, np.stack([_shaken(T, rng) for T in scene.T_world_board])


def _errors(found: Camera, true: Camera) -> tuple[float, float, float]:
    """Relative error of the focal length, rotation in degrees, distance of the centres in metres."""
    R = found.T_camera_world[:3, :3] @ true.T_camera_world[:3, :3].T
    return (
        abs(found.K[0, 0] / true.K[0, 0] - 1.0),
        float(np.degrees(Rotation.from_matrix(R).magnitude())),
        float(np.linalg.norm(found.center - true.center)),
    )


def test_poses_and_lenses_are_recovered_in_spite_of_outliers() -> None:
    scene = make_board_scene(BOARD, 4, 120, outliers=0.1)
    result = adjust_boards(scene.sightings, *_start(scene), BundleOptions(free_intrinsics=True))
    assert result.converged
    for found, true in zip(result.cameras, scene.rig, strict=True):
        focal, degrees, metres = _errors(found, true)
        assert focal < 0.003
        assert degrees < 0.1
        assert metres < 0.003
    assert not (result.used & scene.outlier).any()
    assert (result.used | scene.outlier).mean() > 0.999
    assert result.sigma_px == pytest.approx(0.2, rel=0.03)


def test_without_noise_the_truth_is_reached_exactly() -> None:
    scene = make_board_scene(BOARD, 3, 40, noise_px=0.0)
    cameras, boards = _start(scene, wrong_lens=False)
    result = adjust_boards(scene.sightings, cameras, boards)
    for found, true in zip(result.cameras, scene.rig, strict=True):
        np.testing.assert_allclose(found.T_camera_world, true.T_camera_world, atol=1e-8)
    np.testing.assert_allclose(result.T_world_board, scene.T_world_board, atol=1e-8)


def test_standard_deviations_match_the_spread_of_repeated_recordings() -> None:
    rig = board_rig(2)
    poses = wave_board(rig, BOARD, 40)
    focal, said, centre, centre_said = [], [], [], []
    for seed in range(16):
        scene = see_board(rig, BOARD, poses, seed=seed)
        result = adjust_boards(scene.sightings, list(rig), poses, BundleOptions(free_intrinsics=True))
        focal.append(result.cameras[1].K[0, 0])
        said.append(result.uncertainty[1].focal_px[0])
        centre.append(rig[1].T_camera_world[:3, :3] @ result.cameras[1].center)
        centre_said.append(result.uncertainty[1].center_m)
    assert np.std(focal, ddof=1) == pytest.approx(np.mean(said), rel=0.6)
    np.testing.assert_allclose(np.std(centre, axis=0, ddof=1), np.mean(centre_said, axis=0), rtol=0.6)


def test_a_fisheye_lens_is_recovered() -> None:
    rig = board_rig(2)
    lens = np.array([0.04, -0.01, 0.003, -0.001])
    rig = replace(rig, cameras=tuple(replace(c, model="fisheye", distortion=lens) for c in rig))
    scene = see_board(rig, BOARD, wave_board(rig, BOARD, 80), noise_px=0.1)
    result = adjust_boards(scene.sightings, *_start(scene), BundleOptions(free_intrinsics=True))
    for found, true in zip(result.cameras, scene.rig, strict=True):
        assert _errors(found, true)[0] < 0.002
        angles = np.linspace(0.05, 0.5, 5)
        points = np.stack([np.tan(angles), 0 * angles, np.ones(5)], axis=-1)
        np.testing.assert_allclose(_drawn(found, points), _drawn(true, points), atol=1.0)


def _drawn(camera: Camera, points: np.ndarray) -> np.ndarray:
    """Pixels from the principal point, whose own place trades with the camera's rotation."""
    return replace(camera, T_camera_world=np.eye(4)).project(points) - camera.K[:2, 2]


def test_cameras_of_one_lens_end_with_the_same_intrinsics() -> None:
    rig = board_rig(3)
    rig = replace(rig, cameras=tuple(replace(c, K=rig[1].K, distortion=rig[1].distortion) for c in rig))
    scene = see_board(rig, BOARD, wave_board(rig, BOARD, 60))
    cameras, boards = _start(scene, wrong_lens=False)
    options = BundleOptions(free_intrinsics=True, lens_groups=np.array([0, 0, 0]))
    result = adjust_boards(scene.sightings, cameras, boards, options)
    np.testing.assert_array_equal(result.cameras[0].K, result.cameras[2].K)
    assert result.uncertainty[0].focal_px[0] < 0.5
    assert _errors(result.cameras[0], rig[0])[0] < 0.002


def test_held_parameters_do_not_move_and_have_no_spread() -> None:
    scene = make_board_scene(BOARD, 2, 40)
    cameras, boards = _start(scene, wrong_lens=False)
    free = np.zeros((2, 12), dtype=bool)
    free[1, :2] = True
    result = adjust_boards(scene.sightings, cameras, boards, BundleOptions(free_intrinsics=free))
    np.testing.assert_array_equal(result.cameras[0].K, cameras[0].K)
    np.testing.assert_array_equal(result.cameras[1].K[:2, 2], cameras[1].K[:2, 2])
    assert (result.uncertainty[0].focal_px == 0).all()
    assert (result.uncertainty[1].focal_px > 0).all()
    np.testing.assert_allclose(result.cameras[0].T_camera_world, cameras[0].T_camera_world, atol=1e-12)


def test_a_prior_holds_what_the_views_cannot_tell() -> None:
    scene = make_board_scene(BOARD, 1, 40)
    views = scene.sightings.at_moments([0])
    cameras, boards = _start(scene, wrong_lens=False)
    mean, std = np.zeros((1, 12)), np.full((1, 12), np.inf)
    mean[0, :4] = 900.0, 900.0, 640.0, 360.0
    std[0, :4] = 1.0
    options = BundleOptions(free_intrinsics=True, prior_mean=mean, prior_std=std)
    result = adjust_boards(views, cameras, boards, options)
    assert result.cameras[0].K[0, 0] == pytest.approx(900.0, abs=3.0)


def test_a_focal_length_nothing_determines_has_no_standard_deviation_to_believe() -> None:
    rig = board_rig(1)
    facing = rigid(rig[0].T_camera_world[:3, :3].T, -0.1 * np.ones(3))  # parallel to the picture
    scene = see_board(rig, BOARD, np.stack([facing, facing]))
    options = BundleOptions(free_intrinsics=np.arange(12) < 2)
    result = adjust_boards(scene.sightings, list(rig), scene.T_world_board, options)
    deviation = result.uncertainty[0].focal_px[0]
    assert np.isnan(deviation) or deviation > 0.02 * result.cameras[0].K[0, 0]


def _late(scene: BoardScene, camera: int, seconds: float, readout: float) -> Sightings:
    """The scene as a camera sees it that starts late and reads its rows one after the other."""
    sightings = scene.sightings
    pixels = sightings.pixels.copy()
    boards = scene.T_world_board
    times = sightings.times_s
    for view in sightings.views_of(camera):
        if not 0 < view.moment < len(times) - 1:
            continue
        before, after = boards[view.moment - 1], boards[view.moment + 1]
        points = BOARD.points[view.ids]
        paths = [scene.rig[camera].project(points @ T[:3, :3].T + T[:3, 3]) for T in (before, after)]
        speed = (paths[1] - paths[0]) / (times[view.moment + 1] - times[view.moment - 1])
        row = view.pixels[:, 1] / sightings.image_sizes[camera, 1] - 0.5
        pixels[view.rows] += speed * (seconds + readout * row)[:, None]
    return replace(sightings, pixels=pixels)


def test_a_late_camera_and_a_rolling_shutter_are_measured() -> None:
    scene = make_board_scene(BOARD, 3, 120)
    sightings = _late(scene, 2, 0.012, 0.02)
    cameras, boards = _start(scene, wrong_lens=False)
    result = adjust_boards(sightings, cameras, boards, BundleOptions(timing=True))
    np.testing.assert_allclose(result.offsets_s, [0.0, 0.0, 0.012], atol=0.002)
    np.testing.assert_allclose(result.readout_s, [0.0, 0.0, 0.02], atol=0.003)
    assert (result.timing_std_s[1:, 0] < 0.001).all()
    plain = adjust_boards(sightings, cameras, boards)
    assert np.isnan(plain.offsets_s).all()


def test_points_and_cameras_are_recovered_from_points_alone() -> None:
    rng = np.random.default_rng(0)
    rig = board_rig(4)
    truth = rng.uniform(-0.3, 0.3, (150, 3))
    camera, point = (grid.ravel() for grid in np.meshgrid(np.arange(4), np.arange(150)))
    pixels = rig.project(truth)[camera, point] + rng.normal(0, 0.3, (600, 2))
    wrong = rng.random(600) < 0.05
    pixels[wrong] += rng.uniform(15, 40, (int(wrong.sum()), 2))
    start = [replace(c, T_camera_world=_shaken(c.T_camera_world, rng)) if i else c for i, c in enumerate(rig)]
    result = adjust_points(start, camera, point, pixels, truth + rng.normal(0, 0.02, truth.shape))
    scale = np.linalg.norm(rig[1].center - rig[0].center) / np.linalg.norm(
        result.cameras[1].center - rig[0].center
    )
    for found, true in zip(result.cameras[1:], rig.cameras[1:], strict=True):
        R = found.T_camera_world[:3, :3] @ true.T_camera_world[:3, :3].T
        assert np.degrees(Rotation.from_matrix(R).magnitude()) < 0.1
        moved = (found.center - rig[0].center) * scale + rig[0].center
        np.testing.assert_allclose(moved, true.center, atol=0.004)
    assert (result.used & wrong).sum() <= 3  # two wrong views of four can agree on a wrong point
    assert result.converged


def test_a_camera_that_is_none_takes_no_part_and_harms_nobody() -> None:
    scene = make_board_scene(BOARD, 3, 60)
    cameras, boards = _start(scene, wrong_lens=False)
    boards[7] = np.nan
    result = adjust_boards(scene.sightings, [*cameras[:2], None], boards)
    assert result.cameras[2] is None
    assert result.uncertainty[2] is None
    assert np.isnan(result.residuals[scene.sightings.camera == 2]).all()
    assert np.isnan(result.T_world_board[7]).all()
    assert _errors(result.cameras[1], scene.rig[1])[2] < 0.003


def test_the_same_sightings_give_the_same_bits_whatever_the_order_of_cameras() -> None:
    scene = make_board_scene(BOARD, 3, 40, outliers=0.05)
    s = scene.sightings
    cameras, boards = _start(scene)
    turned = Sightings.build(
        BOARD, s.cameras[::-1], s.image_sizes[::-1], s.times_s, 2 - s.camera[::-1], s.moment[::-1],
        s.corner[::-1], s.pixels[::-1],
    )  # fmt: skip
    options = BundleOptions(free_intrinsics=True)
    one, other = adjust_boards(s, cameras, boards, options), adjust_boards(turned, cameras, boards, options)
    for a, b in zip(one.cameras, other.cameras, strict=True):
        np.testing.assert_array_equal(a.T_camera_world, b.T_camera_world)
        np.testing.assert_array_equal(a.K, b.K)


def test_nothing_to_adjust_is_said_so() -> None:
    scene = make_board_scene(BOARD, 2, 10)
    with pytest.raises(ValueError, match="no observation"):
        adjust_boards(scene.sightings, list(scene.rig), np.full((10, 4, 4), np.nan))


def test_shapes_that_do_not_fit_are_refused() -> None:
    scene = make_board_scene(BOARD, 2, 10)
    with pytest.raises(ValueError, match="10 moments"):
        adjust_boards(scene.sightings, list(scene.rig), np.zeros((9, 4, 4)))
