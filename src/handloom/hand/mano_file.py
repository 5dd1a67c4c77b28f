"""The contents of a MANO file, checked, with the known fault of the left hand's shape space mended."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handloom.errors import ModelError
from handloom.hand.anatomy import side_of
from handloom.hand.restricted_pickle import read_model_pickle
from handloom.hand.tree import HAND_TREE

Array = NDArray[np.float64]

MANO_JOINTS = (
    "wrist",
    *(f"{f}_{s}" for f in ("index", "middle", "little", "ring") for s in ("mcp", "pip", "dip")),
    *(f"thumb_{s}" for s in ("cmc", "mcp", "ip")),
)
"""The joints of MANO in the order of its file (Romero et al. 2017), by the names of ``HAND_TREE``."""

MANO_PARENTS = tuple(
    -1 if parent < 0 else MANO_JOINTS.index(HAND_TREE.joints[parent])
    for parent in (HAND_TREE.parents[HAND_TREE.index(joint)] for joint in MANO_JOINTS)
)

FROM_MANO = [MANO_JOINTS.index(joint) for joint in HAND_TREE.joints]
"""Where each joint of ``HAND_TREE`` stands in MANO's order."""

_FOLDERS = ("", "models", "mano", "mano_v1_2/models", "models/mano")
_GET_IT = "MANO's files are MANO_RIGHT.pkl and MANO_LEFT.pkl of its download (mano_v1_2.zip, folder models)."


@dataclass(frozen=True, eq=False)
class ManoFile:
    """One hand as the file has it: MANO's own frame, joint order and units (metres).

    Attributes:
        side: ``"left"`` or ``"right"``.
        template: (V, 3).
        faces: (F, 3).
        shape_directions: (V, 3, B), the left hand's mended.
        pose_directions: (V, 3, 135).
        joint_regressor: (16, V).
        weights: (V, 16).
        hands_mean: (45,) mean pose, axis-angle, counted from the flat hand.
        hands_components: (45, 45) principal components of pose, one per row.
        hands_coefficients: (N, 45) poses of the scans in these components; None where the file has none.
        sha256: of the file.
    """

    side: str
    template: Array
    faces: NDArray[np.int64]
    shape_directions: Array
    pose_directions: Array
    joint_regressor: Array
    weights: Array
    hands_mean: Array
    hands_components: Array
    hands_coefficients: Array | None
    sha256: str


def find_mano_file(path: str | Path, side: str) -> Path:
    """The file of one side: ``path`` itself, or in the folder ``path``.

    Raises:
        ModelError: if there is none.
    """
    path = Path(path).expanduser()
    if not path.is_dir():
        if path.exists():
            return path
        raise ModelError(f"There is no {path}.", _GET_IT)
    name = f"MANO_{side.upper()}.pkl"
    for folder in _FOLDERS:
        if (path / folder / name).is_file():
            return path / folder / name
    raise ModelError(f"{path} holds no {name}.", _GET_IT)


def read_mano_file(path: str | Path, side: str) -> ManoFile:
    """Read and check one hand.

    Args:
        path: the file, or a folder that holds it.
        side: ``"left"`` or ``"right"``.

    Raises:
        ModelError: if there is no such file, it is no MANO model, is damaged, or is the other hand.
    """
    if side not in ("left", "right"):
        raise ValueError(f"side must be 'left' or 'right', got {side!r}")
    file = find_mano_file(path, side)
    hand = _checked(file, side)
    if side == "right":
        return hand
    other = file.with_name(file.name.replace("LEFT", "RIGHT").replace("left", "right"))
    right = _checked(other, "right") if other != file and other.is_file() else None
    return mended(hand, right)


