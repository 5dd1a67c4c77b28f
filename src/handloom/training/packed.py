"""Examples of a data set in two flat files, decoded and cut once: reading one costs a copy of its pixels.

The pixels lie in files that are mapped into memory. So all processes of a run share them, the system keeps as
much of them in memory as fits, and a set larger than that still works.
"""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from handloom.errors import DataSetError
from handloom.session.files import explained
from handloom.skeleton import HAND
from handloom.training.examples import SIDES, Example

_PIXELS, _REGIONS, _LABELS = "pixels.bin", "regions.bin", "labels.npz"
_UNFINISHED, _ABANDONED_S = ".partial", 3600.0
VERSION = 1


class Packed:
    """Examples by number.

    Args:
        folder: that :func:`pack` filled.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open()

    def __len__(self) -> int:
        return len(self._size)

    def __getitem__(self, index: int) -> Example:
        """An example; its pixels are read-only views of the files."""
        height, width = self._size[index]
        image = regions = None
        area = int(height) * int(width)
        if area:
            start = int(self._start[index])
            image = self._pixels[3 * start : 3 * (start + area)].reshape(height, width, 3)
        if self._masked_from[index] >= 0:
            start = int(self._masked_from[index])
            regions = self._regions[start : start + area].reshape(height, width)
        return Example(
            image,
            regions,
            self._xy[index],
            self._xyz[index],
            self._visible[index],
            self._K[index],
            SIDES[self._side[index]],
            float(self._scale[index]),
        )

    def __getstate__(self) -> dict[str, Path]:
        # Files are mapped again by the process that unpickles, not copied to it.
        return {"folder": self.folder}

    def __setstate__(self, state: dict[str, Path]) -> None:
        self.folder = state["folder"]
        self._open()

    def _open(self) -> None:
        with explained(self.folder), np.load(self.folder / _LABELS, allow_pickle=False) as labels:
            self._start, self._size = labels["start"], labels["size"]
            self._masked_from, self._scale = labels["masked_from"], labels["scale"]
            self._xy, self._xyz = labels["xy"], labels["xyz"]
            self._visible, self._K, self._side = labels["visible"], labels["K"], labels["side"]
        self._pixels = _mapped(self.folder / _PIXELS)
        self._regions = _mapped(self.folder / _REGIONS)


def pack(examples: Iterable[Example], folder: Path) -> Packed:
    """Write examples into a folder, whole or not at all.

    Several runs may do so at once; the first to finish is the one that all read.

    Raises:
        SessionError: if the disk is full or the folder may not be written.
        DataSetError: if there is no example.
    """
    with explained(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(folder)
        unfinished = folder.with_name(f".{folder.name}.{secrets.token_hex(6)}{_UNFINISHED}")
        unfinished.mkdir()
        try:
            _write(examples, unfinished)
            try:
                unfinished.rename(folder)
            except OSError:
                # Another run was first.
                if not folder.exists():
                    raise
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return Packed(folder)


def _remove_abandoned(folder: Path) -> None:
    """Delete what runs that were killed have left."""
    for left in folder.parent.glob(f".{folder.name}.*{_UNFINISHED}"):
        # A rival that finishes now takes its folder away.
        with suppress(FileNotFoundError):
            if time.time() - max(file.stat().st_mtime for file in (left, *left.iterdir())) > _ABANDONED_S:
                shutil.rmtree(left, ignore_errors=True)


def _write(examples: Iterable[Example], folder: Path) -> None:
    rows: list[tuple[Example, int, int]] = []
    at = masked = 0
    with (folder / _PIXELS).open("wb") as pixels, (folder / _REGIONS).open("wb") as regions:
        for example in examples:
            start = masked_from = -1
            if example.image is not None:
                pixels.write(np.ascontiguousarray(example.image).data)
                start, at = at, at + example.image.shape[0] * example.image.shape[1]
            if example.image is not None and example.regions is not None:
                regions.write(np.ascontiguousarray(example.regions).data)
                masked_from, masked = masked, masked + example.regions.size
            rows.append((_without_pixels(example), start, masked_from))
    if not rows:
        raise DataSetError(
            "No example could be cut from the data set.", "Look at it with `handloom datasets check`."
        )
    kept = [row[0] for row in rows]
    np.savez(
        folder / _LABELS,
        start=np.array([row[1] for row in rows], np.int64),
        masked_from=np.array([row[2] for row in rows], np.int64),
        size=np.array([_size(example) for example in kept], np.int32).reshape(-1, 2),
        scale=np.array([example.scale for example in kept]),
        xy=np.stack([example.xy for example in kept]).reshape(-1, len(HAND), 2),
        xyz=np.stack([example.xyz for example in kept]).reshape(-1, len(HAND), 3),
        visible=np.stack([example.visible for example in kept]),
        K=np.stack([example.K for example in kept]),
        side=np.array([SIDES.index(example.side) for example in kept], np.int8),
    )


def _without_pixels(example: Example) -> Example:
    shape = (0, 0, 3) if example.image is None else example.image.shape
    # A view that repeats one zero: it keeps the shape and no pixels.
    image = np.broadcast_to(np.zeros((), np.uint8), shape)
    return Example(
        image, None, example.xy, example.xyz, example.visible, example.K, example.side, example.scale
    )


def _size(example: Example) -> tuple[int, int]:
    assert example.image is not None
    return example.image.shape[0], example.image.shape[1]


def _mapped(path: Path) -> NDArray[np.uint8]:
    if path.stat().st_size == 0:
        return np.empty(0, np.uint8)
    return np.memmap(path, np.uint8, mode="r")
