"""Which hand detector runs, by the name that users give it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from handloom.detection.colorhandpose import ColorHandPoseDetector, find_weights
from handloom.detection.colorhandpose.runtime import OnnxRuntime
from handloom.detection.detector import Detector
from handloom.detection.hands import HandDetector
from handloom.detection.models import MODELS
from handloom.detection.runtime import Runtime
from handloom.errors import HandloomError

HAND_DETECTORS: dict[str, type[HandDetector] | type[ColorHandPoseDetector]] = {
    "mediapipe": HandDetector,
    "chp3d": ColorHandPoseDetector,
}
"""MediaPipe's hand networks; ColorHandPose3D."""


def hand_detector(
    name: str = "mediapipe",
    runtime: Runtime = "litert",
    *,
    lite: bool = False,
    weights: str | Path | None = None,
    features: bool = False,
) -> Callable[[], Detector]:
    """What makes a hand detector. Every thread needs its own.

    Args:
        name: one of :data:`HAND_DETECTORS`.
        runtime: ``"openvino"``, or ``"litert"``: the detector's own usual one (onnxruntime for ``chp3d``).
        lite: MediaPipe's smaller networks.
        weights: folder of ColorHandPose3D's networks; those handloom carries by default.
        features: give the landmark network's features as well, where there is one.

    Raises:
        HandloomError: for an unknown name, or a choice that the detector does not have.
        ModelError: if the networks of ``weights`` are missing.
    """
    check_choice(name, lite=lite, weights=weights)
    if name == "mediapipe":
        return lambda: HandDetector(runtime, lite=lite, features=features)
    files = find_weights(weights)
    own: OnnxRuntime = "openvino" if runtime == "openvino" else "onnx"
    return lambda: ColorHandPoseDetector(files, own)


def hand_models(
    name: str = "mediapipe", *, lite: bool = False, weights: str | Path | None = None
) -> dict[str, str]:
    """SHA-256 of every network that the detector runs, by name."""
    if name == "mediapipe":
        size = "lite" if lite else "full"
        return {model: MODELS[model].sha256 for model in (f"palm_detection_{size}", f"hand_landmark_{size}")}
    return find_weights(weights).sha256


def check_choice(name: str, *, lite: bool = False, weights: str | Path | None = None) -> None:
    """Raise :class:`HandloomError` for an unknown detector or a choice that it does not have."""
    if name not in HAND_DETECTORS:
        raise HandloomError(f"There is no hand detector {name!r}.", f"Known are {', '.join(HAND_DETECTORS)}.")
    if name == "mediapipe" and weights is not None:
        raise HandloomError(
            f"The weights {weights} are ColorHandPose3D's, not of the detector 'mediapipe'.",
            "Add --detector chp3d.",
        )
    if name == "chp3d" and lite:
        raise HandloomError("The detector 'chp3d' has no lite networks.", "Leave --lite out.")
