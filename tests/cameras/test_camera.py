"""One camera: agreement with OpenCV, round trips, folds, validation."""

from __future__ import annotations

import pickle
from dataclasses import replace

import camera_scenes as scenes
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handloom.cameras import Camera
from handloom.errors import RigError

POINTS = np.random.default_rng(7).uniform(-0.25, 0.25, (200, 3))


def opencv_pixels(camera, points):
    rotation, translation = cv2.Rodrigues(camera.T_camera_world[:3, :3])[0], camera.T_camera_world[:3, 3]
    if camera.model == "fisheye":
        pixels, _ = cv2.fisheye.projectPoints(
            points[:, None], rotation, translation, camera.K, camera.distortion
        )
    else:
        pixels, _ = cv2.projectPoints(points, rotation, translation, camera.K, camera.distortion)
    return pixels.reshape(-1, 2)


@pytest.mark.parametrize("lens", scenes.LENSES)
def test_project_agrees_with_opencv(lens):
    camera = scenes.camera(lens)
    np.testing.assert_allclose(camera.project(POINTS), opencv_pixels(camera, POINTS), atol=1e-9)


@pytest.mark.parametrize("lens", scenes.LENSES)
def test_undistort_recovers_the_ideal_coordinates(lens):
    camera = scenes.camera(lens)
    in_camera = POINTS @ camera.T_camera_world[:3, :3].T + camera.T_camera_world[:3, 3]
    ideal = in_camera[:, :2] / in_camera[:, 2:]
    np.testing.assert_allclose(camera.undistort(camera.project(POINTS)), ideal, atol=1e-10)


@pytest.mark.parametrize("lens", scenes.LENSES)
def test_undistort_agrees_with_opencv(lens):
    camera = scenes.camera(lens)
    pixels = camera.project(POINTS)
    if camera.model == "fisheye":
        expected = cv2.fisheye.undistortPoints(pixels[:, None], camera.K, camera.distortion)
    else:
        criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 500, 1e-14)
        expected = cv2.undistortPoints(pixels, camera.K, camera.distortion, criteria=criteria)
    np.testing.assert_allclose(camera.undistort(pixels), expected.reshape(-1, 2), atol=1e-7)


@pytest.mark.parametrize("lens", scenes.LENSES)
@pytest.mark.parametrize("shape", [(), (0,), (21,), (2, 3), (2, 0, 4), (20_000,)])
def test_leading_axes_are_kept_and_do_not_change_the_result(lens, shape):
    camera = scenes.camera(lens)
    points = np.random.default_rng(1).uniform(-0.2, 0.2, (*shape, 3))
    pixels = camera.project(points)
    assert pixels.shape == (*shape, 2)
    assert camera.undistort(pixels).shape == (*shape, 2)
    assert camera.rays(pixels)[1].shape == points.shape
    one_by_one = [camera.project(point) for point in points.reshape(-1, 3)[:50]]
    np.testing.assert_allclose(pixels.reshape(-1, 2)[:50], np.reshape(one_by_one, (-1, 2)), rtol=1e-12)


@given(
    lens=st.sampled_from(sorted(scenes.LENSES)),
    column=st.floats(300, 980),
    row=st.floats(60, 660),
    depth=st.floats(0.05, 50),
)
@settings(max_examples=150, deadline=None)
def test_project_undoes_unproject(lens, column, row, depth):
    camera = scenes.camera(lens, skew=0.4)
    point = camera.unproject([column, row], depth)
    np.testing.assert_allclose(camera.project(point), [column, row], atol=1e-7)
    assert (camera.T_camera_world[:3] @ [*point, 1.0])[2] == pytest.approx(depth)


coefficient = st.floats(-1, 1)


