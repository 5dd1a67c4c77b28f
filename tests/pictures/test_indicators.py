"""Signs of failure on pictures that have, or lack, what they look for."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from hand_pictures import Shown

from handloom.hand import load_open_hand
from handloom.pictures import FoundHand, ImageOptions, read_hands
from handloom.pictures.indicators import INDICATORS, bone_deviation, colour_overlap, silhouette
from handloom.pictures.search import HandSearch


def _hand(image: np.ndarray, shown: Shown, search: HandSearch) -> FoundHand:
    result = read_hands(image, Path("a.png"), "a", search, ImageOptions(intrinsics=shown.camera))
    return result.hands[0]


def test_a_clear_picture_has_no_sign_of_failure(shown: Shown, search: HandSearch) -> None:
    hand = _hand(shown.image, shown, search)
    assert hand.indicators.failures == ()
    assert set(hand.indicators.values) == {indicator.name for indicator in INDICATORS}
    assert hand.indicators.values["mask"] > 0.7


def test_a_blurred_picture_is_told(shown: Shown, search: HandSearch) -> None:
    clear = _hand(shown.image, shown, search).indicators.values["sharpness"]
    hand = _hand(cv2.GaussianBlur(shown.image, (0, 0), 6.0), shown, search)
    assert hand.indicators.values["sharpness"] < 0.5 * clear
    assert "blurred" in hand.indicators.failures


def test_a_dark_picture_is_told(shown: Shown, search: HandSearch) -> None:
    assert "dark" in _hand((shown.image * 0.25).astype(np.uint8), shown, search).indicators.failures


def test_a_hand_at_the_border_is_told(shown: Shown, search: HandSearch) -> None:
    xy = shown.camera.project(
        (shown.keypoints - shown.camera.T_camera_world[:3, 3]) @ shown.camera.T_camera_world[:3, :3]
    )
    cut = int(xy[:, 1].min() + 25)
    image = np.ascontiguousarray(shown.image[cut:])
    result = read_hands(image, Path("a.png"), "a", search, ImageOptions())
    assert "truncated" in result.hands[0].indicators.failures


def test_bones_of_other_proportions_are_told() -> None:
    model = load_open_hand("right")
    assert bone_deviation(model.rest_keypoints, model) < 0.01
    stretched = model.rest_keypoints.copy()
    stretched[8] += 2.0 * (stretched[8] - stretched[7])
    assert bone_deviation(stretched, model) > 4.0
    assert bone_deviation(0.5 * model.rest_keypoints, model) < 0.5


def test_a_mask_beside_the_hand_overlaps_less(shown: Shown, search: HandSearch) -> None:
    hand = _hand(shown.image, shown, search)
    lens = hand.verdict.fit
    model = hand.model
    camera = shown.camera
    at_origin = type(camera)("c", camera.image_size, camera.K, camera.distortion, np.eye(4))
    mask, hidden = silhouette(at_origin, model, hand.vertices, lens.keypoints, 640, 480)
    beside = np.roll(mask, 70, axis=1)
    assert colour_overlap(shown.image, mask) > colour_overlap(shown.image, beside) + 0.1
    assert hidden < 0.2
