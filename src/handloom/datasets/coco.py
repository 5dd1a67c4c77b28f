"""Hands in COCO's keypoint files: COCO-WholeBody, Halpe, and files of 21 keypoints for each hand.

COCO-WholeBody (Jin et al. 2020) gives each person ``lefthand_kpts`` and ``righthand_kpts``, 21 times x, y and
a flag, beside boxes and flags that say whether a hand was clear enough to be labelled. Halpe puts both hands
into one list of 136 keypoints, tools that join COCO-WholeBody's lists into one of 133. Others (OneHand10K,
FreiHAND and CMU's hands as mmpose hands them out) have one annotation of 21 keypoints for every hand.

Traps: a keypoint whose flag is 0 lies at 0, 0, which is no place; a hand that is not valid is not labelled
whatever its list holds; ids are names, not positions, and begin anywhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from handloom.datasets.files import (
    AGAIN,
    Array,
    numbers,
    read_image,
    read_json,
    reading,
    require,
    tight_box,
)
from handloom.datasets.pictures import JPG_QUALITY, as_jpg
from handloom.datasets.sample import HandLabel, Sample
from handloom.datasets.writer import PartWriter
from handloom.errors import DataSetError
from handloom.skeleton import HAND

_SIDES = ("left", "right")
_BODY, _FOOT, _FACE = 17, 6, 68
_IN_ONE_LIST: dict[int, tuple[str, dict[str, int]]] = {
    len(HAND): ("coco", {"unknown": 0}),
    _BODY + _FOOT + _FACE + 2 * len(HAND): ("coco-wholebody", {"left": 91, "right": 112}),
    26 + _FACE + 2 * len(HAND): ("halpe", {"left": 94, "right": 115}),
}
"""By the number of keypoints: the layout, and where each hand begins."""

_LACKS: tuple[str, ...] = (
    "camera",
    "xyz",
    "parts",
    "depth",
    "normals",
    "vertices",
    "mano",
    "parameters",
    "moment",
    "frame",
)

_FOLDERS = (
    "", "images", "train2017", "val2017", "images/train2017", "images/val2017", "images/train", "images/val",
    "images/test", "train2015", "images/train2015", "hico_20160224_det/images/train2015",
)  # fmt: skip


class CocoHands:
    """The hands in a COCO keypoint file; a sample is a picture with all its labelled hands.

    Args:
        path: the JSON file, or the folder that holds it or has a folder ``annotations`` that does.
        split: part of the file's name, such as ``"train"``, where the folder holds several.
        images: folder that the file's picture names count from; it is looked for beside the file without.

    Raises:
        DataSetError: if the file is missing or malformed, or has no labelled hand.
    """

    def __init__(
        self, path: str | Path, split: str | None = None, *, images: str | Path | None = None
    ) -> None:
        self.path = _annotation_file(Path(path), split or "")
        content = read_json(self.path, "The annotation file")
        with reading(self.path, "The annotation file"):
            self._images = _by_id(content["images"])
            self._annotations: dict[Any, list[dict[str, Any]]] = {}
            for annotation in content["annotations"]:
                if annotation["image_id"] not in self._images:
                    raise ValueError(
                        f"an annotation is of the image {annotation['image_id']}, which is not in its list"
                    )
                if not annotation.get("iscrowd") and any(True for _ in _lists(annotation)):
                    self._annotations.setdefault(annotation["image_id"], []).append(annotation)
            self.name = self._layout(content["annotations"])
        if not self._annotations:
            raise DataSetError(f"{self.path} labels no hand.", "Give a file with keypoints of hands.")
        self._ids = [key for key in self._images if key in self._annotations]
        self._roots = [Path(images)] if images is not None else _candidates(self.path)
        self.lacks: tuple[str, ...] = ("side", *_LACKS) if self.name == "coco" else _LACKS

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def keys(self) -> Sequence[str]:
        """Ids of the pictures."""
        return [str(key) for key in self._ids]

    @property
    def file_names(self) -> Sequence[str]:
        """Names of the pictures, as the file has them."""
        return [str(self._images[key]["file_name"]) for key in self._ids]

    def labels(self, index: int) -> Sample:
        """A picture's hands without the picture."""
        key = self._ids[index]
        with reading(self.path, "The annotation file"):
            lists = (found for annotation in self._annotations[key] for found in _lists(annotation))
            hands = tuple(_hand(*found) for found in lists)
        return Sample(str(key), None, None, hands)

    def __getitem__(self, index: int) -> Sample:
        """A picture and its hands."""
        labels = self.labels(index)
        return Sample(labels.key, read_image(self._picture(self.file_names[index])), None, labels.hands)

    def _picture(self, name: str) -> Path:
        for root in self._roots:
            if (root / name).is_file():
                return root / name
        raise DataSetError(
            f"The picture {name} of {self.path.name} is not below {self._roots[0]}.",
            "Say which folder holds the pictures.",
        )

    @staticmethod
    def _layout(annotations: Iterable[Mapping[str, Any]]) -> str:
        first = next(iter(annotations), None)
        if first is None or "lefthand_kpts" in first:
            return "coco-wholebody"
        return _IN_ONE_LIST[len(first["keypoints"]) // 3][0]


def _lists(annotation: Mapping[str, Any]) -> Iterator[tuple[str, list[float], Sequence[float] | None]]:
    """Side, 21 times x, y and flag, and box of the hands with at least one labelled keypoint.

    Raises:
        KeyError, TypeError, ValueError: if the annotation is not of this layout.
    """
    hands: list[tuple[str, list[float], Sequence[float] | None]] = []
    if "lefthand_kpts" in annotation:
        for side in _SIDES:
            if annotation[f"{side}hand_valid"]:
                hands.append((side, annotation[f"{side}hand_kpts"], annotation.get(f"{side}hand_box")))
    else:
        values = annotation["keypoints"]
        if len(values) % 3 or len(values) // 3 not in _IN_ONE_LIST:
            known = " or ".join(f"3 × {count}" for count in _IN_ONE_LIST)
            raise ValueError(f"an annotation has {len(values)} numbers for keypoints, not {known}")
        _, begins = _IN_ONE_LIST[len(values) // 3]
        box = annotation.get("bbox") if "unknown" in begins else None
        for side, begin in begins.items():
            if side == "unknown" and annotation.get("hand_type") in _SIDES:
                side = str(annotation["hand_type"])
            hands.append((side, values[3 * begin : 3 * (begin + len(HAND))], box))
    for side, values, box in hands:
        if len(values) != 3 * len(HAND):
            raise ValueError(f"a hand has {len(values)} numbers for keypoints, not 3 × {len(HAND)}")
        if any(flag > 0 for flag in values[2::3]):
            yield side, values, box


def _hand(side: str, values: list[float], box: Sequence[float] | None) -> HandLabel:
    keypoints = numbers(values, (len(HAND), 3), "a hand")
    flag = keypoints[:, 2]
    edges = None
    if box is not None and len(box) == 4 and box[2] > 0 and box[3] > 0:
        left, top, width, height = numbers(box, (4,), "a box")
        edges = np.array([left, top, left + width, top + height])
    xy = np.where(flag[:, None] > 0, keypoints[:, :2], np.nan)
    return HandLabel(side, xy, np.full((len(HAND), 3), np.nan), visible=flag > 1, box=edges)


def _by_id(images: Iterable[dict[str, Any]]) -> dict[Any, dict[str, Any]]:
    found: dict[Any, dict[str, Any]] = {}
    for image in images:
        if image["id"] in found:
            raise ValueError(f"two images have the id {image['id']}")
        if not isinstance(image["file_name"], str):
            raise TypeError(f"the image {image['id']} has no name")
        found[image["id"]] = image
    return found


def _annotation_file(path: Path, split: str) -> Path:
    if not require(path, "A COCO keypoint file").is_dir():
        return path
    for folder in (path, path / "annotations"):
        files = sorted(file for file in folder.glob("*.json") if split in file.name)
        if len(files) == 1:
            return files[0]
        if files:
            raise DataSetError(
                f"{folder} holds {len(files)} annotation files: {', '.join(f.name for f in files[:6])}.",
                "Give one of them, or name the split.",
            )
    raise DataSetError(f"{path} holds no annotation file{f' of {split}' if split else ''}.", AGAIN)


def _candidates(path: Path) -> list[Path]:
    bases = (path.parent.parent, path.parent) if path.parent.name == "annotations" else (path.parent,)
    return [base / folder for base in bases for folder in _FOLDERS]


class CocoWholeBodyWriter(PartWriter):
    """Writes hands as COCO-WholeBody: ``annotations/coco_wholebody_<split>_v1.0.json`` and ``<split>2017/``.

    A left and a right hand of a picture are taken to be one person's. What the layout cannot hold is left
    out: everything but 2D keypoints, their visibility and boxes. Keypoints outside the picture are not
    labelled, and neither body, feet nor face are.

    Args:
        folder: of the set.
        split: ``"train"`` or ``"val"``.
        jpg_quality: of the pictures.
    """

    layout = "coco-wholebody"

    def __init__(self, folder: str | Path, split: str = "train", *, jpg_quality: int = JPG_QUALITY) -> None:
        super().__init__(Path(folder), split)
        self._jpg_quality = jpg_quality

    @property
    def main_file(self) -> str:
        """Path in the set of the annotation file."""
        return f"annotations/coco_wholebody_{self.split}_v1.0.json"

    def add(self, stage: Path, index: int, sample: Sample) -> dict[str, Any]:
        """Write a sample's picture; its entries without the annotations' ids.

        Raises:
            DataSetError: if the sample has no picture or a hand of no known side.
        """
        if sample.image is None:
            raise DataSetError(f"The sample {sample.key} has no picture.", "Give whole samples.")
        sides: dict[str, list[HandLabel]] = {side: [] for side in _SIDES}
        for hand in sample.hands:
            if hand.side not in sides:
                raise DataSetError(
                    f"The sample {sample.key} has a hand of side {hand.side!r}.",
                    "COCO-WholeBody tells left hands from right ones; leave such samples out.",
                )
            sides[hand.side].append(hand)
        height, width = sample.image.shape[:2]
        image_id = index + 1
        name = f"{image_id:012d}.jpg"
        (stage / f"{self.split}2017").mkdir(exist_ok=True)
        (stage / f"{self.split}2017" / name).write_bytes(as_jpg(sample.image, self._jpg_quality))
        image = {"id": image_id, "file_name": name, "width": width, "height": height}
        people = zip_longest(*sides.values())
        return {"image": image, "people": [_person(image_id, pair, (width, height)) for pair in people]}

    def join(self, stage: Path, records: Iterator[Any]) -> None:
        """Write the annotation file."""
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for record in records:
            images.append(record["image"])
            for person in record["people"]:
                annotations.append({"id": len(annotations) + 1, **person})
        category = {"id": 1, "name": "person", "supercategory": "person"}
        content = {"images": images, "annotations": annotations, "categories": [category]}
        path = stage / self.main_file
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(content, separators=(",", ":"), allow_nan=False), encoding="utf-8")


def _person(image_id: int, hands: tuple[HandLabel | None, ...], size: tuple[int, int]) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "image_id": image_id, "category_id": 1, "iscrowd": 0,
        "keypoints": [0] * 3 * _BODY, "num_keypoints": 0,
        "foot_kpts": [0] * 3 * _FOOT, "foot_valid": False,
        "face_kpts": [0] * 3 * _FACE, "face_valid": False, "face_box": [0.0] * 4,
    }  # fmt: skip
    boxes = []
    for side, hand in zip(_SIDES, hands, strict=True):
        keypoints = np.zeros((len(HAND), 3)) if hand is None else _flagged(hand, size)
        box = None
        if hand is not None and keypoints[:, 2].any():
            labelled = np.where(keypoints[:, 2:] > 0, keypoints[:, :2], np.nan)
            box = tight_box(labelled) if hand.box is None else hand.box
        entry[f"{side}hand_kpts"] = keypoints.ravel().tolist()
        entry[f"{side}hand_valid"] = box is not None
        entry[f"{side}hand_box"] = [0.0] * 4 if box is None else _corner_and_size(box)
        boxes += [] if box is None else [box]
    around = np.zeros(4)
    if boxes:
        around = np.concatenate([np.min(boxes, axis=0)[:2], np.max(boxes, axis=0)[2:]])
    entry["bbox"] = _corner_and_size(around)
    entry["area"] = entry["bbox"][2] * entry["bbox"][3]
    return entry


def _flagged(hand: HandLabel, size: tuple[int, int]) -> Array:
    """(21, 3) x, y and COCO's flag: 0 not labelled, 1 hidden, 2 visible."""
    left, top = -0.5, -0.5
    right, bottom = size[0] - 0.5, size[1] - 0.5
    x, y = hand.xy[:, 0], hand.xy[:, 1]
    inside = (x >= left) & (x < right) & (y >= top) & (y < bottom)
    visible = np.ones(len(HAND), dtype=bool) if hand.visible is None else hand.visible
    flag = np.where(inside, np.where(visible, 2.0, 1.0), 0.0)
    return np.concatenate([np.where(inside[:, None], hand.xy, 0.0), flag[:, None]], axis=1)


def _corner_and_size(box: Array) -> list[float]:
    return [float(value) for value in (box[0], box[1], box[2] - box[0], box[3] - box[1])]
