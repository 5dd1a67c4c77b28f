"""What every source of pictures has in common: frames with their times, one after another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a recording.

    Attributes:
        index: number of the picture in its source, from 0.
        time_s: seconds since the source's first picture (of a webcam: since the process began to watch).
        image: (H, W, 3) RGB, uint8, contiguous.
    """

    index: int
    time_s: float
    image: NDArray[np.uint8]


class VideoSource(Protocol):
    """Anything that yields pictures in order of time, holding a few of them in memory at most.

    Attributes:
        name: short name of the view, for tables and messages.
        image_size: (width, height) in pixels, as the pictures are delivered.
        fps: mean frame rate; ``None`` where it is not known.
        frame_count: estimate of the number of pictures; ``None`` where it is not known.
        live: the pictures happen now: there is no going back to an earlier one.
    """

    name: str
    image_size: tuple[int, int]
    fps: float | None
    frame_count: int | None
    live: bool

    def frames(self, start: int = 0) -> Iterator[Frame]:
        """Yield the pictures from number ``start`` on.

        Raises:
            VideoError: if the recording is damaged or ends before its declared end; what can be read
                before that point is yielded first.
        """

    def close(self) -> None:
        """Release what the source holds open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
