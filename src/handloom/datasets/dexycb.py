"""DexYCB (Chao et al. 2021): hands that take objects, before eight cameras.

``<subject>/<sequence>/meta.yml`` describes a sequence, ``<serial>/color_%06d.jpg`` and ``labels_%06d.npz`` of
it are each camera's pictures and labels; ``calibration`` holds cameras and the subjects' MANO shapes.

Traps: a frame without a hand has joints at -1 and a pose of zeros. MANO's pose is coefficients of its
principal components, counted from its mean pose; MANO's own file is needed to read it. Extrinsics take points
of a camera into the master camera. Depth maps, ``aligned_depth_to_color_%06d.png``, are millimetres.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from handloom.cameras import Camera
from handloom.datasets.files import AGAIN, Array, numbers, read_bytes, read_image, reading, require, tight_box
from handloom.datasets.orders import order
from handloom.datasets.sample import FIRST_PART, HandLabel, ManoParameters, Sample
from handloom.errors import DataSetError
from handloom.hand.kinematics import nearest_rigid

if TYPE_CHECKING:
    from handloom.hand.mano import ManoHand

ORDER = order("dexycb")
SIZE = (640, 480)
_HAND = 255
_SUBJECTS, _SEQUENCES = 10, 100

# What a split takes: numbers of the subject, its sequence and the camera, each in the order of the names.
_Rule = Callable[[int, int, int], bool]
_OBJECTS = {"val": (3, 19), "test": (7, 11, 15)}
SPLITS: Mapping[str, _Rule] = {
    "s0_train": lambda subject, sequence, camera: sequence % 5 != 4,
    "s0_val": lambda subject, sequence, camera: sequence % 5 == 4 and subject < 2,
    "s0_test": lambda subject, sequence, camera: sequence % 5 == 4 and subject >= 2,
    "s1_train": lambda subject, sequence, camera: subject in (0, 1, 2, 3, 4, 5, 9),
    "s1_val": lambda subject, sequence, camera: subject == 6,
    "s1_test": lambda subject, sequence, camera: subject in (7, 8),
    "s2_train": lambda subject, sequence, camera: camera < 6,
    "s2_val": lambda subject, sequence, camera: camera == 6,
    "s2_test": lambda subject, sequence, camera: camera == 7,
    "s3_train": lambda subject, sequence, camera: sequence // 5 % 4 != 3,
    "s3_val": lambda subject, sequence, camera: sequence // 5 in _OBJECTS["val"],
    "s3_test": lambda subject, sequence, camera: sequence // 5 in _OBJECTS["test"],
}
"""The authors' splits: of sequences, subjects, cameras and objects."""


@dataclass(frozen=True)
class _Take:
    """One camera's pictures of one sequence."""

    folder: Path
    serial: str
    frames: int
    side: str
    shape: str
    extrinsics: str


