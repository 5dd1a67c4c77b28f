"""Whose hand is it, and which? Decided for whole recordings, from everything all views saw.

The tracker follows targets: uninterrupted stretches of one hand or body. Here they are joined to tracks. A
target's side comes from the handedness read in all its frames and views, and from the wrist of the body it
hangs on; a person has one left and one right hand.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from handloom.keypoints import Track
from handloom.reconstruction.observations import Assignment, ObservationTable
from handloom.reconstruction.target import EVIDENCE_LIMIT
from handloom.skeleton import BODY, HAND

Array = NDArray[np.float64]

OTHER = {"left": "right", "right": "left"}

SHORTEST = 5
"""Frames a target must have been seen in to be more than a flicker."""

OVERLAP = 3
"""Frames in which two targets may both be the same track: the second began before the first ended."""

WRIST_REACH = 0.4
"""Distance, in sides of the hand's region, within which a body's wrist is the hand's."""

WRIST_EVIDENCE = 1.0
"""Log-odds that one frame of one view of a body's wrist says about the hand's side."""


@dataclass(eq=False)
class Fragment:
    """What is known of one target over the whole recording.

    Attributes:
        target: its id.
        frames: the frames any view saw it in.
        shared: number of frames at least two views saw it in.
        log_odds: summed evidence that it is a right one.
        bodies: body target → how often one of its wrists was at the hand.
    """

    target: int
    frames: list[NDArray[np.int64]] = field(default_factory=list)
    shared: int = 0
    log_odds: float = 0.0
    bodies: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    @property
    def seen(self) -> NDArray[np.int64]:
        """Sorted frames it was seen in."""
        return np.unique(np.concatenate(self.frames))

    def shared_with(self, other: Fragment) -> int:
        """Number of frames in which both were seen."""
        return len(np.intersect1d(self.seen, other.seen, assume_unique=True))

    @property
    def body(self) -> int | None:
        """The body target it hangs on most often."""
        return max(self.bodies, key=self.bodies.__getitem__) if self.bodies else None


class IdentityResolver:
    """Collects evidence stretch by stretch, then names every target.

    Args:
        people: how many people there are at most.
        space: whether there are several calibrated views, so that what only one view saw is doubtful.
    """

    def __init__(self, people: int, *, space: bool) -> None:
        self._people = people
        self._space = space
        self._hands: dict[int, Fragment] = {}
        self._bodies: dict[int, Fragment] = {}

    def add(self, hands: ObservationTable | None, bodies: ObservationTable | None) -> None:
        """Take in what was observed in a stretch of frames."""
        if hands is not None:
            _collect(hands, self._hands)
        if bodies is not None:
            _collect(bodies, self._bodies)
        if hands is not None and bodies is not None:
            self._match_wrists(hands, bodies)

    def resolve(self) -> tuple[Assignment, Assignment]:
        """Tracks of hands and of bodies, each with the targets it is made of."""
        bodies: dict[Track, list[Fragment]] = {}
        subject_of: dict[int, int] = {}
        for fragment in self._ranked(self._bodies):
            options = [Track(subject, "body") for subject in range(self._people)]
            track = _place(fragment, options, bodies)
            if track is not None:
                subject_of[fragment.target] = track.subject
        hands: dict[Track, list[Fragment]] = {}
        ranked = self._ranked(self._hands)
        owners = {f.target: subject_of.get(f.body) if f.body is not None else None for f in ranked}
        sides = self._sides(ranked, owners)
        for fragment in ranked:
            side, owner = sides[fragment.target], owners[fragment.target]
            other = OTHER[side]
            subjects = sorted(range(self._people), key=lambda subject: subject != owner)
            if owner is not None:
                options = [Track(owner, "hand", s) for s in (side, other)]
            else:
                options = [Track(subject, "hand", s) for s in (side, other) for subject in subjects]
            _place(fragment, options, hands)
        return _targets(hands), _targets(bodies)

    def _ranked(self, fragments: dict[int, Fragment]) -> list[Fragment]:
        """Everything that is more than a flicker, the surest first."""
        kept = [f for f in fragments.values() if len(f.seen) >= SHORTEST]
        confirmed = [f for f in kept if f.shared >= SHORTEST]
        if self._space and confirmed:
            kept = confirmed
        return sorted(kept, key=lambda f: (-f.shared, -len(f.seen), f.target))

    def _sides(self, hands: list[Fragment], owners: dict[int, int | None]) -> dict[int, str]:
        """Which side each target is; of two that one person shows at once, the surer one decides."""
        sides: dict[int, str] = {}
        surest = sorted(hands, key=lambda f: -abs(f.log_odds))
        for i, fragment in enumerate(surest):
            likelier = "right" if fragment.log_odds >= 0 else "left"
            owner = owners[fragment.target]
            rivals = [
                other
                for other in surest[:i]
                if sides[other.target] == likelier
                and (self._people == 1 or (owner is not None and owner == owners[other.target]))
            ]
            taken = any(fragment.shared_with(other) > OVERLAP for other in rivals)
            sides[fragment.target] = OTHER[likelier] if taken else likelier
        return sides

    def _match_wrists(self, hands: ObservationTable, bodies: ObservationTable) -> None:
        wrist = HAND.index("wrist")
        sides = {1.0: BODY.index("right_wrist"), -1.0: BODY.index("left_wrist")}
        at = defaultdict(list)
        for row, place in enumerate(zip(bodies.frame.tolist(), bodies.view.tolist(), strict=True)):
            at[place].append(row)
        for row, place in enumerate(zip(hands.frame.tolist(), hands.view.tolist(), strict=True)):
            nearest = (WRIST_REACH * hands.region_px[row], 0.0, -1)
            for body in at.get(place, ()):
                for sign, joint in sides.items():
                    apart = float(np.linalg.norm(bodies.xy[body, joint] - hands.xy[row, wrist]))
                    nearest = min(nearest, (apart, sign, int(bodies.target[body])))
            _, sign, body_target = nearest
            if body_target >= 0:
                fragment = self._hands[int(hands.target[row])]
                fragment.bodies[body_target] += 1
                fragment.log_odds += WRIST_EVIDENCE * sign


def _collect(table: ObservationTable, fragments: dict[int, Fragment]) -> None:
    p = np.clip(table.right, 1e-6, 1 - 1e-6)
    evidence = np.clip(np.log(p / (1 - p)), -EVIDENCE_LIMIT, EVIDENCE_LIMIT)
    for target in np.unique(table.target).tolist():
        rows = table.target == target
        frames, counts = np.unique(table.frame[rows], return_counts=True)
        fragment = fragments.setdefault(target, Fragment(target))
        fragment.frames.append(frames)
        fragment.shared += int((counts >= 2).sum())
        fragment.log_odds += float(evidence[rows].sum())


def _place(fragment: Fragment, options: list[Track], placed: dict[Track, list[Fragment]]) -> Track | None:
    """Give a target to the first track that is free while it was seen; None where there is no room."""
    for track in options:
        taken = sum(fragment.shared_with(other) for other in placed.get(track, ()))
        if taken <= OVERLAP:
            placed.setdefault(track, []).append(fragment)
            return track
    return None


def _targets(placed: dict[Track, list[Fragment]]) -> Assignment:
    return {track: [fragment.target for fragment in fragments] for track, fragments in placed.items()}
