"""Follows hands or bodies through all views of a rig at once, frame by frame.

A target that has been triangulated is read, in every view, in the region where its 3D prediction projects: a
view that loses it gets it back without a search. The search network runs only while something new can be
found. Which reading belongs to which target is decided by agreement in space, not by one network's label.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handloom.cameras import CameraRig
from handloom.detection import DetectorPool, Reading, Region
from handloom.reconstruction.agreement import TOLERANCE, Judge, side_conflict
from handloom.reconstruction.target import Target

Array = NDArray[np.float64]
Image = NDArray[np.uint8]

SEARCH_EVERY = 6
"""Frames between two searches of a view while something is tracked already but more is allowed for."""

PATIENCE = 10
"""Frames for which a target that no view sees any more is still looked for where it should be."""

RETRY_AFTER, RETRY_EVERY = 10, 5
"""After so many misses in a row a view is read only now and then: the hand is hidden there."""

SAME_PLACE = 0.15
"""Mean distance, in region sides, below which two readings of one view are the same thing."""

CLAIMED = 0.3
"""Overlap with a tracked region from which a found one is nothing new."""

MIRRORED_GAIN = 0.6
"""A body whose left and right are swapped must come at least this much closer to its prediction."""


@dataclass(frozen=True, eq=False)
class Observation:
    """One target in one view of one frame.

    Attributes:
        target: id of the target.
        view: index of the camera.
        reading: what the detector read there.
    """

    target: int
    view: int
    reading: Reading


class Tracker:
    """Follows up to ``limit`` things of one kind.

    Args:
        pool: workers that detect.
        rig: one camera per view, or None where only 2D is wanted (every view is then followed alone).
        views: number of views.
        limit: how many hands or bodies there are at most.
    """

    def __init__(self, pool: DetectorPool, rig: CameraRig | None, views: int, limit: int) -> None:
        detector = pool.example
        self._pool = pool
        self._rig = rig if rig is not None and len(rig) > 1 else None
        self._judge = Judge(self._rig, detector.skeleton, detector.noise) if self._rig else None
        self._region_of = detector.region_of
        self._threshold = detector.presence_threshold
        self._mirror = list(detector.skeleton.mirror)
        self._two_sided = self._mirror != sorted(self._mirror)
        self._views = views
        self._limit = limit
        self._targets: list[Target] = []
        self._next_id = 0
        self._frame = 0

    @property
    def targets(self) -> Sequence[Target]:
        """What is being followed after the last frame."""
        return self._targets

    def step(
        self, images: Sequence[Image | None], hints: Mapping[int, Sequence[Region]] | None = None
    ) -> list[Observation]:
        """Advance by one frame.

        Args:
            images: one (height, width, 3) RGB picture per view; None where the view has none.
            hints: view → regions worth reading besides those that a search finds.

        Returns:
            Every reading that belongs to a target, views that contradict the others left out.
        """
        predictions = self._predictions(images)
        readings = self._read_targets(images, predictions)
        self._drop_duplicates(readings, predictions)
        self._find_new(images, readings, hints or {})
        points = {
            target.id: self._settle(target, readings[target.id], predictions) for target in self._targets
        }
        self._merge(readings, points)
        blind = [view for view, image in enumerate(images) if image is None]
        for target in self._targets:
            target.observe(readings[target.id], points[target.id], blind)
        observations = [
            Observation(target.id, view, reading)
            for target in self._targets
            for view, reading in sorted(readings[target.id].items())
        ]
        self._retire()
        self._frame += 1
        return observations

    def state(self) -> dict[str, Any]:
        """Everything needed to go on after the last frame, as plain JSON."""
        return {
            "frame": self._frame,
            "next_id": self._next_id,
            "targets": [target.to_json() for target in self._targets],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state`."""
        self._frame = state["frame"]
        self._next_id = state["next_id"]
        self._targets = [Target.from_json(target) for target in state["targets"]]

    def _predictions(self, images: Sequence[Image | None]) -> dict[int, dict[int, Array]]:
        """target id → view → (J, 2) pixels where its joints are expected."""
        predictions: dict[int, dict[int, Array]] = {}
        for target in self._targets:
            expected = target.predicted()
            predictions[target.id] = dict(target.seen)
            if self._rig is not None and expected is not None:
                # A prediction that is out of date is worth less than what a view saw itself.
                fresh = target.age == 0
                for view in range(self._views):
                    if images[view] is not None and (fresh or view not in target.seen):
                        predictions[target.id][view] = self._rig[view].project(expected)
        return predictions

    def _read_targets(
        self, images: Sequence[Image | None], predictions: dict[int, dict[int, Array]]
    ) -> dict[int, dict[int, Reading]]:
        places, jobs = [], []
        for target in self._targets:
            for view, expected in predictions[target.id].items():
                image = images[view]
                region = self._region(expected, target.seen.get(view))
                misses = target.misses.get(view, 0)
                resting = misses > RETRY_AFTER and misses % RETRY_EVERY
                if image is None or region is None or not region.inside((image.shape[1], image.shape[0])):
                    continue
                if resting:
                    target.misses[view] = misses + 1
                    continue
                places.append((target, view))
                jobs.append((image, region))
        readings: dict[int, dict[int, Reading]] = {target.id: {} for target in self._targets}
        for (target, view), reading in zip(places, self._pool.read(jobs), strict=True):
            if reading.presence >= self._threshold:
                readings[target.id][view] = reading
                target.misses[view] = 0
            else:
                target.misses[view] = target.misses.get(view, 0) + 1
        return readings

    def _region(self, expected: Array, last: Array | None) -> Region | None:
        """Where to read a target: around its prediction, or where it was where that is not whole."""
        for xy in (expected, last):
            if xy is not None and np.isfinite(xy).all():
                return self._region_of(xy)
        return None

    def _drop_duplicates(
        self, readings: dict[int, dict[int, Reading]], predictions: dict[int, dict[int, Array]]
    ) -> None:
        """Where two targets read the same hand in a view, it belongs to the one that expected it there."""
        for a, b in combinations(readings, 2):
            for view in set(readings[a]) & set(readings[b]):
                mine, other = readings[a][view], readings[b][view]
                apart = float(np.mean(np.linalg.norm(mine.xy - other.xy, axis=1)))
                if apart < SAME_PLACE * mine.region.size:
                    surprise = {
                        id: np.nanmean(np.linalg.norm(readings[id][view].xy - predictions[id][view], axis=1))
                        for id in (a, b)
                    }
                    del readings[max((a, b), key=lambda id: surprise[id])][view]

    def _find_new(
        self,
        images: Sequence[Image | None],
        readings: dict[int, dict[int, Reading]],
        hints: Mapping[int, Sequence[Region]],
    ) -> None:
        """Search the views whose turn it is; every thing found that is not tracked becomes a target."""
        views = [
            view for view in range(self._views) if images[view] is not None and self._due(view, readings)
        ]
        found = self._pool.find([images[view] for view in views])  # type: ignore[misc]
        places, jobs = [], []
        for view, regions in zip(views, found, strict=True):
            claimed = [held[view].region for held in readings.values() if view in held]
            fresh = [r for r in regions if all(r.overlap(other) < CLAIMED for other in claimed)]
            hinted = [r for r in hints.get(view, ()) if all(r.overlap(other) < CLAIMED for other in claimed)]
            for region in fresh[: self._limit + 1] + hinted:
                places.append(view)
                jobs.append((images[view], region))
        for view, reading in zip(places, self._pool.read(jobs), strict=True):  # type: ignore[arg-type]
            known = [held[view] for held in readings.values() if view in held]
            if reading.presence >= self._threshold and not any(_same(reading, other) for other in known):
                target = self._begin()
                readings[target.id] = {view: reading}

    def _due(self, view: int, readings: dict[int, dict[int, Reading]]) -> bool:
        """Whether a search of this view could find something new now."""
        if self._rig is None:
            tracked = sum(view in held for held in readings.values())
        else:
            tracked = sum(target.in_space for target in self._targets)
        if tracked >= self._limit:
            return False
        if self._rig is not None and any(view in held for held in readings.values()):
            return (self._frame + view) % SEARCH_EVERY == 0
        return tracked == 0 or (self._frame + view) % SEARCH_EVERY == 0

    def _settle(
        self, target: Target, held: dict[int, Reading], predictions: dict[int, dict[int, Array]]
    ) -> Array | None:
        """Triangulate a target; readings that contradict the other views are taken from it."""
        if self._judge is None:
            return None
        expected = predictions.get(target.id, {}) if target.in_space else {}
        if self._two_sided:
            for view in set(held) & set(expected):
                held[view] = self._upright(held[view], expected[view])
        while len(held) >= 2:
            agreement = self._judge(held)
            if agreement.worst <= TOLERANCE and self._judge.plausible(agreement.points):
                return agreement.points
            surprise = {
                view: self._judge.to_prediction(held[view], expected[view]) if view in expected else 0.0
                for view in held
            }
            if len(held) == 2:
                wrong = max(held, key=lambda view: (surprise[view], -held[view].presence))
            else:
                wrong = max(held, key=lambda view: agreement.distance[view] + surprise[view])
            del held[wrong]
        return None

    def _upright(self, reading: Reading, expected: Array) -> Reading:
        """The reading, left and right swapped if that is clearly what was meant (a back seen as a front)."""
        assert self._judge is not None
        plain = self._judge.to_prediction(reading, expected)
        if plain <= TOLERANCE:
            return reading
        swapped = self._swapped(reading)
        return swapped if self._judge.to_prediction(swapped, expected) < MIRRORED_GAIN * plain else reading

    def _merge(self, readings: dict[int, dict[int, Reading]], points: dict[int, Array | None]) -> None:
        """Join targets that are the same thing seen by different views, best agreement first."""
        if self._judge is None:
            return
        while True:
            best: tuple[float, Target, Target, dict[int, Reading], Array] | None = None
            for a, b in combinations(self._targets, 2):
                if (a.in_space and b.in_space) or set(readings[a.id]) & set(readings[b.id]):
                    continue
                keep, join = (b, a) if b.in_space else (a, b)
                joined = readings[keep.id] | readings[join.id]
                if not readings[join.id] or len(joined) < 2:
                    continue
                cost = self._conflict(readings[keep.id], readings[join.id])
                for candidate in self._variants(readings[join.id]):
                    together = readings[keep.id] | candidate
                    agreement = self._judge(together)
                    total = agreement.worst + cost
                    good = total < TOLERANCE and self._judge.plausible(agreement.points)
                    if good and (best is None or total < best[0]):
                        best = (total, keep, join, together, agreement.points)
            if best is None:
                return
            _, keep, join, together, joint_points = best
            readings[keep.id] = together
            points[keep.id] = joint_points
            keep.rightness += join.rightness
            keep.misses |= dict.fromkeys(readings[join.id], 0)
            self._targets.remove(join)

    def _variants(self, held: dict[int, Reading]) -> list[dict[int, Reading]]:
        """The readings as they are and, for bodies, with left and right swapped."""
        if not self._two_sided:
            return [held]
        return [held, {view: self._swapped(reading) for view, reading in held.items()}]

    def _swapped(self, reading: Reading) -> Reading:
        return replace(reading, xy=reading.xy[self._mirror], confidence=reading.confidence[self._mirror])

    @staticmethod
    def _conflict(a: dict[int, Reading], b: dict[int, Reading]) -> float:
        if not a or not b:
            return 0.0
        right_a, right_b = (float(np.mean([r.right for r in held.values()])) for held in (a, b))
        return side_conflict(right_a, right_b)

    def _begin(self) -> Target:
        target = Target(self._next_id)
        self._next_id += 1
        self._targets.append(target)
        return target

    def _retire(self) -> None:
        """Forget what is gone, split what has become the other hand, keep no more than the limit in space."""
        kept = []
        for target in self._targets:
            if target.unseen > PATIENCE or not (target.in_space or target.seen):
                continue
            if target.age > PATIENCE:
                target.points = None
            if target.contradicted:
                target = target.restarted(self._next_id)
                self._next_id += 1
            kept.append(target)
        if self._rig is not None:
            in_space = [target for target in kept if target.in_space]
            in_space.sort(key=lambda target: (-len(target.seen), target.id))
            # What the limit leaves no room for is dropped, and so is what no second view has confirmed
            # once there is nothing left to find.
            full = len(in_space) >= self._limit
            kept = [t for t in kept if t in in_space[: self._limit] or (not full and not t.in_space)]
        self._targets = kept


def _same(a: Reading, b: Reading) -> bool:
    return float(np.mean(np.linalg.norm(a.xy - b.xy, axis=1))) < SAME_PLACE * a.region.size
