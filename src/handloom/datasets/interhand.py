"""InterHand2.6M (Moon et al. 2020): one or two hands before many cameras at once.

Annotations are COCO-like ``InterHand2.6M_<split>_data.json`` for pictures, ``_camera.json`` for cameras,
``_joint_3d.json`` for joints in the world and, where it is there, ``_MANO_NeuralAnnot.json`` for MANO's
parameters in the world.

Traps: joints run from the finger tip to its base, the wrist last, right hand first. Lengths are millimetres,
except in MANO's file. ``campos`` is where the camera stands, not a translation: X_c = R (X_w - campos).
Joints that are not valid have places all the same. MANO's poses are counted from its mean pose.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from handloom.cameras import Camera
from handloom.datasets.files import AGAIN, Array, numbers, read_image, read_json, reading, require
from handloom.datasets.orders import order
from handloom.datasets.sample import HandLabel, ManoParameters, Sample
from handloom.errors import DataSetError
from handloom.hand.kinematics import nearest_rigid, rotation_from_vector, vector_from_rotation

if TYPE_CHECKING:
    from handloom.hand.mano import ManoHand

PREFIX = "InterHand2.6M"
SPLITS = ("train", "val", "test")
ORDER = order("interhand")
FIRST = {"right": 0, "left": len(ORDER)}
"""Where each hand's joints begin in lists of 42."""
SIDES_OF = {"right": ("right",), "left": ("left",), "interacting": ("right", "left")}
HANDS = ("all", "single", "interacting")


