"""``run.toml``: how a session was made, and the mark that it is complete."""

from __future__ import annotations

import platform
import tomllib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from handloom.errors import SessionError
from handloom.session.files import explained, whole_file
from handloom.session.layout import SCHEMA_VERSION, package_version

_PACKAGES = (
    "handloom",
    "numpy",
    "opencv-python-headless",
    "scipy",
    "pyarrow",
    "ai-edge-litert",
    "av",
    "openvino",
)


def describe_run(
    command: Sequence[str],
    *,
    inputs: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    models: Mapping[str, str] | None = None,
    timings_s: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """The record of a run, ready for :func:`write_record`.

    Args:
        command: the words of the command line, or the name of the Python call.
        inputs: what went in, by view or by role: paths, frame counts, rates.
        options: every choice that shaped the result.
        models: SHA-256 of each network used, by name.
        timings_s: seconds spent in each step.
    """
    return {
        "session": {"schema": SCHEMA_VERSION, "finished": datetime.now(UTC).replace(microsecond=0)},
        "command": list(command),
        "inputs": dict(inputs or {}),
        "options": dict(options or {}),
        "models": dict(models or {}),
        "timings_s": dict(timings_s or {}),
        "versions": {
            "python": platform.python_version(),
            "platform": f"{platform.system()} {platform.machine()}",
            **{name: package_version(name) for name in _PACKAGES},
        },
    }


def write_record(record: Mapping[str, Any], path: Path) -> None:
    """Write a record as TOML, in one piece. ``None`` is left out, paths and NumPy numbers become plain.

    Raises:
        SessionError: if the file system refuses.
    """
    text = tomli_w.dumps(_plain(record))
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_record(path: Path) -> dict[str, Any]:
    """Read ``run.toml`` back.

    Raises:
        SessionError: if it is damaged, not the record of a session, or of a newer handloom.
    """
    with explained(path):
        content = path.read_bytes()
    try:
        record = tomllib.loads(content.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SessionError(f"{path} is damaged: {error}.", "Track the recording again.") from error
    schema = record["session"].get("schema") if isinstance(record.get("session"), dict) else None
    if not isinstance(schema, int):
        raise SessionError(
            f"{path} is not the record of a handloom session.", "Give the folder that handloom track wrote."
        )
    if not 1 <= schema <= SCHEMA_VERSION:
        raise SessionError(
            f"{path} says session schema {schema}; this handloom reads schemas 1 to {SCHEMA_VERSION}.",
            "Update handloom.",
        )
    return record


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value if item is not None]
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Path):
        return str(value)
    return value
