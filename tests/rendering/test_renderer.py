"""Pictures of hands: where the mesh is, the picture shows it; the same scene gives the same picture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from handloom.hand import load_open_hand
from handloom.hand.kinematics import rigid
from handloom.rendering import HandSurface, Lighting, SensorNoise, render, room
from handloom.rendering.hand_surface import wrist_loop
from handloom.synthesis.gestures import gesture
from handloom.synthesis.motion import RAISED
from handloom.synthesis.stage import demo_rig

SIZE = (320, 240)


@pytest.fixture(scope="module")
def scene():
    model = load_open_hand()
    T = rigid(RAISED, np.zeros(3))
    posed = model.pose(gesture("relaxed"), None, T)
    return posed, HandSurface(model).at(posed.vertices, T, (0.2, 0.0, 0.1))


@pytest.mark.parametrize("view", [0, 1])  # an ideal lens, a distorting one
def test_projected_vertices_fall_on_the_picture_of_the_hand(scene, view):
    posed, surface = scene
    camera = demo_rig(2, SIZE)[view]
    backdrop = room(SIZE, 1)
    image, coverage = render(camera, [surface], backdrop, Lighting())
    column, row = np.rint(camera.project(posed.vertices)).astype(int).T
    reach = np.array(
        [
            coverage[max(r - 1, 0) : r + 2, max(c - 1, 0) : c + 2].max()
            for c, r in zip(column, row, strict=True)
        ]
    )
    assert (reach > 0).all()
    column, row = np.rint(camera.project(posed.keypoints)).astype(int).T
    assert (coverage[row, column] == 1).all()
    np.testing.assert_array_equal(image[coverage == 0], backdrop[coverage == 0])
    assert 0.03 < coverage.mean() < 0.4


def test_a_hand_in_front_hides_the_one_behind(scene):
    _, surface = scene
    camera = demo_rig(1, SIZE)[0]
    red, blue = (
        np.tile(np.float32([*colour, 0.0]), (*surface.texture.shape[:2], 1))
        for colour in ((1, 0, 0), (0, 0, 1))
    )
    toward = 0.05 * (camera.center / np.linalg.norm(camera.center))
    front = replace(surface, vertices=surface.vertices + toward, texture=red)
    back = replace(surface, texture=blue)
    for order in ([front, back], [back, front]):
        image, coverage = render(camera, order, room(SIZE, 1), Lighting())
        own = render(camera, [front], room(SIZE, 1), Lighting())[1] == 1
        assert (image[own, 0] > image[own, 2]).all()
        assert coverage[own].min() == 1


def test_the_same_scene_gives_the_same_picture(scene):
    _, surface = scene
    camera = demo_rig(1, SIZE)[0]
    first, second = (render(camera, [surface], room(SIZE, 4), Lighting())[0] for _ in range(2))
    np.testing.assert_array_equal(first, second)
    noise = SensorNoise(SIZE, 2.0, 1)
    np.testing.assert_array_equal(noise.over(first, 7), SensorNoise(SIZE, 2.0, 1).over(first, 7))
    assert (noise.over(first, 7) != noise.over(first, 8)).any()


def test_a_hand_out_of_sight_leaves_the_background(scene):
    _, surface = scene
    camera = demo_rig(1, SIZE)[0]
    away = replace(surface, vertices=surface.vertices - np.array([0.0, 5.0, 0.0]))
    image, coverage = render(camera, [away], room(SIZE, 1), Lighting())
    assert coverage.sum() == 0
    np.testing.assert_array_equal(image, room(SIZE, 1))


def test_a_background_of_another_size_is_refused(scene):
    with pytest.raises(ValueError, match="background"):
        render(demo_rig(1, SIZE)[0], [scene[1]], room((100, 80), 1), Lighting())


def test_the_forearm_closes_the_wrist():
    surface = HandSurface(load_open_hand("left"))
    edges = np.concatenate([surface.faces[:, [0, 1]], surface.faces[:, [1, 2]], surface.faces[:, [2, 0]]])
    directed = set(map(tuple, edges.tolist()))
    assert len(directed) == len(edges)
    assert all(edge[::-1] in directed for edge in directed)


def test_the_wrist_loop_runs_once_round():
    rng = np.random.default_rng(0)
    faces = load_open_hand().faces
    loop = wrist_loop(faces)
    assert len(set(loop.tolist())) == len(loop)
    assert set(wrist_loop(faces[rng.permutation(len(faces))]).tolist()) == set(loop.tolist())
