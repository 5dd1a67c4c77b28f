"""Skeletons on pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from recordings import FRAMES, faulty_session, write_videos

from handloom.keypoints import Track
from handloom.skeleton import BODY, HAND
from handloom.video import open_video
from handloom.view.colours import FINGER_COLOURS, SIDE_COLOURS, bone_colours, joint_colours, track_colour
from handloom.view.overlay import draw_skeleton, write_overlay_video
from handloom.view.pictures import find_videos, pictures_along


def test_joint_is_drawn_where_it_is_in_its_colour() -> None:
    image = np.zeros((100, 120, 3), dtype=np.uint8)
    xy = np.full((21, 2), np.nan)
    xy[HAND.index("thumb_tip")] = [80.0, 30.0]
    draw_skeleton(image, HAND, xy, thickness=3)
    rows, columns = np.nonzero(image.sum(axis=-1))
    assert (columns.mean(), rows.mean()) == (80.0, 30.0)
    assert tuple(image[30, 80]) == FINGER_COLOURS["thumb"]


def test_positions_between_pixels_move_the_drawing() -> None:
    means = []
    for x in (50.0, 50.25, 50.5):
        image = np.zeros((60, 100, 3), dtype=np.uint8)
        xy = np.full((21, 2), np.nan)
        xy[0] = [x, 30.0]
        draw_skeleton(image, HAND, xy, thickness=4, colour=(255, 255, 255))
        weight = image.astype(float).sum(axis=(0, 2))
        means.append(float((weight * np.arange(100)).sum() / weight.sum()))
    assert means[0] < means[1] < means[2]


def test_missing_and_absurd_joints_are_left_out() -> None:
    image = np.zeros((50, 50, 3), dtype=np.uint8)
    xy = np.full((33, 2), np.nan)
    xy[0], xy[1] = [1e12, 5.0], [np.inf, 5.0]
    draw_skeleton(image, BODY, xy)
    assert not image.any()


def test_unused_joints_are_dimmer() -> None:
    brightness = []
    for used in (True, False):
        image = np.zeros((100, 100, 3), dtype=np.uint8)
        xy = np.random.default_rng(0).uniform(10, 90, (21, 2))
        draw_skeleton(image, HAND, xy, used=np.full(21, used))
        brightness.append(int(image.sum()))
    assert brightness[1] < 0.7 * brightness[0]


def test_bodies_are_coloured_by_side() -> None:
    colours = joint_colours(BODY)
    assert tuple(colours[BODY.index("left_knee")]) == SIDE_COLOURS["left"]
    assert tuple(colours[BODY.index("mouth_right")]) == SIDE_COLOURS["right"]
    across = BODY.bones.index(("left_hip", "right_hip"))
    assert tuple(bone_colours(BODY)[across]) not in SIDE_COLOURS.values()


def test_every_track_has_its_own_colour() -> None:
    tracks = [Track(s, "hand", side) for s in range(3) for side in ("left", "right")]
    assert len({track_colour(track) for track in tracks}) == len(tracks)


def test_overlay_video_of_every_recorded_view(tmp_path: Path) -> None:
    session = faulty_session(tmp_path / "session")
    videos = write_videos(tmp_path, ("cam0", "cam2"))
    written = write_overlay_video(session, tmp_path / "overlays", videos)
    assert [path.name for path in written] == ["overlay_cam0.mp4", "overlay_cam2.mp4"]
    with open_video(written[0]) as source:
        assert source.image_size == (320, 240)
        assert sum(1 for _ in source.frames()) == FRAMES


def test_videos_named_by_the_run_are_found(tmp_path: Path) -> None:
    videos = write_videos(tmp_path, ("cam0", "cam1", "cam2"), frames=3)
    session = faulty_session(tmp_path / "session", inputs={"videos": list(videos.values())})
    assert find_videos(session) == videos
    videos["cam1"].unlink()
    assert sorted(find_videos(session)) == ["cam0", "cam2"]


def test_pictures_end_where_the_recording_does(tmp_path: Path) -> None:
    session = faulty_session(tmp_path / "session")
    videos = write_videos(tmp_path, ("cam0",), frames=10)
    pictures = [row[0] for row in pictures_along(session, videos)]
    assert sum(picture is not None for picture in pictures) == 10
    assert len(pictures) == FRAMES
