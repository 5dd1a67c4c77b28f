"""Other light, other lenses, other places: what changes a crop's pixels but not where its joints are.

All of it works on stored pixels in [0, 255] and comes before any normalisation: to turn the hue of a picture
from which 0.5 was subtracted, as ColorHandPose3D's public code does, gives colours that there are not (§1.9).
Everything is drawn from the generator that is handed in.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

_GREY = np.array([0.299, 0.587, 0.114])
# Luma and two colour-difference axes (YIQ): a turn about luma is a change of hue.
_TO_YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
_FROM_YIQ = np.linalg.inv(_TO_YIQ)
_LEVELS = np.arange(256) / 255.0
_NOISE = 1 << 20


@dataclass(frozen=True)
class Strength:
    """How strongly pictures are changed; 0 switches a change off.

    Attributes:
        hue: turns by up to so much of the circle, either way.
        saturation: colours are multiplied or divided by up to 1 + so much.
        cast: spread of each channel's gain (natural logarithm).
        brightness: added, up to so much of white, either way.
        contrast: multiplied or divided by up to 1 + so much, about mid grey.
        gamma: exponent, up to 1 + so much or its inverse.
        grey: chance of a picture without colour.
        shade: chance of light that falls off over the picture, or of the edge of a shadow in it.
        blur: chance of blur, by a lens or by motion.
        coarse: chance of a picture of fewer pixels, enlarged.
        noise: largest standard deviation of noise, of white.
        jpeg: chance of compression, of quality 25 to 85.
        occluder: chance of a patch before the hand; half as likely another.
        background: chance that everything but people is exchanged, where masks say what that is.
    """

    hue: float = 0.03
    saturation: float = 0.5
    cast: float = 0.1
    brightness: float = 0.15
    contrast: float = 0.35
    gamma: float = 0.4
    grey: float = 0.05
    shade: float = 0.3
    blur: float = 0.35
    coarse: float = 0.3
    noise: float = 0.04
    jpeg: float = 0.15
    occluder: float = 0.2
    background: float = 0.4

    @classmethod
    def none(cls) -> Strength:
        """Pictures as they are."""
        return cls(**{field.name: 0.0 for field in fields(cls)})

    @classmethod
    def paper(cls) -> Strength:
        """Of ColorHandPose3D: hue only (§1.9), done on unshifted colours."""
        return cls(**{field.name: 0.0 for field in fields(cls)} | {"hue": 0.1})


def photometric(image: Image, strength: Strength, rng: np.random.Generator) -> Image:
    """A (H, W, 3) uint8 RGB picture as another camera would have taken it in other light."""
    if rng.random() < strength.shade:
        image = _shaded(image, rng)
    image = _sharpness(image, strength, rng)
    image = _colours(image, strength, rng)
    if strength.noise:
        image = _noisy(image, 255.0 * strength.noise * rng.random() ** 2, rng)
    if rng.random() < strength.jpeg:
        image = _compressed(image, int(rng.integers(25, 86)))
    return image


def _shaded(image: Image, rng: np.random.Generator) -> Image:
    """In uneven light: brighter here than there by up to five times."""
    height, width = image.shape[:2]
    cells = int(rng.integers(2, 5))
    field = cv2.resize(
        rng.uniform(-1.0, 1.0, (cells, cells)).astype(np.float32),
        (width, height),
        interpolation=cv2.INTER_CUBIC,
    )
    if rng.random() < 0.4:
        # A shadow's edge is where the field changes its sign.
        field = np.tanh(field * rng.uniform(2.0, 20.0))
    light = np.exp(rng.uniform(0.2, 0.8) * np.clip(field, -1.0, 1.0))
    return np.asarray(np.clip(np.rint(image * light[..., None]), 0, 255), np.uint8)


def _sharpness(image: Image, strength: Strength, rng: np.random.Generator) -> Image:
    side = max(image.shape[:2])
    if rng.random() < strength.blur:
        length = side * 0.06 * rng.random() ** 2
        if rng.random() < 0.5:
            image = cv2.GaussianBlur(image, (0, 0), 0.3 + 0.5 * length)  # type: ignore[assignment]
        else:
            image = _moved(image, 1.0 + 1.5 * length, rng.uniform(0.0, np.pi))
    if rng.random() < strength.coarse:
        share = rng.uniform(0.3, 0.8)
        small = max(round(image.shape[1] * share), 8), max(round(image.shape[0] * share), 8)
        full = (image.shape[1], image.shape[0])
        image = cv2.resize(cv2.resize(image, small, interpolation=cv2.INTER_AREA), full)  # type: ignore[assignment]
    return image


def _moved(image: Image, length: float, angle: float) -> Image:
    """Blurred along a line."""
    size = 2 * int(np.ceil(length / 2)) + 1
    kernel = np.zeros((size, size), np.float32)
    half = np.array([np.cos(angle), np.sin(angle)]) * length / 2
    ends = [tuple(int(v) for v in np.rint(16 * (size // 2 + sign * half))) for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0, 1, cv2.LINE_AA, 4)
    total = float(kernel.sum())
    return image if total <= 0 else np.asarray(cv2.filter2D(image, -1, kernel / total), np.uint8)


def _colours(image: Image, strength: Strength, rng: np.random.Generator) -> Image:
    """Hue, saturation and grey as one matrix; light as one table for each channel."""
    turn = 2 * np.pi * strength.hue * rng.uniform(-1.0, 1.0)
    colour = _within(strength.saturation, rng)
    if rng.random() < strength.grey:
        colour = 0.0
    if strength.hue or colour != 1.0:
        c, s = colour * np.cos(turn), colour * np.sin(turn)
        matrix = _FROM_YIQ @ np.array([[1.0, 0, 0], [0, c, -s], [0, s, c]]) @ _TO_YIQ
        image = cv2.transform(image, matrix)  # type: ignore[assignment]
    if not (strength.cast or strength.brightness or strength.contrast or strength.gamma):
        return image
    gains = np.exp(strength.cast * np.clip(rng.normal(size=3), -2.0, 2.0))
    light = _LEVELS ** _within(strength.gamma, rng)
    light = 0.5 + (light - 0.5) * _within(strength.contrast, rng)
    light += strength.brightness * rng.uniform(-1.0, 1.0)
    table = np.rint(np.clip(light[:, None] * gains, 0.0, 1.0) * 255.0).astype(np.uint8)
    return np.asarray(cv2.LUT(image, table.reshape(256, 1, 3)), np.uint8)


def _within(strength: float, rng: np.random.Generator) -> float:
    """A factor from 1 / (1 + strength) to 1 + strength."""
    return float((1.0 + strength) ** rng.uniform(-1.0, 1.0))


def _noisy(image: Image, deviation: float, rng: np.random.Generator) -> Image:
    if deviation < 0.3:
        return image
    count = image.size
    start = int(rng.integers(_NOISE))
    noise = _noise_table(count)[start : start + count].reshape(image.shape)
    # The table holds 16 times normal noise, in whole numbers: a sum of 8-bit pictures is then saturated.
    return np.asarray(cv2.addWeighted(image, 1.0, noise, deviation / 16.0, 0.0, dtype=cv2.CV_8U), np.uint8)


@lru_cache(maxsize=4)
def _noise_table(count: int) -> NDArray[np.int16]:
    table = np.random.default_rng(0).normal(0.0, 16.0, _NOISE).round().astype(np.int16)
    return np.resize(table, _NOISE + count)


def _compressed(image: Image, quality: int) -> Image:
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def on_background(image: Image, people: NDArray[np.bool_], background: Image) -> Image:
    """People of one picture before another of the same size, with a soft edge a pixel wide."""
    share = cv2.GaussianBlur(people.astype(np.float32), (3, 3), 0.6)
    return np.asarray(cv2.blendLinear(image, background, share, 1.0 - share), np.uint8)


def occluder(size: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """(size, size) mask of a patch: a rectangle, an ellipse or a bar, an eighth to two fifths of the side."""
    mask = np.zeros((size, size), np.uint8)
    centre = rng.uniform(0.1, 0.9, 2) * size
    long, wide = size * rng.uniform(0.12, 0.4), size * rng.uniform(0.08, 0.25)
    angle = float(rng.uniform(0.0, 180.0))
    kind = rng.random()
    if kind < 0.4:
        cv2.ellipse(mask, (centre.tolist(), (long, wide), angle), 1, -1)
    else:
        if kind > 0.8:
            long, wide = 2.0 * size, 0.4 * wide
        corners = cv2.boxPoints((centre.tolist(), (long, wide), angle))
        cv2.fillPoly(mask, [np.rint(corners).astype(np.int32)], 1)
    return mask.astype(bool)
