"""The choices a tracking run offers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from handloom.detection import BodyDetector, Detector, HandDetector
from handloom.detection.models import MODELS
from handloom.detection.runtime import Runtime
from handloom.errors import HandloomError

Target = Literal["hands", "body", "both"]

DETECTORS: dict[str, type[HandDetector] | type[BodyDetector]] = {
    "hand": HandDetector,
    "body": BodyDetector,
}


@dataclass(frozen=True)
class TrackOptions:
    """Every choice that shapes the result of :func:`handloom.track`.

    Attributes:
        target: what to look for.
        people: how many people there are at most.
        max_hands: how many hands at most; two per person by default.
        runtime: what runs the networks, ``"litert"`` or ``"openvino"``.
        lite: use the smaller and faster hand networks.
        causal: every frame from the past only, as a live system would see it.
        smooth: offline, solve for the most probable motion; otherwise triangulate each frame for itself.
        fill_s: offline, fill gaps up to this long, seconds.
        fps: rate of the common timeline; by default that of the slowest video.
        offsets_s: per view, when its clock started on the common one, seconds; all 0 by default.
    """

    target: Target = "hands"
    people: int = 1
    max_hands: int | None = None
    runtime: Runtime = "litert"
    lite: bool = False
    causal: bool = False
    smooth: bool = True
    fill_s: float = 0.25
    fps: float | None = None
    offsets_s: tuple[float, ...] | None = None

    def with_offsets(self, text: str) -> TrackOptions:
        """The same with the offsets written as ``"0,0.04"``, seconds.

        Raises:
            HandloomError: if that is not a list of numbers.
        """
        try:
            offsets = tuple(float(part) for part in text.split(","))
        except ValueError as error:
            raise HandloomError(
                f"The offsets {text!r} are not numbers.", "Write one per view, in seconds: 0,0.04"
            ) from error
        return replace(self, offsets_s=offsets)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Names of the skeletons to look for; bodies first, for they say where hands are."""
        return {"hands": ("hand",), "body": ("body",), "both": ("body", "hand")}[self.target]

    def limit(self, kind: str) -> int:
        """How many things of a kind to follow at most."""
        return self.people if kind == "body" else self.max_hands or 2 * self.people

    def detector(self, kind: str) -> Callable[[], Detector]:
        """What makes a detector of a kind."""
        if kind == "body":
            return lambda: BodyDetector(self.runtime)
        return lambda: HandDetector(self.runtime, lite=self.lite)

    def models(self) -> dict[str, str]:
        """SHA-256 of every network these options run, by name."""
        names = {"body": ["pose_detection", "pose_landmark_full"]}
        size = "lite" if self.lite else "full"
        names["hand"] = [f"palm_detection_{size}", f"hand_landmark_{size}"]
        return {name: MODELS[name].sha256 for kind in self.kinds for name in names[kind]}
