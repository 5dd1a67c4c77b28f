"""Data for training: cut, stored, mixed, held out; what is missing is named."""

from __future__ import annotations

import os
import pickle
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="the learning rooms need torch: pip install 'handloom[learn]'")

from made_samples import made_sample, made_samples

from handloom.datasets import get_writer, open_dataset
from handloom.datasets.sample import FIRST_PART
from handloom.errors import DataSetError, HandloomError, TrainingError
from handloom.session.layout import PARTIAL
from handloom.training.examples import LEFT, RIGHT, Cut, examples_of, require_labels
from handloom.training.packed import Packed, pack
from handloom.training.sources import DataName, Drawn, Mixture, Stored, data_named, gather

HANDS, PICTURES = Cut("hand", 64), Cut("picture", 64, needs=("regions",))


def written(folder, samples, layout="webdataset"):
    writer = get_writer(layout, folder)
    writer.write_part(0, 0, samples)
    writer.finish(1)
    return folder


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return written(tmp_path_factory.mktemp("sets") / "set", made_samples(12, ("left", "right")))


def test_a_hand_is_cut_with_its_labels() -> None:
    sample = made_sample(0, ("left", "right"), size=200)
    examples = examples_of(sample, Cut("hand", 64, margin=1.5))
    assert [example.side for example in examples] == ["left", "right"]
    for example, hand in zip(examples, sample.hands, strict=True):
        points = hand.xyz @ example.K.T
        np.testing.assert_allclose(points[:, :2] / points[:, 2:], example.xy, atol=1e-6)
        assert max(np.ptp(example.xy, axis=0)) < 66
        np.testing.assert_array_equal(example.xyz, hand.xyz)


def test_regions_tell_hands_from_people() -> None:
    sample = made_sample(0, ("left", "right"))
    (example,) = examples_of(sample, Cut("picture", 96, needs=("regions",)))
    for side, region in (("left", LEFT), ("right", RIGHT)):
        of_side = (sample.parts >= FIRST_PART[side]) & (sample.parts < FIRST_PART[side] + 16)
        np.testing.assert_array_equal(example.regions == region, of_side)


def test_a_hand_outside_of_the_picture_is_no_example() -> None:
    sample = made_sample(0)
    away = replace(sample.hands[0], xy=sample.hands[0].xy + 500.0)
    assert examples_of(replace(sample, hands=(away,)), HANDS) == []


def test_palms_of_other_sets_become_wrists() -> None:
    from handloom.datasets.orders import wrist_of

    sample = made_sample(0)
    hand = replace(sample.hands[0], root="palm")
    (example,) = examples_of(replace(sample, hands=(hand,)), Cut("hand", 0))
    np.testing.assert_allclose(example.xyz, wrist_of(hand.xyz))


def test_stored_examples_are_those_that_were_cut(tmp_path) -> None:
    cut = [example for sample in made_samples(3, ("left", "right")) for example in examples_of(sample, HANDS)]
    bare = replace(cut[0], regions=None)
    packed = pack([*cut, bare], tmp_path / "store" / "set")
    again = pickle.loads(pickle.dumps(packed))
    for source in (packed, again, Packed(tmp_path / "store" / "set")):
        assert len(source) == len(cut) + 1
        assert source[len(cut)].regions is None
        for number, example in enumerate(cut):
            found = source[number]
            for name in ("image", "regions", "xy", "xyz", "visible", "K"):
                np.testing.assert_array_equal(getattr(found, name), getattr(example, name))
            assert (found.side, found.scale) == (example.side, example.scale)


def test_a_store_that_is_not_finished_is_not_there(tmp_path) -> None:
    def broken():
        yield examples_of(made_sample(0), HANDS)[0]
        raise DataSetError("The disk is wet.")

    with pytest.raises(DataSetError, match="wet"):
        pack(broken(), tmp_path / "set")
    assert list(tmp_path.iterdir()) == []


def test_two_runs_may_store_one_set_at_once(tmp_path) -> None:
    example = examples_of(made_sample(0), HANDS)[0]

    def slower():
        yield example
        assert len(pack([example, example], tmp_path / "set")) == 2

    assert len(pack(slower(), tmp_path / "set")) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_what_a_killed_run_left_is_removed(tmp_path) -> None:
    left = tmp_path / ".set.abc.partial"
    left.mkdir()
    pack(examples_of(made_sample(0), HANDS)[:1], tmp_path / "set")
    assert left.exists()
    os.utime(left, (0, 0))
    pack(examples_of(made_sample(0), HANDS)[:1], tmp_path / "set")
    assert not left.exists()


