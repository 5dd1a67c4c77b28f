"""Data sets made in parts: the same bytes whoever makes them, and nothing lost when something fails."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from small_drawing import contents, draw, drawing, failing_drawing

from handloom.datasets.writer import WRITERS
from handloom.errors import HandloomError, SessionError, SynthesisError
from handloom.synthesis.generation import Drawing, InProcess, generate
from handloom.synthesis.generation.record import RECORD, read_record

LAYOUTS = tuple(WRITERS)


class Backwards:
    """An executor that makes the parts in the opposite order."""

    def run(
        self, make: Callable[[int], None], parts: Sequence[int], note: Callable[[str], None]
    ) -> Iterator[int]:
        yield from InProcess().run(make, parts[::-1], note)


class Stopping:
    """An executor that stops after some parts, as Ctrl-C does."""

    def __init__(self, after: int) -> None:
        self._after = after

    def run(
        self, make: Callable[[int], None], parts: Sequence[int], note: Callable[[str], None]
    ) -> Iterator[int]:
        yield from InProcess().run(make, parts[: self._after], note)
        raise KeyboardInterrupt


class Notes:
    """Progress that remembers."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.total = self.done = 0

    def task(self, name: str, total: int | None = None, unit: str = "frames") -> Notes:
        self.total = total or 0
        return self

    def __enter__(self) -> Notes:
        return self

    def __exit__(self, *_: object) -> None: ...

    def advance(self, steps: int = 1) -> None:
        self.done += steps

    def note(self, message: str) -> None:
        self.said.append(message)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_same_seed_gives_the_same_bytes(tmp_path: Path, layout: str) -> None:
    for name in ("one", "two"):
        made = generate(drawing(), 23, tmp_path / name, layout, seed=5, part_size=4)
        assert (made.pictures, made.made, made.parts) == (23, 23, 6)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_another_seed_gives_other_pictures(tmp_path: Path) -> None:
    generate(drawing(), 4, tmp_path / "one", seed=5)
    generate(drawing(), 4, tmp_path / "two", seed=6)
    one, two = contents(tmp_path / "one"), contents(tmp_path / "two")
    assert all(one[name] != two[name] for name in one)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_order_of_the_parts_does_not_matter(tmp_path: Path, layout: str) -> None:
    generate(drawing(), 23, tmp_path / "forwards", layout, part_size=4)
    generate(drawing(), 23, tmp_path / "backwards", layout, part_size=4, executor=Backwards())
    assert contents(tmp_path / "forwards") == contents(tmp_path / "backwards")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("after", [0, 2, 6])
def test_stopped_and_resumed_is_as_if_never_stopped(tmp_path: Path, layout: str, after: int) -> None:
    generate(drawing(), 23, tmp_path / "whole", layout, part_size=4)
    with pytest.raises(KeyboardInterrupt):
        generate(drawing(), 23, tmp_path / "stopped", layout, part_size=4, executor=Stopping(after))
    progress = Notes()
    made = generate(drawing(), 23, tmp_path / "stopped", layout, resume=True, progress=progress)
    assert contents(tmp_path / "stopped") == contents(tmp_path / "whole")
    assert made.made == progress.total == progress.done == max(23 - 4 * after, 0)
    assert bool(progress.said) == (after > 0)


def test_all_cameras_of_a_moment_are_in_one_part(tmp_path: Path) -> None:
    made = generate(drawing(cameras=3), 10, tmp_path / "set", part_size=4)
    assert (made.pictures, made.parts) == (12, 2)
    record = read_record(tmp_path / "set")
    assert record is not None
    assert (record.part_size, record.pictures_per_index) == (6, 3)


def test_a_finished_set_is_left_as_it_is(tmp_path: Path) -> None:
    generate(drawing(), 8, tmp_path / "set", "freihand")
    before = contents(tmp_path / "set")
    made = generate(drawing(), 8, tmp_path / "set", "freihand", resume=True)
    assert made.made == 0
    assert contents(tmp_path / "set") == before


