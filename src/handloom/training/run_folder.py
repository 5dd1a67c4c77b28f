"""What a run says of itself in its folder: run.toml, and the curve of its training."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import tomli_w

from handloom.errors import TrainingError
from handloom.session.files import make_folder, whole_file
from handloom.training.checkpoints import CHECKPOINT

RUN = "run.toml"
_PACKAGES = (
    "handloom", "torch", "lightning-fabric", "numpy", "opencv-python-headless", "onnx", "onnxscript",
    "onnxruntime",
)  # fmt: skip


def prepare_folder(folder: Path, *, resume: bool) -> None:
    """Create the folder of a run, and refuse one that holds another.

    Raises:
        TrainingError: if there is a run in it that is not to be resumed.
        SessionError: if it cannot be created.
    """
    make_folder(folder)
    if not resume and ((folder / CHECKPOINT).exists() or (folder / RUN).exists()):
        raise TrainingError(
            f"{folder} holds a run already.", "Add --resume to go on with it, or name another folder."
        )


def write_run(folder: Path, tables: Mapping[str, Any]) -> None:
    """Write what the run is, and the versions it runs with, into run.toml."""
    content = {**tables, "versions": versions()}
    with whole_file(folder / RUN) as temporary:
        temporary.write_text(tomli_w.dumps(content), encoding="utf-8")


def versions() -> dict[str, str]:
    """Of Python and the packages that decide what a run gives."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