def test_the_last_part_of_a_set_is_held_out(shards, tmp_path) -> None:
    data = gather([DataName(str(shards))], HANDS, tmp_path, what="posenet")
    assert isinstance(data.training, Stored)
    assert (len(data.training), len(data.validation)) == (23, 1)
    drawn = {data.training.example(np.random.default_rng(n)).xyz.tobytes() for n in range(200)}
    assert data.validation.spread(5)[0].xyz.tobytes() not in drawn
    assert data.description["sets"][0]["held_out"] == 1


def test_named_validation_data_leaves_all_for_training(shards, tmp_path) -> None:
    name = DataName(str(shards))
    data = gather([name], HANDS, tmp_path, what="posenet", validation=[name])
    assert (len(data.training), len(data.validation)) == (24, 24)
    assert len(data.validation.spread(10)) == 10


def test_a_set_is_cut_once(shards, tmp_path) -> None:
    first = gather([DataName(str(shards))], HANDS, tmp_path, what="posenet")
    (folder,) = tmp_path.iterdir()
    before = (folder / "labels.npz").stat().st_mtime_ns
    again = gather([DataName(str(shards))], HANDS, tmp_path, what="posenet")
    assert (folder / "labels.npz").stat().st_mtime_ns == before
    assert first.description == again.description


def test_sets_are_mixed_by_weight(shards, tmp_path) -> None:
    other = written(tmp_path / "other", made_samples(6))
    data = gather(
        [DataName(str(shards)), DataName(str(other))],
        HANDS,
        tmp_path / "store",
        what="posenet",
        weights=[1, 3],
    )
    assert isinstance(data.training, Mixture)
    counts = [data.training.example(np.random.default_rng(n)).side for n in range(400)].count("left")
    # A quarter is from the first set, in which half are left.
    assert 25 < counts < 80


def test_made_pictures_are_drawn_by_the_generator() -> None:
    from handloom.synthesis.pictures import Recipe

    drawn = Drawn(Recipe(image_size=(48, 48), hands={"one": 1.0}), HANDS, 0)
    first, again, other = (drawn.example(np.random.default_rng(n)) for n in (0, 0, 1))
    np.testing.assert_array_equal(first.image, again.image)
    assert not np.array_equal(first.xyz, other.xyz)


@pytest.mark.parametrize(
    ("cut", "says"),
    [
        (Cut("picture", 64, needs=("regions",)), "masks of the hands"),
        (Cut("hand", 0, needs=("xy", "xyz")), "joints in space"),
    ],
)
def test_labels_that_are_missing_are_named(tmp_path, cut, says) -> None:
    dataset = open_dataset(written(tmp_path / "set", made_samples(2), "coco-wholebody"))
    with pytest.raises(DataSetError, match=says):
        require_labels(dataset, cut, "the network")


def test_a_set_without_hands_is_named(tmp_path) -> None:
    bare = [replace(sample, hands=()) for sample in made_samples(2)]
    dataset = open_dataset(written(tmp_path / "set", bare))
    with pytest.raises(DataSetError, match="shows a hand"):
        require_labels(dataset, HANDS, "posenet")


@pytest.mark.parametrize(
    ("names", "weights", "says"),
    [([], [], "nothing to train on"), (["set"], [1.0, 2.0], "2 weights"), (["set"], [0.0], "1 weights")],
)
def test_what_is_asked_for_wrongly_is_said(names, weights, says, tmp_path) -> None:
    with pytest.raises(TrainingError, match=says):
        gather([DataName(name) for name in names], HANDS, tmp_path, what="posenet", weights=weights)


def test_a_folder_that_is_not_there(tmp_path) -> None:
    with pytest.raises(HandloomError, match="There is no"):
        gather([DataName(str(tmp_path / "nothing"))], HANDS, tmp_path, what="posenet")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("folder", DataName("folder")),
        ("rhd:/data/RHD#evaluation", DataName("/data/RHD", "rhd", "evaluation")),
        ("/data/RHD#training", DataName("/data/RHD", None, "training")),
        ("synth:", DataName("", "synth")),
        ("synth:recipe.toml", DataName("recipe.toml", "synth")),
        ("odd:folder", DataName("odd:folder")),
    ],
)
def test_names_of_data(text, name) -> None:
    assert data_named(text) == name
    assert not str(name).startswith(PARTIAL)
