"""``hands.npz``: the fitted hands of a session.

A NumPy archive without pickled objects. ``metadata`` is a JSON text that says what it holds; ``frames`` and
``times_s`` are the session's timeline; every track has its arrays as ``<track>.<array>``, those of
:class:`~handloom.session.fitted_hand.FittedHand`. Vertices are not kept: the model gives them on demand.
"""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handloom.errors import SessionError
from handloom.hand import HAND_TREE, HandModel
from handloom.hand.limits import ANGLES
from handloom.keypoints import Array, Track
from handloom.session.files import explained, whole_file
from handloom.session.fitted_hand import FitFlag, FittedHand, load_identified, model_identity, same_model
from handloom.session.layout import package_version
from handloom.skeleton import HAND

SCHEMA_VERSION = 1

_ARRAYS = (
    "shape", "angles", "T_world_wrist", "keypoint_error", "reprojection_px", "sigma", "limit_excess", "flags",
    "views_used",
)  # fmt: skip
_WHOLE = {"flags", "views_used"}
_DAMAGED_REMEDY = "Run handloom fit again."


def write_hands(
    path: str | Path, hands: Sequence[FittedHand], frames: NDArray[np.int64], times_s: Array, unit: str
) -> None:
    """Write fitted hands, in one piece or not at all.

    Args:
        path: usually ``hands.npz`` in the session's folder.
        hands: of T frames each, no track twice.
        frames: (T,) frame numbers of the session.
        times_s: (T,) seconds.
        unit: of the rig.

    Raises:
        SessionError: if the file system refuses or a model cannot be recognised again.
        ValueError: if a hand has another number of frames or a track comes twice.
    """
    path = Path(path)
    names = [hand.track.name for hand in hands]
    if len(set(names)) < len(names):
        raise ValueError(f"a track comes twice in {names}")
    arrays: dict[str, NDArray[Any]] = {"frames": np.asarray(frames), "times_s": np.asarray(times_s)}
    described = {}
    for hand in hands:
        if len(hand) != len(frames):
            raise ValueError(f"{hand.track.name} has {len(hand)} frames, the session {len(frames)}")
        described[hand.track.name] = {
            "subject": hand.track.subject,
            "side": hand.track.side,
            "model": model_identity(hand.model),
            "model_file": hand.model.metadata.get("file"),
            "scale": hand.scale,
            "notes": hand.notes,
        }
        for name in _ARRAYS:
            arrays[f"{hand.track.name}.{name}"] = getattr(hand, name)
    metadata = {
        "schema": SCHEMA_VERSION,
        "handloom": package_version("handloom"),
        "unit": unit,
        "frame": "world",
        "joints": HAND_TREE.articulated,
        "angles": ANGLES,
        "keypoints": HAND.joints,
        "flags": {str(flag.name).lower(): int(flag) for flag in FitFlag},
        "hands": described,
    }
    with whole_file(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, metadata=np.array(json.dumps(metadata)), **arrays)


def read_hands(
    path: str | Path, frames: NDArray[np.int64] | None = None, *, models: Sequence[HandModel] = ()
) -> dict[Track, FittedHand]:
    """Read fitted hands back.

    Args:
        path: a ``hands.npz``.
        frames: (T,) frame numbers that the file must agree with.
        models: hand models that the file may ask for beside the open hand. MANO's files are otherwise
            looked for where the environment variable ``MANO_DIR`` points, or where they were at the fit.

    Raises:
        SessionError: if the file is missing, damaged, of a newer handloom or of another session, or if it
            needs a model that is not at hand.
    """
    path = Path(path)
    metadata, arrays = _read(path)
    if metadata.get("schema") != SCHEMA_VERSION:
        raise SessionError(
            f"{path} says schema {metadata.get('schema')}; this handloom reads schema {SCHEMA_VERSION}.",
            "Update handloom, or run handloom fit again.",
        )
    try:
        if frames is not None and not np.array_equal(arrays["frames"], frames):
            raise SessionError(f"{path} was fitted to other frames than the session's.", _DAMAGED_REMEDY)
        return {
            hand.track: hand
            for hand in (
                _hand(name, described, arrays, models) for name, described in metadata["hands"].items()
            )
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SessionError(f"{path} is damaged: {error}.", _DAMAGED_REMEDY) from error


def _read(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    with explained(path):
        if not path.is_file():
            raise SessionError(f"There is no {path}.", "Fit the hands first: handloom fit.")
        try:
            with np.load(path, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
            metadata = json.loads(str(arrays.pop("metadata")))
            if not isinstance(metadata, dict):
                raise ValueError("its metadata are no table")
        except PermissionError:
            raise
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
            raise SessionError(f"{path} is damaged: {error}.", _DAMAGED_REMEDY) from error
    return metadata, arrays


def _hand(
    name: str,
    described: Mapping[str, Any],
    arrays: Mapping[str, NDArray[Any]],
    models: Sequence[HandModel],
) -> FittedHand:
    track = Track(int(described["subject"]), "hand", str(described["side"]))
    values: dict[str, Any] = {
        key: arrays[f"{name}.{key}"].astype(np.uint8 if key in _WHOLE else np.float64, casting="same_kind")
        for key in _ARRAYS
    }
    return FittedHand(
        track=track,
        model=_model(described["model"], described.get("model_file"), models),
        scale=float(described["scale"]),
        notes=dict(described["notes"]),
        **values,
    )


def _model(identity: Mapping[str, Any], file: Any, models: Sequence[HandModel]) -> HandModel:
    wanted = dict(identity)
    for model in models:
        if same_model(model, wanted):
            return model
    place = os.environ.get("MANO_DIR")
    if not place and isinstance(file, str) and Path(file).exists():
        place = file
    if wanted.get("name") == "MANO" and place:
        from handloom.hand.mano import load_mano

        model = load_mano(
            place, wanted["side"], tips=wanted["tips"], flat_hand_mean=bool(wanted["flat_hand_mean"])
        )
        if same_model(model, wanted):
            return model
        raise SessionError(
            f"The MANO file in {place} is not the one the hands were fitted with.",
            "Point MANO_DIR to that one, or run handloom fit again.",
        )
    return load_identified(wanted)
