"""A drawing that costs nothing, and ways for it to fail: what the engine is driven with."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from handloom.cameras import Camera
from handloom.datasets import HandLabel, Sample
from handloom.synthesis.generation import Drawing

SIZE = 16


def draw(cameras: int, seed: int, index: int) -> Sequence[Sample]:
    return [_sample(seed, index, number, cameras) for number in range(cameras)]


def drawing(cameras: int = 1, options: Mapping[str, Any] | None = None) -> Drawing:
    return Drawing("small", partial(draw, cameras), cameras, options or {"cameras": cameras})


def slow_drawing(seconds: float) -> Drawing:
    return Drawing("small", partial(_slow, seconds), 1, {"cameras": 1})


def failing_drawing(at: int, mark: Path) -> Drawing:
    """Fails at an index for as long as ``mark`` is there."""
    return Drawing("small", partial(_failing, at, mark), 1, {"cameras": 1})


def deadly_drawing(at: int, mark: Path) -> Drawing:
    """Kills its process at an index, if ``mark`` is there; each death removes a byte of it."""
    return Drawing("small", partial(_deadly, at, mark), 1, {"cameras": 1})


def contents(folder: Path) -> dict[str, str]:
    """Every file below a folder and its hash."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _slow(seconds: float, seed: int, index: int) -> Sequence[Sample]:
    time.sleep(seconds)
    return draw(1, seed, index)


def _failing(at: int, mark: Path, seed: int, index: int) -> Sequence[Sample]:
    if index == at and mark.exists():
        raise ValueError("no light")
    return draw(1, seed, index)


def _deadly(at: int, mark: Path, seed: int, index: int) -> Sequence[Sample]:
    if index == at and mark.exists():
        lives = mark.read_bytes()[1:]
        mark.write_bytes(lives) if lives else mark.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    return draw(1, seed, index)


def _sample(seed: int, index: int, camera: int, cameras: int) -> Sample:
    rng = np.random.default_rng([seed, index])
    xyz = rng.normal(0.0, 0.05, (21, 3)) + np.array([0.0, 0.0, 0.5])
    K = np.array([[20.0, 0.0, 7.5], [0.0, 20.0, 7.5], [0.0, 0.0, 1.0]])
    seen_by = Camera(f"camera{camera}", (SIZE, SIZE), K, np.zeros(4), np.eye(4))
    image = np.random.default_rng([seed, index, camera]).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    moment = f"{index:06d}"
    return Sample(
        moment if cameras == 1 else f"{moment}_camera{camera}",
        image,
        seen_by,
        (HandLabel("right", seen_by.project(xyz), xyz),),
        parts=rng.integers(0, 34, (SIZE, SIZE), dtype=np.uint8),
        depth=np.full((SIZE, SIZE), 0.5, dtype=np.float32),
        moment=moment,
    )