class InterHand:
    """InterHand2.6M; a sample is the picture of one camera.

    The data set has no labels in the picture: ``xy`` are its joints in space, projected.

    Args:
        path: folder that holds ``annotations`` and ``images``, or one that holds the annotation files.
        split: ``"train"``, ``"val"`` or ``"test"``; the first that is there without.
        hands: ``"all"``, ``"single"`` or ``"interacting"`` pictures.
        mano: folder of MANO's own files. Without them MANO's translation is NaN, as its way from the world
            into the camera takes the wrist of the hand's shape, and there are no meshes.

    Raises:
        DataSetError: if a file is missing or malformed.
        ModelError: if MANO's files cannot be read.
    """

    name = "interhand"

    def __init__(
        self,
        path: str | Path,
        split: str | None = None,
        *,
        hands: str = "all",
        mano: str | Path | None = None,
    ) -> None:
        if hands not in HANDS:
            raise ValueError(f"hands must be one of {', '.join(HANDS)}, got {hands!r}")
        self.folder = require(Path(path), "The data set")
        annotations, self.split = _annotations(self.folder, split)
        start = f"{PREFIX}_{self.split}"
        self._data, self._cameras, self._joints = (
            _Table(annotations / f"{start}_{name}.json") for name in ("data", "camera", "joint_3d")
        )
        with reading(self._data.path, "The annotation file"):
            images = {image["id"]: image for image in self._data.content["images"]}
            wanted = {"all": SIDES_OF, "interacting": ("interacting",), "single": ("right", "left")}[hands]
            self._entries: list[tuple[dict[str, Any], dict[str, Any]]] = []
            for annotation in self._data.content["annotations"]:
                if annotation["hand_type"] not in SIDES_OF:
                    raise ValueError(f"a picture's hand_type is {annotation['hand_type']!r}")
                if annotation["hand_type"] in wanted:
                    self._entries.append((images[annotation["image_id"]], annotation))
            self._keys = [
                str(PurePosixPath(image["file_name"]).with_suffix("")) for image, _ in self._entries
            ]
        if len(set(self._keys)) < len(self._keys):
            raise DataSetError(f"{self._data.path} annotates a picture twice.", AGAIN)
        self._known_cameras: dict[tuple[str, str, tuple[int, int]], Camera] = {}
        self._models: dict[str, ManoHand] = {}
        fits = annotations / f"{start}_MANO_NeuralAnnot.json"
        self._fits = _Table(fits) if fits.exists() else None
        lacks = ["visible", "parts", "depth", "normals", "parameters"]
        if self._fits is None:
            lacks += ["vertices", "mano"]
        elif mano is None:
            lacks += ["vertices", "mano.translation"]
        else:
            from handloom.hand.mano import load_mano

            self._models = {side: load_mano(mano, side, flat_hand_mean=False) for side in FIRST}
        self.lacks = tuple(lacks)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def keys(self) -> Sequence[str]:
        """Paths of the pictures without their ending."""
        return self._keys

    def labels(self, index: int) -> Sample:
        """A picture's labels without the picture."""
        image, annotation = self._entries[index]
        with reading(self._data.path, "The annotation file"):
            capture, frame, name = str(image["capture"]), str(image["frame_idx"]), str(image["camera"])
            valid = numbers(annotation["joint_valid"], (2 * len(ORDER),), "joint_valid") > 0
            number = int(image["frame_idx"])
            sides = SIDES_OF[annotation["hand_type"]]
            box = numbers(annotation["bbox"], (4,), "bbox")
            size = (int(image["width"]), int(image["height"]))
            conditions: dict[str, str | float] = {
                "capture": capture,
                "frame": frame,
                "camera": name,
                "sequence": str(image.get("seq_name", "")),
                "hand_type": annotation["hand_type"],
                "hand_type_valid": float(
                    numbers(annotation.get("hand_type_valid", 1), (1,), "hand_type_valid")[0]
                ),
            }
        camera = self._camera(capture, name, size)
        joints = self._joints_in(camera, capture, frame)
        labels = []
        for side in sides:
            part = slice(FIRST[side], FIRST[side] + len(ORDER))
            xyz = np.asarray(
                ORDER.to_hand(np.where(valid[part, None], joints[part], np.nan)), dtype=np.float64
            )
            xy = _in_picture(camera, xyz)
            edges = np.array([*box[:2], *(box[:2] + box[2:])]) if len(sides) == 1 else None
            mano, vertices, faces = self._fit(camera, capture, frame, side)
            labels.append(HandLabel(side, xy, xyz, box=edges, vertices=vertices, faces=faces, mano=mano))
        return Sample(
            self._keys[index], None, camera, tuple(labels), moment=f"{capture}/{frame}",
            frame=(f"{capture}/{conditions['sequence']}/{name}", number), conditions=conditions,
        )  # fmt: skip

    def __getitem__(self, index: int) -> Sample:
        """A picture and its labels."""
        labels = self.labels(index)
        name = self._entries[index][0]["file_name"]
        # The folder given may also be one of annotations, beside that of the pictures.
        bases = (self.folder, *self.folder.resolve().parents[:2])
        places = [
            base / inner / name for base in bases for inner in (f"images/{self.split}", self.split, "images")
        ]
        path = next((place for place in places if place.is_file()), places[0])
        return Sample(
            labels.key, read_image(path), labels.camera, labels.hands, moment=labels.moment,
            frame=labels.frame, conditions=labels.conditions,
        )  # fmt: skip

    def _camera(self, capture: str, name: str, size: tuple[int, int]) -> Camera:
        which = capture, name, size
        if which not in self._known_cameras:
            self._known_cameras[which] = self._read_camera(capture, name, size)
        return self._known_cameras[which]

    def _read_camera(self, capture: str, name: str, size: tuple[int, int]) -> Camera:
        with reading(self._cameras.path, "The camera file"):
            of_capture = self._cameras.content[capture]
            place, R, focal, center = (
                numbers(of_capture[key][name], shape, f"{key} of camera {name} of capture {capture}")
                for key, shape in (("campos", (3,)), ("camrot", (3, 3)), ("focal", (2,)), ("princpt", (2,)))
            )
            T = np.eye(4)
            T[:3, :3] = R
            rotation = nearest_rigid(T)[:3, :3]
            if not np.abs(rotation - R).max() < 1e-3:
                raise ValueError(f"camrot of camera {name} of capture {capture} is no rotation")
            T[:3, :3] = rotation
            T[:3, 3] = -rotation @ place / 1000.0
            K = np.array([[focal[0], 0.0, center[0]], [0.0, focal[1], center[1]], [0.0, 0.0, 1.0]])
            return Camera(name, size, K, np.zeros(4), T)

    def _joints_in(self, camera: Camera, capture: str, frame: str) -> Array:
        """(42, 3) metres in the camera's axes."""
        with reading(self._joints.path, "The joint file"):
            entry = self._joints.content[capture][frame]
            world = numbers(entry["world_coord"], (2 * len(ORDER), 3), f"frame {frame} of capture {capture}")
        T = camera.T_camera_world
        return np.asarray(world / 1000.0 @ T[:3, :3].T + T[:3, 3])

    def _fit(
        self, camera: Camera, capture: str, frame: str, side: str
    ) -> tuple[ManoParameters | None, Array | None, NDArray[np.int64] | None]:
        """MANO's parameters and mesh in the camera's axes, None where the frame has no fit."""
        if self._fits is None:
            return None, None, None
        with reading(self._fits.path, "The file of MANO's parameters"):
            fit = self._fits.content.get(capture, {}).get(frame, {}).get(side)
            if fit is None:
                return None, None, None
            what = f"MANO of frame {frame} of capture {capture}"
            pose, trans = numbers(fit["pose"], (48,), what), numbers(fit["trans"], (3,), what)
            shape = numbers(fit["shape"], (10,), what)
        # Only the whole hand turns; its joints keep the file's own numbers.
        turn = camera.T_camera_world[:3, :3] @ rotation_from_vector(pose[:3])
        in_camera = np.concatenate([vector_from_rotation(turn), pose[3:]])
        model = self._models.get(side)
        if model is None:
            return ManoParameters(in_camera, shape, np.full(3, np.nan), flat_hand_mean=False), None, None
        rotations, T_world_wrist = model.from_mano(pose, trans, shape, flat_hand_mean=False)
        T_camera_wrist = camera.T_camera_world @ T_world_wrist
        _, moved = model.to_mano(rotations, T_camera_wrist, shape, flat_hand_mean=False)
        parameters = ManoParameters(in_camera, shape, moved, flat_hand_mean=False)
        posed = model.pose(np.zeros((15, 3)), shape, T_camera_wrist, rotations=rotations)
        return parameters, posed.vertices, np.asarray(model.faces, dtype=np.int64)


class _Table:
    """A JSON file with a dictionary in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        content = read_json(path, "An annotation file")
        if not isinstance(content, Mapping):
            raise DataSetError(f"{path} holds no dictionary.", AGAIN)
        self.content: Mapping[str, Any] = content


def _in_picture(camera: Camera, xyz: Array) -> Array:
    """(..., 2) pixels of points in the camera's axes."""
    return camera.project((xyz - camera.T_camera_world[:3, 3]) @ camera.T_camera_world[:3, :3])


def _annotations(folder: Path, split: str | None) -> tuple[Path, str]:
    """The folder of the annotation files and the split."""
    splits = SPLITS if split is None else (split,)
    places = ("annotations/{}", "annotations/all", "annotations", "annotations/human_annot",
              "annotations/machine_annot", "{}", "")  # fmt: skip
    for name in splits:
        for place in places:
            candidate = folder / place.format(name)
            if (candidate / f"{PREFIX}_{name}_data.json").is_file():
                return candidate, name
    names = " or ".join(f"{PREFIX}_{name}_data.json" for name in splits)
    raise DataSetError(f"There is no {names} below {folder}.", "Give the folder that holds annotations.")
