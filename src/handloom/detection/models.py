"""The networks handloom runs: which files they are, and where.

They come out of the ``mediapipe`` wheel (Apache-2.0), which is not installed for it: see
:mod:`handloom.assets`.
"""

from __future__ import annotations

from pathlib import Path

from handloom.assets import Archive, Asset, fetch, obtain
from handloom.errors import ModelError

_MEDIAPIPE = Archive(
    "mediapipe==0.10.21",
    sha256="05dc4a9e593655a79558d05d6227d31018c2537a4bd3362b51e230cf22aecfe3",
    platform="manylinux_2_28_x86_64",
    python="3.11",
)


def _network(name: str, sha256: str, module: str = "") -> Asset:
    file = f"{name}.tflite"
    return Asset(_MEDIAPIPE, f"mediapipe/modules/{module or name}/{file}", file, sha256)


MODELS: dict[str, Asset] = {
    "palm_detection_full": _network(
        "palm_detection_full",
        "1b14e9422c6ad006cde6581a46c8b90dd573c07ab7f3934b5589e7cea3f89a54",
        module="palm_detection",
    ),
    "palm_detection_lite": _network(
        "palm_detection_lite",
        "e9a4aaddf90dda56a87235303cf00e4c2d3fb28725f68fd88772997dac905c18",
        module="palm_detection",
    ),
    "hand_landmark_full": _network(
        "hand_landmark_full",
        "11c272b891e1a99ab034208e23937a8008388cf11ed2a9d776ed3d01d0ba00e3",
        module="hand_landmark",
    ),
    "hand_landmark_lite": _network(
        "hand_landmark_lite",
        "048edd3645c9bf7397d19a9f6e3a42957d6e414c9bea6598030a2e9b624156e6",
        module="hand_landmark",
    ),
    "pose_detection": _network(
        "pose_detection", "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c"
    ),
    "pose_landmark_full": _network(
        "pose_landmark_full",
        "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
        module="pose_landmark",
    ),
}


def model_path(name: str) -> Path:
    """Path of a network's verified ``.tflite`` file; the first call on a computer fetches all of them.

    Raises:
        ModelError: for a name that is none of ``MODELS``, a file that fails its hash, or a failed fetch.
    """
    if name not in MODELS:
        raise ModelError(f"There is no network {name!r}.", f"Known are {', '.join(MODELS)}.")
    asset = MODELS[name]
    if asset.state == "missing":
        fetch([other for other in MODELS.values() if other.state == "missing"])
    return obtain([asset])[0]


def fetch_models(wheel: Path | None = None) -> None:
    """Fetch all networks, replacing files that are there.

    Args:
        wheel: the mediapipe wheel, if it is on this computer already.

    Raises:
        ModelError: if they cannot be fetched.
    """
    fetch(list(MODELS.values()), wheel)
