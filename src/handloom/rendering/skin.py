"""Procedural skin: a texture baked from the hand's own anatomy.

Every texel knows its place on the flat template; colour follows from there: paler palm, redder finger
tips and knuckles, creases at the joints and across the palm, nails, mottling, and the cloth of a sleeve.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from handloom.hand import HandModel
from handloom.rendering.noise import wave_noise
from handloom.rendering.skin_marks import finger_detail, nails, palm_lines, warmth
from handloom.rendering.texels import SIZE, hand_texels

Array = NDArray[np.float64]
Texture = NDArray[np.float32]


@dataclass(frozen=True)
class Complexion:
    """Linear colours (r, g, b) of a person's hand.

    Attributes:
        back: of the back of the hand.
        palm: of the palm.
        blush: multiplies the skin over knuckles and finger tips.
        nail: of the nails.
        sleeve: of the cloth at the wrist.
    """

    back: tuple[float, float, float] = (0.53, 0.31, 0.21)
    palm: tuple[float, float, float] = (0.66, 0.39, 0.30)
    blush: tuple[float, float, float] = (1.04, 0.78, 0.74)
    nail: tuple[float, float, float] = (0.74, 0.47, 0.41)
    sleeve: tuple[float, float, float] = (0.05, 0.07, 0.13)


COMPLEXIONS = (
    Complexion(),
    Complexion((0.62, 0.40, 0.30), (0.72, 0.46, 0.37), sleeve=(0.30, 0.30, 0.31)),
    Complexion(
        back=(0.36, 0.19, 0.115), palm=(0.55, 0.32, 0.23), nail=(0.60, 0.36, 0.29), sleeve=(0.11, 0.03, 0.03)
    ),
    Complexion(
        back=(0.20, 0.10, 0.06), palm=(0.43, 0.25, 0.18), nail=(0.48, 0.28, 0.22), sleeve=(0.28, 0.25, 0.18)
    ),
)
"""From medium to light to dark skin, each with a sleeve."""


def bake_hand(model: HandModel, complexion: Complexion, seed: int) -> Texture:
    """(512, 512, 4) linear colour and gloss of the model's texture chart."""
    # The chart is the same for both sides; the right hand's axes point along its bones.
    model = model if model.side == "right" else model.mirrored()
    texels = hand_texels(model)
    positions, normals = texels.positions, texels.normals
    nail = nails(positions, normals, model)

    colour = _skin(positions, normals, complexion, seed)
    colour *= finger_detail(positions, normals, texels.weights, model)[:, None]
    warm = warmth(positions, normals, model)
    colour *= 1.0 + warm[:, None] * (np.array(complexion.blush) - 1.0)
    colour *= palm_lines(positions, normals, model)[:, None]
    rim = 1.0 - np.clip(1.0 - np.abs(2.0 * nail - 1.0), 0, 1) * 0.3
    colour = ((1 - nail)[:, None] * colour + nail[:, None] * np.array(complexion.nail)) * rim[:, None]
    gloss = 0.035 + 0.16 * nail

    texture = np.zeros((SIZE, SIZE, 4), dtype=np.float32)
    texture[texels.mask] = np.column_stack([colour, gloss])
    return _bleed(texture, texels.mask)


def bake_forearm(rings: Array, cloth: NDArray[np.bool_], complexion: Complexion, seed: int) -> Texture:
    """(512, 512, 4) texture of a forearm given as (R, N, 3) rest rings, wrist first; ``cloth`` per ring."""
    rows, columns = len(rings), rings.shape[1]
    size = SIZE // 2
    # The chart spans 0.06 to 0.96 of the half texture across and 0.97 to 0.03 of it down.
    u = ((np.arange(size) + 0.5) / size - 0.06) / 0.90 * (columns - 1)
    v = (0.97 - (1 - (np.arange(size) + 0.5) / size)) / 0.94 * (rows - 1)
    across, down = np.meshgrid(np.clip(u, 0, columns - 1), np.clip(v, 0, rows - 1))
    places = rings.astype(np.float32), across.astype(np.float32), down.astype(np.float32)
    positions = cv2.remap(*places, cv2.INTER_LINEAR).astype(np.float64)
    outward = positions - positions.mean(axis=1, keepdims=True)
    outward /= np.linalg.norm(outward, axis=-1, keepdims=True)
    texture = np.empty((size, size, 4), dtype=np.float32)
    texture[..., :3] = _skin(positions, outward, complexion, seed)
    texture[..., 3] = 0.035
    is_cloth = cloth[np.ceil(down - 0.5).astype(int)]
    weave = 1.0 + 0.16 * np.sin(positions[..., 1] * 2600.0) * np.sin(across * 14.0)
    folds = 1.0 + 0.12 * wave_noise(positions, 0.03, seed + 7)
    texture[is_cloth, :3] = ((weave * folds)[..., None] * np.array(complexion.sleeve))[is_cloth]
    texture[is_cloth, 3] = 0.0
    return cv2.resize(texture, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR).astype(np.float32)


def _skin(positions: Array, normals: Array, complexion: Complexion, seed: int) -> Array:
    """Base colour: palm and back, mottled at three scales."""
    palm = np.clip(0.5 + 1.3 * normals[..., 2], 0, 1)[..., None]
    base = palm * np.array(complexion.palm) + (1 - palm) * np.array(complexion.back)
    patches = 0.030 * wave_noise(positions, 0.022, seed)[..., None] * np.array([0.6, 1.0, 1.1])
    spots = 0.022 * wave_noise(positions, 0.006, seed + 1)[..., None]
    grain = 0.030 * wave_noise(positions, 0.0016, seed + 2, waves=40)[..., None]
    return base * (1.0 + patches + spots + grain)


def _bleed(texture: Texture, known: NDArray[np.bool_]) -> Texture:
    """Carry colours a few texels past the chart's edge, so that interpolation never meets black."""
    filled: Texture = texture.copy()
    mask: NDArray[np.float32] = known.astype(np.float32)
    for _ in range(6):
        total, count = cv2.blur(filled * mask[..., None], (3, 3)), cv2.blur(mask, (3, 3))
        grow = (mask == 0) & (count > 0)
        filled[grow] = total[grow] / count[grow][:, None]
        mask[grow] = 1.0
    return filled
