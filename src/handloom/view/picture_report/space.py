"""A skeleton in space as SVG, from several sides at one scale."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from handloom.keypoints import Array
from handloom.skeleton import HAND
from handloom.view.colours import as_css, bone_colours, joint_colours

#: Name, and the camera's axes that point to the right and downwards in the drawing.
VIEWS = (
    ("from the camera", np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])),
    ("from its right", np.array([[0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])),
    ("from above", np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])),
)

_BOX = 100.0
_MARGIN = 8.0


def drawings(keypoints: Array) -> list[tuple[str, Markup]]:
    """Name and SVG of each view of (21, 3) keypoints in a camera's axes; all at one scale."""
    centre = (keypoints.min(axis=0) + keypoints.max(axis=0)) / 2
    radius = max(float(np.ptp(keypoints, axis=0).max()) / 2, 1e-6)
    scale = (_BOX / 2 - _MARGIN) / radius
    made = []
    for name, axes in VIEWS:
        flat = (keypoints - centre) @ axes.T * scale + _BOX / 2
        towards = np.cross(axes[0], axes[1])
        depth = keypoints @ towards
        made.append((name, _drawing(flat, depth)))
    return made


def _drawing(xy: Array, depth: Array) -> Markup:
    bones, colours = HAND.bone_indices, bone_colours(HAND)
    order = np.argsort([-(depth[a] + depth[b]) for a, b in bones])
    parts = [Markup('<svg viewBox="0 0 {0:g} {0:g}" role="img">').format(_BOX)]
    for k in order:
        (a, b), colour = bones[k], as_css(tuple(int(c) for c in colours[k]))  # type: ignore[arg-type]
        parts.append(
            Markup('<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" stroke="{}"/>').format(
                xy[a, 0], xy[a, 1], xy[b, 0], xy[b, 1], colour
            )
        )
    for (x, y), colour in zip(xy, joint_colours(HAND), strict=True):
        css = as_css(tuple(int(c) for c in colour))  # type: ignore[arg-type]
        parts.append(Markup('<circle cx="{:.1f}" cy="{:.1f}" r="1.5" fill="{}"/>').format(x, y, css))
    parts.append(Markup("</svg>"))
    return Markup("").join(parts)
