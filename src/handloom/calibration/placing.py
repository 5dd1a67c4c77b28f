"""The world that was asked for in words: ``first-camera``, a camera's name, ``board:12.5s``, ``floor``."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from handloom.calibration.world import (
    World,
    at_board,
    at_camera,
    at_first_camera,
    on_floor,
    scale_by_distance,
)
from handloom.cameras import CameraRig
from handloom.errors import CalibrationError

Array = NDArray[np.float64]

FIRST_CAMERA = "first-camera"
_BOARD = re.compile(
    r"(?P<where>board|floor)(?::(?:(?P<seconds>[0-9]+(?:\.[0-9]*)?)\s*s|(?P<moment>[0-9]+)))?"
)


def placed(
    rig: CameraRig,
    T_world_board: Array,
    times_s: Array,
    world: str = FIRST_CAMERA,
    distances_m: Mapping[tuple[str, str], float] | None = None,
) -> World:
    """Rig and boards in the world asked for.

    Args:
        rig: the cameras.
        T_world_board: (T, 4, 4) the board at every moment.
        times_s: (T,) when that was.
        world: ``"first-camera"``; the name of a camera; ``"board"`` for the board's own frame, or ``"floor"``
            for the floor that the board lies on with z up, at the first moment, at a moment's number
            (``"floor:250"``) or at a time (``"floor:12.5s"``).
        distances_m: measured distances between two cameras; the world is scaled to fit them best.

    Raises:
        CalibrationError: if the words cannot be understood or name a moment without the board.
        RigError: if they name a camera that is not in the rig.
    """
    if distances_m:
        rig, T_world_board = _scaled(rig, T_world_board, distances_m)
    if world == FIRST_CAMERA:
        return at_first_camera(rig, T_world_board)
    match = _BOARD.fullmatch(world)
    if match and world not in rig.names:
        frame = at_board if match["where"] == "board" else on_floor
        return frame(rig, T_world_board, _moment(match, T_world_board, times_s))
    if world in rig.names:
        return at_camera(rig, T_world_board, world)
    raise CalibrationError(
        f"The world {world!r} is neither {FIRST_CAMERA}, board or floor, nor one of the cameras "
        f"{', '.join(rig.names)}.",
        "Write for example floor:12.5s for the floor on which the board lies after 12.5 seconds.",
    )


def _moment(match: re.Match[str], T_world_board: Array, times_s: Array) -> int:
    if match["moment"] is not None:
        moment = int(match["moment"])
        if moment >= len(times_s):
            raise CalibrationError(
                f"There is no moment {moment}: the recording has {len(times_s)}, from 0.",
                "Choose a moment, or a time in seconds such as 12.5s.",
            )
        return moment
    known = np.flatnonzero(np.isfinite(T_world_board).all(axis=(1, 2)))
    if match["seconds"] is None:
        return int(known[0]) if len(known) else 0
    timed = known[np.isfinite(times_s[known])]
    if not len(timed):
        raise CalibrationError(
            "The pictures of the board have no time.",
            f"Give a number: {match['where']}:0 is the first moment.",
        )
    return int(timed[np.argmin(np.abs(times_s[timed] - float(match["seconds"])))])


def _scaled(rig: CameraRig, T_world_board: Array, distances_m: Mapping[tuple[str, str], float]) -> World:
    """By one distance, or by the median of what several ask for."""
    factors = sorted(
        (metres / max(float(np.linalg.norm(rig[a].center - rig[b].center)), 1e-300), a, b, metres)
        for (a, b), metres in distances_m.items()
    )
    _, a, b, metres = factors[len(factors) // 2]
    return scale_by_distance(rig, T_world_board, a, b, metres)
