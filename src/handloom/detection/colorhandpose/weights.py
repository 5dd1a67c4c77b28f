"""Which networks :class:`ColorHandPoseDetector` runs: those handloom carries, or a folder of the user's own.

A folder holds ``handsegnet.onnx`` and ``posenet.onnx`` and, for joints in space, ``poseprior.onnx`` and
``viewpoint.onnx``, as `handloom train` exports them. Every file says in its metadata what it is: ``network``,
``variant``, ``size`` (of pictures or maps, as ``256x256``), ``joints`` (names in the order of its outputs),
``handloom`` (version). The carried ones come with ``SHA256SUMS``, and only bytes with those hashes are used.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from handloom.detection.colorhandpose.runtime import AGAIN, OnnxNetwork, OnnxRuntime, Tensor
from handloom.errors import ModelError
from handloom.skeleton import HAND

SHIPPED = Path(__file__).parent / "weights"
SUMS = "SHA256SUMS"

IMAGE_NETWORKS = ("handsegnet", "posenet")
LIFTING_NETWORKS = ("poseprior", "viewpoint")
NETWORKS = (*IMAGE_NETWORKS, *LIFTING_NETWORKS)

LARGEST_FILE = 512 << 20
LARGEST_SIDE = 1024
LARGEST_MARGIN = 5.0


@dataclass(frozen=True, eq=False)
class Network:
    """A network that was run once and gives what its name promises.

    Attributes:
        run: takes its inputs, gives outputs by name.
        side: of the square pictures or maps that go in, pixels or cells.
        metadata: what its file says.
        margin: side of the crops it wants, of the longer side of the box of a hand's keypoints; None where
            the file does not say.
    """

    run: OnnxNetwork
    side: int
    metadata: dict[str, str]
    margin: float | None = None


@dataclass(frozen=True)
class Weights:
    """The files of one pipeline.

    Attributes:
        folder: they are in.
        sha256: of every file that is there, by the network's name.
    """

    folder: Path
    sha256: dict[str, str]

    @property
    def lifts(self) -> bool:
        """Whether they give joints in space."""
        return set(LIFTING_NETWORKS) <= set(self.sha256)

    def load(self, name: str, runtime: OnnxRuntime = "onnx") -> Network:
        """Read and try one network.

        Raises:
            ModelError: if the file has changed, is no network, or is another one than its name says.
        """
        path = self.folder / f"{name}.onnx"
        content = _content(path)
        if hashlib.sha256(content).hexdigest() != self.sha256[name]:
            raise ModelError(f"{path} was changed while it was read.", "Try again.")
        network = OnnxNetwork(content, str(path), runtime)
        side = _side(network, name)
        found = network(*_blank(network, name, side))
        _check_outputs(network, name, found)
        return Network(network, side, network.metadata, _margin(network))


def find_weights(folder: str | Path | None = None) -> Weights:
    """The networks of a folder; those handloom carries by default.

    Raises:
        ModelError: if there is no such folder, a network is missing, or a carried file is not as carried.
    """
    path = SHIPPED if folder is None else Path(folder)
    there = [name for name in NETWORKS if (path / f"{name}.onnx").is_file()]
    if folder is None and not there:
        raise ModelError(
            "This handloom carries no weights of ColorHandPose3D.",
            "Train them with `handloom train` and name their folder with --weights.",
        )
    if not path.is_dir():
        raise ModelError(f"There is no folder {path}.", "Name the folder of the exported networks.")
    missing = [name for name in IMAGE_NETWORKS if name not in there]
    lifting = [name for name in LIFTING_NETWORKS if name in there]
    if len(lifting) == 1:
        missing += [name for name in LIFTING_NETWORKS if name not in there]
    if missing:
        files = " and ".join(f"{name}.onnx" for name in missing)
        verb = "is" if len(missing) == 1 else "are"
        raise ModelError(f"In {path}, {files} {verb} missing.", "Train and export it, or copy it there.")
    sums = {name: hashlib.sha256(_content(path / f"{name}.onnx")).hexdigest() for name in there}
    if folder is None:
        _check_shipped(sums)
    return Weights(path, sums)


def _check_shipped(sums: dict[str, str]) -> None:
    file = SHIPPED / SUMS
    lines = file.read_text().split("\n") if file.is_file() else []
    expected = {name.lstrip("*"): sha for sha, _, name in (line.partition("  ") for line in lines)}
    for name, sha in sums.items():
        if expected.get(f"{name}.onnx") != sha:
            raise ModelError(
                f"{SHIPPED / name}.onnx is not the file that handloom carries.",
                "Install handloom again, or name your own folder with --weights.",
            )


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise ModelError(f"{path} has more than {LARGEST_FILE >> 20} MB.", AGAIN)
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}.", AGAIN) from error


def _side(network: OnnxNetwork, name: str) -> int:
    """The side of the square that goes in, after everything that the metadata say was checked."""
    said = network.metadata
    if said.get("network") != name:
        what = f"the network {said['network']!r}" if "network" in said else "no network of handloom's"
        raise ModelError(f"{network.name} says that it is {what}, not {name!r}.", AGAIN)
    if (joints := said.get("joints")) is not None and tuple(joints.split(",")) != HAND.joints:
        raise ModelError(f"{network.name} has other joints than {', '.join(HAND.joints)}.", AGAIN)
    width, _, height = said.get("size", "").partition("x")
    if not (width.isdecimal() and width == height and 8 <= int(width) <= LARGEST_SIDE):
        raise ModelError(
            f"{network.name} says that it takes pictures of {said.get('size', 'unknown size')!r}.",
            f"Export it with a square size of 8 to {LARGEST_SIDE}, such as 256x256.",
        )
    return int(width)


def _margin(network: OnnxNetwork) -> float | None:
    said = network.metadata.get("margin")
    if said is None:
        return None
    try:
        margin = float(said)
    except ValueError:
        margin = float("nan")
    if not 1.0 <= margin <= LARGEST_MARGIN:
        raise ModelError(
            f"{network.name} wants crops {said!r} times as wide as hands.",
            f"Export it with a margin of 1 to {LARGEST_MARGIN:g}.",
        )
    return margin


def _blank(network: OnnxNetwork, name: str, side: int) -> list[Tensor]:
    lifting: list[tuple[int, ...]] = [(1, len(HAND), side, side), (1, 2)]
    shapes = [(1, 3, side, side)] if name in IMAGE_NETWORKS else lifting
    wanted = list(network.inputs.values())
    fits = len(wanted) == len(shapes) and all(
        len(own) == len(shape) and all(n in (None, m) for n, m in zip(own[1:], shape[1:], strict=True))
        for own, shape in zip(wanted, shapes, strict=True)
    )
    if not fits:
        raise ModelError(
            f"{network.name} takes {_words(wanted)}, not {_words(shapes)} as {name} does.", AGAIN
        )
    return [np.zeros(shape, np.float32) for shape in shapes]


def _check_outputs(network: OnnxNetwork, name: str, found: dict[str, Tensor]) -> None:
    joints = len(HAND)
    wanted: dict[str, tuple[str, tuple[int | None, ...]]] = {
        "handsegnet": ("logits", (1, 2, None, None)),
        "posenet": ("maps", (1, joints, None, None)),
        "poseprior": ("canonical", (1, joints, 3)),
        "viewpoint": ("rotation", (1, 3)),
    }
    output, shape = wanted[name]
    optional: dict[str, tuple[int, ...]] = {}
    if name == "posenet":
        optional = {"keypoints": (1, joints, 2), "hand": (1,), "right": (1,)}
    if output not in found:
        raise ModelError(f"{network.name} has no output {output!r}.", AGAIN)
    for key, value in found.items():
        expected = shape if key == output else optional.get(key, value.shape)
        fits = len(value.shape) == len(expected) and all(
            n is None or n == m for n, m in zip(expected, value.shape, strict=True)
        )
        square = key not in ("logits", "maps") or value.shape[-1] == value.shape[-2] > 0
        if not (fits and square):
            raise ModelError(
                f"{network.name} gives {key!r} of {_words([value.shape])}, not {_words([expected])}.", AGAIN
            )
        if not np.isfinite(value).all():
            raise ModelError(f"{network.name} gives values that are no numbers.", AGAIN)


def _words(shapes: list) -> str:
    return " and ".join(" × ".join("n" if n is None else str(n) for n in shape) for shape in shapes)
