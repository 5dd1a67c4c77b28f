"""Meshes drawn on pictures lie where the camera sees the hand."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from fitted_hands import GAP, fitted_session, perfect_fit
from synthetic import LEFT_HAND, RIGHT_HAND

from handloom.cameras import Camera
from handloom.errors import VideoError
from handloom.hand import load_open_hand
from handloom.keypoints import Track
from handloom.rendering import HandSurface, Lighting, render
from handloom.synthesis import demo_rig
from handloom.video import VideoWriter, open_video
from handloom.view.colours import mesh_colour
from handloom.view.mesh_overlay import HandMesh, draw_hand, draw_hands, meshes_at, outline
from handloom.view.overlay import write_overlay_video

HAND = load_open_hand("right")
RAISED = np.array([[1.0, 0, 0, 0], [0, 0, -1.0, 0], [0, 1.0, 0, 0], [0, 0, 0, 1.0]])


def seen_by(camera: Camera) -> np.ndarray:
    return np.zeros((camera.image_size[1], camera.image_size[0], 3), dtype=np.uint8)


def vertices(angles: float = 0.3, shift: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> np.ndarray:
    T = RAISED.copy()
    T[:3, 3] = shift
    bent = np.zeros((15, 3))
    bent[:, 0] = angles
    return HAND.pose(bent, None, T).vertices


@pytest.mark.parametrize("view", [0, 1], ids=["ideal lens", "distorting lens"])
def test_mesh_lies_on_the_hand_in_the_picture(view: int) -> None:
    """The picture of a hand with its forearm, and its mesh on it: nothing of the hand is left uncovered."""
    camera = demo_rig(3)[view]
    bare = seen_by(camera)
    picture, coverage = render(camera, [HandSurface(HAND).at(vertices(), RAISED)], bare, Lighting())
    drawn = picture.copy()
    draw_hand(drawn, camera, HAND, vertices(), colour=(0, 255, 0), opacity=1.0)
    on_hand = (drawn != picture).any(axis=-1)
    assert on_hand.sum() > 3000
    assert (coverage[on_hand] > 0).all()
    # What is left of the picture is the arm, all of it below the wrist.
    left = np.argwhere((coverage > 0.5) & ~on_hand)
    wrist = camera.project(np.zeros(3))
    assert left[:, 0].min() > wrist[1] - 12


def test_lens_distortion_is_applied() -> None:
    camera = demo_rig(3)[1]
    at = vertices(shift=(0.18, 0.0, 0.08))
    [line] = outline(camera, HAND, at, camera.image_size)
    pixels = camera.project(at)
    np.testing.assert_allclose(line.min(axis=0), pixels.min(axis=0), atol=1.5)
    np.testing.assert_allclose(line.max(axis=0), pixels.max(axis=0), atol=1.5)
    ideal = Camera(camera.name, camera.image_size, camera.K, np.zeros(5), camera.T_camera_world)
    assert np.abs(ideal.project(at) - pixels).max() > 4.0


def test_outline_is_closed_and_holds_the_joints() -> None:
    camera = demo_rig(3)[1]
    joints = camera.project(HAND.pose(np.zeros((15, 3)), None, RAISED).joints)
    [line] = outline(camera, HAND, vertices(0.0), camera.image_size)
    np.testing.assert_array_equal(line[0], line[-1])
    # The wrist itself lies on the open edge.
    assert all(cv2.pointPolygonTest(line, tuple(map(float, joint)), False) > 0 for joint in joints[1:])


def test_edges_are_smooth() -> None:
    camera = demo_rig(3)[0]
    image = seen_by(camera)
    draw_hand(image, camera, HAND, vertices(), colour=(255, 255, 255), opacity=1.0)
    shades = np.unique(image[..., 1])
    assert ((shades > 0) & (shades < 60)).sum() > 10


def test_opacity_lets_the_picture_through() -> None:
    camera = demo_rig(3)[0]
    dark, light = seen_by(camera), seen_by(camera) + 200
    for image in (dark, light):
        draw_hand(image, camera, HAND, vertices(), opacity=0.25)
    difference = light.astype(int) - dark
    inside = np.abs(difference - 150) <= 1
    assert inside.all(axis=-1).sum() > 3000
    assert (difference[:20] == 200).all()


def test_the_nearer_hand_hides_the_farther() -> None:
    camera = demo_rig(1)[0]
    toward = -0.1 * camera.axis
    near = HandMesh(HAND, vertices() + toward, (255, 0, 0))
    far = HandMesh(HAND, vertices(), (0, 0, 255))
    pictures = []
    for order in ([near, far], [far, near]):
        image = seen_by(camera)
        draw_hands(image, camera, order, opacity=1.0)
        pictures.append(image)
    np.testing.assert_array_equal(*pictures)
    alone = seen_by(camera)
    draw_hands(alone, camera, [near], opacity=1.0)
    covered = cv2.erode((alone.any(axis=-1)).astype(np.uint8), np.ones((3, 3))) > 0
    np.testing.assert_array_equal(pictures[0][covered], alone[covered])


@pytest.mark.parametrize(
    "at",
    [np.full_like(HAND.template, np.nan), vertices(shift=(5.0, 0.0, 0.0)), vertices(shift=(0.0, -5.0, 0.0))],
    ids=["without a fit", "beside the picture", "behind the camera"],
)
def test_what_cannot_be_seen_leaves_the_picture_as_it_is(at: np.ndarray) -> None:
    camera = demo_rig(3)[0]
    image = seen_by(camera) + 77
    draw_hand(image, camera, HAND, at)
    assert (image == 77).all()
    assert outline(camera, HAND, at, camera.image_size) == []


def test_half_outside_the_picture() -> None:
    camera = demo_rig(3)[0]
    image = seen_by(camera)
    draw_hand(image, camera, HAND, vertices(shift=(-0.33, 0.0, 0.05)))
    assert image[:, 0].any()


def test_picture_of_another_size_is_refused() -> None:
    camera = demo_rig(3)[0]
    with pytest.raises(VideoError, match="this one has"):
        draw_hand(np.zeros((100, 100, 3), dtype=np.uint8), camera, HAND, vertices())


def test_every_person_has_colours_of_their_own() -> None:
    tracks = [Track(subject, "hand", side) for subject in range(3) for side in ("left", "right")]
    assert len({mesh_colour(track) for track in tracks}) == len(tracks)


def test_meshes_of_a_frame() -> None:
    hands = {track: perfect_fit(track, 10) for track in (LEFT_HAND, RIGHT_HAND)}
    posed = {track: hand.posed() for track, hand in hands.items()}
    left, right = meshes_at(hands, posed, 3)
    assert (left.model.side, right.model.side) == ("left", "right")
    assert left.colour != right.colour
    assert np.isnan(meshes_at(hands, posed, GAP.start)[0].vertices).all()


def test_overlay_video_shows_the_mesh_where_there_is_a_fit(tmp_path: Path) -> None:
    rig = demo_rig(1)
    session, _ = fitted_session(tmp_path / "session", tracks=[RIGHT_HAND], rig=rig)
    with VideoWriter(tmp_path / "cam0.mp4", 30.0) as writer:
        for _ in range(len(session)):
            writer.write(seen_by(rig[0]))
    [path] = write_overlay_video(session, tmp_path / "out", [tmp_path / "cam0.mp4"])
    with open_video(path) as video:
        painted = np.array([(frame.image > 60).any(axis=-1).sum() for frame in video.frames()])
    known = np.ones(len(session), dtype=bool)
    known[GAP] = False
    assert (painted[known] > 1500).all()
    assert (painted[GAP] < 100).all()
