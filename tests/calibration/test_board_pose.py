"""Pose of the board in single views."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from handloom.calibration.boards import parse_board
from handloom.calibration.linking.board_pose import find_board_poses
from handloom.calibration.sightings import Sightings
from handloom.cameras import Camera, CameraRig
from handloom.hand.kinematics import rigid
from handloom.synthesis.board_scene import make_board_scene, see_board

BOARD = parse_board("charuco:10x7:25mm")


def degrees_apart(T, true):
    E = np.linalg.inv(T) @ true
    return np.degrees(np.arccos(np.clip((np.trace(E[..., :3, :3], axis1=-2, axis2=-1) - 1) / 2, -1, 1)))


def true_poses(scene, poses):
    T_camera_world = np.stack([camera.T_camera_world for camera in scene.rig])
    return T_camera_world[poses.camera] @ scene.T_world_board[poses.moment]


def one_view(camera, T_camera_board, board=BOARD, corners=None):
    """What a camera at the origin sees of a board, without noise."""
    ids = np.arange(len(board.points)) if corners is None else np.asarray(corners)
    points = board.points[ids] @ T_camera_board[:3, :3].T + T_camera_board[:3, 3]
    return Sightings.build(
        board, (camera.name,), [camera.image_size], [0.0], 0 * ids, 0 * ids, ids, camera.project(points)
    )


def lens(**changes):
    K = np.array([[900.0, 0, 640], [0, 900, 360], [0, 0, 1]])
    return replace(Camera("a", (1280, 720), K, np.zeros(5), np.eye(4)), **changes)


def before(depth=0.8, turn=(0.3, 0.4, 0.1), shift=(0.05, -0.02)):
    R = Rotation.from_rotvec(turn).as_matrix()
    return rigid(R, np.array([*shift, depth]) - R @ BOARD.points.mean(axis=0))


def test_a_tenth_of_gross_outliers_does_no_harm():
    scene = make_board_scene(BOARD, 4, 80, outliers=0.1)
    poses = find_board_poses(scene.sightings, scene.rig.cameras)
    assert poses.found.all()
    assert poses.facing.all()
    error = np.nanmin(degrees_apart(poses.T_camera_board, true_poses(scene, poses)[:, None]), axis=1)
    assert np.median(error) < 0.2
    assert error.max() < 2.5
    assert not (poses.inlier & scene.outlier).any()
    assert poses.inlier[~scene.outlier].mean() > 0.998
    assert np.median(poses.sigma_px[:, 0]) == pytest.approx(0.2, rel=0.15)


def test_errors_of_the_pose_are_as_large_as_its_information_says():
    scene = make_board_scene(BOARD, 2, 120, seed=2)
    poses = find_board_poses(scene.sightings, scene.rig.cameras)
    E = np.linalg.inv(poses.T_camera_board[:, 0]) @ true_poses(scene, poses)
    step = Rotation.from_matrix(E[:, :3, :3]).as_rotvec()
    covariance = 0.2**2 * np.linalg.inv(poses.information[:, 0])[:, 3:, 3:]
    squared = np.einsum("vi,vij,vj->v", step, np.linalg.inv(covariance), step)
    assert np.median(squared) == pytest.approx(2.37, rel=0.3)  # median of χ² with three degrees of freedom


@pytest.mark.parametrize(
    "camera",
    [
        lens(),
        lens(distortion=[-0.3, 0.1, 0.001, -0.002, 0.0]),
        lens(distortion=[0.02, -0.01, 0.003, 0.0], model="fisheye"),
    ],
    ids=["ideal", "brown-conrady", "fisheye"],
)
def test_without_noise_the_pose_is_exact_whatever_the_lens(camera):
    poses = find_board_poses(one_view(camera, before(0.3)), [camera])
    np.testing.assert_allclose(poses.T_camera_board[0, 0], before(0.3), atol=1e-6)


def test_far_away_both_poses_of_a_flat_board_are_kept():
    T = before(9.0, turn=(0.0, 0.35, 0.0))
    sightings = one_view(lens(), T)
    rng = np.random.default_rng(0)
    noisy = replace(sightings, pixels=sightings.pixels + rng.normal(0, 0.2, sightings.pixels.shape))
    poses = find_board_poses(noisy, [lens()])
    assert np.isfinite(poses.sigma_px[0]).all()
    assert degrees_apart(*poses.T_camera_board[0]) > 15
    assert degrees_apart(poses.T_camera_board[0], T).min() < 6
    near = find_board_poses(one_view(lens(), before(0.4)), [lens()])
    assert np.isnan(near.sigma_px[0, 1])


def test_the_pose_is_never_behind_the_camera():
    scene = make_board_scene(BOARD, 3, 40, outliers=0.3, noise_px=3.0)
    poses = find_board_poses(scene.sightings, scene.rig.cameras)
    T = poses.T_camera_board
    depth = (T[..., None, 2, :3] * BOARD.points).sum(axis=-1) + T[..., 2, 3, None]
    assert (depth[np.isfinite(depth)] > 0).all()


def test_a_board_seen_from_behind_says_so():
    flipped = one_view(lens(), before())
    flipped = replace(flipped, pixels=[1279, 0] + flipped.pixels * [-1, 1])
    poses = find_board_poses(flipped, [lens()])
    assert poses.found.all()
    assert not poses.facing.any()


@pytest.mark.parametrize(
    "corners", [[0, 1, 10], [0, 1, 2, 3, 4, 5, 6, 7], [4]], ids=["three", "in-a-row", "one"]
)
def test_too_few_corners_give_no_pose(corners):
    poses = find_board_poses(one_view(lens(), before(), corners=corners), [lens()])
    assert not poses.found.any()
    assert not poses.inlier.any()
    assert np.isnan(poses.T_camera_board).all()


def test_corners_in_disorder_give_no_pose():
    sightings = one_view(lens(), before())
    rng = np.random.default_rng(0)
    poses = find_board_poses(replace(sightings, pixels=rng.permutation(sightings.pixels)), [lens()])
    assert not poses.found.any()


def test_a_camera_without_lens_has_no_poses():
    scene = make_board_scene(BOARD, 2, 20)
    poses = find_board_poses(scene.sightings, [None, scene.rig[1]])
    np.testing.assert_array_equal(poses.found, poses.camera == 1)


def test_corners_where_the_lens_folds_are_ignored():
    folding = lens(distortion=[-0.6, 0.0, 0.0, 0.0, 0.0])
    rig = CameraRig((folding,))
    scene = see_board(rig, BOARD, before(0.35, shift=(0.0, 0.0))[None], noise_px=0.0)
    pixels = scene.sightings.pixels.copy()
    pixels[0] = -4000.0, -4000.0
    poses = find_board_poses(replace(scene.sightings, pixels=pixels), rig.cameras)
    assert poses.found.all()
    assert not poses.inlier[0]
    np.testing.assert_allclose(poses.T_camera_board[0, 0], before(0.35, shift=(0.0, 0.0)), atol=1e-6)
