"""From masks to crops and back."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handloom.detection.colorhandpose.crop import around, from_image, hands_in_mask, sampled
from handloom.detection.regions import Region, letterbox

SIDE = 320


def mask(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    """Probability 0.9 in boxes of left, top, right, bottom (inclusive) cells."""
    found = np.zeros((SIDE, SIDE), np.float32)
    for left, top, right, bottom in boxes:
        found[top : bottom + 1, left : right + 1] = 0.9
    return found


def hands(probability: np.ndarray):
    return hands_in_mask(probability, letterbox((SIDE, SIDE)), (SIDE, SIDE))


def test_the_box_has_the_edges_of_the_outermost_pixels():
    (hand,) = hands(mask((40, 60, 99, 129)))
    np.testing.assert_allclose(hand.box, [39.5, 59.5, 99.5, 129.5])
    assert hand.region() == Region(69.5, 94.5, 1.25 * 70)


def test_a_gap_of_ten_pixels_is_bridged_and_one_more_is_not():
    assert len(hands(mask((40, 40, 79, 79), (89, 40, 120, 79)))) == 1
    assert len(hands(mask((40, 40, 79, 79), (90, 40, 120, 79)))) == 2


def test_gaps_are_bridged_across_corners():
    assert len(hands(mask((40, 40, 79, 79), (88, 88, 120, 120)))) == 1


def test_hands_come_largest_first_and_specks_not_at_all():
    found = hands(mask((10, 10, 40, 40), (100, 100, 180, 180), (250, 20, 252, 22)))
    assert [round(hand.box[0]) for hand in found] == [100, 10]


def test_an_empty_mask_has_no_hand():
    assert hands(mask()) == []


def test_what_the_mask_says_beyond_the_picture_does_not_count():
    wide = (SIDE, SIDE // 2)
    probability = mask((100, 0, 160, 60), (20, 150, 90, 239))
    (hand,) = hands_in_mask(probability, letterbox(wide), wide)
    np.testing.assert_allclose(hand.box, [19.5, 69.5, 90.5, 159.5])


def test_boxes_of_a_coarse_mask_lie_where_the_crop_was_sampled():
    image = np.zeros((600, 900, 3), np.uint8)
    image[150:420, 330:610] = 255
    frame = letterbox((900, 600))
    seen = sampled(image, frame, 256, replicate=False)[..., 0] / np.float32(255)
    (hand,) = hands_in_mask(seen, frame, (900, 600))
    np.testing.assert_allclose(hand.box, [329.5, 149.5, 609.5, 419.5], atol=900 / 256)
    assert np.abs(hand.box - [329.5, 149.5, 609.5, 419.5]).mean() < 0.5 * 900 / 256


@given(
    st.floats(-50, 700), st.floats(-50, 700), st.floats(5, 900), st.floats(-3.1, 3.1), st.integers(16, 512)
)
def test_crop_to_picture_and_back_is_the_identity(x, y, size, angle, side):
    region = Region(x, y, size, angle)
    there, back = region.to_image(side), from_image(region, side)
    points = np.array([[0.0, 0.0], [side - 1.0, 3.5], [-7.0, side]])
    pixels = points @ there[:, :2].T + there[:, 2]
    np.testing.assert_allclose(pixels @ back[:, :2].T + back[:, 2], points, atol=1e-6)


@pytest.mark.parametrize("region", [Region(300.0, 250.0, 300.0), Region(310.0, 255.0, 480.0, 0.4)])
def test_a_reduced_crop_shows_points_where_the_map_says(region):
    at = np.array([290.0, 260.0])
    image = np.zeros((500, 600, 3), np.uint8)
    cv2.circle(image, (290, 260), 12, (255, 255, 255), -1, cv2.LINE_AA)
    crop = sampled(image, region, 96, replicate=False)[..., 0].astype(float)
    rows, columns = np.mgrid[:96, :96]
    centroid = np.array([(columns * crop).sum(), (rows * crop).sum()]) / crop.sum()
    back = from_image(region, 96)
    np.testing.assert_allclose(centroid, at @ back[:, :2].T + back[:, 2], atol=0.06)


def test_a_reduced_crop_averages_pixels():
    stripes = np.zeros((512, 512, 3), np.uint8)
    stripes[::2] = 255
    crop = sampled(stripes, Region(256.0, 256.0, 400.0), 50, replicate=True)
    assert np.abs(crop.astype(int) - 127).max() <= 8


def test_a_crop_far_outside_the_picture_is_black():
    image = np.full((40, 40, 3), 255, np.uint8)
    assert not sampled(image, Region(900.0, 900.0, 300.0), 32, replicate=False).any()


def test_keypoints_get_a_square_around_them():
    xy = np.array([[10.0, 20.0], [50.0, 30.0], [30.0, 40.0]])
    assert around(xy, 1.5) == Region(30.0, 30.0, 60.0)


def test_a_turned_square_follows_the_turned_keypoints():
    xy = np.random.default_rng(0).uniform(0, 100, (21, 2))
    angle = 0.7
    c, s = np.cos(angle), np.sin(angle)
    turned = xy @ np.array([[c, s], [-s, c]])
    plain, other = around(xy, 1.4), around(turned, 1.4, angle)
    assert other.size == pytest.approx(plain.size)
    assert [other.x, other.y] == pytest.approx(list(np.array([plain.x, plain.y]) @ [[c, s], [-s, c]]))


def test_keypoints_in_one_place_still_get_a_region():
    assert around(np.full((21, 2), 5.0), 1.4).size > 0