def mended(left: ManoFile, right: ManoFile | None) -> ManoFile:
    """The left hand with the x part of its shape space the right way round; a second time nothing changes.

    In the left file as distributed that part has the sign of the right hand's, so that fingers get shorter
    where they get thicker (issue 48 of smplx). Beside the right hand that is seen at once; alone, the first
    component tells, which is mostly size: x must grow with y and z.
    """
    if right is not None and right.shape_directions.shape == left.shape_directions.shape:
        ours, theirs = left.shape_directions[:, 0], right.shape_directions[:, 0]
        faulty = bool(np.abs(ours - theirs).sum() < np.abs(ours + theirs).sum())
    else:
        size = left.shape_directions[..., 0]
        arm = left.template - left.joint_regressor[0] @ left.template
        x, y, z = ((size - left.joint_regressor[0] @ size) * arm).sum(axis=0)
        faulty = bool(x * (y + z) < 0)
    if not faulty:
        return left
    return replace(left, shape_directions=left.shape_directions * np.array([-1.0, 1.0, 1.0])[:, None])


def _checked(path: Path, side: str) -> ManoFile:
    content = read_model_pickle(path)
    needed = (
        "v_template", "f", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table", "hands_mean",
        "hands_components",
    )  # fmt: skip
    if missing := [key for key in needed if key not in content]:
        raise ModelError(f"{path} is no MANO model: it lacks {', '.join(missing)}.", _GET_IT)

    def array(key: str, *shape: int) -> NDArray[Any]:
        value = content[key]
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "iuf":
            raise ModelError(f"{path} is no MANO model: {key} is not an array of numbers.", _GET_IT)
        fits = value.ndim == len(shape) and all(
            want in (-1, n) for want, n in zip(shape, value.shape, strict=True)
        )
        if not fits:
            want = " × ".join("any" if n < 0 else str(n) for n in shape)
            raise ModelError(
                f"{path} is no MANO model: {key} is {' × '.join(map(str, value.shape))}, not {want}.", _GET_IT
            )
        if not np.isfinite(value).all():
            raise ModelError(f"{path} is damaged: {key} holds values that are not finite.", _GET_IT)
        return value

    template = array("v_template", -1, 3).astype(np.float64)
    V, K = len(template), len(MANO_JOINTS)
    table = array("kintree_table", 2, -1).astype(np.int64)
    if table.shape[1] != K:
        raise ModelError(f"{path} has {table.shape[1]} joints; a MANO hand has {K}.", _GET_IT)
    if table[1].tolist() != list(range(K)) or table[0, 1:].tolist() != list(MANO_PARENTS[1:]):
        raise ModelError(f"{path} is no MANO model: its joints hang together in another way.", _GET_IT)
    weights = array("weights", V, K).astype(np.float64)
    if weights.min() < -1e-6 or np.abs(weights.sum(axis=1) - 1.0).max() > 1e-4:
        raise ModelError(f"{path} is damaged: its skinning weights do not sum to one.", _GET_IT)
    faces = array("f", -1, 3).astype(np.int64)
    if faces.min(initial=0) < 0 or faces.max(initial=0) >= V:
        raise ModelError(f"{path} is damaged: its faces name vertices beyond the {V} it has.", _GET_IT)
    hand = ManoFile(
        side=side,
        template=template,
        faces=faces,
        shape_directions=array("shapedirs", V, 3, -1).astype(np.float64),
        pose_directions=array("posedirs", V, 3, 9 * (K - 1)).astype(np.float64),
        joint_regressor=array("J_regressor", K, V).astype(np.float64),
        weights=weights,
        hands_mean=array("hands_mean", 3 * (K - 1)).astype(np.float64),
        hands_components=array("hands_components", 3 * (K - 1), 3 * (K - 1)).astype(np.float64),
        hands_coefficients=(
            array("hands_coeffs", -1, 3 * (K - 1)).astype(np.float64) if "hands_coeffs" in content else None
        ),
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
    )
    _check_hand(hand, path)
    return hand


def _check_hand(hand: ManoFile, path: Path) -> None:
    joints = (hand.joint_regressor @ hand.template)[FROM_MANO]
    palm = float(np.linalg.norm(joints[HAND_TREE.index("middle_mcp")] - joints[0]))
    if not 0.04 < palm < 0.25:
        raise ModelError(
            f"{path} is no hand in metres: from wrist to middle knuckle it has {palm:.3g} m.", _GET_IT
        )
    if (found := side_of(joints)) != hand.side:
        raise ModelError(
            f"{path} is a {found} hand, and the {hand.side} one was asked for.",
            f"Give MANO_{hand.side.upper()}.pkl, or the folder that holds both.",
        )
