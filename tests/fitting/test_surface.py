"""Residuals of masks and depth maps: gradients against differences, and what each of them leaves alone."""

from __future__ import annotations

import numpy as np
import pytest
from made_surfaces import made_hands

from handloom.cameras import Camera
from handloom.fitting.residuals import add_points
from handloom.fitting.solver import advance
from handloom.fitting.surface import (
    contour_residuals,
    depth_field,
    depth_residuals,
    mask_field,
    match_contour,
    match_depth,
    outside_residuals,
    project_with_jacobian,
    sample,
)
from handloom.hand import load_open_hand
from handloom.hand.articulation import ANGLES, POSE, vertices_of
from handloom.hand.kernel import points_with_jacobian
from handloom.hand.kinematics import rigid, rotation_from_vector
from handloom.synthesis.stage import demo_rig

MODEL = load_open_hand()
COLUMNS = POSE + MODEL.shape_count
VERTICES = vertices_of(MODEL)
RIG = demo_rig(2)


@pytest.fixture(scope="module")
def made():
    return made_hands(MODEL, RIG, 1, 5)


def near(made, rng, size=0.01):
    """A state close to the truth: angles, R, t, shape."""
    T = made.T_world_wrist[0]
    return (
        made.angles[0].reshape(ANGLES) + rng.normal(0.0, 5.0 * size, ANGLES),
        rotation_from_vector(rng.normal(0.0, size, 3)) @ T[:3, :3],
        T[:3, 3] + rng.normal(0.0, 0.5 * size, 3),
        made.shape[0] + rng.normal(0.0, 0.1, MODEL.shape_count),
    )


def vertices(state):
    angles, R, t, shape = state
    return points_with_jacobian(MODEL, VERTICES, angles.reshape(15, 3), shape, rigid(R, t))


def moved(state, step):
    new = tuple(np.empty_like(part) for part in state)
    advance(*state, step, *new)
    return new


def term(name, made, state, camera, view):
    """The cost as a function of the vertices alone: what was matched at the state is held."""
    placed = vertices(state)[0]
    pixels = camera.project(placed)
    mask, depth = mask_field(made.masks[view][0]), depth_field(made.depths[view][0])
    contour = match_contour(MODEL, placed, camera, pixels, mask, 25.0)
    planes = match_depth(MODEL, placed, camera, pixels, depth, 0.04)

    def cost(placed, information, gradient):
        pixels, D = project_with_jacobian(camera, placed)
        if name == "outside":
            return outside_residuals(pixels, D, mask, 2.0, 1.5, information, gradient)
        if name == "contour":
            return contour_residuals(pixels, D, contour, 2.0, 1.5, information, gradient)
        return depth_residuals(placed, pixels, D, camera, planes, 0.005, 1.5, information, gradient)

    return cost


@pytest.mark.parametrize("view", [0, 1], ids=["ideal lens", "distorting lens"])
@pytest.mark.parametrize("name", ["outside", "contour", "depth"])
def test_gradient(name, view, made):
    rng = np.random.default_rng(7)
    state = near(made, rng)
    cost = term(name, made, state, RIG[view], view)
    placed, J = vertices(state)
    information, gradient = np.zeros((len(placed), 3, 3)), np.zeros((len(placed), 3))
    assert cost(placed, information, gradient) > 1.0
    H, g = np.zeros((COLUMNS, COLUMNS)), np.zeros(COLUMNS)
    add_points(J, VERTICES.spans, information, gradient, H, g)

    def at(step):
        placed = vertices(moved(state, step))[0]
        return cost(placed, np.zeros((len(placed), 3, 3)), np.zeros((len(placed), 3)))

    h = 1e-6
    steps = h * np.eye(COLUMNS)
    differences = np.array([(at(step) - at(-step)) / (2.0 * h) for step in steps])
    # Where the interpolation of the distances has its creases, differences see both sides.
    np.testing.assert_allclose(g, differences, rtol=2e-3, atol=2e-3 * np.abs(g).max())


def test_truth_costs_next_to_nothing(made):
    placed = made.truth.vertices[0]
    camera = RIG[0]
    pixels = camera.project(placed)
    mask, depth = mask_field(made.masks[0][0]), depth_field(made.depths[0][0])
    contour = match_contour(MODEL, placed, camera, pixels, mask, 25.0)
    planes = match_depth(MODEL, placed, camera, pixels, depth, 0.04)
    off = (contour.normals * (pixels[contour.vertices] - contour.points)).sum(axis=1)
    assert len(off) > 60
    assert np.median(np.abs(off)) < 0.5
    assert np.nanmax(sample(mask.distance, pixels)[0]) < 1.5
    z = (placed - camera.center) @ camera.axis
    assert len(planes.vertices) > 200
    assert np.median(np.abs(z[planes.vertices] - planes.depth)) < 0.001


def test_projection_of_a_fisheye():
    rng = np.random.default_rng(0)
    K = np.array([[400.0, 0.0, 320.0], [0.0, 410.0, 240.0], [0.0, 0.0, 1.0]])
    camera = Camera("wide", (640, 480), K, np.array([0.05, -0.01, 0.0, 0.0]), np.eye(4), "fisheye")
    points = rng.uniform([-0.5, -0.5, 0.4], [0.5, 0.5, 0.9], (20, 3))
    _, D = project_with_jacobian(camera, points)
    step = rng.normal(0.0, 1e-4, points.shape)
    change = camera.project(points + step) - camera.project(points - step)
    np.testing.assert_allclose(change, 2.0 * (D @ step[..., None])[..., 0], atol=2e-4)


def test_where_something_covers_the_hand_nothing_is_said(made):
    mask = made.masks[0][0].astype(float)
    columns = np.flatnonzero(mask.any(axis=0))
    middle = int(columns.mean())
    mask[:, middle:] = np.nan
    field = mask_field(mask)
    assert np.isnan(field.distance[:, middle:]).all()
    assert (field.contour[:, 0] < middle - 1).all()
    assert len(field.contour) > 20


def test_an_empty_mask_says_nothing():
    field = mask_field(np.zeros((20, 30), dtype=bool))
    assert np.isnan(field.distance).all()
    assert len(field.contour) == 0


def test_the_edge_of_the_picture_is_no_outline():
    mask = np.zeros((40, 60), dtype=bool)
    mask[:20, 20:40] = True
    assert (mask_field(mask).contour[:, 1] > 1).all()


def test_depth_does_not_blend_over_an_edge():
    depth = np.full((20, 20), 0.5)
    depth[:, 10:] = 0.7
    depth[3, 3] = 0.0
    field = depth_field(depth)
    known = field[np.isfinite(field)]
    assert np.isnan(field[:, 9:11]).all()
    assert np.isnan(field[3, 3])
    assert ((np.abs(known - 0.5) < 0.01) | (np.abs(known - 0.7) < 0.01)).all()


def test_interpolation_ends_with_the_picture():
    value, slope = sample(np.arange(12.0).reshape(3, 4), np.array([[1.5, 0.5], [-0.1, 1.0], [np.nan, 1.0]]))
    np.testing.assert_allclose(value, [3.5, np.nan, np.nan])
    np.testing.assert_allclose(slope[0], [1.0, 4.0])
