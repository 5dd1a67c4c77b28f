"""What stands behind the hands, out of focus: a part of an invented place, or a photograph."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from handloom.errors import SynthesisError
from handloom.synthesis.pictures.places import paint_place, with_person
from handloom.synthesis.pictures.recipe import Recipe
from handloom.synthesis.pictures.streams import PLACE, choose, stream

Array = NDArray[np.float64]
Light = NDArray[np.float32]
Size = tuple[int, int]

_WORK = 256
"""Backgrounds are made so large, shorter side, and enlarged: they are out of focus."""
_PLACE = 1.5
"""Size of a place relative to that of the parts that are cut from it at their largest scale."""
_COARSEST = 3
_PLACES, _SCENES = 6, 50
"""So many places are painted for so many scenes in a row: painting takes longer than all the rest."""


def draw_background(
    recipe: Recipe, clothes: Array, skin: Array, place: tuple[int, int], rng: np.random.Generator
) -> tuple[str, Light]:
    """A background.

    Args:
        recipe: size and shares.
        clothes, skin: (3,) linear colours of the person, who may be seen in it.
        place: seed and number of the place that stands behind; a part of it is shown, nearer or farther, in
            other light and focus.
        rng: decides the rest.

    Returns:
        its kind, and (H, W, 3) linear light.
    """
    width, height = recipe.image_size
    scale = min(1.0, _WORK / min(width, height))
    size = (max(round(height * scale), 8), max(round(width * scale), 8))
    kind = choose(stream(place[0], PLACE, place[1]), recipe.backgrounds)
    blur = size[0] * (
        rng.uniform(0.0, 0.006) if kind in ("desk", "cloth") else np.exp(rng.uniform(-6.2, -3.3))
    )
    # What is far out of focus shows as well in fewer pixels.
    level = int(np.clip(np.log2(blur), 0, _COARSEST))
    smaller = size[0] >> level, size[1] >> level
    if kind == "photograph":
        assert recipe.photographs is not None
        picture = _photograph(recipe.photographs, smaller, rng)
    else:
        picture = _part(_place(kind, size, *place)[level], smaller, rng)
    if kind in ("room", "outdoors", "clutter") and rng.random() < 0.4:
        picture = with_person(picture, clothes, skin, rng)
    if blur > 0.35:
        picture = cv2.GaussianBlur(picture, (0, 0), blur / 2**level, borderType=cv2.BORDER_REFLECT)  # type: ignore[assignment]
    if picture.shape[:2] != (height, width):
        picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR)  # type: ignore[assignment]
    return kind, np.clip(picture, 0.0, 4.0, out=picture)


def shared_place(scene: int, rng: np.random.Generator) -> int:
    """Number of one of the few places that a scene and its neighbours share."""
    return scene // _SCENES * _PLACES + int(rng.integers(_PLACES))


@lru_cache(maxsize=2 * _PLACES)
def _place(kind: str, size: Size, seed: int, number: int) -> tuple[Light, ...]:
    """A place in full size, half of it, and so on; a pure function of its arguments."""
    large = round(size[0] * _PLACE), round(size[1] * _PLACE)
    place = paint_place(kind, large, stream(seed, PLACE, number, 1))
    levels = [place]
    for _ in range(_COARSEST):
        h, w = levels[-1].shape[:2]
        half = cv2.resize(levels[-1], (max(w // 2, 1), max(h // 2, 1)), interpolation=cv2.INTER_AREA)
        levels.append(half)  # type: ignore[arg-type]
    return tuple(levels)


def _part(place: Light, size: Size, rng: np.random.Generator) -> Light:
    """A part of a place, a little turned, mirrored half of the time, in light of its own."""
    h, w = size
    H, W = place.shape[:2]
    share = rng.uniform(0.6, 1.0)
    turn = rng.normal(0.0, np.deg2rad(4.0))
    across, down = share * W / w, share * H / h
    M = np.array(
        [[np.cos(turn) * across, -np.sin(turn) * down], [np.sin(turn) * across, np.cos(turn) * down]]
    )
    if rng.random() < 0.5:
        M[:, 0] *= -1.0
    aim = 0.5 * np.array([W - 1, H - 1]) + rng.uniform(-0.5, 0.5, 2) * (1.0 - share) * [W, H]
    shift = aim - M @ [0.5 * (w - 1), 0.5 * (h - 1)]
    part = cv2.warpAffine(
        place, np.column_stack([M, shift]), (w, h), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT_101,
    )  # fmt: skip
    tint = np.exp(rng.normal(0.0, 0.25)) * (1.0 + rng.normal(0.0, 0.04, 3))
    part *= tint.astype(np.float32)
    return part  # type: ignore[return-value]


def _photograph(folder: Path, size: Size, rng: np.random.Generator) -> Light:
    names = _photographs(folder)
    path = names[int(rng.integers(len(names)))]
    image = _opened(path)
    if image is None:
        raise SynthesisError(f"The photograph {path} cannot be read.", "Remove it, or give another folder.")
    h, w = size
    # A crop of any size, mirrored half of the time.
    scale = max(h / image.shape[0], w / image.shape[1]) * rng.uniform(1.0, 2.0)
    side = max(1, min(round(w / scale), image.shape[1])), max(1, min(round(h / scale), image.shape[0]))
    left = int(rng.integers(image.shape[1] - side[0] + 1))
    top = int(rng.integers(image.shape[0] - side[1] + 1))
    crop = image[top : top + side[1], left : left + side[0]]
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
    smaller = cv2.resize(np.ascontiguousarray(crop), (w, h), interpolation=cv2.INTER_AREA)
    return ((smaller.astype(np.float32) / 255.0) ** 2.2).astype(np.float32)


@lru_cache(maxsize=4)
def _photographs(folder: Path) -> tuple[Path, ...]:
    names = tuple(sorted(p for p in Path(folder).rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png")))
    if not names:
        raise SynthesisError(
            f"The folder {folder} of photographs holds no JPEG or PNG picture.", "Give a folder that does."
        )
    return names


@lru_cache(maxsize=32)
def _opened(path: Path) -> NDArray[np.uint8] | None:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        return None
    scale = 640.0 / max(image.shape[:2])
    if scale < 1.0:
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(image[..., ::-1])  # type: ignore[return-value]
