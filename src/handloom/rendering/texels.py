"""A hand's surface laid out flat: what every texel of the texture chart knows of its place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from handloom.hand import HandModel
from handloom.hand.mesh import vertex_normals
from handloom.rendering.rasteriser import rasterise

Array = NDArray[np.float64]

SIZE = 512
"""Texels along a side of a hand's texture."""


@dataclass(frozen=True, eq=False)
class Texels:
    """The N texels onto which the chart lays the surface.

    Attributes:
        mask: (512, 512) where they are; the rows below are in its order.
        positions: (N, 3) on the flat template, metres.
        normals: (N, 3) there.
        weights: (N, J) of the skinning.
    """

    mask: NDArray[np.bool_]
    positions: Array
    normals: Array
    weights: Array


def hand_texels(model: HandModel) -> Texels:
    """The texels of a model's chart."""
    pixels = np.stack([model.uv[:, 0] * SIZE - 0.5, (1 - model.uv[:, 1]) * SIZE - 0.5], axis=-1)
    drawn = rasterise(pixels, np.ones(len(pixels)), model.uv_faces, (SIZE, SIZE), cull=False)
    corners = model.faces[drawn.face[drawn.mask]]
    shares = drawn.barycentric[drawn.mask][..., None].astype(np.float64)

    def spread(values: Array) -> Array:
        return (values[corners] * shares).sum(axis=-2)

    normals = vertex_normals(model.template, model.faces)
    return Texels(drawn.mask, spread(model.template), spread(normals), spread(model.weights))
