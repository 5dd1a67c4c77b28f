"""The z-buffer: coverage, depth order, interpolation."""

from __future__ import annotations

import numpy as np

from handloom.rendering.rasteriser import NOTHING, rasterise

# Counter-clockwise for an eye whose y axis points down.
TRIANGLE = np.array([[2.0, 2.0], [2.0, 12.0], [12.0, 2.0]])
FACE = np.array([[0, 1, 2]])


def test_a_triangle_covers_the_pixels_inside_it():
    mask = rasterise(TRIANGLE, np.ones(3), FACE, (16, 16)).mask
    assert mask[3, 3]
    assert mask[2, 12]
    assert not mask[10, 10]
    assert mask.sum() == 66


def test_faces_seen_from_behind_are_left_out_unless_asked_for():
    behind = FACE[:, ::-1]
    assert not rasterise(TRIANGLE, np.ones(3), behind, (16, 16)).mask.any()
    assert rasterise(TRIANGLE, np.ones(3), behind, (16, 16), cull=False).mask.sum() == 66


def test_the_nearer_triangle_wins_whatever_the_order():
    pixels, depth = np.vstack([TRIANGLE, TRIANGLE]), np.array([2.0, 2.0, 2.0, 1.0, 1.0, 1.0])
    for faces, nearer in (([[0, 1, 2], [3, 4, 5]], 1), ([[3, 4, 5], [0, 1, 2]], 0)):
        fragments = rasterise(pixels, depth, np.array(faces), (16, 16))
        assert set(fragments.face[fragments.mask]) == {nearer}
        np.testing.assert_allclose(fragments.depth[fragments.mask], 1.0)


def test_depth_is_interpolated_in_perspective():
    points = np.array([[-1.0, 0.0, 2.0], [1.0, 1.0, 6.0], [1.0, -1.0, 6.0]])
    pixels = 40.0 * points[:, :2] / points[:, 2:] + 32.0
    fragments = rasterise(pixels, points[:, 2], FACE, (64, 64), cull=False)
    rows, columns = np.nonzero(fragments.mask)
    where = (fragments.barycentric[rows, columns, :, None] * points).sum(axis=1)
    np.testing.assert_allclose(40.0 * where[:, 0] / where[:, 2] + 32.0, columns, atol=1e-3)
    np.testing.assert_allclose(where[:, 2], fragments.depth[rows, columns], rtol=1e-5)


def test_nothing_behind_the_camera_or_not_a_number_is_drawn():
    assert not rasterise(TRIANGLE, np.array([1.0, 1.0, -1.0]), FACE, (16, 16)).mask.any()
    broken = TRIANGLE.copy()
    broken[1] = np.nan
    assert (rasterise(broken, np.ones(3), FACE, (16, 16)).face == NOTHING).all()


def test_triangles_reach_over_the_edge_of_the_picture():
    huge = np.array([[-100.0, -100.0], [-100.0, 300.0], [300.0, -100.0]])
    assert rasterise(huge, np.ones(3), FACE, (16, 16)).mask.all()
