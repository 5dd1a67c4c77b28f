"""Headless pictures of hands: a z-buffer rasteriser, skin-like shading, invented rooms."""

from __future__ import annotations

from handloom.rendering.backdrop import SensorNoise, room
from handloom.rendering.hand_surface import HandSurface
from handloom.rendering.lighting import Lighting
from handloom.rendering.rasteriser import Fragments, rasterise
from handloom.rendering.renderer import Surface, render
from handloom.rendering.skin import COMPLEXIONS, Complexion

__all__ = [
    "COMPLEXIONS", "Complexion", "Fragments", "HandSurface", "Lighting", "SensorNoise", "Surface",
    "rasterise", "render", "room",
]  # fmt: skip