@given(
    radial=st.lists(coefficient, min_size=3, max_size=6),
    tangential=st.tuples(st.floats(-0.02, 0.02), st.floats(-0.02, 0.02)),
    fraction=st.floats(0, 0.98),
    angle=st.floats(0, 6.283),
)
@settings(max_examples=150, deadline=None)
def test_any_lens_is_inverted_within_its_radius(radial, tangential, fraction, angle):
    k1, k2, *rest = radial
    rest = (rest + [0.0] * 4)[:4] if len(rest) > 1 else rest
    coefficients = np.array([k1, k2, *tangential, *rest])
    camera = Camera("cam", None, np.diag([1.0, 1.0, 1.0]), coefficients, np.eye(4))
    radius = fraction * min(camera.invertible_radius, 4.0)
    ideal = radius * np.array([np.cos(angle), np.sin(angle)])
    pixel = camera.project([*ideal, 1.0])
    assert np.isfinite(pixel).all()
    np.testing.assert_allclose(camera.undistort(pixel), ideal, atol=1e-8, rtol=1e-8)


@given(coefficients=st.lists(st.floats(-1, 1), min_size=4, max_size=4), fraction=st.floats(0, 0.98))
@settings(max_examples=200, deadline=None)
def test_any_fisheye_is_inverted_within_its_radius(coefficients, fraction):
    camera = Camera("cam", None, np.eye(3), np.array(coefficients), np.eye(4), "fisheye")
    radius = np.tan(fraction * np.arctan(camera.invertible_radius))
    pixel = camera.project([0.6 * radius, 0.8 * radius, 1.0])
    ideal = camera.undistort(pixel)
    np.testing.assert_allclose(ideal, [0.6 * radius, 0.8 * radius], rtol=1e-7, atol=1e-10)


def test_a_folding_lens_does_not_draw_the_outside_into_the_picture():
    camera = scenes.camera("folding")
    radii = np.linspace(0, 3, 3001)
    points = camera.center + np.stack([radii, np.zeros_like(radii), np.ones_like(radii)], axis=-1) @ np.array(
        camera.T_camera_world[:3, :3]
    )
    folded = opencv_pixels(camera, points)
    pixels = camera.project(points)
    outside = radii > camera.invertible_radius
    inside_picture = (folded >= 0).all(axis=1) & (folded < camera.image_size).all(axis=1)
    assert (outside & inside_picture).any(), "this scene must show the trap"
    assert np.isnan(pixels[outside]).all()
    np.testing.assert_allclose(pixels[~outside], folded[~outside], atol=1e-9)
    assert (np.diff(pixels[~outside, 0]) > 0).all()


def test_pixels_that_no_ideal_point_reaches_are_nan():
    camera = scenes.camera("folding")
    edge = camera.K[:2, 2] + [0.9 * camera.K[0, 0], 0.0]
    middle = camera.K[:2, 2]
    undistorted = camera.undistort([edge, middle])
    assert np.isnan(undistorted[0]).all()
    np.testing.assert_allclose(undistorted[1], 0.0, atol=1e-12)
    assert np.isnan(camera.unproject(edge, 2.0)).all()


def test_lens_radius_of_mild_lenses_does_not_touch_the_picture():
    for lens in ("none", "four", "five", "rational", "fisheye"):
        camera = scenes.camera(lens)
        width, height = camera.image_size
        corners = np.array([[0, 0], [width - 1, 0], [0, height - 1], [width - 1, height - 1]])
        np.testing.assert_allclose(camera.project(camera.unproject(corners)), corners, atol=1e-7)


@pytest.mark.parametrize("lens", scenes.LENSES)
def test_points_behind_the_camera_and_missing_points_are_nan(lens):
    camera = scenes.camera(lens)
    behind = camera.center - 0.5 * camera.axis
    beside = camera.center + np.cross(camera.axis, [0.0, 0.0, 1.0])
    missing = np.array([0.1, np.nan, 0.2])
    infinite = np.array([np.inf, 0.0, 0.0])
    assert np.isnan(camera.project([behind, beside - 0.01 * camera.axis, missing, infinite])).all()
    assert np.isnan(camera.project(camera.center)).all()
    assert np.isnan(camera.undistort([np.nan, 3.0])).all()
    assert np.isnan(camera.undistort([np.inf, 3.0])).any()
    good = camera.project([0.0, 0.0, 0.0])
    np.testing.assert_array_equal(camera.project([missing, [0.0, 0.0, 0.0]])[1], good)


