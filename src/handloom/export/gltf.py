"""The container of glTF 2.0: arrays into one binary chunk, the scene as JSON before it (a ``.glb`` file)."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

_COMPONENTS = {"float32": 5126, "uint32": 5125, "uint16": 5123, "uint8": 5121}
_TYPES = {(): "SCALAR", (2,): "VEC2", (3,): "VEC3", (4,): "VEC4", (4, 4): "MAT4"}
_GLB, _VERSION, _JSON, _BIN = 0x46546C67, 2, 0x4E4F534A, 0x004E4942

VERTICES, INDICES = 34962, 34963
"""What a graphics card is to do with an array."""


class GltfFile:
    """A glTF asset that grows; every ``add`` returns the index by which others refer to the thing.

    Args:
        generator: the program that writes it.
        extras: anything else worth saying, as plain JSON values.
    """

    def __init__(self, generator: str, extras: dict[str, Any]) -> None:
        self._content: dict[str, Any] = {
            "asset": {"version": "2.0", "generator": generator, "extras": extras},
        }
        self._binary = bytearray()

    def add(self, kind: str, **thing: Any) -> int:
        """Add to the list ``kind`` (``"nodes"``, ``"meshes"`` …)."""
        things = self._content.setdefault(kind, [])
        things.append(thing)
        return len(things) - 1

    def add_array(self, values: NDArray[Any], *, target: int | None = None, bounds: bool = False) -> int:
        """Add an accessor with its own view of the binary chunk.

        Args:
            values: (N,), (N, 2), (N, 3), (N, 4) or (N, 4, 4) of float32, uint32, uint16 or uint8.
            target: :data:`VERTICES` or :data:`INDICES` where a graphics card is to have the array.
            bounds: state the smallest and largest values, which positions and times must.
        """
        flat = values.swapaxes(-1, -2) if values.ndim == 3 else values  # matrices go column by column
        view: dict[str, Any] = {"buffer": 0, "byteOffset": len(self._binary), "byteLength": flat.nbytes}
        if target is not None:
            view["target"] = target
        self._binary += flat.tobytes()
        self._binary += b"\0" * (-len(self._binary) % 4)
        accessor: dict[str, Any] = {
            "bufferView": self.add("bufferViews", **view),
            "componentType": _COMPONENTS[values.dtype.name],
            "count": len(values),
            "type": _TYPES[values.shape[1:]],
        }
        if bounds:
            accessor["min"] = np.atleast_1d(values.min(axis=0)).tolist()
            accessor["max"] = np.atleast_1d(values.max(axis=0)).tolist()
        return self.add("accessors", **accessor)

    def to_bytes(self, nodes: list[int]) -> bytes:
        """The whole file, of a scene with the given root nodes."""
        content = self._content | {
            "scene": 0,
            "scenes": [{"nodes": nodes}],
            "buffers": [{"byteLength": len(self._binary)}],
        }
        text = json.dumps(content, separators=(",", ":")).encode("utf-8")
        text += b" " * (-len(text) % 4)
        length = 12 + 8 + len(text) + 8 + len(self._binary)
        return b"".join(
            [
                struct.pack("<III", _GLB, _VERSION, length),
                struct.pack("<II", len(text), _JSON),
                text,
                struct.pack("<II", len(self._binary), _BIN),
                bytes(self._binary),
            ]
        )
