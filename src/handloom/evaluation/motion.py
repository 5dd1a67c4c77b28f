"""How a motion differs from the true one in its accelerations, and how it trembles by itself (§9.5)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from handloom.evaluation.hands import Hands
from handloom.evaluation.joints import mean

Array = NDArray[np.float64]
Rows = NDArray[np.intp]


def following(hands: Hands) -> tuple[Rows, Rows, Rows]:
    """Rows of a hand in three frames of a video that follow each other: the first, the middle, the last.

    Videos of which not every picture is in the set follow each other at its most frequent distance. A side
    that two hands of a picture have is left out: nobody knows which is which in the next.
    """
    places: dict[tuple[str, str], dict[int, int]] = {}
    twice: set[tuple[str, str, int]] = set()
    for row, side in enumerate(hands.sides):
        frame = hands.frame(row)
        if frame is not None:
            video, number = frame
            own = places.setdefault((video, side), {})
            if number in own:
                twice.add((video, side, number))
            own[number] = row
    for video, side, number in twice:
        del places[video, side][number]
    gaps = [np.diff(sorted(own)) for own in places.values()]
    steps, counts = np.unique(np.concatenate(gaps) if gaps else [], return_counts=True)
    if not len(steps):
        return (np.zeros(0, np.intp),) * 3
    step = int(steps[np.argmax(counts)])
    triples = [
        (own[number - step], row, own[number + step])
        for own in places.values()
        for number, row in own.items()
        if number - step in own and number + step in own
    ]
    first, middle, last = np.array(triples, np.intp).reshape(-1, 3).T
    return first, middle, last


def accelerations(xyz: ArrayLike) -> Array:
    """(T − 2, J, 3) second differences over time, in units per frame²; NaN where a frame is missing."""
    return np.diff(np.asarray(xyz, np.float64), n=2, axis=0)


def acceleration_error(points: ArrayLike, target: ArrayLike) -> float:
    """Mean length of the difference of both motions' second differences (Kanazawa et al. 2019).

    Args:
        points, target: (T, J, 3) frames that follow each other; second differences that touch a missing
            point do not count.

    Returns:
        Units per frame²; NaN for fewer than three frames.
    """
    return mean(np.linalg.norm(accelerations(points) - accelerations(target), axis=-1))


def acceleration_rms(xyz: ArrayLike) -> float:
    """Root mean square length of the second difference over time, in units per frame²: jitter without truth.

    √mean ‖x(t+1) − 2 x(t) + x(t−1)‖² over all joints and all inner frames; the three coordinates are summed,
    not averaged. Second differences that touch a missing point do not count.

    Args:
        xyz: (T, J, 3), one row per frame, frames that follow each other.
    """
    return float(np.sqrt(mean((accelerations(xyz) ** 2).sum(axis=-1))))


def bone_lengths(xyz: ArrayLike, bones: tuple[tuple[int, int], ...]) -> Array:
    """(T, B) length of every bone, given as pairs of joint indices, in every frame."""
    xyz = np.asarray(xyz, np.float64)
    parent, child = np.array(bones).T
    return np.asarray(np.linalg.norm(xyz[:, child] - xyz[:, parent], axis=-1))


def bone_length_variation(xyz: ArrayLike, bones: tuple[tuple[int, int], ...]) -> float:
    """Mean over the bones of their length's coefficient of variation over time, as a fraction.

    Standard deviation (population, no degree of freedom taken off) divided by mean, per bone; every bone
    counts the same, so the short ones of the fingertips weigh as much as the palm.

    Args:
        xyz: (T, J, 3).
        bones: pairs of joint indices; of a hand all twenty.
    """
    lengths = bone_lengths(xyz, bones)
    return float((np.nanstd(lengths, axis=0) / np.nanmean(lengths, axis=0)).mean())
