"""How far the two predicted hands of a picture run into each other, beside how far the true ones do."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from handloom.evaluation.errors import MM, side_pairs
from handloom.evaluation.hands import Hands
from handloom.evaluation.joints import mean
from handloom.evaluation.penetration import Penetration, penetration

Array = NDArray[np.float64]

DEPTH, VOLUME = "penetration depth, mm", "penetration volume, cm³"
MOST = 300
"""Pairs that are measured, evenly over the set: each takes up to a quarter of a second."""
_CM3 = 1e6


def contact(predictions: Hands, truth: Hands) -> tuple[dict[str, float], list[str]]:
    """Deepest point and shared room of the meshes of a picture's two hands, means over the pictures.

    Hands that do not touch count as zero. Meshes of fits run into each other themselves, so the note says
    what the true ones do.

    Returns:
        The figures, and what to know of them; nothing of both where there are no two meshes with triangles.
    """
    ours, theirs = predictions.vertices, truth.vertices
    if (
        ours is None
        or theirs is None
        or ours.shape != theirs.shape
        or not {"left", "right"} <= set(truth.faces)
    ):
        return {}, []
    known = np.asarray(np.isfinite(ours).all(axis=(1, 2)) & np.isfinite(theirs).all(axis=(1, 2)))
    pairs = [(left, right) for left, right in side_pairs(truth) if known[left] and known[right]]
    if not pairs:
        return {}, []
    chosen = [pairs[k] for k in np.unique(np.linspace(0, len(pairs) - 1, MOST).round().astype(int))]
    found, true = ([_between(meshes, truth, *pair) for pair in chosen] for meshes in (ours, theirs))
    figures = {
        DEPTH: MM * mean([one.max_depth_m for one in found]),
        VOLUME: _CM3 * mean([one.volume_m3 for one in found]),
    }
    note = (
        f"Penetration: of {len(chosen)} of the {len(pairs)} pictures with both hands found. The true meshes "
        f"run {MM * mean([one.max_depth_m for one in true]):.1f} mm into each other."
    )
    return figures, [note]


def _between(meshes: Array, truth: Hands, left: int, right: int) -> Penetration:
    return penetration(meshes[left], truth.faces["left"], meshes[right], truth.faces["right"])
