"""Which moments of a long recording are searched: a grid over all of it, then more where views are short."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, count, pairwise
from math import ceil

import numpy as np

from handloom.calibration.boards.board import Corners

ENOUGH_VIEWS = 30
"""Different views that a camera should have."""
ENOUGH_SHARED = 15
"""Different views that each link of the chain which joins all cameras should have in common."""
FINER = 4
"""A refinement cuts a stretch between two searched moments into so many."""
ROUNDS = 3
"""Most refinements of a recording."""

_BURST = 4  # moments in a row, from which the board's motion can be told
_BURST_EVERY = 4  # moments of the grid
_MOVED = 0.02  # of the picture's diagonal: views whose corners are nearer to each other say the same

Found = Mapping[tuple[int, int], Corners]
"""What was found, by tick and camera."""


def grid_step(ticks: int, limit: int | None) -> int:
    """Step of the grid by which a recording is searched in about ``limit`` moments, bursts included."""
    if limit is None or ticks <= limit:
        return 1
    step = ceil(ticks / limit)
    return step if step <= _BURST + 1 else ceil(ticks / limit * (1 + (_BURST - 1) / _BURST_EVERY))


def grid(step: int) -> Iterator[int]:
    """Ticks without end: every ``step``-th and, where steps are long, now and then a few in a row."""
    for number in count():
        tick = number * step
        yield tick
        if step > _BURST + 1 and number % _BURST_EVERY == 0:
            yield from range(tick + 1, tick + _BURST)


def refinement(found: Found, searched: Sequence[int], diagonals_px: Sequence[float], limit: int) -> list[int]:
    """Ticks to search between those that were, to help the cameras and pairs that are short of views.

    Every camera should have :data:`ENOUGH_VIEWS` different views; the strongest chain of pairs that joins all
    cameras should have :data:`ENOUGH_SHARED` in each of its links; and cameras outside of the largest group
    so joined are looked at wherever they saw the board. Where the board hardly moved from one searched tick
    to the next there is nothing between them.

    Args:
        found: what was found so far.
        searched: the ticks searched so far, rising.
        diagonals_px: size of every camera's pictures.
        limit: how many ticks to return at most, evenly thinned; those for links come first.
    """
    cameras = range(len(diagonals_px))
    seen: list[list[int]] = [[] for _ in cameras]
    for tick, camera in sorted(found):
        seen[camera].append(tick)
    few = [
        ticks if _different(found, camera, ticks, diagonals_px[camera], ENOUGH_VIEWS) < ENOUGH_VIEWS else []
        for camera, ticks in enumerate(seen)
    ]
    shared = {(a, b): sorted(set(seen[a]) & set(seen[b])) for a, b in combinations(cameras, 2)}
    loose: list[list[int]] = [[] for _ in cameras]
    group = list(cameras)
    for a, b in sorted(shared, key=lambda pair: (-len(shared[pair]), pair)):
        if not shared[a, b] or group[a] == group[b]:
            continue
        group = [group[a] if g == group[b] else g for g in group]
        if _different(found, a, shared[a, b], diagonals_px[a], ENOUGH_SHARED) < ENOUGH_SHARED:
            loose[a] += shared[a, b]
            loose[b] += shared[a, b]
    largest = max(group, key=lambda g: (group.count(g), -g), default=0)
    for camera in cameras:
        if group[camera] != largest:
            loose[camera] += seen[camera]
    links = _thinned(_between(found, searched, diagonals_px, loose), limit)
    views = [tick for tick in _between(found, searched, diagonals_px, few) if tick not in set(links)]
    return sorted(links + _thinned(views, limit - len(links)))


def _between(
    found: Found, searched: Sequence[int], diagonals_px: Sequence[float], around: Sequence[Sequence[int]]
) -> list[int]:
    """Ticks between those searched, beside some views of each camera, where the board moved."""
    ticks: set[int] = set()
    for camera, views in enumerate(around):
        near = set(views)
        for before, after in pairwise(searched):
            beside = after - before > 1 and (before in near or after in near)
            if beside and not _still(found, before, after, camera, diagonals_px[camera]):
                parts = min(FINER, after - before)
                ticks.update(before + round(k * (after - before) / parts) for k in range(1, parts))
    return sorted(ticks)


def _thinned(ticks: list[int], limit: int) -> list[int]:
    return ticks[:: ceil(len(ticks) / limit)] if ticks and limit > 0 else []


def _still(found: Found, before: int, after: int, camera: int, diagonal_px: float) -> bool:
    a, b = found.get((before, camera)), found.get((after, camera))
    return a is not None and b is not None and moved_px(a, b) <= _MOVED * diagonal_px


def _different(found: Found, camera: int, ticks: list[int], diagonal_px: float, enough: int) -> int:
    """How many views of a camera differ from each other, counted up to ``enough``."""
    kept: list[Corners] = []
    for tick in ticks:
        corners = found[tick, camera]
        if all(moved_px(corners, other) > _MOVED * diagonal_px for other in kept):
            kept.append(corners)
            if len(kept) == enough:
                break
    return len(kept)


def moved_px(a: Corners, b: Corners) -> float:
    """Root mean square distance of the corners that two views have in common; infinite if there are none."""
    _, in_a, in_b = np.intersect1d(a.ids, b.ids, assume_unique=True, return_indices=True)
    if not len(in_a):
        return float("inf")
    return float(np.sqrt(np.mean(np.sum((a.pixels[in_a] - b.pixels[in_b]) ** 2, axis=-1))))
