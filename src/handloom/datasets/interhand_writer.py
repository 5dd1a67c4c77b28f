"""Writing samples as InterHand2.6M (:mod:`handloom.datasets.interhand`), of one camera or of many at once."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from handloom.cameras import Camera
from handloom.datasets.files import Array, tight_box
from handloom.datasets.interhand import FIRST, ORDER, PREFIX, SIDES_OF
from handloom.datasets.pictures import JPG_QUALITY, as_jpg
from handloom.datasets.sample import HandLabel, Sample
from handloom.datasets.writer import PartWriter
from handloom.errors import DataSetError

_SEQUENCE = "synthetic"
_SAME_MM, _SAME = 1e-3, 1e-9


class InterHandWriter(PartWriter):
    """Writes joints in space, cameras and pictures as InterHand2.6M.

    Pictures of one moment share their joints in the world: two numbers in ``Sample.moment`` are the capture
    and its frame, as in ``"3/41"``; one is a capture of a single frame. Cameras stand still within a capture
    and are named by the number that their name ends with. A sample without a moment is a capture of its own.
    What the layout cannot hold is left out: visibility, masks, depth, normals and the hand's parameters.

    Args:
        folder: of the set.
        split: ``"train"``, ``"val"`` or ``"test"``.
        jpg_quality: of the pictures.
    """

    layout = "interhand"

    def __init__(self, folder: str | Path, split: str = "train", *, jpg_quality: int = JPG_QUALITY) -> None:
        super().__init__(Path(folder), split)
        self._jpg_quality = jpg_quality

    @property
    def main_file(self) -> str:
        """Path in the set of the pictures' annotations."""
        return self._file("data")

    def add(self, stage: Path, index: int, sample: Sample) -> dict[str, Any]:
        """Write a sample's picture; its entries in the files.

        Raises:
            DataSetError: if the layout cannot hold the sample.
        """
        if sample.image is None or sample.camera is None:
            raise DataSetError(f"The sample {sample.key} has no picture or no camera.", "Give whole samples.")
        hands = {hand.side: hand for hand in sample.hands}
        kind = next((kind for kind, sides in SIDES_OF.items() if set(sides) == set(hands)), None)
        if kind is None or len(hands) < len(sample.hands):
            raise DataSetError(
                f"The sample {sample.key} has the hands {', '.join(h.side for h in sample.hands) or 'none'}.",
                "InterHand2.6M holds a right hand, a left one, or one of each.",
            )
        capture, frame = _moment(sample, index)
        camera = _number(sample.camera.name)
        world, valid = _in_world(sample.camera, hands)
        height, width = sample.image.shape[:2]
        name = f"Capture{capture}/{_SEQUENCE}/cam{camera}/image{frame}.jpg"
        path = stage / "images" / self.split / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(as_jpg(sample.image, self._jpg_quality))
        boxes = [box for box in map(_box, sample.hands) if box is not None]
        around = np.zeros(4)
        if boxes:
            around = np.concatenate([np.min(boxes, axis=0)[:2], np.max(boxes, axis=0)[2:]])
        return {
            "image": {
                "id": index, "file_name": name, "width": width, "height": height, "capture": capture,
                "subject": 0, "seq_name": _SEQUENCE, "camera": str(camera), "frame_idx": frame,
            },
            "annotation": {
                "id": index, "image_id": index, "category_id": 1, "iscrowd": 0,
                "bbox": [*around[:2].tolist(), *(around[2:] - around[:2]).tolist()],
                "joint_valid": valid.astype(int).tolist(), "hand_type": kind, "hand_type_valid": 1,
            },
            "camera": _camera(sample.camera),
            "world": world.tolist(),
        }  # fmt: skip

    def join(self, stage: Path, records: Iterator[Any]) -> None:
        """Write the three annotation files.

        Raises:
            DataSetError: if pictures of one moment disagree, or a camera moves within a capture.
        """
        images, annotations = [], []
        cameras: dict[str, dict[str, Any]] = {}
        joints: dict[str, dict[str, Any]] = {}
        for record in records:
            image, annotation = record["image"], record["annotation"]
            images.append(image)
            annotations.append(annotation)
            of_capture = cameras.setdefault(str(image["capture"]), {})
            for key, value in record["camera"].items():
                known = of_capture.setdefault(key, {}).setdefault(image["camera"], value)
                if not np.abs(np.subtract(known, value)).max() < _SAME * max(1.0, np.abs(value).max()):
                    raise DataSetError(
                        f"Camera {image['camera']} of capture {image['capture']} differs between pictures.",
                        "Give every rig a capture of its own in the samples' moments.",
                    )
            frames = joints.setdefault(str(image["capture"]), {})
            seen = _of_moment(record["world"], annotation)
            frames[str(image["frame_idx"])] = _merged(frames.get(str(image["frame_idx"])), seen, image)
        category = {"id": 1, "name": "hand", "supercategory": "hand"}
        data = {"images": images, "annotations": annotations, "categories": [category]}
        for name, content in (("camera", cameras), ("joint_3d", joints), ("data", data)):
            path = stage / self._file(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(content, separators=(",", ":"), allow_nan=False), encoding="utf-8")

    def _file(self, name: str) -> str:
        return f"annotations/{self.split}/{PREFIX}_{self.split}_{name}.json"


