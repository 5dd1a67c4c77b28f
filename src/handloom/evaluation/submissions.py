"""Files of predictions: FreiHAND's and HO-3D's submissions, and our own.

InterHand2.6M has no submission file: its evaluation runs inside the training code. Our own file serves it.

==========  =============================================================================================
format      content
==========  =============================================================================================
freihand    ``pred.json`` or a zip with it: ``[xyz, verts]``, one (21, 3) and one (778, 3) list for each
            sample in the data set's order; metres, camera's axes, base→tip. No sides, no keys.
ho3d        the same, in OpenGL axes (y and z negated) and MANO's order with the tips at the end.
handloom    ``.npz`` without pickles, see :func:`write_predictions`.
==========  =============================================================================================
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from handloom.datasets.orders import ORDERS, JointOrder
from handloom.errors import DataSetError
from handloom.evaluation.hands import Hands, J
from handloom.session.files import whole_file
from handloom.skeleton import HAND

Array = NDArray[np.float64]

MEMBER = "pred.json"
VERSION = 1
_MANO_VERTICES = 778
_OPENGL = np.array([1.0, -1.0, -1.0])
_METRES = {"m": 1.0, "cm": 0.01, "mm": 0.001}


@dataclass(frozen=True)
class Submission:
    """How a data set's submission is written.

    Attributes:
        name: ``"freihand"`` or ``"ho3d"``.
        order: of the joints.
        axes: (3,) factors that take the file's axes into OpenCV's.
    """

    name: str
    order: JointOrder
    axes: tuple[float, float, float]


SUBMISSIONS = {
    "freihand": Submission("freihand", ORDERS["freihand"], (1.0, 1.0, 1.0)),
    "ho3d": Submission("ho3d", ORDERS["ho3d"], (1.0, -1.0, -1.0)),
}
FORMATS = (*SUBMISSIONS, "handloom")


def read(path: str | Path, keys: Sequence[str], layout: str = "freihand") -> Hands:
    """Predictions from a file of any known format: ``.npz`` is ours, all else a submission.

    Args:
        path: of the file.
        keys: of the data set's hands, in order, which submissions go by.
        layout: of a submission.

    Raises:
        DataSetError: if it cannot be read, is malformed, or does not fit the data set.
    """
    path = Path(path)
    if path.suffix.lower() == ".npz":
        return read_predictions(path)
    return read_submission(path, keys, layout)


def read_submission(path: str | Path, keys: Sequence[str], layout: str) -> Hands:
    """Predictions from ``pred.json`` or a zip with it.

    Args:
        path: of the file.
        keys: of the samples, in the submission's order; one hand each.
        layout: one of :data:`SUBMISSIONS`.

    Returns:
        One row a key, sides unknown; lists of zeros stay zeros: they are the file's word for "nothing".

    Raises:
        DataSetError: if it cannot be read, is malformed, or has another number of hands.
    """
    path = Path(path)
    if layout not in SUBMISSIONS:
        raise DataSetError(
            f"{path.name} is a submission, and {layout!r} has none.",
            f"Submissions are known of {', '.join(SUBMISSIONS)}; write our own .npz for everything else.",
        )
    form, content = SUBMISSIONS[layout], _json(path)
    remedy = "A submission is [xyz, verts]: for every sample a list of 21 joints and one of the vertices."
    if not isinstance(content, list) or len(content) not in (1, 2):
        raise DataSetError(f"{path} is not a list of joints and vertices.", remedy)
    xyz = _points(content[0], f"{path}, joints", remedy)
    if xyz is None or xyz.shape[1] != J:
        raise DataSetError(f"{path} does not give 21 joints for every hand.", remedy)
    if len(xyz) != len(keys):
        raise DataSetError(
            f"{path} has {len(xyz)} hands, the data set {len(keys)}.",
            "Predict the split that is evaluated, one hand for each sample in its order.",
        )
    vertices = _points(content[1], f"{path}, vertices", remedy) if len(content) > 1 else None
    if vertices is not None and len(vertices) != len(xyz):
        raise DataSetError(f"{path} has {len(xyz)} hands but {len(vertices)} meshes.", remedy)
    axes = np.array(form.axes)
    return Hands(
        tuple(keys),
        ("unknown",) * len(keys),
        np.asarray(form.order.to_hand(xyz * axes), np.float64),
        np.full((len(keys), J, 2), np.nan),
        np.ones((len(keys), J), bool),
        None if vertices is None else vertices * axes,
    )


def write_submission(hands: Hands, path: str | Path, layout: str, keys: Sequence[str] | None = None) -> Path:
    """Write ``pred.json``, or a zip with it where the name ends so.

    Args:
        hands: at most one for each key; a key without one gets zeros, as the evaluations expect.
        path: of the file.
        layout: one of :data:`SUBMISSIONS`.
        keys: of all samples, in the data set's order; those of the hands without.

    Raises:
        DataSetError: if a sample has several hands.
        SessionError: if it cannot be written.
    """
    form, path = SUBMISSIONS[layout], Path(path)
    keys = hands.keys if keys is None else keys
    row_of: dict[str, int] = {}
    for row, key in enumerate(hands.keys):
        if key in row_of:
            raise DataSetError(
                f"Sample {key!r} has several predicted hands, a submission holds one.", "Choose one of them."
            )
        row_of[key] = row
    chosen = hands.take([row_of.get(key, -1) for key in keys])
    axes = np.array(form.axes)
    xyz = np.nan_to_num(np.asarray(form.order.from_hand(chosen.xyz), np.float64) * axes) + 0.0
    meshes = np.zeros((len(keys), _MANO_VERTICES, 3)) if chosen.vertices is None else chosen.vertices * axes
    text = json.dumps([xyz.tolist(), (np.nan_to_num(meshes) + 0.0).tolist()])
    with whole_file(path) as temporary:
        if path.suffix.lower() == ".zip":
            with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr(MEMBER, text)
        else:
            temporary.write_text(text, encoding="utf-8")
    return path


def write_predictions(hands: Hands, path: str | Path, about: Mapping[str, str] | None = None) -> Path:
    """Write our own file: an ``.npz`` of plain arrays, N hands in any order and number.

    ``key`` (N,) of the sample; ``side`` (N,) left, right or unknown; ``joints`` (21,) names of the columns of
    ``xyz`` (N, 21, 3) in ``unit`` ("m") and ``axes`` ("opencv") and of ``xy`` (N, 21, 2) pixels of the whole
    picture; optional ``vertices`` (N, V, 3), ``right`` (N,) probability of a right hand; ``root`` ("wrist" or
    "palm"), ``version`` and ``about``, a JSON text of free words. NaN is what was not predicted.

    Raises:
        SessionError: if it cannot be written.
    """
    path = Path(path)
    content: dict[str, ArrayLike] = {
        "version": VERSION, "about": json.dumps(dict(about or {})), "unit": "m", "axes": "opencv",
        "root": hands.root, "joints": np.array(HAND.joints), "key": np.array(hands.keys, dtype=str),
        "side": np.array(hands.sides, dtype=str), "xyz": hands.xyz, "xy": hands.xy,
    }  # fmt: skip
    if hands.vertices is not None:
        content["vertices"] = hands.vertices
    if hands.right is not None:
        content["right"] = hands.right
    with whole_file(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **content)  # type: ignore[arg-type]
    return path


def read_predictions(path: str | Path) -> Hands:
    """Predictions from our own file; only ``key`` and one of ``xyz`` and ``xy`` must be there.

    Joints are taken by their names, ``unit`` may be m, cm or mm and ``axes`` opencv or opengl.

    Raises:
        DataSetError: if it cannot be read or is malformed.
    """
    path = Path(path)
    remedy = "See docs/evaluation.md for what the file holds."
    try:
        with np.load(path, allow_pickle=False) as file:
            content = {name: file[name] for name in file.files}
    except OSError as error:
        raise DataSetError(f"{path} cannot be read: {error.strerror or error}.", "Check the path.") from error
    except (ValueError, zipfile.BadZipFile, EOFError) as error:
        raise DataSetError(f"{path} is no file of predictions: {error}.", remedy) from error
    if "key" not in content or not {"xyz", "xy"} & set(content):
        raise DataSetError(f"{path} has no key, or neither xyz nor xy.", remedy)
    keys = tuple(str(key) for key in content["key"])
    joints = [str(name) for name in content.get("joints", np.array(HAND.joints))]
    unit, axes = (str(content.get(name, default)) for name, default in (("unit", "m"), ("axes", "opencv")))
    if set(joints) - {"palm"} - set(HAND.joints) or unit not in _METRES or axes not in ("opencv", "opengl"):
        raise DataSetError(
            f"{path} names joints, a unit ({unit}) or axes ({axes}) that are not known.", remedy
        )
    try:
        factor = _METRES[unit] * (_OPENGL if axes == "opengl" else np.ones(3))
        order = JointOrder(path.name, tuple(joints))
        arrays = {
            "xyz": np.asarray(order.to_hand(content["xyz"]), np.float64) * factor
            if "xyz" in content
            else None,
            "xy": np.asarray(order.to_hand(content["xy"]), np.float64) if "xy" in content else None,
        }
        N = len(keys)
        hands = Hands(
            keys,
            tuple(str(side) for side in content["side"]) if "side" in content else ("unknown",) * N,
            np.full((N, J, 3), np.nan) if arrays["xyz"] is None else arrays["xyz"],
            np.full((N, J, 2), np.nan) if arrays["xy"] is None else arrays["xy"],
            np.ones((N, J), bool),
            content["vertices"].astype(np.float64) * factor if "vertices" in content else None,
            content["right"].astype(np.float64) if "right" in content else None,
            root=order.root if "root" not in content else str(content["root"]),
        )
    except ValueError as error:
        raise DataSetError(f"{path} is malformed: {error}.", remedy) from error
    if set(hands.sides) - {"left", "right", "unknown"} or hands.root not in ("wrist", "palm"):
        raise DataSetError(f"{path} has a side or a root that is not known.", remedy)
    return hands


def _json(path: Path) -> Any:
    try:
        if path.suffix.lower() == ".zip":
            with zipfile.ZipFile(path) as archive:
                names = [name for name in archive.namelist() if name.split("/")[-1] == MEMBER]
                if not names:
                    raise DataSetError(f"{path} holds no {MEMBER}.", f"Zip the file {MEMBER} itself.")
                return json.loads(archive.read(names[0]))
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataSetError(f"{path} cannot be read: {error.strerror or error}.", "Check the path.") from error
    except (ValueError, zipfile.BadZipFile) as error:
        raise DataSetError(f"{path} is no JSON: {error}.", "Write the lists with json.dump.") from error


def _points(values: Any, where: str, remedy: str) -> Array | None:
    """(N, n, 3) of lists of lists; None of an empty list."""
    if isinstance(values, list) and not values:
        return None
    try:
        points = np.array(values, dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise DataSetError(f"{where}: the hands have different numbers of points.", remedy) from error
    if points.ndim != 3 or points.shape[2] != 3:
        raise DataSetError(f"{where} has shape {points.shape}, not (N, n, 3).", remedy)
    return points
