"""The loop of a live session: newest pictures in, hands out, until the cameras end or the user says so."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from handloom.live.hands import HandNow, LiveHands
from handloom.live.keeping import Keeper
from handloom.live.pictures import Instant, LivePictures


class Shown(Protocol):
    """Whoever wants to see every frame at once."""

    def __call__(self, instant: Instant, hands: Sequence[HandNow]) -> None:
        """One frame; must not take long, for the next one waits."""


@dataclass(frozen=True, eq=False)
class LiveSummary:
    """How fast it was.

    Attributes:
        frames: how many were computed.
        skipped: pictures that arrived while a frame was computed, of the busiest view.
        with_hands: frames with at least one fitted hand.
        computing_ms: (N,) from the pictures to the fitted hands.
        delay_ms: (N,) from a picture's arrival to the fitted hands, waiting for the other views included.
    """

    frames: int
    skipped: int
    with_hands: int
    computing_ms: NDArray[np.float64]
    delay_ms: NDArray[np.float64]


def run_live(
    pictures: LivePictures, hands: LiveHands, *, keeper: Keeper | None = None, show: Shown | None = None
) -> LiveSummary:
    """Follow hands until the pictures end.

    Args:
        pictures: entered already; its ``stop`` ends the loop after the frame at hand.
        hands: what follows them.
        keeper: keeps every frame; it is not finished here.
        show: sees every frame.

    Raises:
        SessionError: if the keeper's disk refuses.
    """
    computing, delay, with_hands, before_s = [], [], 0, 0.0
    for instant in pictures:
        begin = time.monotonic()
        periods = max(1, round((instant.time_s - before_s) * pictures.fps))
        before_s = instant.time_s
        found = hands.step([None if frame is None else frame.image for frame in instant.frames], periods)
        end = time.monotonic()
        computing.append(1e3 * (end - begin))
        delay.append(1e3 * (end - instant.arrived_s))
        with_hands += any(hand.fit is not None for hand in found)
        if keeper is not None:
            keeper.add(instant, found)
        if show is not None:
            show(instant, found)
    return LiveSummary(
        len(computing),
        max(0, pictures.arrived - len(computing)),
        with_hands,
        np.array(computing),
        np.array(delay),
    )
