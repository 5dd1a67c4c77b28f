"""Tar shards as WebDataset reads them: a sample is the files of one name, one after another.

``{key}.jpg`` is the picture, ``{key}.json`` the labels, ``{key}.parts.png``, ``{key}.depth.png`` and
``{key}.normals.png`` the maps (:mod:`handloom.datasets.maps`), ``{key}.vertices{h}.npy`` the mesh of hand h
as float32. Triangles, which many samples share, are in ``faces-{hash}.npy`` beside the shards. It is the
only layout that keeps all of a sample.
"""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from handloom.datasets.files import AGAIN, read_bytes, reading
from handloom.datasets.maps import decoded_depth, decoded_normals
from handloom.datasets.pictures import from_bytes
from handloom.datasets.sample import HandLabel, Sample
from handloom.datasets.sample_json import sample_from_json
from handloom.errors import DataSetError

PICTURES = ("jpg", "jpeg", "png")
_LABELS = "Only shards that handloom wrote, or with labels like theirs, can be read."


class _Place(NamedTuple):
    """Where a file lies in the shards."""

    shard: int
    start: int
    size: int


class WebDataset:
    """Reader of shards, by number, in any order: where every file lies is noted once.

    Args:
        path: a folder of ``*.tar``, taken in the order of their names, or one shard.
        split: must be None: a split is a folder of its own.
        maps: whether parts, depth and normals are read where they are there; most of a sample's time.

    Raises:
        DataSetError: if there is no shard, one is damaged, or two samples have one key.
    """

    name = "webdataset"

    def __init__(self, path: str | Path, split: str | None = None, *, maps: bool = True) -> None:
        if split is not None:
            raise DataSetError(f"Shards have no split {split!r}.", "Give the folder of the split.")
        path, self._with_maps = Path(path), maps
        self._shards = [path] if path.is_file() else sorted(path.glob("*.tar"))
        if not self._shards:
            raise DataSetError(f"{path} holds no *.tar.", "Give the folder of the shards.")
        self._keys: list[str] = []
        self._places: list[dict[str, _Place]] = []
        self._faces: dict[str, NDArray[np.int64]] = {}
        for number in range(len(self._shards)):
            self._note(number)
        twice = [key for key, count in Counter(self._keys).items() if count > 1]
        if twice:
            raise DataSetError(f"Two samples in {path} have the key {twice[0]}.", "Write the shards again.")
        self.lacks = self._missing()

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def keys(self) -> Sequence[str]:
        """Names in the shards."""
        return self._keys

    def labels(self, index: int) -> Sample:
        """See :class:`~handloom.datasets.sample.DataSet`."""
        return self._labels(index)[0]

    def __getitem__(self, index: int) -> Sample:
        """See :class:`~handloom.datasets.sample.DataSet`."""
        labels, content = self._labels(index)
        kind = next((kind for kind in PICTURES if kind in self._places[index]), PICTURES[0])
        image = self._picture(index, kind, cv2.IMREAD_COLOR_RGB)
        if not self._with_maps:
            return replace(labels, image=image)
        depth = self._picture(index, "depth.png", cv2.IMREAD_UNCHANGED)
        normals = self._picture(index, "normals.png", cv2.IMREAD_ANYDEPTH | cv2.IMREAD_COLOR_RGB)
        with reading(*self._named(index)):
            return replace(
                labels,
                image=image,
                parts=self._picture(index, "parts.png", cv2.IMREAD_GRAYSCALE),
                depth=None if depth is None else decoded_depth(depth, float(content["depth_unit_m"])),
                normals=None if normals is None else decoded_normals(normals),
            )

    def _note(self, number: int) -> None:
        """Note where every file of a shard lies."""
        shard, last = self._shards[number], None
        try:
            with tarfile.open(shard, "r:") as tar:
                for member in tar:
                    if not member.isfile():
                        continue
                    folder, slash, name = member.name.rpartition("/")
                    stem, _, suffix = name.partition(".")
                    key = folder + slash + stem
                    suffix = suffix.lower()
                    if key != last or suffix in self._places[-1]:
                        self._keys.append(key)
                        self._places.append({})
                    last = key
                    self._places[-1][suffix] = _Place(number, member.offset_data, member.size)
                if tar.offset > shard.stat().st_size:
                    raise tarfile.ReadError("unexpected end of data")
        except (tarfile.TarError, OSError, EOFError) as error:
            raise DataSetError(f"The shard {shard} is damaged or no tar: {error}.", AGAIN) from error

    def _labels(self, index: int) -> tuple[Sample, dict[str, Any]]:
        shard, what = self._named(index)
        data = self._bytes(index, "json")
        if data is None:
            raise DataSetError(f"The shard {shard} has no {self._keys[index]}.json.", _LABELS)
        with reading(shard, what):
            content = json.loads(data)
            sample = sample_from_json(content, self._keys[index])
            faces = [hand.get("faces") for hand in content["hands"]]
            hands = [self._with_mesh(index, h, hand, faces[h]) for h, hand in enumerate(sample.hands)]
        return replace(sample, hands=tuple(hands)), content

    def _with_mesh(self, index: int, number: int, hand: HandLabel, faces: str | None) -> HandLabel:
        data = self._bytes(index, f"vertices{number}.npy")
        if data is None:
            return hand
        vertices = np.load(io.BytesIO(data), allow_pickle=False).astype(np.float64)
        return replace(hand, vertices=vertices, faces=None if faces is None else self._shared(faces))

    def _shared(self, name: str) -> NDArray[np.int64]:
        """(F, 3) triangles of the file of that name beside the shards."""
        if name not in self._faces:
            path, what = self._shards[0].with_name(Path(name).name), "The triangles of a mesh,"
            data = read_bytes(path, what)
            with reading(path, what):
                self._faces[name] = np.load(io.BytesIO(data), allow_pickle=False).astype(np.int64)
        return self._faces[name]

    def _picture(self, index: int, suffix: str, mode: int) -> NDArray[Any] | None:
        data = self._bytes(index, suffix)
        if data is None:
            return None
        return from_bytes(data, mode, f"{self._keys[index]}.{suffix} in {self._named(index)[0]}")

    def _bytes(self, index: int, suffix: str) -> bytes | None:
        place = self._places[index].get(suffix)
        if place is None:
            return None
        with self._shards[place.shard].open("rb", buffering=0) as file:
            return os.pread(file.fileno(), place.size, place.start)

    def _named(self, index: int) -> tuple[Path, str]:
        """A sample's shard, and what its labels are called in messages."""
        shard = self._shards[next(iter(self._places[index].values())).shard]
        return shard, f"{self._keys[index]}.json in"

    def _missing(self) -> tuple[str, ...]:
        """What the first sample does not have, which stands for all."""
        if not self._keys:
            return ()
        labels, places = self.labels(0), self._places[0]
        maps = {"parts": "parts.png", "depth": "depth.png", "normals": "normals.png"}
        lacks = [what for what, file in maps.items() if file not in places or not self._with_maps]
        lacks += [what for what in ("camera", "moment", "frame") if getattr(labels, what) is None]
        asked = ("visible", "box", "vertices", "faces", "mano", "parameters")
        for hand in labels.hands[:1]:
            lacks += [what for what in asked if getattr(hand, what) is None]
        return tuple(lacks)
