"""CMU Panoptic's hand database (Simon et al. 2017): labels in the picture only.

Three sets: ``hand_labels`` (photographs labelled by hand: ``manual_train`` and ``manual_test``),
``hand_labels_synth`` (rendered: ``synth1`` to ``synth4``), both with a ``.json`` beside every ``.jpg``, and
``hand143_panopticdb`` (from the dome, labelled by triangulation), with all labels in one file.

Traps: a keypoint whose third number is not 1 is not labelled, whatever place it has. Pictures of the dome say
nothing of the side. Whether pixels count from 0 or from 1 is nowhere stated; they are taken to count from 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from handloom.datasets.files import AGAIN, numbers, read_image, read_json, reading, require, tight_box
from handloom.datasets.orders import order
from handloom.datasets.sample import HandLabel, Sample
from handloom.errors import DataSetError
from handloom.skeleton import HAND

ORDER = order("cmu")
SPLITS = {
    "manual_train": ("hand_labels/manual_train",),
    "manual_test": ("hand_labels/manual_test",),
    "synth": tuple(f"hand_labels_synth/synth{k}" for k in range(1, 5)),
    "panoptic": ("hand143_panopticdb",),
}
"""The folders of each split, below the one that holds all sets."""
PANOPTIC_LABELS = "hands_v143_14817.json"
_LACKS = (
    "camera", "xyz", "visible", "parts", "depth", "normals", "vertices", "mano", "parameters", "moment",
    "frame",
)  # fmt: skip


class CmuHands:
    """CMU's hand database; a sample is a picture and the one hand labelled in it.

    Args:
        path: folder of one of the three sets, or the one that holds them.
        split: ``"manual_train"``, ``"manual_test"``, ``"synth"`` or ``"panoptic"``; the first that is there
            without.
        side: of hands whose side the labels do not give, if you know it.

    Raises:
        DataSetError: if a file is missing or malformed.
    """

    name = "cmu"

    def __init__(self, path: str | Path, split: str | None = None, *, side: str = "unknown") -> None:
        if side not in ("left", "right", "unknown"):
            raise ValueError(f"side must be left, right or unknown, got {side!r}")
        root = require(Path(path), "The data set")
        if split is not None and split not in SPLITS:
            raise DataSetError(f"CMU's hands have no split {split!r}.", f"Splits are {', '.join(SPLITS)}.")
        folders: list[Path] = []
        for name in SPLITS if split is None else (split,):
            self.split = name
            folders = _folders(root, name)
            if folders:
                break
        if not folders:
            wanted = split or ", ".join(SPLITS)
            raise DataSetError(f"{root} holds none of CMU's hands ({wanted}).", "Give the folder of a set.")
        self._side = side
        self._root = folders[0] if self.split == "panoptic" else folders[0].parent
        self._entries = _in_one_file(self._root) if self.split == "panoptic" else None
        if self._entries is None:
            files = sorted(file for folder in folders for file in folder.glob("*.json"))
            self._keys = [file.relative_to(self._root).with_suffix("").as_posix() for file in files]
        else:
            self._keys = list(self._entries)
        if not self._keys:
            raise DataSetError(f"{folders[0]} holds no labels.", AGAIN)
        unsaid = self.split == "panoptic" and side == "unknown"
        self.lacks: tuple[str, ...] = ("side", *_LACKS) if unsaid else _LACKS

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def keys(self) -> Sequence[str]:
        """Paths of the pictures without their ending."""
        return self._keys

    def labels(self, index: int) -> Sample:
        """A picture's hand without the picture."""
        key = self._keys[index]
        if self._entries is None:
            path, points = self._root / f"{key}.json", "hand_pts"
            entry = read_json(path, "A label file")
        else:
            path, points = self._root / PANOPTIC_LABELS, "joint_self"
            entry = self._entries[key]
        with reading(path, "The label file"):
            if not isinstance(entry, Mapping):
                raise TypeError("it holds no dictionary")
            given = numbers(entry[points], (len(ORDER), 3), f"{points} of {key}")
            side = self._side
            if entry.get("is_left") is not None:
                side = "left" if numbers(entry["is_left"], (1,), "is_left")[0] else "right"
        known = np.where(given[:, 2:] == 1, given[:, :2], np.nan)
        xy = np.asarray(ORDER.to_hand(known), dtype=np.float64)
        hand = HandLabel(side, xy, np.full((len(HAND), 3), np.nan), box=tight_box(xy))
        return Sample(key, None, None, (hand,), conditions={"split": self.split})

    def __getitem__(self, index: int) -> Sample:
        """A picture and its hand."""
        labels = self.labels(index)
        image = read_image(self._root / f"{self._keys[index]}.jpg")
        return Sample(labels.key, image, None, labels.hands, conditions=labels.conditions)


def _folders(root: Path, split: str) -> list[Path]:
    if split == "panoptic":
        return [f for f in (root, root / SPLITS[split][0]) if (f / PANOPTIC_LABELS).is_file()][:1]
    found = []
    for folder in SPLITS[split]:
        inner = folder.split("/")[1]
        places = [root / folder, root / inner, *([root] if root.name == inner else [])]
        found += [place for place in places if place.is_dir()][:1]
    return found


def _in_one_file(folder: Path) -> dict[str, Any]:
    path = folder / PANOPTIC_LABELS
    content = read_json(path, "The label file")
    with reading(path, "The label file"):
        entries = {str(entry["img_paths"]).removesuffix(".jpg"): entry for entry in content["root"]}
        if len(entries) < len(content["root"]):
            raise ValueError("it labels a picture twice")
    return entries
