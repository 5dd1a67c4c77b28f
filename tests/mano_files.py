"""Files of MANO's schema with the open hand in them, written as Python 2 and chumpy wrote the real ones."""

from __future__ import annotations

import io
import pickle
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from scipy.sparse import csc_matrix

from handloom.hand import HAND_TREE, load_open_hand
from handloom.hand.mano import TIP_TABLES
from handloom.hand.mano_file import MANO_JOINTS, MANO_PARENTS
from handloom.skeleton import FINGERS, HAND

R_MANO_HAND = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])
"""MANO's right hand: fingers to −x, palm to −y, thumb to +z."""
WRIST = np.array([0.0957, 0.0064, 0.0062])
_TO_MANO = [HAND_TREE.index(joint) for joint in MANO_JOINTS]


def mano_content(side: str, *, vertices: int | None = None, faulty_left: bool = True) -> dict[str, Any]:
    """The dictionary of one hand.

    Args:
        side: ``"left"`` or ``"right"``.
        vertices: how many; all of the open hand's without. With 778, the tips of the table "smplx" are tips.
        faulty_left: whether the left hand's shape space has the sign fault of the file as distributed.
    """
    hand = load_open_hand("right")
    rng = np.random.default_rng(11)
    chosen = np.arange(len(hand.template)) if vertices is None else _some_vertices(vertices)
    template = hand.template[chosen] @ R_MANO_HAND.T + WRIST
    V = len(template)
    shapes = np.einsum("ij,vjb->vib", R_MANO_HAND, hand.shape_directions[chosen][..., :10])
    # A wrist that moves with shape: what makes the pivot of the global rotation matter.
    shapes = shapes + rng.normal(0.0, 0.002, (3, 10))
    joints = hand.rest_joints[_TO_MANO] @ R_MANO_HAND.T + WRIST
    faces = hand.faces if vertices is None else rng.permuted(np.tile(np.arange(V), (1538, 1)), axis=1)[:, :3]
    posedirs = rng.normal(0.0, 0.001, (V, 3, 135)) * (hand.weights[chosen].max(axis=1) < 0.9)[:, None, None]
    mean = np.zeros((15, 3))
    for k, joint in enumerate(MANO_JOINTS[1:]):
        axis = hand.axes[HAND_TREE.articulated.index(joint), 0] @ R_MANO_HAND.T
        mean[k] = 0.4 * axis + rng.normal(0.0, 0.05, 3)
    components = np.linalg.qr(rng.normal(size=(45, 45)))[0]
    if side == "left":
        mirror = np.array([-1.0, 1.0, 1.0])
        entries = np.tile(np.outer(mirror, mirror).ravel(), 15)
        template, joints = template * mirror, joints * mirror
        shapes = shapes if faulty_left else shapes * mirror[:, None]
        posedirs = posedirs * mirror[:, None] * entries
        faces, mean = faces[:, ::-1], mean * [1.0, -1.0, -1.0]
        components = components * np.tile([1.0, -1.0, -1.0], 15)
    weights = hand.weights[chosen][:, _TO_MANO]
    return {
        "v_template": template,
        "f": faces.astype(np.uint32),
        "shapedirs": shapes,
        "posedirs": posedirs,
        "J_regressor": csc_matrix(_regressor(template, joints)),
        "J": joints,
        "weights": weights / weights.sum(axis=1, keepdims=True),
        "kintree_table": np.array([[4294967295, *MANO_PARENTS[1:]], range(16)], dtype=np.int64),
        "hands_components": components,
        "hands_mean": mean.ravel(),
        "hands_coeffs": rng.normal(size=(30, 45)),
        "bs_style": "lbs",
        "bs_type": "lrotmin",
    }


def open_tips(side: str = "right") -> dict[str, int]:
    """A vertex for every finger tip of a file that has all vertices of the open hand."""
    hand = load_open_hand(side)
    tips = hand.rest_keypoints[HAND.indices(f"{finger}_tip" for finger in FINGERS)]
    distance = np.linalg.norm(hand.template[None] - tips[:, None], axis=-1)
    return {finger: int(v) for finger, v in zip(FINGERS, distance.argmin(axis=1), strict=True)}