def _moment(sample: Sample, index: int) -> tuple[int, int]:
    if sample.moment is None:
        return index, 0
    found = [int(digits) for digits in re.findall(r"\d+", sample.moment)]
    if len(found) not in (1, 2):
        raise DataSetError(
            f"The sample {sample.key} is of the moment {sample.moment!r}.",
            "InterHand2.6M numbers moments: name them <capture>/<frame>.",
        )
    return found[0], found[1] if len(found) == 2 else 0


def _number(name: str) -> int:
    found = re.search(r"(\d+)$", name)
    return int(found[1]) if found else 0


def _in_world(camera: Camera, hands: dict[str, HandLabel]) -> tuple[Array, Array]:
    """(42, 3) millimetres and (42,) whether a joint is known; 0 where it is not."""
    T = camera.T_camera_world
    world = np.full((2 * len(ORDER), 3), np.nan)
    for side, hand in hands.items():
        points = (hand.xyz - T[:3, 3]) @ T[:3, :3]
        world[FIRST[side] : FIRST[side] + len(ORDER)] = ORDER.from_hand(points)
    valid = np.isfinite(world).all(axis=1)
    # A millionth of a millimetre: finer than any sensor, and a third of the digits.
    return np.where(valid[:, None], np.round(1000.0 * world, 6), 0.0), valid


def _camera(camera: Camera) -> dict[str, Any]:
    if camera.distortion.any() or camera.K[0, 1]:
        raise DataSetError(
            f"Camera {camera.name} has a distorting or skewed lens.",
            "InterHand2.6M knows ideal lenses only; take the distortion out of the pictures first.",
        )
    return {
        "campos": (1000.0 * camera.center).tolist(),
        "camrot": camera.T_camera_world[:3, :3].tolist(),
        "focal": [float(camera.K[0, 0]), float(camera.K[1, 1])],
        "princpt": camera.K[:2, 2].tolist(),
    }


def _box(hand: HandLabel) -> Array | None:
    return tight_box(hand.xy) if hand.box is None else hand.box


def _of_moment(world: list[list[float]], annotation: dict[str, Any]) -> dict[str, Any]:
    return {
        "world_coord": world,
        "joint_valid": [[flag] for flag in annotation["joint_valid"]],
        "hand_type": annotation["hand_type"],
        "hand_type_valid": annotation["hand_type_valid"],
    }


def _merged(known: dict[str, Any] | None, seen: dict[str, Any], image: dict[str, Any]) -> dict[str, Any]:
    """What several cameras say of one moment: a joint is known if one of them knows it."""
    if known is None:
        return seen
    first, second = (np.array(entry["world_coord"]) for entry in (known, seen))
    has, adds = (np.array(entry["joint_valid"])[:, 0] > 0 for entry in (known, seen))
    both = has & adds
    apart = np.abs(first - second)[both].max(initial=0.0)
    if apart > _SAME_MM or known["hand_type"] != seen["hand_type"]:
        raise DataSetError(
            f"Pictures of capture {image['capture']}, frame {image['frame_idx']}, show different hands "
            f"({apart:.3g} mm apart).",
            "Give pictures the same moment only if they were taken at the same time.",
        )
    return {
        **known,
        "world_coord": np.where(has[:, None], first, second).tolist(),
        "joint_valid": (has | adds)[:, None].astype(int).tolist(),
    }
