"""Parts made by several processes, and what happens when they, or the run itself, are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_drawing import contents, deadly_drawing, drawing, failing_drawing, slow_drawing

from handloom.errors import SynthesisError
from handloom.synthesis.generation import LocalPool, executors, generate

PART = 4


def whole(folder: Path, count: int = 24) -> dict[str, str]:
    generate(drawing(), count, folder, part_size=PART)
    return contents(folder)


def test_any_number_of_workers_gives_the_same_bytes(tmp_path: Path) -> None:
    generate(drawing(), 24, tmp_path / "two", part_size=PART, executor=2)
    assert contents(tmp_path / "two") == whole(tmp_path / "one")


def test_a_worker_that_dies_is_replaced(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    mark.write_bytes(b"x")
    generate(deadly_drawing(13, mark), 24, tmp_path / "set", part_size=PART, executor=LocalPool(2))
    assert not mark.exists()
    assert contents(tmp_path / "set") == whole(tmp_path / "whole")


def test_workers_that_keep_dying_end_the_run_which_can_be_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executors, "PATIENCE", 2)
    mark = tmp_path / "mark"
    mark.write_bytes(b"xx")
    deadly = deadly_drawing(13, mark)
    with pytest.raises(SynthesisError, match=r"died 2 times in a row with 3 parts to make") as caught:
        generate(deadly, 24, tmp_path / "set", part_size=PART, executor=LocalPool(1))
    assert "--resume" in caught.value.remedy
    assert generate(deadly, 24, tmp_path / "set", resume=True).made == 12
    assert contents(tmp_path / "set") == whole(tmp_path / "whole")


def test_a_failure_in_a_worker_arrives_in_its_own_words(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    mark.touch()
    with pytest.raises(SynthesisError, match=r"Index 13 of seed 0 cannot be drawn") as caught:
        generate(failing_drawing(13, mark), 24, tmp_path / "set", part_size=PART, executor=LocalPool(2))
    assert "report them" in caught.value.remedy


_RUN = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from small_drawing import slow_drawing
from handloom.synthesis.generation import generate
if __name__ == "__main__":
    generate(slow_drawing(0.05), 24, Path({folder!r}), part_size=4, executor=2)
"""


def started(folder: Path) -> subprocess.Popen[bytes]:
    """A run in a process of its own, with its first part done."""
    script = folder.parent / "make_slowly.py"
    script.write_text(_RUN.format(tests=str(Path(__file__).parent), folder=str(folder)))
    run = subprocess.Popen([sys.executable, str(script)], stderr=subprocess.DEVNULL, start_new_session=True)
    while not list(folder.glob("part-*.tar")):
        assert run.poll() is None
        time.sleep(0.01)
    return run


def processes_of(group: int) -> list[int]:
    """Processes of a group that still run."""
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,pgid=,stat="], capture_output=True, text=True, check=True
    )
    rows = [line.split() for line in listed.stdout.splitlines()]
    return [int(pid) for pid, own, state in rows if int(own) == group and not state.startswith("Z")]


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_killed_and_resumed_is_as_if_never_killed(tmp_path: Path, how: signal.Signals) -> None:
    run = started(tmp_path / "set")
    if how == signal.SIGKILL:
        run.kill()  # the run alone: its workers have to notice
    else:
        os.killpg(run.pid, how)  # as a terminal does
    assert run.wait(30) != 0
    for _ in range(1000):
        if not processes_of(run.pid):
            break
        time.sleep(0.01)
    assert not processes_of(run.pid)
    assert len(list((tmp_path / "set").glob("part-*.tar"))) < 6
    generate(slow_drawing(0.0), 24, tmp_path / "set", resume=True)
    assert contents(tmp_path / "set") == whole(tmp_path / "whole")
