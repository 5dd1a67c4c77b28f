"""A journal keeps what was committed, whatever happens to the process; folders are claimed with care."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.testing import assert_array_equal
from synthetic import RIGHT_HAND, Scene

from handloom.errors import SessionError
from handloom.session import FolderState, Journal, claim_folder, folder_state

FINGERPRINT = {"inputs": {"cam0": {"path": "a.mp4", "bytes": 1024}}, "options": {"max_hands": 2}}


def commit(journal: Journal, count: int) -> None:
    for _ in range(count):
        number = journal.committed
        journal.commit({"xyz": np.full((4, 3), number, dtype=float)}, {"next": number + 1})


def test_chunks_come_back_in_order(tmp_path):
    journal = Journal(tmp_path / "j", FINGERPRINT)
    assert (journal.committed, journal.state) == (0, None)
    commit(journal, 3)
    again = Journal(tmp_path / "j", FINGERPRINT)
    assert (again.committed, again.state) == (3, {"next": 3})
    assert [chunk.state["next"] for chunk in again] == [1, 2, 3]
    assert_array_equal(again.load(1).arrays["xyz"], np.full((4, 3), 1.0))
    with pytest.raises(IndexError):
        again.load(3)


@given(
    array=arrays(np.float64, array_shapes(min_side=0, max_dims=3, max_side=3)),
    state=st.dictionaries(st.text(), st.lists(st.none() | st.integers() | st.floats(allow_nan=False))),
)
@settings(max_examples=25, deadline=None)
def test_any_array_and_state_survive(tmp_path_factory, array, state):
    folder = tmp_path_factory.mktemp("j")
    Journal(folder, {}).commit({"a": array, "mask": array > 0}, state)
    again = Journal(folder, {})
    assert again.state == state
    assert_array_equal(again.load(0).arrays["a"], array)
    assert again.load(0).arrays["mask"].dtype == bool


def test_half_written_chunk_is_ignored_and_removed(tmp_path):
    commit(Journal(tmp_path, FINGERPRINT), 2)
    (tmp_path / ".partial-chunk-000002.npz").write_bytes(b"PK half")
    assert Journal(tmp_path, FINGERPRINT).committed == 2
    assert not list(tmp_path.glob(".partial-*"))


@pytest.mark.parametrize("damage", ["truncated", "flipped", "emptied"])
def test_damaged_last_chunk_is_dropped(tmp_path, damage):
    commit(Journal(tmp_path, FINGERPRINT), 3)
    last = tmp_path / "chunk-000002.npz"
    content = bytearray(last.read_bytes())
    if damage == "flipped":
        # Inside the array's numbers: the last bytes of its entry before the zip directory.
        content[content.index(b"xyz.npy") + 150] ^= 0xFF
    last.write_bytes({"truncated": content[:-30], "flipped": content, "emptied": b""}[damage])
    journal = Journal(tmp_path, FINGERPRINT)
    assert (journal.committed, journal.state) == (2, {"next": 2})
    commit(journal, 1)
    assert Journal(tmp_path, FINGERPRINT).state == {"next": 3}


def test_chunks_after_a_gap_are_dropped(tmp_path):
    commit(Journal(tmp_path, FINGERPRINT), 4)
    (tmp_path / "chunk-000001.npz").unlink()
    assert Journal(tmp_path, FINGERPRINT).committed == 1
    assert not (tmp_path / "chunk-000003.npz").exists()


def test_damaged_chunk_in_the_middle_is_an_error(tmp_path):
    journal = Journal(tmp_path, FINGERPRINT)
    commit(journal, 3)
    (tmp_path / "chunk-000001.npz").write_bytes(b"")
    with pytest.raises(SessionError, match=r"chunk-000001\.npz is damaged"):
        list(journal)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (
            {"inputs": {"cam0": {"path": "b.mp4", "bytes": 1024}}},
            r"inputs\.cam0\.path \(\"a\.mp4\", now \"b\.mp4\"\)",
        ),
        ({"options": {"max_hands": 1}}, r"options\.max_hands \(2, now 1\)"),
        ({"options": {}}, r"options\.max_hands \(2, now null\)"),
        ({"models": {"palm": "1b14"}}, "models"),
    ],
)
def test_another_fingerprint_is_refused_by_name(tmp_path, change, named):
    commit(Journal(tmp_path, FINGERPRINT), 1)
    with pytest.raises(SessionError, match=named):
        Journal(tmp_path, {**FINGERPRINT, **change})
    assert Journal(tmp_path, FINGERPRINT).committed == 1


def test_tuples_and_lists_are_the_same_fingerprint(tmp_path):
    Journal(tmp_path, {"size": (640, 480)})
    Journal(tmp_path, {"size": [640, 480]})


def test_objects_are_never_pickled(tmp_path):
    journal = Journal(tmp_path, FINGERPRINT)
    with pytest.raises(ValueError, match="Python objects"):
        journal.commit({"a": np.array([{}])}, None)
    np.savez(tmp_path / "chunk-000000.npz", **{"state.json": np.array([{}])}, allow_pickle=True)
    assert Journal(tmp_path, FINGERPRINT).committed == 0


def test_discard_leaves_what_is_not_its_own(tmp_path):
    folder = tmp_path / "j"
    journal = Journal(folder, FINGERPRINT)
    commit(journal, 2)
    (folder / "notes.txt").write_text("mine")
    journal.discard()
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]
    (folder / "notes.txt").unlink()
    commit(Journal(folder, FINGERPRINT), 1)
    Journal(folder, FINGERPRINT).discard()
    assert not folder.exists()


_COMMIT = """
import sys
import numpy as np
from handloom.session import Journal
journal = Journal(sys.argv[1], {})
while True:
    n = journal.committed
    journal.commit({"a": np.arange(20000.0) + n}, {"sum": float(np.arange(20000.0).sum() + 20000 * n)})
    print(n, flush=True)
