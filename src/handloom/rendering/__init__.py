"""Headless pictures of meshes: a z-buffer rasteriser, skin-like shading, backgrounds."""

from __future__ import annotations
