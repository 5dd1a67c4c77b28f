"""Skin painted quickly: what does not depend on the person is laid out once, texel by texel.

A person is then a handful of colours and strengths, and painting a hand one pass over its texels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from handloom.hand import HAND_TREE, HandModel, load_open_hand
from handloom.rendering.noise import wave_noise
from handloom.rendering.skin_marks import finger_detail, nails, of_finger, palm_lines, warmth
from handloom.rendering.texels import SIZE, hand_texels
from handloom.skeleton import FINGERS

Array = NDArray[np.float64]
Texture = NDArray[np.float32]

FIELDS = 6
"""Independent random fields of each scale, of which a person takes a mixture."""
LAYERS = ("palm", "nail", "nail_tip", "detail", "warmth", "lines", "veins", "hair")


@dataclass(frozen=True, eq=False)
class SkinChart:
    """A surface laid out flat.

    Attributes:
        shape: (h, w) of the texture.
        source: (h, w) int32 index of the texel whose colour stands at a place: its own, near the rim of the
            chart the nearest one's, −1 where none is near.
        layers: (N, 8) float32, see :data:`LAYERS`; all from 0 to 1.
        coarse, fine: (N, ``FIELDS``) float32 fields of about N(0, 1): of centimetres, of millimetres.
        bands: (N, 5) float32 distance from the middle of the base bone of each finger, along the bone,
            metres; large elsewhere.
        positions: (N, 3) of the flat right hand.
    """

    shape: tuple[int, int]
    source: NDArray[np.int32]
    layers: NDArray[np.float32]
    coarse: NDArray[np.float32]
    fine: NDArray[np.float32]
    bands: NDArray[np.float32]
    positions: Array


@dataclass(frozen=True)
class SkinLook:
    """A person's skin, linear colours.

    Attributes:
        back, palm: (r, g, b) of the two sides of the hand.
        blush: (r, g, b) factor of knuckles and finger tips.
        nail, nail_tip: (r, g, b) of the nail's bed and of its free end.
        nail_gloss, gloss: how much light nail and skin mirror.
        mottling: (r, g, b) depth of the centimetre-wide patches.
        grain: depth of the millimetre-wide ones.
        wrinkles: strength of creases and wrinkles, 1 is usual.
        veins: strength of the veins on the back.
        freckles: strength of dark spots on the back.
        hair: darkness of the hair of the arm.
        cover: (r, g, b) and share of a glove over everything.
        ring: finger, (r, g, b) and half width, metres, of a ring; None without.
        tattoo: (r, g, b) and share of the ink; None without.
    """

    back: tuple[float, float, float]
    palm: tuple[float, float, float]
    blush: tuple[float, float, float] = (1.04, 0.78, 0.74)
    nail: tuple[float, float, float] = (0.74, 0.47, 0.41)
    nail_tip: tuple[float, float, float] = (0.80, 0.66, 0.58)
    nail_gloss: float = 0.2
    gloss: float = 0.045
    mottling: tuple[float, float, float] = (0.02, 0.035, 0.04)
    grain: float = 0.03
    wrinkles: float = 1.0
    veins: float = 0.3
    freckles: float = 0.0
    hair: float = 0.0
    glove: tuple[float, float, float] | None = None
    ring: tuple[int, tuple[float, float, float], float] | None = None
    tattoo: tuple[tuple[float, float, float], float] | None = None


@cache
def hand_chart() -> SkinChart:
    """The chart of the open hand, the same for both sides."""
    model = load_open_hand("right")
    texels = hand_texels(model)
    positions, normals, skin_weights = texels.positions, texels.normals, texels.weights
    layers = _common_layers(positions, normals)
    layers["nail"] = nails(positions, normals, model)
    layers["nail_tip"] = layers["nail"] * _nail_tip(positions, model)
    layers["detail"] = 1.0 - finger_detail(positions, normals, skin_weights, model)
    layers["warmth"] = warmth(positions, normals, model)
    layers["lines"] = 1.0 - palm_lines(positions, normals, model)
    layers["veins"] *= skin_weights[:, 0]
    layers["hair"] *= 0.35 * skin_weights[:, 0]
    source = np.full((SIZE, SIZE), -1, dtype=np.int32)
    source[texels.mask] = np.arange(len(positions))
    away, nearest = distance_transform_edt(~texels.mask, return_indices=True)
    source = np.where(away < 7, source[nearest[0], nearest[1]], -1).astype(np.int32)
    return _chart((SIZE, SIZE), source, layers, positions, _bands(positions, skin_weights, model))


@cache
def arm_chart(rows: int = 384, columns: int = 128, length: float = 0.85, girth: float = 0.028) -> SkinChart:
    """A forearm of the given length behind the wrist: rows along it from the wrist, columns once round."""
    along, angle = np.meshgrid(
        (np.arange(rows) + 0.5) / rows * length,
        (np.arange(columns) + 0.5) / columns * 2 * np.pi,
        indexing="ij",
    )
    normals = np.stack([np.cos(angle), np.zeros_like(angle), np.sin(angle)], axis=-1).reshape(-1, 3)
    positions = normals * [girth, 0.0, 0.75 * girth] - np.stack(
        [np.zeros(along.size), along.ravel(), np.zeros(along.size)], axis=-1
    )
    layers = _common_layers(positions, normals)
    layers["hair"] *= np.clip(along.ravel() / 0.05, 0, 1)
    # Away from the hand the inner side is as dark as the outer.
    layers["palm"] *= np.clip(1.0 - along.ravel() / 0.06, 0.35, 1)
    source = np.arange(rows * columns, dtype=np.int32).reshape(rows, columns)
    return _chart((rows, columns), source, layers, positions, np.full((len(positions), 5), 1.0))


def paint(chart: SkinChart, look: SkinLook, rng: np.random.Generator) -> Texture:
    """(h, w, 4) linear colour and gloss of a person's skin; ``rng`` decides where its spots are.

    Both charts painted with generators of one seed match where they meet.
    """
    coarse = _mixture(rng, 3)
    fine = _mixture(rng, 1)[0]
    veins = np.float32(look.veins * 0.16)
    numbers = np.array(
        [*look.back, *look.palm, *look.blush, *look.nail, *look.nail_tip, *look.mottling,
         look.grain, look.wrinkles, veins, look.freckles, look.hair, look.gloss, look.nail_gloss],
        dtype=np.float32,
    )  # fmt: skip
    # The last row is for the places that no texel is near to, whose index is −1.
    rows = np.zeros((len(chart.layers) + 1, 4), dtype=np.float32)
    colours = rows[:-1]
    _paint(chart.layers, chart.coarse @ coarse.T, chart.fine @ fine, numbers, colours)
    if look.tattoo is not None:
        _ink(colours, chart, look.tattoo, rng)
    if look.glove is not None:
        weave = 1.0 + 0.10 * (chart.fine @ fine) + 0.06 * (chart.coarse @ coarse[0])
        colours[:, :3] = np.array(look.glove, dtype=np.float32) * np.clip(weave, 0.4, 1.6)[:, None]
        colours[:, 3] = look.gloss
    elif look.ring is not None:
        finger, metal, half = look.ring
        band = np.abs(chart.bands[:, finger]) < half
        colours[band, :3] = metal
        colours[band, 3] = 0.9
    return np.take(rows, chart.source, axis=0)


@njit(cache=True, fastmath=True)
def _paint(layers, coarse, fine, look, colours):
    grain, wrinkles, veins, freckles, hair, gloss, nail_gloss = look[18:25]
    for i in range(len(layers)):
        palm, nail, tip, detail, warm, line, vein, strand = layers[i]
        back = 1.0 - palm
        shade = (1.0 - min(wrinkles * detail, 0.9)) * (1.0 - min(wrinkles * line, 0.9))
        spot = max(fine[i] - 1.5, 0.0) * freckles * back
        shade *= (1.0 + grain * fine[i]) * (1.0 - min(0.5 * spot, 0.5)) * (1.0 - min(hair * strand, 0.85))
        rim = 1.0 - 0.3 * max(1.0 - abs(2.0 * nail - 1.0), 0.0)
        for k in range(3):
            skin = palm * look[3 + k] + back * look[k]
            skin *= (1.0 + warm * (look[6 + k] - 1.0)) * (1.0 + look[15 + k] * coarse[i, k]) * shade
            # Veins take red out more than blue.
            skin *= 1.0 - veins * vein * (1.0 - 0.25 * k)
            plate = look[9 + k] + tip * (look[12 + k] - look[9 + k])
            colours[i, k] = max((1.0 - nail) * skin + nail * plate * (0.97 + 0.03 * fine[i]), 0.004) * rim
        colours[i, 3] = gloss * (1.0 + 0.25 * fine[i]) * (1.0 - nail) + nail_gloss * nail


def _ink(colours: Texture, chart: SkinChart, tattoo, rng: np.random.Generator) -> None:  # type: ignore[no-untyped-def]
    """Lines and fields of ink on the back of the hand or arm."""
    ink, share = tattoo
    where = chart.positions + rng.uniform(-0.5, 0.5, 3)
    a, b = (wave_noise(where, scale, int(rng.integers(1 << 30)), waves=6) for scale in (0.03, 0.016))
    field = wave_noise(where, 0.09, int(rng.integers(1 << 30)), waves=5) > 0.5
    lines = ((np.abs(a) < 0.16) | ((b > 0.5) & (b < 0.9))) & field
    mask = (lines & (chart.layers[:, 0] < 0.5))[:, None] * np.float32(share)
    colours[:, :3] = (1 - mask) * colours[:, :3] + mask * np.array(ink, dtype=np.float32)


def _mixture(rng: np.random.Generator, count: int) -> NDArray[np.float32]:
    """(count, ``FIELDS``) weights of unit length, the rows alike: patches differ little between colours."""
    shared = rng.normal(size=FIELDS)
    rows = shared + 0.35 * rng.normal(size=(count, FIELDS))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def _common_layers(positions: Array, normals: Array) -> dict[str, Array]:
    nothing = np.zeros(len(positions))
    layers = dict.fromkeys(LAYERS, nothing)
    layers["palm"] = np.clip(0.5 + 1.3 * normals[:, 2], 0, 1)
    back = np.clip(-1.5 * normals[:, 2] - 0.2, 0, 1)
    # Veins run along the arm: a field stretched in that direction, thin where it crosses zero.
    course = wave_noise(positions * [1.0, 0.28, 1.0], 0.022, 41, waves=10)
    branch = wave_noise(positions * [1.0, 0.5, 1.0], 0.03, 42, waves=8)
    layers["veins"] = back * np.exp(-((course / 0.13) ** 2)) * np.clip(0.6 + 0.6 * branch, 0, 1)
    strands = wave_noise(positions * [1.0, 0.18, 1.0], 0.0011, 43, waves=16)
    layers["hair"] = np.clip(strands - 0.9, 0, 1) * np.clip(0.6 - normals[:, 2], 0, 1) * 0.8
    return layers


def _chart(
    shape: tuple[int, int],
    source: NDArray[np.int32],
    layers: dict[str, Array],
    positions: Array,
    bands: Array,
) -> SkinChart:
    def fields(scales: tuple[float, ...], seed: int) -> NDArray[np.float32]:
        made = [wave_noise(positions, scales[k % len(scales)], seed + k, waves=12) for k in range(FIELDS)]
        return np.stack(made, axis=-1).astype(np.float32)

    return SkinChart(
        shape,
        source,
        np.stack([layers[name] for name in LAYERS], axis=-1).astype(np.float32),
        fields((0.022, 0.012, 0.006), 11),
        fields((0.0018, 0.0026, 0.004), 31),
        bands.astype(np.float32),
        positions,
    )


def _nail_tip(positions: Array, model: HandModel) -> Array:
    """1 on the free ends of the nails."""
    tip = np.zeros(len(positions))
    for finger in FINGERS:
        last = of_finger(finger)[-1]
        bone = model.axes[last - 1, 2]
        own = model.template[model.nails & (model.weights[:, last] > 0.5)] @ bone
        reach = (positions @ bone - own.min()) / np.ptp(own)
        near = np.linalg.norm(positions - model.rest_joints[last], axis=1) < 0.05
        tip = np.maximum(tip, near * np.clip((reach - 0.86) / 0.06, 0, 1))
    return tip


def _bands(positions: Array, weights: Array, model: HandModel) -> Array:
    bands = np.full((len(positions), 5), 1.0)
    for k, finger in enumerate(FINGERS):
        base = HAND_TREE.index(f"{finger}_mcp")
        middle = model.rest_joints[base] + 0.62 * (model.rest_joints[base + 1] - model.rest_joints[base])
        own = weights[:, base] > 0.3
        bands[own, k] = (positions[own] - middle) @ model.axes[base - 1, 2]
    return bands
