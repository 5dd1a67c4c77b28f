"""A hand or body being followed through all views."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handloom.detection import Reading

Array = NDArray[np.float64]

EVIDENCE_LIMIT = 3.0
"""One frame of one view may say at most this much (log-odds) about the side."""

RECENT = 0.15
"""Weight of the newest frame in the recent evidence for the side."""

CONTRADICTION = 1.2
"""Mean recent log-odds that contradict a target's side so clearly that it must be another hand now."""

VELOCITY_GAIN = 0.7

HORIZON = 3
"""Frames for which the last velocity is believed."""


@dataclass(eq=False)
class Target:
    """What is known of one hand or body at the present frame.

    Attributes:
        id: unique through the recording.
        seen: view → (J, 2) pixels of the last frame, for the views that saw it then.
        points: (J, 3) joints in space at their last triangulation, or None before the first.
        velocity: (3,) movement of the whole, per frame.
        age: frames since ``points`` were triangulated.
        unseen: frames since any view saw it.
        rightness: accumulated log-odds that it is a right one.
        recent: running mean of the newest log-odds.
        misses: view → frames in a row in which reading its projected region found nothing.
    """

    id: int
    seen: dict[int, Array] = field(default_factory=dict)
    points: Array | None = None
    velocity: Array = field(default_factory=lambda: np.zeros(3))
    age: int = 0
    unseen: int = 0
    rightness: float = 0.0
    recent: float = 0.0
    misses: dict[int, int] = field(default_factory=dict)

    @property
    def in_space(self) -> bool:
        """Whether it has been triangulated."""
        return self.points is not None

    def predicted(self) -> Array | None:
        """(J, 3) joints expected in the next frame."""
        if self.points is None:
            return None
        return self.points + self.velocity * min(self.age + 1, HORIZON)

    def observe(
        self, readings: dict[int, Reading], points: Array | None, blind: Collection[int] = ()
    ) -> None:
        """Take in what this frame brought: a reading for some views and, if they agree, points in space.

        Views that are ``blind``, because they have no picture, tell nothing: where a target is known from
        there alone, it is expected where it was.
        """
        kept = {} if self.in_space else {view: xy for view, xy in self.seen.items() if view in blind}
        self.seen = kept | {view: reading.xy for view, reading in readings.items()}
        self.unseen = 0 if readings else self.unseen + 1
        self.age += 1
        if points is not None:
            if self.points is not None and self.age == 1:
                step = np.nanmean(points - self.points, axis=0)
                if np.isfinite(step).all():
                    self.velocity += VELOCITY_GAIN * (step - self.velocity)
            else:
                self.velocity = np.zeros(3)
            self.points, self.age = points, 0
        for reading in readings.values():
            p = min(max(reading.right, 1e-6), 1 - 1e-6)
            evidence = float(np.clip(np.log(p / (1 - p)), -EVIDENCE_LIMIT, EVIDENCE_LIMIT))
            self.rightness += evidence
            self.recent += RECENT * (evidence - self.recent)

    @property
    def contradicted(self) -> bool:
        """Whether the newest readings say clearly that this is the other hand by now."""
        return self.recent * np.sign(self.rightness) < -CONTRADICTION

    def restarted(self, id: int) -> Target:
        """The same place under a new identity, with only the recent evidence for its side."""
        return Target(
            id, self.seen, self.points, self.velocity, self.age, self.unseen, self.recent, self.recent
        )

    def to_json(self) -> dict[str, Any]:
        """Everything, as plain JSON; Python's floats survive the round trip exactly."""
        return {
            "id": self.id,
            "seen": {str(view): xy.tolist() for view, xy in self.seen.items()},
            "points": None if self.points is None else self.points.tolist(),
            "velocity": self.velocity.tolist(),
            "age": self.age,
            "unseen": self.unseen,
            "rightness": self.rightness,
            "recent": self.recent,
            "misses": {str(view): count for view, count in self.misses.items()},
        }

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> Target:
        """The target that :meth:`to_json` wrote."""
        return cls(
            **state
            | {
                "seen": {int(view): np.array(xy) for view, xy in state["seen"].items()},
                "points": None if state["points"] is None else np.array(state["points"]),
                "velocity": np.array(state["velocity"]),
                "misses": {int(view): count for view, count in state["misses"].items()},
            }
        )