def test_a_set_is_not_written_over_unasked(tmp_path: Path) -> None:
    generate(drawing(), 8, tmp_path / "set")
    with pytest.raises(SynthesisError, match="already holds a finished data set of 8") as caught:
        generate(drawing(), 8, tmp_path / "set")
    assert "--resume" in caught.value.remedy


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seed": 1}, "seed was 0 and is now 1"),
        ({"layout": "rhd"}, "layout was 'webdataset' and is now 'rhd'"),
        ({"part_size": 3}, "part_size was 10 and is now 3"),
        ({"writer_options": {"maps": False}}, "writer.maps was None and is now False"),
        (
            {"drawing": drawing(options={"cameras": 1, "tone": {"dark": 0.2}})},
            "tone.dark was None and is",
        ),
        ({"drawing": drawing(cameras=2)}, "pictures_per_index was 1 and is now 2"),
    ],
)
def test_another_recipe_is_refused(tmp_path: Path, change: dict, said: str) -> None:
    generate(drawing(), 8, tmp_path / "set")
    before = contents(tmp_path / "set")
    arguments = {"drawing": drawing(), "count": 8, "folder": tmp_path / "set", "resume": True, **change}
    with pytest.raises(SynthesisError, match=said):
        generate(**arguments)
    assert contents(tmp_path / "set") == before


def test_other_versions_are_mentioned(tmp_path: Path) -> None:
    generate(drawing(), 8, tmp_path / "set", part_size=2)
    path = tmp_path / "set" / RECORD
    path.write_text(path.read_text().replace(f'numpy = "{np.__version__}"', 'numpy = "1.0"'))
    progress = Notes()
    generate(drawing(), 8, tmp_path / "set", resume=True, progress=progress)
    assert "begun with numpy 1.0 (now" in progress.said[0]


@pytest.mark.parametrize("first", [8, 9, 3])
def test_a_finished_set_of_shards_grows(tmp_path: Path, first: int) -> None:
    generate(drawing(), 23, tmp_path / "at once", part_size=4)
    generate(drawing(), first, tmp_path / "grown", part_size=4)
    made = generate(drawing(), 23, tmp_path / "grown", resume=True)
    assert contents(tmp_path / "grown") == contents(tmp_path / "at once")
    assert made.made == 23 - first // 4 * 4


def test_a_growing_set_may_be_stopped_too(tmp_path: Path) -> None:
    generate(drawing(), 23, tmp_path / "at once", part_size=4)
    generate(drawing(), 10, tmp_path / "grown", part_size=4)
    for after in (0, 1, 2):
        with pytest.raises(KeyboardInterrupt):
            generate(drawing(), 23, tmp_path / "grown", resume=True, executor=Stopping(after))
    generate(drawing(), 23, tmp_path / "grown", resume=True)
    assert contents(tmp_path / "grown") == contents(tmp_path / "at once")


@pytest.mark.parametrize("layout", [layout for layout in LAYOUTS if layout != "webdataset"])
def test_a_finished_set_of_joint_files_does_not_grow(tmp_path: Path, layout: str) -> None:
    generate(drawing(), 8, tmp_path / "set", layout)
    before = contents(tmp_path / "set")
    with pytest.raises(SynthesisError, match="cannot be added to"):
        generate(drawing(), 9, tmp_path / "set", layout, resume=True)
    assert contents(tmp_path / "set") == before


def test_an_unfinished_set_of_joint_files_grows(tmp_path: Path) -> None:
    generate(drawing(), 23, tmp_path / "at once", "freihand", part_size=4)
    with pytest.raises(KeyboardInterrupt):
        generate(drawing(), 10, tmp_path / "grown", "freihand", part_size=4, executor=Stopping(3))
    generate(drawing(), 23, tmp_path / "grown", "freihand", resume=True)
    assert contents(tmp_path / "grown") == contents(tmp_path / "at once")


def test_a_set_does_not_shrink(tmp_path: Path) -> None:
    generate(drawing(), 8, tmp_path / "set")
    with pytest.raises(SynthesisError, match="begun with 8 pictures, more than 7"):
        generate(drawing(), 7, tmp_path / "set", resume=True)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_picture_that_cannot_be_drawn_is_named_and_loses_nothing(tmp_path: Path, layout: str) -> None:
    mark = tmp_path / "mark"
    mark.touch()
    failing = failing_drawing(13, mark)
    with pytest.raises(SynthesisError, match=r"Index 13 of seed 0 cannot be drawn: ValueError: no light"):
        generate(failing, 23, tmp_path / "set", layout, part_size=4)
    mark.unlink()
    made = generate(failing, 23, tmp_path / "set", layout, resume=True)
    assert made.made == 11
    generate(drawing(), 23, tmp_path / "whole", layout, part_size=4)
    assert contents(tmp_path / "set") == contents(tmp_path / "whole")


