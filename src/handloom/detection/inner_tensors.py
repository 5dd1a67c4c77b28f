"""Lets a ``.tflite`` network give an inner tensor as a further output.

The file names its outputs in a small list; a longer list is put behind the file's end and the reference is
turned to it. Nothing else changes, so the network computes what it computed before, as fast.
"""

from __future__ import annotations

import struct

from handloom.errors import ModelError

# Numbers of the fields in the published schema (tensorflow/lite/schema/schema.fbs).
_MODEL_SUBGRAPHS = 2
_GRAPH_TENSORS, _GRAPH_OUTPUTS = 0, 2
_TENSOR_NAME = 3


def with_output(content: bytes, name: str) -> bytes:
    """The same network with the tensor of a name as its last output.

    Args:
        content: of a ``.tflite`` file.
        name: of a tensor of its first graph.

    Raises:
        ModelError: if it has no such tensor, or the content is no such file.
    """
    try:
        graph = _vector(content, _field(content, _reference(content, 0), _MODEL_SUBGRAPHS))[0]
        tensors = _vector(content, _field(content, graph, _GRAPH_TENSORS))
        names = [_text(content, _field(content, tensor, _TENSOR_NAME)) for tensor in tensors]
        place = _field(content, graph, _GRAPH_OUTPUTS)
        vector = _reference(content, place)
        (count,) = struct.unpack_from("<I", content, vector)
        outputs = struct.unpack_from(f"<{count}i", content, vector + 4)
    except (struct.error, IndexError) as error:
        raise ModelError(
            "The file is no .tflite network.", "Fetch it anew: handloom models --fetch."
        ) from error
    if name not in names:
        raise ModelError(f"The network has no tensor {name!r}.", "Fetch it anew: handloom models --fetch.")
    longer = bytearray(content) + bytes(-len(content) % 4)
    struct.pack_into("<I", longer, place, len(longer) - place)
    return bytes(longer + struct.pack(f"<I{count + 1}i", count + 1, *outputs, names.index(name)))


def _reference(content: bytes, place: int) -> int:
    """What the offset at a place points to."""
    (offset,) = struct.unpack_from("<I", content, place)
    return place + int(offset)


def _field(content: bytes, table: int, number: int) -> int:
    """Where a table keeps a field."""
    (back,) = struct.unpack_from("<i", content, table)
    (offset,) = struct.unpack_from("<H", content, table - back + 4 + 2 * number)
    if offset == 0:
        raise IndexError(number)
    return table + int(offset)


def _vector(content: bytes, place: int) -> list[int]:
    """The tables of a vector."""
    vector = _reference(content, place)
    (count,) = struct.unpack_from("<I", content, vector)
    return [_reference(content, vector + 4 + 4 * i) for i in range(count)]


def _text(content: bytes, place: int) -> str:
    start = _reference(content, place)
    (length,) = struct.unpack_from("<I", content, start)
    return content[start + 4 : start + 4 + length].decode("utf-8", "replace")
