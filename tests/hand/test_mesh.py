"""Normals and volume of meshes."""

from __future__ import annotations

import numpy as np

from handloom.hand import load_open_hand
from handloom.hand.mesh import enclosed_volume, vertex_normals

# A tetrahedron with a corner at the origin, faces counter-clockwise seen from outside.
CORNERS = np.array([[0.0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 3]])
FACES = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])


def test_volume_of_a_tetrahedron_wherever_it_is():
    moved = np.stack([CORNERS, CORNERS + np.array([5.0, -3.0, 2.0])])
    np.testing.assert_allclose(enclosed_volume(moved, FACES), 1.0)


def test_normals_are_unit_and_look_outwards():
    normals = vertex_normals(CORNERS, FACES)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1.0)
    assert (((CORNERS - CORNERS.mean(axis=0)) * normals).sum(axis=1) > 0).all()


def test_a_vertex_without_faces_has_no_normal():
    normals = vertex_normals(np.vstack([CORNERS, [[9.0, 9, 9]]]), FACES)
    np.testing.assert_array_equal(normals[4], 0.0)


def test_normals_of_hands_come_in_batches_and_turn_along():
    model = load_open_hand()
    R = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    batch = np.stack([model.template, model.template @ R.T])[None]
    normals = model.normals(batch)
    assert normals.shape == batch.shape
    np.testing.assert_allclose(normals[0, 1], normals[0, 0] @ R.T, atol=1e-9)
