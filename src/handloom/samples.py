"""A real recording to try: four synchronised cameras around a person who walks, with their calibration.

It comes out of the ``pose2sim`` wheel (BSD-3-Clause, by the Pose2Sim team): see :mod:`handloom.assets`.
"""

from __future__ import annotations

from pathlib import Path

from handloom.assets import Archive, Asset, obtain
from handloom.errors import VideoError

_POSE2SIM = Archive(
    "pose2sim==0.10.49",
    sha256="403e0dc4065898ba6a595e72a8970950310979253d60e24c2e00b16b36bf21e1",
    python="3.11",
    error=VideoError,
)
_DEMO = "Pose2Sim/Demo_SinglePerson"

WALK: tuple[Asset, ...] = (
    Asset(
        _POSE2SIM,
        f"{_DEMO}/videos/cam01.mp4",
        "walk/cam01.mp4",
        "cf4f2816c86bea4bfbea255333d8626ff32a3ecabdab8b0fb147cea9167fde3a",
    ),
    Asset(
        _POSE2SIM,
        f"{_DEMO}/videos/cam02.mp4",
        "walk/cam02.mp4",
        "94ff87cf978b8406e8aa36ab3c5362e72848994e87652f0dc7a33c315e8e0442",
    ),
    Asset(
        _POSE2SIM,
        f"{_DEMO}/videos/cam03.mp4",
        "walk/cam03.mp4",
        "b8b329f832f178f27ecb78d024d5026b96c6adb36c387bfe2c0af85eab8a11ca",
    ),
    Asset(
        _POSE2SIM,
        f"{_DEMO}/videos/cam04.mp4",
        "walk/cam04.mp4",
        "b5c0e7863fd70d008e7178d3c556b045b0ea5f78fcd61ca548a0b2e807e641f7",
    ),
    Asset(
        _POSE2SIM,
        f"{_DEMO}/calibration/Calib.qca.txt",
        "walk/Calib.qca.txt",
        "fd90e4bbae3278ef1dc0cdd42a34ee06bf88286f628a02c00a29407aa39e34c5",
    ),
    Asset(
        _POSE2SIM,
        "pose2sim-0.10.49.dist-info/licenses/LICENSE",
        "walk/LICENSE",
        "7f8a9ede713463b96d261a39c3ec404748c8e4f528c795e5f8cb18898ed944cf",
    ),
)


def real_walk() -> Path:
    """Folder with ``cam01.mp4`` to ``cam04.mp4`` (60 Hz, 100 pictures) and ``Calib.qca.txt``, in metres.

    The first call on a computer fetches it.

    Raises:
        VideoError: if it cannot be fetched or a file fails its hash.
    """
    return obtain(WALK)[0].parent
