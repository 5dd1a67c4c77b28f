"""OneHand10K (Wang et al. 2018): photographs with the 2D joints of one hand.

``Train/label_joint.txt`` and ``Test/label_joint.txt`` have a line for each picture of ``source``: its name,
width, height, the number of hands in it, and 21 times x, y. The COCO-like files that mmpose hands out for it
are read by :class:`~handloom.datasets.coco.CocoHands`.

Traps: a joint that is not labelled is at -1, -1, and nothing says whether a hand is a left or a right one.
The order of the joints is known by others' conversions only, which agree; no word of the authors' own was
found.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from handloom.datasets.files import AGAIN, numbers, read_bytes, read_image, reading, tight_box
from handloom.datasets.orders import order
from handloom.datasets.sample import HandLabel, Sample
from handloom.errors import DataSetError
from handloom.skeleton import HAND

ORDER = order("onehand10k")
SPLITS = {"train": "Train", "test": "Test"}
LABELS = "label_joint.txt"


class OneHand10K:
    """OneHand10K with its authors' labels; a sample is a picture and its hand.

    Args:
        path: folder that holds ``Train`` or ``Test``.
        split: ``"train"`` or ``"test"``; the first that is there without.

    Raises:
        DataSetError: if a file is missing or malformed.
    """

    name = "onehand10k"
    lacks = (
        "side", "camera", "xyz", "visible", "parts", "depth", "normals", "vertices", "mano", "parameters",
        "moment", "frame",
    )  # fmt: skip

    def __init__(self, path: str | Path, split: str | None = None) -> None:
        if split is None:
            split = next((name for name, f in SPLITS.items() if (Path(path) / f / LABELS).exists()), "train")
        if split not in SPLITS:
            raise DataSetError(f"OneHand10K has no split {split!r}.", f"Splits are {', '.join(SPLITS)}.")
        self.folder = Path(path) / SPLITS[split]
        self._path = self.folder / LABELS
        text = read_bytes(self._path, "The label file").decode("utf-8", "replace")
        lines = [line.split(",") for line in text.splitlines() if line.strip()]
        with reading(self._path, "The label file"):
            self._keys = [line[0].strip() for line in lines]
            for line in lines:
                if len(line) != 4 + 2 * len(ORDER):
                    raise ValueError(
                        f"the line of {line[0]} has {len(line)} entries, not {4 + 2 * len(ORDER)}"
                    )
            self._numbers = numbers(
                [line[1:] for line in lines], (len(lines), 3 + 2 * len(ORDER)), "the list"
            )
            if not lines or len(set(self._keys)) < len(lines):
                raise ValueError("it labels no picture, or one twice")

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def keys(self) -> Sequence[str]:
        """Names of the pictures."""
        return self._keys

    def labels(self, index: int) -> Sample:
        """A picture's hand without the picture."""
        row = self._numbers[index]
        points = row[3:].reshape(len(ORDER), 2)
        known = np.where((points == -1).any(axis=1, keepdims=True), np.nan, points)
        xy = np.asarray(ORDER.to_hand(known), dtype=np.float64)
        hand = HandLabel("unknown", xy, np.full((len(HAND), 3), np.nan), box=tight_box(xy))
        return Sample(self._keys[index], None, None, (hand,), conditions={"hands_in_picture": float(row[2])})

    def __getitem__(self, index: int) -> Sample:
        """A picture and its hand.

        Raises:
            DataSetError: also if the picture has another size than the labels are for.
        """
        labels = self.labels(index)
        path = self.folder / "source" / self._keys[index]
        image = read_image(path)
        width, height = self._numbers[index, :2].astype(int)
        if image.shape[:2] != (height, width):
            raise DataSetError(
                f"{path} has {image.shape[1]} × {image.shape[0]} pixels; "
                f"its labels are for {width} × {height}.",
                AGAIN,
            )
        return Sample(labels.key, image, None, labels.hands, conditions=labels.conditions)
