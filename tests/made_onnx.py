"""Networks whose answers are known: ONNX files that see colours, made without training.

Hands are red; a joint is a dot of a red of its own. So a picture drawn with :func:`drawn` is read without
error but that of the grid, by files that take the way of trained ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from handloom.skeleton import HAND

onnx = pytest.importorskip("onnx", reason="onnx makes the networks of these tests")

Array = NDArray[np.float64]
LEVELS = (0.2, 0.35, 0.5, 0.65, 0.8)
COLOURS = np.array([[1.0, g, b] for g in LEVELS for b in LEVELS][: len(HAND)])
"""Of the joints, RGB in [0, 1]."""
HAND_COLOUR = (255, 0, 0)


def drawn(
    hands: Sequence[Array], size: tuple[int, int], dot: int = 5, *, hull: float = 1.0
) -> NDArray[np.uint8]:
    """A grey (height, width, 3) picture of red hands: enlarged hulls of (21, 2) joints, with dots on them."""
    image = np.full((size[1], size[0], 3), 128, np.uint8)
    for xy in hands:
        centre = xy.mean(axis=0)
        outline = cv2.convexHull((centre + hull * (xy - centre)).astype(np.float32))
        cv2.fillPoly(image, [np.rint(outline).astype(np.int32)], HAND_COLOUR)
        for place, colour in zip(xy, COLOURS, strict=True):
            at = tuple(int(v) for v in np.rint(place * 16))
            cv2.circle(image, at, dot * 16, tuple(round(255 * c) for c in colour), -1, cv2.LINE_8, 4)
    return image


def write_network(
    path: Path,
    nodes: list,
    inputs: dict[str, tuple],
    outputs: dict[str, tuple],
    constants: dict[str, Array],
    metadata: dict[str, str],
) -> None:
    """An ONNX file of these nodes."""
    of = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        nodes,
        "made",
        [onnx.helper.make_tensor_value_info(name, of, shape) for name, shape in inputs.items()],
        [onnx.helper.make_tensor_value_info(name, of, shape) for name, shape in outputs.items()],
        [onnx.numpy_helper.from_array(np.asarray(v, np.float32), name) for name, v in constants.items()],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    onnx.helper.set_model_props(model, metadata)
    path.write_bytes(model.SerializeToString())


def node(kind: str, inputs: list[str], output: str, **attributes):
    return onnx.helper.make_node(kind, inputs, [output], **attributes)


def said(network: str, side: int, **more: str) -> dict[str, str]:
    """Metadata as exported networks have them."""
    own = {"network": network, "variant": "made", "size": f"{side}x{side}", "joints": ",".join(HAND.joints)}
    return own | more


def write_handsegnet(folder: Path, side: int = 128, metadata: dict[str, str] | None = None) -> None:
    """Red is hand."""
    write_network(
        folder / "handsegnet.onnx",
        [node("Conv", ["pictures", "W", "b"], "logits")],
        {"pictures": ("n", 3, side, side)},
        {"logits": ("n", 2, side, side)},
        {"W": np.array([[0.0, 0, 0], [80.0, -40, -40]])[..., None, None], "b": [0.0, -10.0]},
        said("handsegnet", side) if metadata is None else metadata,
    )


def write_posenet(folder: Path, side: int = 128, stride: int = 4, *, joints: int = len(HAND)) -> None:
    """A joint is where its colour is."""
    cells = side // stride
    write_network(
        folder / "posenet.onnx",
        [
            node("Unsqueeze", ["pictures", "axis"], "one"),
            node("Sub", ["one", "colours"], "off"),
            node("Abs", ["off"], "apart"),
            node("ReduceSum", ["apart", "channels"], "distance", keepdims=0),
            node("Mul", ["distance", "steep"], "scaled"),
            node("Add", ["scaled", "offset"], "raised"),
            node("Relu", ["raised"], "alike"),
            node("AveragePool", ["alike"], "maps", kernel_shape=[stride] * 2, strides=[stride] * 2),
        ],
        {"pictures": ("n", 3, side, side)},
        {"maps": ("n", joints, cells, cells)},
        {"colours": COLOURS[None, :joints, :, None, None], "steep": [-12.0], "offset": [1.0]},
        said("posenet", side),
    )
    # Axes are whole numbers.
    model = onnx.load(folder / "posenet.onnx")
    for name, axis in (("axis", 1), ("channels", 2)):
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([axis], np.int64), name))
    (folder / "posenet.onnx").write_bytes(model.SerializeToString())


def write_lifting(folder: Path, canonical: Array, left: Array, right: Array, cells: int = 32) -> None:
    """Always the (21, 3) canonical hand, turned by the rotation vector of the side that is told."""
    inputs = {"maps": ("n", len(HAND), cells, cells), "side": ("n", 2)}
    # Every input must be used: the maps by nought.
    unused = [
        node("ReduceMax", ["maps"], "greatest", axes=[1, 2, 3], keepdims=0),
        node("Mul", ["greatest", "nought"], "nothing"),
    ]
    write_network(
        folder / "poseprior.onnx",
        [
            *unused,
            node("MatMul", ["side", "zeros"], "flat"),
            node("Add", ["flat", "points"], "rows"),
            node("Unsqueeze", ["nothing", "axis"], "column"),
            node("Add", ["rows", "column"], "all"),
            node("Reshape", ["all", "shape"], "canonical"),
        ],
        inputs,
        {"canonical": ("n", len(HAND), 3)},
        {"nought": [0.0], "zeros": np.zeros((2, 63)), "points": canonical.reshape(1, 63)},
        said("poseprior", cells, root="palm"),
    )
    write_network(
        folder / "viewpoint.onnx",
        [
            *unused,
            node("MatMul", ["side", "vectors"], "rows"),
            node("Unsqueeze", ["nothing", "axis"], "column"),
            node("Add", ["rows", "column"], "rotation"),
        ],
        inputs,
        {"rotation": ("n", 3)},
        {"nought": [0.0], "vectors": np.stack([left, right])},
        said("viewpoint", cells),
    )
    for name in ("poseprior", "viewpoint"):
        model = onnx.load(folder / f"{name}.onnx")
        whole = {"axis": [1], "shape": [-1, len(HAND), 3]}
        used = {entry for one in model.graph.node for entry in one.input}
        for key, value in whole.items():
            if key in used:
                model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(value, np.int64), key))
        (folder / f"{name}.onnx").write_bytes(model.SerializeToString())
