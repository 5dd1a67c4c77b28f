"""Writing tar shards for WebDataset: one per part, the same bytes for the same samples."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handloom.datasets.maps import DEPTH_UNIT_M, encoded_depth, encoded_normals, map_as_png
from handloom.datasets.pictures import JPG_QUALITY, as_jpg, as_png
from handloom.datasets.sample import Sample
from handloom.datasets.sample_json import sample_to_json
from handloom.datasets.writer import require_parts
from handloom.session.files import make_folder, whole_file


class WebDatasetWriter:
    """Writer of ``part-%06d.tar``, each a shard that stands alone; dots in keys become underscores.

    Args:
        folder: of the shards.
        jpg_quality: of the pictures, or None for PNG without loss.
        maps: whether parts, depth and normals are written.
        vertices: whether meshes are written.
        depth_unit_m: resolution of the depth.
    """

    layout = "webdataset"

    def __init__(
        self,
        folder: Path,
        *,
        jpg_quality: int | None = JPG_QUALITY,
        maps: bool = True,
        vertices: bool = True,
        depth_unit_m: float = DEPTH_UNIT_M,
    ) -> None:
        self.folder = Path(folder)
        self._quality, self._maps, self._vertices = jpg_quality, maps, vertices
        self._depth_unit_m = depth_unit_m
        make_folder(self.folder)

    def write_part(self, part: int, start: int, samples: Iterable[Sample]) -> None:
        """See :class:`~handloom.datasets.writer.LayoutWriter`."""
        with (
            whole_file(self._shard(part)) as temporary,
            tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as tar,
        ):
            for sample in samples:
                key = sample.key.replace(".", "_")
                for suffix, data in sorted(self._files(sample)):
                    # A fresh TarInfo has time, owner and group 0.
                    member = tarfile.TarInfo(f"{key}.{suffix}")
                    member.size = len(data)
                    tar.addfile(member, io.BytesIO(data))

    def done(self, part: int) -> bool:
        """See :class:`~handloom.datasets.writer.LayoutWriter`."""
        return self._shard(part).exists()

    def finish(self, parts: int) -> None:
        """See :class:`~handloom.datasets.writer.LayoutWriter`; shards need no joining."""
        require_parts(self, parts)

    def _shard(self, part: int) -> Path:
        return self.folder / f"part-{part:06d}.tar"

    def _files(self, sample: Sample) -> Iterator[tuple[str, bytes]]:
        """Suffixes and contents of a sample's files."""
        labels = sample_to_json(sample) | {"depth_unit_m": self._depth_unit_m}
        if sample.image is not None:
            if self._quality is None:
                yield "png", as_png(sample.image)
            else:
                yield "jpg", as_jpg(sample.image, self._quality)
        if self._maps:
            if sample.parts is not None:
                yield "parts.png", map_as_png(sample.parts)
            if sample.depth is not None:
                yield "depth.png", map_as_png(encoded_depth(sample.depth, self._depth_unit_m))
            if sample.normals is not None:
                yield "normals.png", map_as_png(encoded_normals(sample.normals))
        for h, hand in enumerate(sample.hands):
            if self._vertices and hand.vertices is not None:
                yield f"vertices{h}.npy", _npy(hand.vertices.astype(np.float32))
                labels["hands"][h]["faces"] = None if hand.faces is None else self._shared(hand.faces)
        yield "json", json.dumps(labels, allow_nan=False, separators=(",", ":")).encode()

    def _shared(self, faces: NDArray[np.int64]) -> str:
        """Name of the file that holds these triangles, written when they are first met."""
        data = _npy(faces.astype(np.int32))
        path = self.folder / f"faces-{hashlib.sha256(data).hexdigest()[:12]}.npy"
        if not path.exists():
            with whole_file(path, rivals=True) as temporary:
                temporary.write_bytes(data)
        return path.name


def _npy(array: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()