def test_a_drawing_of_uneven_number_is_refused(tmp_path: Path) -> None:
    uneven = Drawing("uneven", lambda seed, index: draw(1 + index % 2, seed, index), 1)
    with pytest.raises(SynthesisError, match="Index 1 gave 2 pictures, not 1"):
        generate(uneven, 4, tmp_path / "set")


def test_a_full_disk_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    from handloom.datasets import webdataset_writer

    whole, written = webdataset_writer.as_jpg, []

    def full(*arguments: object) -> bytes:
        written.append(1)
        if len(written) > 13:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return whole(*arguments)

    monkeypatch.setattr(webdataset_writer, "as_jpg", full)
    with pytest.raises(SessionError, match="no room left"):
        generate(drawing(), 23, tmp_path / "set", part_size=4)
    assert sorted(contents(tmp_path / "set")) == [f"part-{p:06d}.tar" for p in range(3)] + [RECORD]
    monkeypatch.undo()
    assert generate(drawing(), 23, tmp_path / "set", resume=True).made == 11
    generate(drawing(), 23, tmp_path / "whole", part_size=4)
    assert contents(tmp_path / "set") == contents(tmp_path / "whole")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir(mode=0o500)
    with pytest.raises(SessionError, match="cannot be read or written"):
        generate(drawing(), 4, tmp_path / "set")


def test_a_folder_whose_parent_is_missing(tmp_path: Path) -> None:
    with pytest.raises(SessionError, match="does not exist"):
        generate(drawing(), 4, tmp_path / "nowhere" / "set")


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").touch()
    for resume in (False, True):
        with pytest.raises(SynthesisError, match="holds no data set begun here"):
            generate(drawing(), 4, tmp_path, resume=resume)
    assert list(contents(tmp_path)) == ["holiday.jpg"]


def test_two_runs_do_not_write_one_set(tmp_path: Path) -> None:
    class Meanwhile:
        def run(
            self, make: Callable[[int], None], parts: Sequence[int], note: Callable[[str], None]
        ) -> Iterator[int]:
            with pytest.raises(SessionError, match="Another run is writing"):
                generate(drawing(), 4, tmp_path / "set", resume=True)
            yield from InProcess().run(make, parts, note)

    pytest.importorskip("fcntl")
    generate(drawing(), 4, tmp_path / "set", executor=Meanwhile())


def test_an_unknown_layout(tmp_path: Path) -> None:
    with pytest.raises(HandloomError, match="'cocoa' cannot be written"):
        generate(drawing(), 4, tmp_path / "set", "cocoa")
    assert not contents(tmp_path / "set")


@pytest.mark.parametrize("content", ["[set", "[set]\nschema = 1\n", "seed = 1"])
def test_a_damaged_record(tmp_path: Path, content: str) -> None:
    generate(drawing(), 4, tmp_path / "set")
    (tmp_path / "set" / RECORD).write_text(content)
    with pytest.raises(SynthesisError, match="is damaged"):
        generate(drawing(), 4, tmp_path / "set", resume=True)


def test_nothing_asked_for(tmp_path: Path) -> None:
    with pytest.raises(SynthesisError, match="Ask for one at least"):
        generate(drawing(), 0, tmp_path / "set")


def test_what_a_killed_run_was_about_to_write_is_swept_away(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        generate(drawing(), 8, tmp_path / "set", part_size=4, executor=Stopping(1))
    (tmp_path / "set" / ".partial-part-000001.tar").write_bytes(b"half")
    (tmp_path / "set" / ".partial-stray").write_bytes(b"half")
    generate(drawing(), 8, tmp_path / "set", resume=True)
    assert not list((tmp_path / "set").glob(".partial*"))