class DexYcb:
    """DexYCB; a sample is one camera's picture.

    Args:
        path: folder that holds the subjects and ``calibration``.
        split: ``"s0_train"`` to ``"s3_test"``, which take the whole data set to be there; all without.
        mano: folder of MANO's own files; without, MANO's parameters are not given.

    Raises:
        DataSetError: if a file is missing or malformed, or PyYAML is not installed.
        ModelError: if MANO's files cannot be read.
    """

    name = "dexycb"

    def __init__(self, path: str | Path, split: str | None = None, *, mano: str | Path | None = None) -> None:
        if split is not None and split not in SPLITS:
            raise DataSetError(f"DexYCB has no split {split!r}.", f"Its splits are {', '.join(SPLITS)}.")
        self.folder = require(Path(path), "The data set")
        require(self.folder / "calibration", "The cameras")
        self._takes = _takes(self.folder, split)
        self._starts = np.cumsum([0, *(take.frames for take in self._takes)])
        self._cameras: dict[tuple[str, str], Camera] = {}
        self._shapes: dict[str, Array] = {}
        self._models: dict[str, ManoHand] = {}
        if mano is not None:
            from handloom.hand.mano import load_mano

            self._models = {side: load_mano(mano, side, flat_hand_mean=False) for side in ("left", "right")}
        lacks = ("visible", "normals", "vertices", "parameters")
        self.lacks: tuple[str, ...] = lacks if self._models else (*lacks, "mano")

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def keys(self) -> Sequence[str]:
        """``subject/sequence/serial/frame``."""
        return [self._key(take, k) for take in self._takes for k in range(take.frames)]

    def labels(self, index: int) -> Sample:
        """A picture's labels without the picture."""
        return self._read(index, pictures=False)

    def __getitem__(self, index: int) -> Sample:
        """A picture, where its hand is, and its labels."""
        return self._read(index, pictures=True)

    def _read(self, index: int, *, pictures: bool) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(f"the set has {len(self)} samples, asked for {index}")
        number = int(np.searchsorted(self._starts, index, side="right")) - 1
        take, frame = self._takes[number], index - int(self._starts[number])
        path = take.folder / take.serial / f"labels_{frame:06d}.npz"
        require(path, "The label file")
        try:
            with np.load(path, allow_pickle=False) as content, reading(path, "The label file"):
                hands = self._hands(take, content)
                mask = np.asarray(content["seg"]) == _HAND if pictures else None
        except (zipfile.BadZipFile, EOFError, OSError) as error:
            raise DataSetError(f"The label file {path} is damaged: {error}.", AGAIN) from error
        image = depth = None
        if pictures:
            image = read_image(take.folder / take.serial / f"color_{frame:06d}.jpg")
            depth = _depth(take.folder / take.serial / f"aligned_depth_to_color_{frame:06d}.png")
        parts = None if mask is None else mask.astype(np.uint8) * np.uint8(FIRST_PART[take.side])
        sequence = f"{take.folder.parent.name}/{take.folder.name}"
        return Sample(
            self._key(take, frame), image, self._camera(take), hands, parts, depth,
            moment=f"{sequence}/{frame}", frame=(f"{sequence}/{take.serial}", frame),
            conditions={"subject": take.folder.parent.name, "sequence": sequence, "camera": take.serial},
        )  # fmt: skip

    def _hands(self, take: _Take, content: Mapping[str, NDArray[Any]]) -> tuple[HandLabel, ...]:
        joints = numbers(content["joint_3d"], (len(ORDER), 3), "joint_3d")
        pixels = numbers(content["joint_2d"], (len(ORDER), 2), "joint_2d")
        if (joints == -1).all():
            return ()
        xyz = np.asarray(ORDER.to_hand(joints), dtype=np.float64)
        xy = np.asarray(ORDER.to_hand(pixels), dtype=np.float64)
        mano = None
        pose = numbers(content["pose_m"], (51,), "pose_m")
        if self._models and pose.any():
            turned = self._models[take.side].pose_from_components(pose[3:48])
            shape = self._shape(take.shape)
            mano = ManoParameters(np.concatenate([pose[:3], turned]), shape, pose[48:], flat_hand_mean=False)
        return (HandLabel(take.side, xy, xyz, box=tight_box(xy), mano=mano),)

    def _camera(self, take: _Take) -> Camera:
        which = take.extrinsics, take.serial
        if which not in self._cameras:
            calibration = self.folder / "calibration"
            path = calibration / "intrinsics" / f"{take.serial}_{SIZE[0]}x{SIZE[1]}.yml"
            content = _yaml(path)
            with reading(path, "The camera file"):
                fx, fy, cx, cy = (float(content["color"][key]) for key in ("fx", "fy", "ppx", "ppy"))
            path = calibration / f"extrinsics_{take.extrinsics}" / "extrinsics.yml"
            content = _yaml(path)
            with reading(path, "The camera file"):
                T = np.eye(4)
                T[:3] = numbers(content["extrinsics"][take.serial], (3, 4), f"camera {take.serial}")
                rigid = nearest_rigid(T)
                if not np.abs(rigid - T).max() < 1e-3:
                    raise ValueError(f"camera {take.serial} is turned by no rotation")
                K = np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])
                T[:3, :3], T[:3, 3] = rigid[:3, :3].T, -rigid[:3, :3].T @ rigid[:3, 3]
                self._cameras[which] = Camera(take.serial, SIZE, K, np.zeros(4), T)
        return self._cameras[which]

    def _shape(self, name: str) -> Array:
        if name not in self._shapes:
            path = self.folder / "calibration" / f"mano_{name}" / "mano.yml"
            content = _yaml(path)
            with reading(path, "The file of a hand's shape"):
                self._shapes[name] = numbers(content["betas"], (10,), "betas")
        return self._shapes[name]

    @staticmethod
    def _key(take: _Take, frame: int) -> str:
        return f"{take.folder.parent.name}/{take.folder.name}/{take.serial}/{frame:06d}"


def _depth(path: Path) -> NDArray[np.float32] | None:
    """(H, W) metres, NaN where the camera saw nothing; None where there is no map."""
    if not path.exists():
        return None
    millimetres = read_image(path, cv2.IMREAD_ANYDEPTH).astype(np.float32)
    return np.where(millimetres > 0, millimetres / np.float32(1000), np.float32(np.nan))


def _takes(folder: Path, split: str | None) -> list[_Take]:
    subjects = sorted(f for f in folder.iterdir() if f.is_dir() and re.fullmatch(r"\d{8}-.+", f.name))
    sequences = {subject: sorted(f for f in subject.iterdir() if f.is_dir()) for subject in subjects}
    if not any(sequences.values()):
        raise DataSetError(f"{folder} holds no subjects' folders.", AGAIN)
    counts = [len(found) for found in sequences.values()]
    if split is not None and counts != [_SEQUENCES] * _SUBJECTS:
        raise DataSetError(
            f"{folder} holds {len(subjects)} subjects with {min(counts)} to {max(counts)} sequences; "
            f"splits go by the numbers of {_SUBJECTS} with {_SEQUENCES} each.",
            "Give the whole data set, or no split.",
        )
    rule = SPLITS[split] if split is not None else lambda *_: True
    found = []
    for s, subject in enumerate(subjects):
        for q, sequence in enumerate(sequences[subject]):
            path = sequence / "meta.yml"
            meta = _yaml(path)
            with reading(path, "The description of a sequence"):
                frames, side = int(meta["num_frames"]), str(meta["mano_sides"][0])
                if side not in FIRST_PART or frames < 1 or len(meta["mano_sides"]) != 1:
                    raise ValueError(f"it has {frames} frames of the hands {meta['mano_sides']}")
                shape, extrinsics = str(meta["mano_calib"][0]), str(meta["extrinsics"])
                serials = sorted(str(serial) for serial in meta["serials"])
            found += [
                _Take(sequence, serial, frames, side, shape, extrinsics)
                for c, serial in enumerate(serials)
                if rule(s, q, c)
            ]
    return found


def _yaml(path: Path) -> Any:
    content = read_bytes(path, "A description")
    try:
        import yaml
    except ImportError as error:
        raise DataSetError(
            "DexYCB's descriptions are YAML, and PyYAML is not installed.",
            "Install it: pip install 'handloom[dexycb]'.",
        ) from error
    try:
        return yaml.safe_load(content)
    except yaml.YAMLError as error:
        raise DataSetError(f"{path} is no YAML that can be read safely: {error}.", AGAIN) from error
