"""Pictures to hands: what is found, where it is, and what happens to pictures that are none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hand_pictures import Shown, write_picture

from handloom.cameras import Camera
from handloom.errors import HandloomError, VideoError
from handloom.fitting.hand_size import HandSize
from handloom.pictures import ImageOptions, image, picture_files, read_hands, write_numbers
from handloom.pictures.search import HandSearch, parts

SHIRT = "four/105f8f8e-ccd6-45a0-b22a-e314930bc13e.jpg"
"""A man faces the camera and raises a hand on the left of the picture; his shirt's words can be read, so the
picture is not mirrored and the hand is his right one."""

MIRRORED_WALL = "call/044768ad-1709-44ba-b041-c2f8cbe4c166.jpg"
"""A selfie whose words are mirrored: the hand on the right of the picture is his right one."""


@pytest.fixture(scope="session")
def photographs(data: Path) -> Path:
    folder = data / "mediapipe/mediapipe/model_maker/python/vision/gesture_recognizer/testdata/raw_data"
    if not folder.is_dir():
        pytest.skip(f"no photographs in {folder}")
    return folder


def test_a_hand_of_known_size_through_a_known_lens(shown: Shown, search: HandSearch) -> None:
    options = ImageOptions(intrinsics=shown.camera, size=HandSize(shown.length_m), checks=False)
    result = read_hands(shown.image, Path("hand.png"), "hand", search, options)
    (hand,) = result.hands
    fit = hand.verdict.fit
    assert hand.verdict.side == "right"
    off = np.linalg.norm(fit.keypoints[0] - shown.keypoints[0])
    assert off < 0.12 * np.linalg.norm(shown.keypoints[0])
    assert off < 3.0 * fit.distance_sigma_m
    assert result.lens is not None
    assert result.lens.focal_spread == 0.0


def test_the_mirrored_picture_shows_the_left_hand(shown: Shown, search: HandSearch) -> None:
    mirrored = np.ascontiguousarray(shown.image[:, ::-1])
    result = read_hands(mirrored, Path("hand.png"), "hand", search, ImageOptions(checks=False))
    assert [hand.verdict.side for hand in result.hands] == ["left"]


def test_a_mirrored_selfie_is_turned_back(shown: Shown, tmp_path: Path) -> None:
    path = write_picture(tmp_path / "selfie.png", shown.image[:, ::-1])
    (result,) = image(path, ImageOptions(mirrored=True, checks=False))
    assert result.hands[0].verdict.side == "right"
    assert np.abs(result.picture().astype(int) - shown.image).max() == 0


def test_the_raised_hand_of_a_man_with_readable_words_is_his_right(
    photographs: Path, search: HandSearch
) -> None:
    (result,) = image(photographs / SHIRT, ImageOptions(checks=False))
    hand = result.hands[0]
    assert hand.verdict.side == "right"
    assert hand.verdict.advantage > 0.0
    assert not hand.verdict.doubtful


def test_the_hand_of_a_mirrored_selfie_is_his_right(photographs: Path) -> None:
    assert image(photographs / MIRRORED_WALL, ImageOptions(checks=False))[0].hands[0].verdict.side == "left"
    turned = ImageOptions(mirrored=True, checks=False)
    assert image(photographs / MIRRORED_WALL, turned)[0].hands[0].verdict.side == "right"


def test_a_hand_too_small_for_the_whole_picture_is_found(shown: Shown, search: HandSearch) -> None:
    far = np.full((1500, 2000, 3), 120, np.uint8)
    small = shown.image[::4, ::4]
    far[700 : 700 + small.shape[0], 1400 : 1400 + small.shape[1]] = small
    result = read_hands(far, Path("far.png"), "far", search, ImageOptions(checks=False))
    assert result.hands
    assert result.hands[0].where != "whole"
    assert abs(result.hands[0].reading.region.x - 1480) < 60


def test_no_hand_has_a_reason(search: HandSearch) -> None:
    grey = np.full((240, 320, 3), 140, np.uint8)
    result = read_hands(grey, Path("wall.png"), "wall", search, ImageOptions())
    assert not result.hands
    assert "No hand and no person" in result.reason
    black = read_hands(np.zeros_like(grey), Path("night.png"), "night", search, ImageOptions())
    assert "dark" in black.reason


def test_one_bad_picture_does_not_stop_the_folder(shown: Shown, tmp_path: Path) -> None:
    write_picture(tmp_path / "b.png", shown.image)
    (tmp_path / "a.jpg").write_text("no picture at all")
    write_picture(tmp_path / "c.png", shown.image[:8, :8])
    (tmp_path / "d.jpg").write_bytes(b"")
    results = image(tmp_path, ImageOptions(checks=False))
    assert [result.failed for result in results] == [True, False, True, True]
    assert "damaged or not a picture" in results[0].reason
    assert "8 × 8 pixels" in results[2].reason
    out = tmp_path / "out"
    out.mkdir()
    write_numbers(results, out)
    written = json.loads((out / "hands.json").read_text(encoding="utf-8"))
    assert [len(picture["hands"]) for picture in written["pictures"]] == [0, 1, 0, 0]
    with np.load(out / "hands.npz", allow_pickle=False) as z:
        assert z["keypoints_m"].shape == (1, 21, 3)
        assert z["picture"].tolist() == ["b"]
    assert (out / "meshes/b.glb").read_bytes()[:4] == b"glTF"


def test_numbers_of_pictures_without_any_hand(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("no picture at all")
    write_numbers(image(tmp_path), tmp_path)
    with np.load(tmp_path / "hands.npz", allow_pickle=False) as z:
        assert z["keypoints_m"].shape == (0, 21, 3)


def test_intrinsics_of_another_picture(shown: Shown, search: HandSearch, tmp_path: Path) -> None:
    K = np.array([[600.0, 0, 199.5], [0, 600.0, 199.5], [0, 0, 1]])
    square = Camera("square", (400, 400), K, np.zeros(5), np.eye(4))
    path = write_picture(tmp_path / "a.png", shown.image)
    (result,) = image(path, ImageOptions(intrinsics=square))
    assert result.failed
    assert "640 × 480" in result.reason


def test_absurd_intrinsics(shown: Shown, tmp_path: Path) -> None:
    K = np.array([[4.0, 0, 319.5], [0, 4.0, 239.5], [0, 0, 1]])
    path = write_picture(tmp_path / "a.png", shown.image)
    (result,) = image(path, ImageOptions(intrinsics=Camera("c", (640, 480), K, np.zeros(5), np.eye(4))))
    assert result.failed
    assert "do not belong" in result.reason


@pytest.mark.parametrize("fov", [0.0, -60.0, 179.0, 1000.0])
def test_a_field_of_view_of_no_lens(fov: float) -> None:
    with pytest.raises(HandloomError, match="field of view"):
        ImageOptions(fov_deg=fov)


def test_both_intrinsics_and_field_of_view(shown: Shown) -> None:
    with pytest.raises(HandloomError, match="Both"):
        ImageOptions(intrinsics=shown.camera, fov_deg=60.0)


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="holds no pictures"):
        picture_files(tmp_path)


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="no picture or folder"):
        picture_files(tmp_path / "gone.jpg")


def test_a_file_that_is_not_named_like_a_picture(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(VideoError, match="not named like a picture"):
        picture_files(tmp_path / "notes.txt")


def test_names_stay_unique(tmp_path: Path, shown: Shown) -> None:
    for name in ("a.png", "a.bmp", "b.png"):
        write_picture(tmp_path / name, shown.image[:8, :8])
    assert [result.name for result in image(tmp_path)] == ["a_bmp", "a_png", "b"]


@pytest.mark.parametrize("size", [(640, 480), (300, 900), (96, 96), (33, 4000)])
def test_parts_cover_the_picture(size: tuple[int, int]) -> None:
    covered = np.zeros(size[::-1], bool)
    for left, top, width, height in parts(*size):
        assert left + width <= size[0]
        assert top + height <= size[1]
        covered[top : top + height, left : left + width] = True
    if max(size) * 0.6 >= 96:
        assert covered.mean() > 0.98