def write_mano(path: Path, content: dict[str, Any], *, lazy: bool = True) -> Path:
    """Write a dictionary as a Python 2 pickle of protocol 2; ``lazy`` arrays are objects of chumpy."""
    with _chumpy() as (Ch, Select):
        if lazy:
            content = dict(content)
            shapes = content["shapedirs"]
            content["v_template"] = Ch(x=content["v_template"], _dirty_vars=set())
            content["weights"] = Ch(x=content["weights"])
            twice = np.arange(2 * shapes.size).reshape(*shapes.shape[:2], -1)
            content["shapedirs"] = Select(
                a=Ch(x=np.concatenate([shapes, shapes], axis=-1)),
                idxs=twice[..., : shapes.shape[-1]].ravel(),
                preferred_shape=shapes.shape,
            )
        path.write_bytes(python2_pickle(content))
    return path


def python2_pickle(value: Any) -> bytes:
    """A pickle of protocol 2 as Python 2 wrote it: byte strings, and the module names of its day."""
    file = io.BytesIO()
    _Python2Pickler(file, 2).dump(value)
    return file.getvalue()


class _Python2Pickler(pickle._Pickler):
    dispatch = dict(pickle._Pickler.dispatch)  # noqa: RUF012

    def _save_string(self, value: str | bytes) -> None:
        raw = value.encode("latin1") if isinstance(value, str) else value
        self.write(pickle.BINSTRING + struct.pack("<i", len(raw)) + raw)
        self.memoize(value)

    dispatch[str] = _save_string
    dispatch[bytes] = _save_string

    def save_global(self, obj: Any, name: str | None = None) -> None:
        module, name = obj.__module__, name or obj.__qualname__
        for new, old in (("numpy._core", "numpy.core"), ("scipy.sparse._csc", "scipy.sparse.csc"),
                         ("builtins", "__builtin__")):  # fmt: skip
            module = module.replace(new, old)
        self.write(pickle.GLOBAL + f"{module}\n{name}\n".encode())
        self.memoize(obj)

    dispatch[type] = save_global
    dispatch[type(open_tips)] = save_global


@contextmanager
def _chumpy() -> Iterator[tuple[type, type]]:
    """Classes under chumpy's names, importable while a file is written and gone afterwards."""

    def init(self: Any, **state: Any) -> None:
        self.__dict__.update(state)

    names = {"chumpy.ch": "Ch", "chumpy.reordering": "Select"}
    classes = [type(name, (), {"__module__": module, "__init__": init}) for module, name in names.items()]
    modules = {"chumpy": ModuleType("chumpy")} | {module: ModuleType(module) for module in names}
    for (module, name), kind in zip(names.items(), classes, strict=True):
        setattr(modules[module], name, kind)
    sys.modules.update(modules)
    try:
        yield classes[0], classes[1]
    finally:
        for module in modules:
            del sys.modules[module]


def _some_vertices(count: int) -> np.ndarray:
    """Vertices of the open hand, chosen so that the tips of the table "smplx" are at the tips."""
    tips = open_tips()
    rest = np.random.default_rng(5).permutation(
        [v for v in range(len(load_open_hand().template)) if v not in tips.values()]
    )[: count - len(FINGERS)]
    chosen = list(rest)
    for at, finger in sorted(zip(TIP_TABLES["smplx"]["right"], FINGERS, strict=True)):
        chosen.insert(at, tips[finger])
    return np.array(chosen)


def _regressor(template: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """(16, V) rows that sum to one and give the joints, of vertices close by."""
    rows = np.zeros((len(joints), len(template)))
    for row, joint in zip(rows, joints, strict=True):
        near = np.argsort(np.linalg.norm(template - joint, axis=1))[:40]
        wanted = np.array([1.0, *joint])
        system = np.vstack([np.ones(len(near)), template[near].T])
        row[near] = np.linalg.lstsq(system, wanted, rcond=None)[0]
    return rows
