"""Cameras brought into one world by the board they saw together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from handloom.calibration.linking.averaging import average, components
from handloom.calibration.linking.board_placement import place_boards, renumbered
from handloom.calibration.linking.board_pose import BoardPoses, ideal_corners, poses_of
from handloom.calibration.linking.relative_pose import (
    TOLERANCES,
    RelativePose,
    SharedMoments,
    evaluate,
    relative_pose,
)
from handloom.calibration.sightings import Sightings
from handloom.cameras import Camera

Array = NDArray[np.float64]

_TURN_FLOOR = np.deg2rad(0.1)
_SHIFT_FLOOR = 0.002  # of the distance; what lenses that are not quite right add to the errors of a pair
_CONFIRMED = 0.5  # of the places that agree with a pair's own pose must agree with the averaged one


@dataclass(frozen=True, eq=False)
class Edge:
    """What two cameras that saw the board together say about each other.

    Attributes:
        cameras: numbers of the two, the lower first.
        moments: at how many moments both saw the board well enough for a pose.
        agreeing: how many of them agree on how the two cameras stand.
        places: how many different places the board had at those; a board at rest is one place.
        share: of the different places of the board at all shared moments.
        error_px: median over the shared moments of how far the two views are from having seen one board.
        angle_rad: between the viewing directions.
        T_second_first: (4, 4) from the first camera's frame to the second's, by these two alone.
        used: whether it links the two: enough moments agree, and the rest of the rig does not contradict.
        mirrored: whether clearly more moments would agree if one of the two pictures were mirrored.
    """

    cameras: tuple[int, int]
    moments: int
    agreeing: int
    places: float
    share: float
    error_px: float
    angle_rad: float
    T_second_first: Array
    used: bool
    mirrored: bool


@dataclass(frozen=True, eq=False)
class Links:
    """Cameras and boards in one world, whose frame is that of the first camera of the largest group.

    Attributes:
        sightings: those given, with the numbering of boards that can be read from either end settled; rows
            may have changed places within a view.
        cameras: (C,) the cameras of the largest group with their poses; None for all others.
        T_world_board: (T, 4, 4) pose of the board at every moment; NaN where no linked camera saw it.
        groups: numbers of the cameras that are linked with each other, the largest group first; of groups of
            equal size the one with the first camera.
        edges: one for every two cameras that shared a moment, in rising order.
        poses: of the board in every single view.
    """

    sightings: Sightings
    cameras: tuple[Camera | None, ...]
    T_world_board: Array
    groups: tuple[tuple[int, ...], ...]
    edges: tuple[Edge, ...]
    poses: BoardPoses

    @property
    def T_camera_world(self) -> Array:
        """(C, 4, 4) poses of the cameras; NaN for those that are not linked."""
        unknown = np.full((4, 4), np.nan)
        return np.stack([unknown if camera is None else camera.T_camera_world for camera in self.cameras])


def link(sightings: Sightings, cameras: Sequence[Camera | None]) -> Links:
    """Poses of the cameras and of the board, good enough for a bundle adjustment to start from.

    Each view gives a robust pose of the board, each two cameras a relative pose that their shared moments
    agree on, and the graph of all pairs an average that a wrong pair does not bend. Pairs that contradict the
    average are left out, and what then hangs on nothing is no longer linked.

    Args:
        sightings: corners of a flat board.
        cameras: (C,) with intrinsics, in the order of the sightings; their poses are ignored. None where the
            lens is unknown.

    Raises:
        ValueError: if the cameras are not those of the sightings.
    """
    names = tuple(
        name if camera is None else camera.name
        for camera, name in zip(cameras, sightings.cameras, strict=False)
    )
    if len(cameras) != len(sightings.cameras) or names != sightings.cameras:
        raise ValueError(
            f"the cameras must be those of the sightings, {sightings.cameras}, in their order;"
            f" got {len(cameras)}: {names}"
        )
    corners = ideal_corners(sightings, cameras)
    poses = poses_of(sightings, corners)
    graph = _Graph(sightings, poses, corners.diagonal_px)
    pairs = graph.relative_poses()
    group, T_group, used = graph.settle(pairs)
    T_camera_world = np.full((len(cameras), 4, 4), np.nan)
    T_camera_world[list(group)] = T_group
    T_world_board, turned = place_boards(sightings, corners, poses, T_camera_world)
    return Links(
        sightings=renumbered(sightings, poses, turned),
        cameras=tuple(
            replace(camera, T_camera_world=T) if camera is not None and np.isfinite(T).all() else None
            for camera, T in zip(cameras, T_camera_world, strict=True)
        ),
        T_world_board=T_world_board,
        groups=components(len(cameras), sorted(used)),
        edges=tuple(_edge(key, pair, key in used) for key, pair in pairs.items()),
        poses=poses,
    )


class _Graph:
    """Pairs of cameras that saw the board at the same moments."""

    def __init__(self, sightings: Sightings, poses: BoardPoses, diagonal_px: Array) -> None:
        self._poses = poses
        self._diagonal_px = diagonal_px
        self._half_turn = sightings.board.half_turn is not None
        self._count = len(sightings.cameras)
        span = sightings.board.points - poses.middle
        self._span = span[[(span @ direction).argmax() for direction in _CORNERS]]
        # The view of every camera at every moment; -1 where it has no pose.
        self._view = np.full((self._count, len(sightings.times_s)), -1, dtype=np.int64)
        usable = np.flatnonzero(poses.found)
        self._view[poses.camera[usable], poses.moment[usable]] = usable

    def relative_poses(self) -> dict[tuple[int, int], RelativePose]:
        """Of every two cameras that share a moment, in rising order."""
        return {
            (a, b): relative_pose(self._shared(a, b))
            for a, b in combinations(range(self._count), 2)
            if ((self._view[a] >= 0) & (self._view[b] >= 0)).any()
        }

    def settle(
        self, pairs: dict[tuple[int, int], RelativePose]
    ) -> tuple[tuple[int, ...], Array, set[tuple[int, int]]]:
        """The largest group, its poses (N, 4, 4), and the pairs that link cameras, here and elsewhere."""
        used = [key for key, pair in pairs.items() if pair.sound]
        while True:
            contradicted: set[tuple[int, int]] = set()
            groups = components(self._count, used)
            solved = {}
            for group in groups:
                edges = [key for key in used if key[0] in group]
                solved[group] = T = self._average(group, edges, pairs)
                if len(edges) >= len(group):  # with as many there are ways round, which can contradict
                    place = {camera: T[i] for i, camera in enumerate(group)}
                    contradicted.update(
                        (a, b) for a, b in edges if not self._confirmed((a, b), pairs[a, b], place)
                    )
            if not contradicted:
                return groups[0], solved[groups[0]], set(used)
            used = [key for key in used if key not in contradicted]

    def _average(
        self, group: tuple[int, ...], edges: list[tuple[int, int]], pairs: dict[tuple[int, int], RelativePose]
    ) -> Array:
        chosen = [pairs[key] for key in edges]
        variances = [np.diag(pair.covariance) for pair in chosen]
        lengths = [float(np.linalg.norm(pair.T_b_a[:3, 3])) for pair in chosen]
        turns = [float(np.sqrt(v[3:].mean() + _TURN_FLOOR**2)) for v in variances]
        shifts = [
            float(np.sqrt(v[:3].mean() + (_SHIFT_FLOOR * length) ** 2 + 1e-18))
            for v, length in zip(variances, lengths, strict=True)
        ]
        strengths = [
            pair.places * pair.share * (_TURN_FLOOR / turn) for pair, turn in zip(chosen, turns, strict=True)
        ]
        return average(group, edges, [pair.T_b_a for pair in chosen], strengths, turns, shifts)

    def _confirmed(self, key: tuple[int, int], pair: RelativePose, T: dict[int, Array]) -> bool:
        a, b = key
        shared = self._shared(a, b)
        found = evaluate(shared, T[b] @ np.linalg.inv(T[a]), TOLERANCES[-1] * shared.diagonal_px)
        return found.places >= _CONFIRMED * pair.places

    def _shared(self, a: int, b: int) -> SharedMoments:
        moments = np.flatnonzero((self._view[a] >= 0) & (self._view[b] >= 0))
        diagonal = float(self._diagonal_px[[a, b]].mean())
        views = self._view[:, moments]
        return SharedMoments.of(self._poses, views[a], views[b], diagonal, self._span, self._half_turn)


_CORNERS = np.array([[-1.0, -1.0, 0.0], [1.0, -1.0, 0.0], [1.0, 1.0, 0.0], [-1.0, 1.0, 0.0]])


def _edge(key: tuple[int, int], pair: RelativePose, used: bool) -> Edge:
    return Edge(
        cameras=key,
        moments=len(pair.moments),
        agreeing=int(pair.agrees.sum()),
        places=pair.places,
        share=pair.share,
        error_px=float(np.median(pair.error_px)),
        angle_rad=float(np.arccos(np.clip(pair.T_b_a[2, 2], -1.0, 1.0))),
        T_second_first=pair.T_b_a,
        used=used,
        mirrored=pair.mirrored,
    )