"""

_COMMIT_WITH_LITTLE_SPACE = """
import resource, sys
import numpy as np
from handloom.errors import SessionError
from handloom.session import Journal
journal = Journal(sys.argv[1], {})
journal.commit({"a": np.zeros(10)}, {"n": 1})
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
try:
    journal.commit({"a": np.zeros(100000)}, {"n": 2})
except SessionError as error:
    print(error)
    sys.exit(3)
"""


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is a POSIX matter")
def test_killed_at_random_moments_loses_no_committed_chunk(tmp_path):
    chance = random.Random(0)
    for _ in range(3):
        command = [sys.executable, "-c", _COMMIT, str(tmp_path)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=_environment())
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(chance.uniform(0.0, 0.1))
        process.send_signal(signal.SIGKILL)
        reported = process.stdout.read().split()
        process.wait()
        journal = Journal(tmp_path, {})
        assert journal.committed >= (int(reported[-1]) + 1 if reported else 1)
        for chunk in journal:
            assert chunk.arrays["a"].sum() == chunk.state["sum"]


@pytest.mark.skipif(os.name != "posix", reason="limits of file sizes are a POSIX matter")
def test_full_disk_keeps_the_chunks_before(tmp_path):
    command = [sys.executable, "-c", _COMMIT_WITH_LITTLE_SPACE, str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, env=_environment())
    assert run.returncode == 3, run.stderr
    assert "no room left" in run.stdout
    assert "--resume" in run.stdout
    assert not list(tmp_path.glob(".partial-*"))
    assert Journal(tmp_path, {}).state == {"n": 1}


_CLAIM = """
import os, sys
from handloom.errors import SessionError
from handloom.session import claim_folder
if os.geteuid() == 0:
    os.setuid(65534)
try:
    claim_folder(sys.argv[1])
except SessionError as error:
    print(error)
    sys.exit(3)
"""


@pytest.mark.skipif(os.name != "posix", reason="permissions differ elsewhere")
@pytest.mark.parametrize("mode", [0o500, 0o000])
def test_unwritable_folder(tmp_path, mode):
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(mode)
    command = [sys.executable, "-c", _CLAIM, str(locked / "session")]
    run = subprocess.run(command, capture_output=True, text=True, env=_environment())
    locked.chmod(0o700)
    assert run.returncode == 3, run.stderr
    assert "permission denied" in run.stdout
    assert list(locked.iterdir()) == []


def test_new_folder_is_claimed(tmp_path):
    assert folder_state(tmp_path / "out") is FolderState.MISSING
    assert claim_folder(tmp_path / "out") is FolderState.EMPTY
    assert claim_folder(tmp_path / "out", resume=True) is FolderState.EMPTY


def test_parent_that_does_not_exist(tmp_path):
    with pytest.raises(SessionError, match="does not exist"):
        claim_folder(tmp_path / "absent" / "out")


def test_file_in_the_way(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(SessionError):
        claim_folder(tmp_path / "out")


@pytest.mark.parametrize("choice", [{}, {"overwrite": True}, {"resume": True}])
def test_folder_with_other_files_is_left_alone(tmp_path, choice):
    (tmp_path / "thesis.tex").write_text("years of work")
    (tmp_path / "run.toml").write_text('title = "of another program"')
    with pytest.raises(SessionError, match="holds no session"):
        claim_folder(tmp_path, **choice)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.toml", "thesis.tex"]


def test_finished_session_is_replaced_only_when_asked(tmp_path):
    Scene.of(3, tracks=[RIGHT_HAND]).write(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(SessionError, match="--overwrite"):
        claim_folder(tmp_path)
    assert claim_folder(tmp_path, resume=True) is FolderState.FINISHED
    assert claim_folder(tmp_path, overwrite=True) is FolderState.FINISHED
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_unfinished_session_is_continued_or_begun_again_when_asked(tmp_path):
    commit(Journal(tmp_path / ".journal", FINGERPRINT), 2)
    with pytest.raises(SessionError, match="--resume"):
        claim_folder(tmp_path)
    assert claim_folder(tmp_path, resume=True) is FolderState.UNFINISHED
    assert Journal(tmp_path / ".journal", FINGERPRINT).committed == 2
    assert claim_folder(tmp_path, overwrite=True) is FolderState.EMPTY
    assert folder_state(tmp_path) is FolderState.EMPTY