def test_rays_pass_through_the_points_they_came_from():
    camera = scenes.camera("five")
    origin, directions = camera.rays(camera.project(POINTS))
    np.testing.assert_allclose(origin, camera.center)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=-1), 1.0)
    np.testing.assert_allclose(np.cross(POINTS - origin, directions), 0.0, atol=1e-10)


def test_center_and_normalised_projection():
    camera = scenes.camera(center=(0.7, -0.9, 0.5))
    np.testing.assert_allclose(camera.center, (0.7, -0.9, 0.5))
    homogeneous = np.append(camera.center, 1.0)
    np.testing.assert_allclose(camera.P_normalised @ homogeneous, 0.0, atol=1e-12)


def test_cropped_pictures_keep_their_rays():
    camera = scenes.camera("five")
    cropped = camera.cropped(280, 0, 720, 720)
    assert cropped.image_size == (720, 720)
    assert cropped.K[0, 2] == camera.K[0, 2] - 280
    np.testing.assert_allclose(cropped.project(POINTS), camera.project(POINTS) - [280, 0])


def test_scaled_pictures_keep_their_corners():
    camera = scenes.camera("five")
    half = camera.scaled(640, 360)
    assert half.image_size == (640, 360)
    np.testing.assert_allclose(half.project(POINTS) + 0.5, (camera.project(POINTS) + 0.5) / 2)
    assert half.scaled(1280, 720).allclose(camera)


def test_scaling_a_picture_of_unknown_size_is_refused():
    with pytest.raises(RigError, match="'cam0' cannot be rescaled to 640×360"):
        scenes.camera(image_size=None).scaled(640, 360)


def test_cameras_are_values():
    camera = scenes.camera()
    with pytest.raises(ValueError, match="read-only"):
        camera.K[0, 0] = 1.0
    with pytest.raises(ValueError, match="read-only"):
        camera.center[0] = 1.0
    assert pickle.loads(pickle.dumps(camera)).allclose(camera, tolerance=0.0)
    assert not camera.allclose(replace(camera, name="other"))
    assert not camera.allclose(replace(camera, K=camera.K + np.diag([1e-3, 0, 0])))


MIRROR = np.diag([1.0, 1.0, -1.0, 1.0])
SHEAR = np.eye(4) + np.pad([[0.0, 0.1], [0.0, 0.0]], ((0, 2), (0, 2)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"K": np.eye(4)}, r"K must be \(3, 3\)"),
        ({"K": np.diag([np.nan, 900, 1])}, "K holds values that are not finite"),
        ({"K": np.diag([0.0, 900, 1])}, "K is singular"),
        ({"K": np.diag([900.0, -900, 1])}, "K is singular or mirrored"),
        ({"K": np.diag([900.0, 900, 2])}, "K must have the form"),
        ({"distortion": np.zeros(6)}, "4 or 5 or 8 coefficients"),
        ({"distortion": np.full(5, np.inf)}, "distortion holds values that are not finite"),
        ({"distortion": np.full(5, 1e9)}, "describe no lens"),
        ({"model": "fisheye"}, "fisheye lens takes 4 coefficients"),
        ({"model": "division"}, "lens model 'division'"),
        ({"T_camera_world": np.eye(3)}, r"T_camera_world must be \(4, 4\)"),
        ({"T_camera_world": SHEAR}, "not orthonormal"),
        ({"T_camera_world": MIRROR}, "mirror image"),
        ({"T_camera_world": np.full((4, 4), np.nan)}, "not finite"),
        ({"T_camera_world": 2 * np.eye(4)}, "last row"),
        ({"image_size": (0, 720)}, "not positive"),
    ],
)
def test_impossible_cameras_are_refused_by_name(change, message):
    with pytest.raises(ValueError, match=rf"camera 'cam0'.*{message}"):
        replace(scenes.camera(), **change)
