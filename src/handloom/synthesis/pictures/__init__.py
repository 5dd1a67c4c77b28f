"""Pictures of hands with perfect truth: people, poses, cameras, light, places and sensors drawn by chance."""

from __future__ import annotations

from handloom.synthesis.pictures.draw import draw_sample
from handloom.synthesis.pictures.recipe import Recipe

__all__ = ["Recipe", "draw_sample"]
