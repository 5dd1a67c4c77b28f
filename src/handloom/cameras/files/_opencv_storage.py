"""The part of YAML in which OpenCV stores matrices, numbers, texts and lists of texts.

Read here and not by ``cv2.FileStorage``, which can end the whole process on a damaged file.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

_ENTRY = re.compile(r"^([A-Za-z_][A-Za-z0-9_ -]*):(.*)$")
_FILLING = re.compile(r"^(\s.*|\s*-.*|%.*|\.\.\.|#.*|)$")
_DATA = re.compile(r"\bdata:\s*\[([^\]]*)\]")
_SPECIAL = {".nan": "nan", ".inf": "inf", "-.inf": "-inf"}


def parse_storage(text: str) -> dict[str, Any]:
    """The values at the top level of a storage: matrices as flat arrays, numbers, texts, lists of texts.

    Raises:
        ValueError: if a line fits nowhere, a key comes twice, or a matrix or list is not closed.
    """
    entries: dict[str, list[str]] = {}
    current: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        match = _ENTRY.match(line)
        if match:
            if match[1] in entries:
                raise ValueError(f"{match[1]} stands in it more than once")
            current = entries.setdefault(match[1], [match[2].strip()])
        elif _FILLING.match(line):
            current.append(line.strip())
        else:
            raise ValueError(f"line {number} is no OpenCV YAML")
    return {key: _value(key, lines) for key, lines in entries.items()}


def _value(key: str, lines: list[str]) -> Any:
    text = "\n".join(line for line in lines if line and line not in ("---", "..."))
    if text.startswith("!!opencv"):
        data = _DATA.search(text)
        if data is None:
            raise ValueError(f"the matrix {key} is not complete")
        return _numbers(data[1])
    if text.startswith("["):
        if not text.endswith("]"):
            raise ValueError(f"the list {key} is not complete")
        return [_unquoted(item) for item in text[1:-1].split(",")]
    if text.startswith("-") and not lines[0]:
        return [_unquoted(line[1:]) for line in text.splitlines() if line.startswith("-")]
    try:
        return float(text)
    except ValueError:
        return _unquoted(text)


def _numbers(text: str) -> Any:
    """A flat array, or the texts themselves where one is not a number: whoever needs them complains."""
    items = [item.strip() for item in text.split(",") if item.strip()]
    try:
        return np.array([float(_SPECIAL.get(item.lower(), item)) for item in items])
    except ValueError:
        return items


def _unquoted(text: str) -> str:
    return text.strip().strip("\"'")
