"""Fetched files: only the right bytes, in the right place, whole or not at all."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from handloom.assets import Archive, Asset, cache_folder, fetch, obtain
from handloom.errors import ModelError

CONTENT = b"weights " * 1000


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _wheel(folder: Path, members: dict[str, bytes]) -> tuple[Path, Archive]:
    path = folder / "networks-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, content in members.items():
            wheel.writestr(name, content)
    return path, Archive("networks==1.0", sha256=_sha256(path.read_bytes()))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HANDLOOM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def packed(tmp_path: Path, cache: Path) -> tuple[Path, Asset]:
    wheel, archive = _wheel(tmp_path, {"networks/hand.tflite": CONTENT, "networks/__init__.py": b""})
    return wheel, Asset(archive, "networks/hand.tflite", "hand.tflite", _sha256(CONTENT))


def test_only_the_file_asked_for_is_taken_out(packed: tuple[Path, Asset], cache: Path) -> None:
    wheel, asset = packed
    assert asset.state == "missing"
    fetch([asset], wheel)
    assert asset.state == "ready"
    assert obtain([asset]) == [cache / "networks-1.0" / "hand.tflite"]
    assert asset.cached.read_bytes() == CONTENT
    assert [path for path in cache.rglob("*") if path.is_file()] == [asset.cached]


def test_cached_file_with_another_hash_is_refused_until_it_is_fetched_again(
    packed: tuple[Path, Asset],
) -> None:
    wheel, asset = packed
    fetch([asset], wheel)
    asset.cached.write_bytes(CONTENT[:-1])
    assert asset.state == "damaged"
    with pytest.raises(ModelError, match=r"hand\.tflite is not loaded.*models --fetch"):
        obtain([asset])
    fetch([asset], wheel)
    assert obtain([asset])[0].read_bytes() == CONTENT


def test_archive_with_another_hash_is_refused(packed: tuple[Path, Asset], cache: Path) -> None:
    wheel, asset = packed
    other = replace(asset, archive=replace(asset.archive, sha256="0" * 64))
    with pytest.raises(ModelError, match="not the release expected"):
        fetch([other], wheel)
    assert not any(path.is_file() for path in cache.rglob("*"))


def test_member_with_another_hash_is_refused(packed: tuple[Path, Asset], cache: Path) -> None:
    wheel, asset = packed
    with pytest.raises(ModelError, match="not the file expected"):
        fetch([replace(asset, sha256="0" * 64)], wheel)
    assert not any(path.is_file() for path in cache.rglob("*"))


def test_member_that_is_not_there(packed: tuple[Path, Asset]) -> None:
    wheel, asset = packed
    with pytest.raises(ModelError, match="does not hold"):
        fetch([replace(asset, member="networks/foot.tflite")], wheel)


def test_archive_that_is_no_zip(packed: tuple[Path, Asset], tmp_path: Path) -> None:
    wheel = tmp_path / "broken.whl"
    wheel.write_bytes(b"no zip")
    archive = Archive("networks==1.0", sha256=_sha256(b"no zip"))
    with pytest.raises(ModelError, match="does not hold"):
        fetch([replace(packed[1], archive=archive)], wheel)


@pytest.mark.parametrize("hostile", ["../../escaped", "/handloom-escaped", "..\\escaped", "C:\\escaped"])
def test_hostile_member_names_never_become_paths(tmp_path: Path, cache: Path, hostile: str) -> None:
    wheel, archive = _wheel(tmp_path, {hostile: b"evil", "good": CONTENT})
    before = set(tmp_path.rglob("*"))
    assets = [
        Asset(archive, "good", "good.bin", _sha256(CONTENT)),
        Asset(archive, hostile, "renamed.bin", _sha256(b"evil")),
    ]
    fetch(assets, wheel)
    made = {path for path in set(tmp_path.rglob("*")) - before if path.is_file()}
    assert made == {cache / "networks-1.0" / name for name in ("good.bin", "renamed.bin")}
    assert not Path("/handloom-escaped").exists()


def test_fetching_from_many_processes_at_once(packed: tuple[Path, Asset], cache: Path) -> None:
    wheel, asset = packed
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_fetch_often, args=(asset, wheel)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert asset.state == "ready"
    assert [path for path in cache.rglob("*") if path.is_file()] == [asset.cached]


def test_cache_folder_that_cannot_be_written(
    packed: tuple[Path, Asset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A file where the folder should be stops even a user who may write everywhere.
    (tmp_path / "file").touch()
    monkeypatch.setenv("HANDLOOM_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(ModelError, match=r"cannot be written.*HANDLOOM_CACHE"):
        fetch([packed[1]], packed[0])


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="this user may write everywhere")
def test_read_only_cache(packed: tuple[Path, Asset], cache: Path) -> None:
    (cache / "networks-1.0").mkdir(parents=True)
    (cache / "networks-1.0").chmod(0o500)
    with pytest.raises(ModelError, match="cannot be written: Permission denied"):
        fetch([packed[1]], packed[0])


def test_release_that_no_index_has(packed: tuple[Path, Asset], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(packed[0].parent / "cache"))
    with pytest.raises(ModelError, match=r"networks==1\.0 could not be fetched: no package index"):
        obtain([replace(packed[1], archive=replace(packed[1].archive, python="3.11"))])


def test_pip_fetches_what_it_can_reach(packed: tuple[Path, Asset], monkeypatch: pytest.MonkeyPatch) -> None:
    wheel, asset = packed
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr(
            "networks-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: networks\nVersion: 1.0\n"
        )
        archive.writestr("networks-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    source = Archive("networks==1.0", sha256=_sha256(wheel.read_bytes()))
    assert obtain([replace(asset, archive=source)])[0].read_bytes() == CONTENT


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell script as interpreter")
def test_python_without_pip(
    packed: tuple[Path, Asset], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "$@"\n')
    bare.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(bare))
    with pytest.raises(ModelError, match="this Python has no pip"):
        obtain([packed[1]])


def test_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HANDLOOM_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("HANDLOOM_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "handloom"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "handloom"


def _fetch_often(asset: Asset, wheel: Path) -> None:
    for _ in range(10):
        fetch([asset], wheel)
        assert asset.cached.read_bytes() == CONTENT
