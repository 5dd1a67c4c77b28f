"""The choices a tracking run offers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from handloom.detection import BodyDetector, Detector
from handloom.detection.choice import HAND_DETECTORS, hand_detector, hand_models
from handloom.detection.models import MODELS
from handloom.detection.runtime import Runtime
from handloom.errors import HandloomError

Target = Literal["hands", "body", "both"]


@dataclass(frozen=True)
class TrackOptions:
    """Every choice that shapes the result of :func:`handloom.track`.

    Attributes:
        target: what to look for.
        people: how many people there are at most.
        max_hands: how many hands at most; two per person by default.
        runtime: what runs the networks, ``"litert"`` or ``"openvino"``.
        lite: use the smaller and faster hand networks.
        detector: what reads hands, one of :data:`handloom.detection.choice.HAND_DETECTORS`.
        weights: folder of ``chp3d``'s networks; those handloom carries by default.
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
    detector: str = "mediapipe"
    weights: str | None = None
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

    def make(self, kind: str) -> Callable[[], Detector]:
        """What makes a detector of a kind.

        Raises:
            HandloomError: if there is no such hand detector, or not with these choices.
        """
        if kind == "body":
            return lambda: BodyDetector(self.runtime)
        return hand_detector(self.detector, self.runtime, lite=self.lite, weights=self.weights)

    def noise(self, kind: str) -> float:
        """Standard deviation of a keypoint of a kind, in sides of its region (:class:`Detector`)."""
        return BodyDetector.noise if kind == "body" else HAND_DETECTORS[self.detector].noise

    def models(self) -> dict[str, str]:
        """SHA-256 of every network these options run, by name."""
        bodies = {name: MODELS[name].sha256 for name in ("pose_detection", "pose_landmark_full")}
        hands = hand_models(self.detector, lite=self.lite, weights=self.weights)
        return (bodies if "body" in self.kinds else {}) | (hands if "hand" in self.kinds else {})
