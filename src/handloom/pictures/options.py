"""What a user may say about pictures of hands."""

from __future__ import annotations

from dataclasses import dataclass

from handloom.cameras import Camera
from handloom.detection.choice import check_choice
from handloom.detection.runtime import Runtime
from handloom.errors import HandloomError
from handloom.fitting.hand_size import HandSize

FOV_DEG = (5.0, 170.0)


@dataclass(frozen=True, eq=False)
class ImageOptions:
    """How pictures are read.

    Attributes:
        intrinsics: the camera all pictures were taken with.
        fov_deg: field of view across the longer side instead; read from EXIF, or assumed, without either.
        size: what is known of the hands' size.
        side: ``"left"`` or ``"right"`` where only hands of one side are shown.
        mirrored: whether the pictures are mirrored selfies; they are turned back before anything else.
        max_hands: at most so many hands in a picture.
        smallest_px: hands of less extent are not looked for.
        checks: read every hand again in the mirrored and the turned picture, and compare.
        runtime: what runs the networks.
        detector: what reads hands, one of :data:`handloom.detection.choice.HAND_DETECTORS`. Where people are
            is MediaPipe's search in any case.
        weights: folder of ``chp3d``'s networks; those handloom carries by default.

    Raises:
        HandloomError: for a field of view that no lens has, both intrinsics and a field of view, or a
            detector that there is not.
    """

    intrinsics: Camera | None = None
    fov_deg: float | None = None
    size: HandSize | None = None
    side: str | None = None
    mirrored: bool = False
    max_hands: int = 4
    smallest_px: float = 20.0
    checks: bool = True
    runtime: Runtime = "litert"
    detector: str = "mediapipe"
    weights: str | None = None

    def __post_init__(self) -> None:
        if self.fov_deg is not None and not FOV_DEG[0] <= self.fov_deg <= FOV_DEG[1]:
            raise HandloomError(
                f"A field of view of {self.fov_deg:g}° is that of no ordinary lens.",
                f"Give {FOV_DEG[0]:g} to {FOV_DEG[1]:g} degrees across the picture's longer side.",
            )
        if self.intrinsics is not None and self.fov_deg is not None:
            raise HandloomError(
                "Both intrinsics and a field of view were given.", "Keep the one that is better known."
            )
        check_choice(self.detector, weights=self.weights)
        if self.side not in (None, "left", "right"):
            raise ValueError(f"side must be 'left' or 'right', got {self.side!r}")
        if self.max_hands < 1:
            raise ValueError(f"max_hands must be at least 1, got {self.max_hands}")
