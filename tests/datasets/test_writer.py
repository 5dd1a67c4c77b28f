"""Sets written part by part: whole or absent, in any order, the same bytes."""

from __future__ import annotations

import pytest
from made_samples import made_sample, made_samples

from handloom.datasets.check import check
from handloom.datasets.registry import open_dataset
from handloom.datasets.writer import WRITERS, get_writer
from handloom.errors import DataSetError, SessionError

LAYOUTS = tuple(WRITERS)


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_parts_in_another_order_give_the_same_bytes(tmp_path, layout):
    samples = made_samples(4)
    for name, parts in (("a", (0, 1)), ("b", (1, 0))):
        writer = get_writer(layout, tmp_path / name)
        for part in parts:
            writer.write_part(part, 2 * part, samples[2 * part : 2 * part + 2])
        writer.finish(2)
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert not any(path.name.startswith(".") for path in (tmp_path / "a").iterdir())
    assert len(open_dataset(tmp_path / "a")) == 4


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_part_that_stopped_half_way_is_not_done_and_can_be_written_again(tmp_path, layout):
    def stopping():
        yield made_sample(0)
        raise KeyboardInterrupt

    writer = get_writer(layout, tmp_path / "set")
    with pytest.raises(KeyboardInterrupt):
        writer.write_part(0, 0, stopping())
    assert not writer.done(0)
    with pytest.raises(DataSetError, match="first part 0"):
        writer.finish(1)
    again = get_writer(layout, tmp_path / "set")
    again.write_part(0, 0, made_samples(2))
    assert again.done(0)
    again.finish(1)
    straight = get_writer(layout, tmp_path / "straight")
    straight.write_part(0, 0, made_samples(2))
    straight.finish(1)
    assert files(tmp_path / "set") == files(tmp_path / "straight")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_finishing_twice_changes_nothing(tmp_path, layout):
    writer = get_writer(layout, tmp_path / "set")
    writer.write_part(0, 0, made_samples(1))
    writer.finish(1)
    before = files(tmp_path / "set")
    again = get_writer(layout, tmp_path / "set")
    assert again.done(0)
    again.finish(1)
    assert files(tmp_path / "set") == before


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_written_agrees_with_itself(tmp_path, layout):
    writer = get_writer(layout, tmp_path / "set")
    writer.write_part(0, 0, made_samples(3))
    writer.finish(1)
    result = check(open_dataset(tmp_path / "set"))
    assert result.findings == ()
    assert result.hands == {"right": 3}


def test_a_set_that_is_not_finished_is_not_opened(tmp_path):
    get_writer("freihand", tmp_path / "set").write_part(0, 0, made_samples(1))
    with pytest.raises(DataSetError, match=r"training_K\.json"):
        open_dataset(tmp_path / "set")


def test_splits_of_one_folder_do_not_meet(tmp_path):
    training = get_writer("rhd", tmp_path / "set", split="training")
    evaluation = get_writer("rhd", tmp_path / "set", split="evaluation")
    training.write_part(0, 0, made_samples(2))
    evaluation.write_part(0, 0, made_samples(1))
    training.finish(1)
    assert not evaluation.done(1)
    evaluation.finish(1)
    assert [len(open_dataset(tmp_path / "set", split=s)) for s in ("training", "evaluation")] == [2, 1]


def test_samples_that_say_different_things_are_refused(tmp_path):
    writer = get_writer("freihand", tmp_path / "set")
    writer.write_part(0, 0, [made_sample(0, mano=True), made_sample(1)])
    with pytest.raises(DataSetError, match="Sample 1 has K, xyz, scale, verts"):
        writer.finish(1)


def test_unknown_layouts_and_places_are_refused(tmp_path):
    with pytest.raises(DataSetError, match=r"'nyu' cannot be written.*freihand"):
        get_writer("nyu", tmp_path)
    with pytest.raises(SessionError):
        get_writer("rhd", tmp_path / "no" / "such")
    assert set(LAYOUTS) == set(WRITERS)
