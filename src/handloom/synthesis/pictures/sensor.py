"""What a camera does to light: blur, vignetting, white balance, noise, a tone curve, compression."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]
Light = NDArray[np.float32]
Image = NDArray[np.uint8]

_GRAIN = 512


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
    return np.asarray(_over(light, background))


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
    """(H, W, 3) sRGB picture of (H, W, 3) linear light; ``seed`` is of the noise.

    Raises:
        ValueError: if some of the light is no number.
    """
    if not np.isfinite(light.sum()):
        raise ValueError("the light of some pixels is no number")
    if sensor.softness > 0.3:
        light = cv2.GaussianBlur(light, (0, 0), sensor.softness)  # type: ignore[assignment]
    small = light[::4, ::4] @ np.full(3, 1 / 3, dtype=np.float32)
    # Exposure as cameras choose it: the geometric mean becomes a middle grey.
    middle = float(np.exp(np.log(small + 0.01).mean()))
    gain = sensor.exposure * 0.21 / max(middle, 1e-3)
    # … but not so that much of the picture burns out.
    bright = np.partition(small.ravel(), int(0.96 * small.size))[int(0.96 * small.size)]
    gain = float(np.clip(min(gain, 1.05 / max(float(bright), 1e-3)), 0.35, 3.0))
    grain = _grain(round(4.0 * sensor.clumping))
    image = _developed(
        np.ascontiguousarray(light), (gain * sensor.white).astype(np.float32), np.float32(sensor.vignetting),
        grain, seed % len(grain), seed // len(grain) % len(grain), np.float32(sensor.shot),
        np.float32(sensor.read**2), _curve(round(sensor.contrast, 2)), np.float32(sensor.saturation),
    )  # fmt: skip
    if sensor.sharpening > 0.1:
        soft = cv2.GaussianBlur(image, (0, 0), 0.9)
        image = cv2.addWeighted(image, 1.0 + sensor.sharpening, soft, -sensor.sharpening, 0.0)
    if not sensor.quality:
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)
    _, packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, sensor.quality])
    return np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR_RGB), dtype=np.uint8)


@lru_cache(maxsize=64)
def _curve(contrast: float) -> Image:
    """Grey level of 4096 intensities up to 2: gamma, more contrast in the middle, a soft shoulder."""
    x = np.linspace(0.0, 2.0, 4096)
    shoulder = np.where(x < 0.6, x, 0.6 + 0.4 * np.tanh((x - 0.6) / 0.4 * 0.75) / np.tanh(1.4 / 0.4 * 0.75))
    y = np.clip(shoulder, 0, 1) ** (1 / 2.2)
    bent = 0.5 + 0.5 * np.tanh(1.6 * (y - 0.5)) / np.tanh(0.8)
    return np.rint(255 * np.clip(y + (contrast - 1.0) * 1.6 * (bent - y), 0, 1)).astype(np.uint8)


@cache
def _grain(clumping: int) -> Light:
    """(``_GRAIN``, ``_GRAIN``, 3) noise of about N(0, 1), its grain ``clumping`` quarters of a pixel wide.

    One field serves all pictures, each from another corner on; its ends meet.
    """
    field = np.random.default_rng(clumping).standard_normal((_GRAIN, _GRAIN, 3), dtype=np.float32)
    if clumping > 1:
        wide = cv2.copyMakeBorder(field, 8, 8, 8, 8, cv2.BORDER_WRAP)
        field = cv2.GaussianBlur(wide, (0, 0), clumping / 4.0)[8:-8, 8:-8]  # type: ignore[assignment]
        field = field / field.std()
    # Cameras smooth colour more than brightness.
    common = np.float32(0.55) * (field[..., :1] + field[..., 1:2])
    return np.ascontiguousarray(common + np.float32(0.4) * field)


@njit(cache=True, fastmath=True)
def _over(light, background):
    """(H, W, 3) colour times coverage over a background."""
    h, w = light.shape[0], light.shape[1]
    out = np.empty((h, w, 3), dtype=np.float32)
    for i in range(h):
        for j in range(w):
            behind = np.float32(1.0) - light[i, j, 3]
            for k in range(3):
                out[i, j, k] = light[i, j, k] + behind * background[i, j, k]
    return out


@njit(cache=True, fastmath=True)
def _developed(light, gains, vignetting, grain, top, left, shot, dark, curve, saturation):
    """(H, W, 3) blue, green, red: gains, vignetting, noise, saturation, tone curve."""
    h, w = light.shape[0], light.shape[1]
    out = np.empty((h, w, 3), dtype=np.uint8)
    nothing, most, step = np.float32(0.0), np.float32(2.0), np.float32(2047.5)
    exposed = np.empty((w, 3), dtype=np.float32)
    for i in range(h):
        y = np.float32((i + 0.5) / h - 0.5)
        row = grain[(i + top) % len(grain)]
        for j in range(w):
            x = np.float32((j + 0.5) / w - 0.5)
            fall = np.float32(1.0) - vignetting * np.float32(2.0) * (x * x + y * y)
            noise = row[(j + left) % len(grain)]
            for k in range(3):
                value = light[i, j, k] * gains[k] * fall
                exposed[j, k] = value + np.sqrt(shot * max(value, nothing) + dark) * noise[k]
        for j in range(w):
            red, green, blue = exposed[j, 0], exposed[j, 1], exposed[j, 2]
            grey = np.float32(0.2126) * red + np.float32(0.7152) * green + np.float32(0.0722) * blue
            for k in range(3):
                value = grey + saturation * (exposed[j, k] - grey)
                out[i, j, 2 - k] = curve[int(min(max(value, nothing), most) * step)]
    return out
