"""A data set held against itself: agreement passes, and every kind of disagreement is found by its check."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_samples import made_samples

from handloom.datasets import Sample
from handloom.datasets.check import check
from handloom.datasets.loading import iterate
from handloom.datasets.orders import order
from handloom.errors import DataSetError


class Made:
    """Samples in memory as a data set; the ones named are missing."""

    name = "made"
    lacks = ("mano",)

    def __init__(self, samples, missing=()):
        self.samples, self.missing = samples, set(missing)

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def keys(self):
        return [sample.key for sample in self.samples]

    def labels(self, index: int) -> Sample:
        return replace(self[index], image=None, parts=None, depth=None, normals=None)

    def __getitem__(self, index: int) -> Sample:
        if index in self.missing:
            raise DataSetError(f"There is no picture {index}.", "Fetch it.")
        return self.samples[index]


def changed(sample: Sample, **changes) -> Sample:
    return replace(sample, hands=tuple(replace(hand, **changes) for hand in sample.hands))


def each_hand(change):
    def apply(sample: Sample) -> Sample:
        return replace(sample, hands=tuple(change(hand) for hand in sample.hands))

    return apply


@pytest.fixture(scope="module")
def samples():
    return made_samples(12, ("left", "right"))


def found(samples) -> set[str]:
    return {finding.name for finding in check(Made(samples)).findings}


def test_what_agrees_has_no_findings(samples):
    result = check(Made(samples))
    assert result.findings == ()
    assert result.hands == {"left": 12, "right": 12}
    assert result.measures["reprojection, px"][2] < 1e-6
    assert 0.15 < result.measures["hand length, m"][1] < 0.22
    assert "agrees with itself" in str(result)
    assert "24" not in str(result).splitlines()[0]


FAULTS = {
    "hand length, m": each_hand(lambda hand: replace(hand, xyz=1000 * hand.xyz)),
    "reprojection, px": each_hand(lambda hand: replace(hand, xy=order("rhd").from_hand(hand.xy))),
    "joints behind the camera": each_hand(lambda hand: replace(hand, xyz=hand.xyz * [1, -1, -1])),
    "flexed towards its palm": each_hand(
        lambda hand: replace(hand, side={"left": "right", "right": "left"}[hand.side])
    ),
    "joints in their box, share": each_hand(
        lambda hand: replace(hand, box=np.r_[hand.box[:2], hand.box[2:] - hand.box[:2]])
    ),
    "visible joints in the picture, share": each_hand(lambda hand: replace(hand, xy=hand.xy + 80)),
    "visible joints on the mask, share": lambda sample: replace(sample, parts=sample.parts[::-1]),
    "depth before visible joints, m": lambda sample: replace(sample, depth=sample.depth * 1000),
    "picture has the camera's size": lambda sample: replace(sample, image=sample.image[:48]),
}


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_is_found(samples, name):
    assert name in found([FAULTS[name](sample) for sample in samples])


def test_a_few_odd_samples_are_tolerated_and_many_are_not(samples):
    many = made_samples(40)
    odd = each_hand(lambda hand: replace(hand, xy=hand.xy + 10))
    assert found([odd(many[0]), *many[1:]]) == set()
    assert "reprojection, px" in found([*map(odd, many[:10]), *many[10:]])


def test_missing_pictures_and_twofold_keys_are_named(samples):
    twice = [*samples[:11], replace(samples[11], key=samples[0].key)]
    result = check(Made(twice, missing=(3, 4, 7)))
    problems = {finding.name: finding.problem for finding in result.findings}
    assert problems["unreadable"].startswith("3 of 12 samples cannot be read: There is no picture 3.")
    assert samples[0].key in problems["duplicate keys"]
    assert result.hands["left"] == 9


def test_unlabelled_joints_and_missing_labels_are_no_faults(samples):
    bare = [
        replace(changed(sample, visible=None, box=None, xyz=np.full((21, 3), np.nan)), parts=None, depth=None)
        for sample in samples
    ]
    assert found(bare) == set()
    assert found([replace(sample, camera=None) for sample in bare]) == set()


def test_limit_spreads_over_the_set(samples):
    result = check(Made(samples, missing=range(1, 11)), limit=2)
    assert (result.checked, result.findings) == (2, ())


def test_iteration_keeps_the_order_and_brings_failures_where_they_are(samples):
    dataset = Made(samples)
    assert [s.key for s in iterate(dataset, workers=3, ahead=4)] == dataset.keys
    chosen = [5, 0, 5]
    assert [s.key for s in iterate(dataset, chosen)] == [samples[n].key for n in chosen]
    assert all(s.image is None for s in iterate(dataset, pictures=False))
    read: list[str] = []
    with pytest.raises(DataSetError, match="no picture 9"):
        read.extend(s.key for s in iterate(Made(samples, missing=(9,)), ahead=2))
    assert read == dataset.keys[:9]


def test_iteration_can_be_left_early(samples):
    for sample in iterate(Made(samples * 50), workers=2):
        assert sample.key == samples[0].key
        break
