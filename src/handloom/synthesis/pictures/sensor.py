"""What a camera does to light: blur, vignetting, white balance, noise, a tone curve, compression."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]
Light = NDArray[np.float32]
Image = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Sensor:
    """A camera's ways.

    Attributes:
        defocus: standard deviation of the blur of what is in front, pixels.
        softness: of the whole picture, from lens and demosaicking, pixels.
        exposure: grey that becomes the middle of the curve, in shares of it.
        white: (3,) gains.
        vignetting: share of the light lost in the corners.
        shot: variance of the noise of one unit of light.
        read: standard deviation of the noise of the dark.
        clumping: width of the noise's grain, pixels.
        contrast: of the tone curve, 1 is plain gamma.
        sharpening: share of detail added back.
        quality: of JPEG; 0 for none.
        saturation: of the colours.
    """

    defocus: float
    softness: float
    exposure: float
    white: Array
    vignetting: float
    shot: float
    read: float
    clumping: float
    contrast: float
    sharpening: float
    quality: int
    saturation: float


def draw_sensor(strength: float, dim: bool, shorter_side: int, rng: np.random.Generator) -> Sensor:
    """A camera; ``strength`` 0 is a perfect one, ``dim`` light makes it noisier."""
    scale = shorter_side / 256.0
    noisy = strength * np.exp(rng.uniform(-3.2, -0.5)) * (1.8 if dim else 1.0)
    return Sensor(
        defocus=strength * (rng.uniform(0.5, 1.3) * scale if rng.random() < 0.12 else rng.uniform(0.0, 0.3)),
        softness=strength * rng.uniform(0.25, 0.75) * np.sqrt(scale),
        exposure=float(np.exp(strength * rng.normal(0.0, 0.22)) * (0.75 if dim else 1.0)),
        white=np.exp(strength * rng.normal(0.0, [0.05, 0.012, 0.06])),
        vignetting=strength * rng.uniform(0.0, 0.35),
        shot=0.0009 * noisy,
        read=0.008 * noisy,
        clumping=rng.uniform(0.3, 0.8),
        contrast=1.0 + strength * rng.uniform(0.0, 0.45),
        sharpening=strength * rng.uniform(0.0, 0.5),
        quality=0 if strength == 0 else int(rng.integers(55, 97)),
        saturation=1.0 + strength * rng.normal(0.02, 0.12),
    )


def composite(light: Light, background: Light, sensor: Sensor, motion: Array) -> Light:
    """Lay what was drawn, blurred by defocus and motion, over the background.

    Args:
        light: (H, W, 4) colour times coverage, and coverage.
        background: (H, W, 3).
        sensor: its ``defocus`` is used.
        motion: (2,) pixels the hand moves while the shutter is open.

    Returns:
        (H, W, 3).
    """
    if sensor.defocus > 0.3:
        light = cv2.GaussianBlur(light, (0, 0), sensor.defocus)  # type: ignore[assignment]
    kernel = motion_kernel(motion)
    if kernel is not None:
        light = cv2.filter2D(light, -1, kernel, borderType=cv2.BORDER_REPLICATE)  # type: ignore[assignment]
    return np.asarray(light[..., :3] + (1.0 - light[..., 3:]) * background)


def motion_kernel(motion: Array) -> Light | None:
    """Odd square of weights along a line of the given length and direction; None below half a pixel."""
    length = float(np.hypot(*motion))
    if length < 0.5:
        return None
    half = int(np.ceil(length / 2))
    kernel = np.zeros((2 * half + 1, 2 * half + 1), dtype=np.float32)
    for t in np.linspace(-0.5, 0.5, 4 * half + 5):
        x, y = half + t * motion[0], half + t * motion[1]
        i, j = int(np.floor(y)), int(np.floor(x))
        for di, dj in ((0, 0), (0, 1), (1, 0), (1, 1)):
            if i + di <= 2 * half and j + dj <= 2 * half:
                kernel[i + di, j + dj] += (1 - abs(y - i - di)) * (1 - abs(x - j - dj))
    return kernel / kernel.sum()  # type: ignore[no-any-return]


def develop(light: Light, sensor: Sensor, seed: int) -> Image:
    """(H, W, 3) sRGB picture of (H, W, 3) linear light; ``seed`` is of the noise."""
    if sensor.softness > 0.25:
        light = cv2.GaussianBlur(light, (0, 0), sensor.softness)  # type: ignore[assignment]
    small = light[::4, ::4].mean(axis=2)
    # Exposure as cameras choose it: the geometric mean becomes a middle grey.
    middle = float(np.exp(np.log(small + 0.01).mean()))
    gain = sensor.exposure * 0.21 / max(middle, 1e-3)
    # … but not so that much of the picture burns out.
    gain = float(np.clip(min(gain, 1.05 / max(float(np.quantile(small, 0.96)), 1e-3)), 0.35, 3.0))
    gains = gain * sensor.white
    noisy = np.empty_like(light)
    _expose(np.ascontiguousarray(light), gains.astype(np.float32), sensor.vignetting, noisy)
    if sensor.read > 0 or sensor.shot > 0:
        grain = np.empty_like(light)
        _grain(np.uint64(seed), grain)
        if sensor.clumping > 0.35:
            before = 1.0
            grain = cv2.GaussianBlur(grain, (0, 0), sensor.clumping)  # type: ignore[assignment]
            after = float(np.sqrt(np.square(grain[::3, ::3]).mean()))
            grain *= np.float32(before / max(after, 1e-6))
        _add_noise(noisy, grain, sensor.shot, sensor.read)
    image = _tone(noisy, _curve(sensor.contrast), sensor.saturation)
    if sensor.sharpening > 0.1:
        soft = cv2.GaussianBlur(image, (0, 0), 0.9)
        image = cv2.addWeighted(image, 1.0 + sensor.sharpening, soft, -sensor.sharpening, 0.0)
    if sensor.quality:
        _, packed = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, sensor.quality])
        unpacked = cv2.imdecode(packed, cv2.IMREAD_COLOR)
        assert unpacked is not None
        image = unpacked[..., ::-1]
    return np.ascontiguousarray(image, dtype=np.uint8)


def _curve(contrast: float) -> Image:
    """Grey level of 4096 intensities up to 2: gamma, more contrast in the middle, a soft shoulder."""
    x = np.linspace(0.0, 2.0, 4096)
    shoulder = np.where(x < 0.6, x, 0.6 + 0.4 * np.tanh((x - 0.6) / 0.4 * 0.75) / np.tanh(1.4 / 0.4 * 0.75))
    y = np.clip(shoulder, 0, 1) ** (1 / 2.2)
    bent = 0.5 + 0.5 * np.tanh(1.6 * (y - 0.5)) / np.tanh(0.8)
    return np.rint(255 * np.clip(y + (contrast - 1.0) * 1.6 * (bent - y), 0, 1)).astype(np.uint8)


@njit(cache=True, fastmath=True)
def _expose(light, gains, vignetting, out):
    h, w = light.shape[0], light.shape[1]
    for i in range(h):
        for j in range(w):
            x, y = (j + 0.5) / w - 0.5, (i + 0.5) / h - 0.5
            fall = np.float32(1.0 - vignetting * 2.0 * (x * x + y * y))
            for k in range(3):
                out[i, j, k] = light[i, j, k] * gains[k] * fall


@njit(cache=True)
def _grain(seed, out):
    """About N(0, 1), from a counter alone (splitmix64), so that it is the same everywhere."""
    flat = out.reshape(-1)
    for n in range(len(flat)):
        z = seed + np.uint64(n + 1) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
        total = np.int64(0)
        for k in range(4):
            total += np.int64((z >> np.uint64(16 * k)) & np.uint64(0xFFFF))
        flat[n] = (total - 131070.0) * np.float32(1.0 / 37837.0)


@njit(cache=True, fastmath=True)
def _add_noise(light, grain, shot, read):
    a, b = light.reshape(-1, 3), grain.reshape(-1, 3)
    for n in range(len(a)):
        # Cameras smooth colour more than brightness.
        common = np.float32(0.55) * (b[n, 0] + b[n, 1])
        for k in range(3):
            spread = np.sqrt(shot * max(a[n, k], np.float32(0.0)) + read * read)
            a[n, k] += spread * (common + np.float32(0.4) * b[n, k])


@njit(cache=True, fastmath=True)
def _tone(light, curve, saturation):
    h, w = light.shape[0], light.shape[1]
    out = np.empty((h, w, 3), dtype=np.uint8)
    for i in range(h):
        for j in range(w):
            grey = 0.2126 * light[i, j, 0] + 0.7152 * light[i, j, 1] + 0.0722 * light[i, j, 2]
            for k in range(3):
                value = grey + saturation * (light[i, j, k] - grey)
                out[i, j, k] = curve[int(min(max(value, 0.0), 2.0) * 2047.5)]
    return out
