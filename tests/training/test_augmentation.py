"""What changes pixels changes pixels only, within [0, 255], and the same way each time."""

from __future__ import annotations

import colorsys
from dataclasses import fields, replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="the learning rooms need torch: pip install 'handloom[learn]'")

from made_samples import made_sample

from handloom.detection.regions import Region
from handloom.training.augmentation import Strength, occluder, on_background, photometric
from handloom.training.backgrounds import paint_backgrounds, piece, stored_backgrounds
from handloom.training.bystanders import paint_bystanders
from handloom.training.crop_batches import augmented_crop, hand_mask, plain_crop
from handloom.training.crops import View, box_region
from handloom.training.examples import Cut, examples_of

NONE = Strength.none()


@pytest.fixture(scope="module")
def backgrounds():
    return paint_backgrounds(3, 0)


def coloured(size: int = 32) -> np.ndarray:
    return np.random.default_rng(0).integers(40, 200, (size, size, 3), dtype=np.uint8)


def test_no_strength_leaves_pictures_as_they_are() -> None:
    image = coloured()
    assert photometric(image, NONE, np.random.default_rng(0)) is not None
    np.testing.assert_array_equal(photometric(image, NONE, np.random.default_rng(0)), image)


@pytest.mark.parametrize(
    "name", [f.name for f in fields(Strength) if f.name not in ("occluder", "background")]
)
def test_every_change_changes_and_repeats(name) -> None:
    image, strength = coloured(), replace(NONE, **{name: 1.0 if name != "hue" else 0.1})
    first, again = (photometric(image, strength, np.random.default_rng(3)) for _ in range(2))
    assert first.dtype == np.uint8
    assert first.shape == image.shape
    np.testing.assert_array_equal(first, again)
    assert (first != image).any()


def test_hue_turns_colours_and_keeps_light() -> None:
    """On [0, 1]; a hue turned after 0.5 was subtracted would change greys (§1.9)."""
    grey = np.full((4, 4, 3), 90, np.uint8)
    red = np.broadcast_to(np.array([180, 90, 90], np.uint8), (4, 4, 3)).copy()
    strength = replace(NONE, hue=0.1)
    turned = []
    for seed in range(6):
        np.testing.assert_allclose(
            photometric(grey, strength, np.random.default_rng(seed)).astype(int), 90, atol=1
        )
        found = photometric(red, strength, np.random.default_rng(seed))[0, 0] / 255
        assert abs(found @ [0.299, 0.587, 0.114] - red[0, 0] / 255 @ [0.299, 0.587, 0.114]) < 0.01
        turned.append(colorsys.rgb_to_hsv(*found)[0])
    assert np.ptp([(hue + 0.5) % 1.0 for hue in turned]) > 0.02


def test_another_background_leaves_the_people(backgrounds) -> None:
    image = np.full((64, 64, 3), 250, np.uint8)
    people = np.zeros((64, 64), bool)
    people[20:40, 20:40] = True
    other = np.zeros_like(image)
    found = on_background(image, people, other)
    assert (found[22:38, 22:38] == 250).all()
    assert (found[:18] == 0).all()


def test_between_mirrors_a_picture_and_what_it_shows_go_on_beyond_the_border() -> None:
    (example,) = examples_of(made_sample(3), Cut("picture", 96, needs=("regions",)))
    height, width = example.image.shape[:2]
    wide = View(Region(width / 2, height / 2, 3.0 * width), 3 * width)
    crop = plain_crop(example, wide, mirrors=True)
    for told, shown in ((crop.image, example.image), (crop.regions, example.regions)):
        rows, middle = slice(width, width + height), told[:, width : 2 * width]
        np.testing.assert_array_equal(middle[rows], shown)
        np.testing.assert_array_equal(told[rows, :width], shown[:, ::-1])
        np.testing.assert_array_equal(told[rows, 2 * width :], shown[:, ::-1])
    assert (plain_crop(example, wide).image[:, :width] == 0).all()


def test_an_occluder_hides_joints_and_mask(backgrounds) -> None:
    (example,) = examples_of(made_sample(3), Cut("hand", 96))
    view = View(box_region(example.xy, 1.4), 96)
    plain = plain_crop(example, view)
    hidden = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        crop = augmented_crop(example, view, replace(NONE, occluder=1.0), backgrounds, rng)
        changed = (crop.image != plain.image).any(axis=-1)
        assert not (hand_mask(crop) & ~hand_mask(plain)).any()
        assert not (hand_mask(crop) & changed).any()
        np.testing.assert_array_equal(crop.xy, plain.xy)
        hidden += int((plain.visible & ~crop.visible).sum())
    assert hidden > 0


def test_occluders_are_patches() -> None:
    for seed in range(20):
        assert 0 < occluder(64, np.random.default_rng(seed)).mean() < 0.6


def test_pieces_of_backgrounds_differ(backgrounds) -> None:
    first, second = (piece(backgrounds, 48, np.random.default_rng(seed)) for seed in (0, 1))
    assert first.shape == (48, 48, 3)
    assert (first != second).any()


def test_backgrounds_are_painted_once(tmp_path) -> None:
    first = stored_backgrounds(tmp_path / "store", 2, 5)
    (path,) = (tmp_path / "store").iterdir()
    before = path.stat().st_mtime_ns
    np.testing.assert_array_equal(stored_backgrounds(tmp_path / "store", 2, 5), first)
    assert path.stat().st_mtime_ns == before


def test_bystanders_join_the_backgrounds(tmp_path) -> None:
    places, more = stored_backgrounds(tmp_path, 2, 5), stored_backgrounds(tmp_path, 2, 5, bystanders=3)
    np.testing.assert_array_equal(more[:2], places)
    assert len(more) == 5
    assert len({picture.tobytes() for picture in more}) == 5


@pytest.mark.parametrize("seed", range(6))
def test_bystanders_are_pictures_with_light_and_dark(seed) -> None:
    first, again = (paint_bystanders(96, np.random.default_rng(seed)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert first.shape == (96, 96, 3)
    assert first.std() > 10
