"""A rig and what moved before it, seen from above and from the side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from handloom.cameras import Camera, CameraRig
from handloom.keypoints import Array
from handloom.view.colours import Colour, as_css, view_colour
from handloom.view.scene import upward
from handloom.view.units import LengthUnit, number

_SIDE = 400.0  # of the drawing, in its own units
_MARGIN = 0.14
_MARKER = 26.0
_LETTER, _LINE = 7.0, 13.0  # room that a name takes


@dataclass(frozen=True, eq=False)
class Trail:
    """A line in space.

    Attributes:
        points: (K, 3) in the rig's unit; NaN interrupts it.
        colour: of the line.
    """

    points: Array
    colour: Colour


def plans(
    rig: CameraRig, trails: Sequence[Trail], unit: LengthUnit, colours: Sequence[Colour] | None = None
) -> list[tuple[str, Markup]]:
    """Two parallel projections with their captions: along the vertical, and horizontally onto the rig.

    Args:
        colours: of the cameras; by their places in the rig if not given.
    """
    colours = colours or [view_colour(index) for index in range(len(rig))]
    up = upward(rig)
    places = [trail.points[np.isfinite(trail.points).all(axis=1)] for trail in trails]
    middle = np.concatenate([*places, np.empty((0, 3))]).mean(axis=0) if any(map(len, places)) else None
    toward = rig[0].axis if middle is None else middle - rig.centers.mean(axis=0)
    # Cameras all around leave no direction to face: then that of the first.
    forward = _across(toward, up)
    if np.linalg.norm(forward) < 1e-3 * max(1e-9, float(rig.baselines.max())):
        forward = _across(rig[0].axis, up)
    if np.linalg.norm(forward) < 1e-9:
        forward = _across(rig[0].T_camera_world[1, :3], up)
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, up)
    guess = "" if rig.up is not None else " (vertical guessed from the cameras)"
    return [
        (f"From above{guess}", _plan(rig, colours, trails, np.stack([right, forward]), unit)),
        (f"From the side{guess}", _plan(rig, colours, trails, np.stack([forward, up]), unit)),
    ]


def _across(direction: Array, up: Array) -> Array:
    return np.asarray(direction - (direction @ up) * up)


def _plan(
    rig: CameraRig, colours: Sequence[Colour], trails: Sequence[Trail], axes: Array, unit: LengthUnit
) -> Markup:
    """One projection; ``axes`` are the (2, 3) directions to the right and upwards in the drawing."""
    points = np.concatenate([rig.centers, *(trail.points for trail in trails)]) @ axes.T
    points = points[np.isfinite(points).all(axis=1)]
    low, high = points.min(axis=0), points.max(axis=0)
    span = float((high - low).max()) or 1.0
    scale = _SIDE * (1.0 - 2.0 * _MARGIN) / span
    middle = 0.5 * (low + high)

    def place(xyz: Array) -> Array:
        flat = (xyz @ axes.T - middle) * scale
        return np.stack([0.5 * _SIDE + flat[..., 0], 0.5 * _SIDE - flat[..., 1]], axis=-1)

    lines = Markup("").join(
        Markup('<path class="trail" d="{}" stroke="{}"/>').format(
            _trail(place(trail.points)), as_css(trail.colour)
        )
        for trail in trails
    )
    spots = [place(camera.center) for camera in rig]
    tips = [
        spot + 0.7 * _MARKER * (axes @ camera.axis) * [1.0, -1.0]
        for camera, spot in zip(rig, spots, strict=True)
    ]
    cameras = Markup("").join(_wedge(*each, axes) for each in zip(rig, colours, spots, strict=True))
    names = Markup("").join(
        Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>').format(x, y + 4.0, camera.name)
        for camera, (x, y) in zip(rig, _free_places(spots, tips, rig.names), strict=True)
        if math.isfinite(x)
    )
    length, text = _scale_bar(span, unit)
    bar = Markup(
        '<path class="bar" d="M14 {0}h{1}m0 -4v8m-{1} 0v-8"/><text x="14" y="{2}">{3}</text>'
    ).format(_SIDE - 14.0, round(length * scale, 1), _SIDE - 22.0, text)
    return Markup('<svg class="plan" viewBox="0 0 {0} {0}" role="img">{1}{2}{3}{4}</svg>').format(
        round(_SIDE), lines, cameras, names, bar
    )


def _wedge(camera: Camera, colour: Colour, at: Array, axes: Array) -> Markup:
    """A camera: it opens in the viewing direction, and is shorter where that leaves the drawing."""
    across, up = camera.axis @ axes.T
    tip = np.array([across, -up])
    aside = np.array([up, across]) * 0.4
    if np.linalg.norm(tip) < 0.2:
        aside = np.array([0.2, 0.0])
    a, b = _MARKER * (tip + aside), _MARKER * (tip - aside)
    return Markup(
        '<path class="camera" d="M{:.1f} {:.1f}l{:.1f} {:.1f}l{:.1f} {:.1f}z" stroke="{}" fill="{}">'
        "<title>{}</title></path>"
    ).format(*at, *a, *(b - a), as_css(colour), as_css(colour), camera.name)


def _free_places(spots: Sequence[Array], tips: Sequence[Array], names: Sequence[str]) -> list[Array]:
    """For the name of each camera the place around it that is furthest from cameras and other names.

    Where the cameras crowd there is none, NaN; the name then shows when hovering.

    Args:
        spots: (2,) where each camera stands.
        tips: (2,) the middle of what its wedge covers.
        names: of the cameras.
    """
    around = np.array([[0.0, 24.0], [0.0, -24.0], [-30.0, 22.0], [30.0, 22.0], [-30.0, -22.0], [30.0, -22.0]])
    taken = [*spots, *tips]
    places: list[Array] = []
    for spot, name in zip(spots, names, strict=True):
        candidates = spot + around
        others = np.stack([other for other in taken if other is not spot] or [np.full(2, np.inf)])
        # Names are wide: what is beside one is nearer than what is as far above.
        gaps = np.linalg.norm((candidates[:, None] - others) * [0.6, 1.0], axis=-1).min(axis=1)
        place = candidates[int(np.minimum(gaps, 40.0).argmax())]
        free = all(
            abs(place[0] - x) > 0.5 * _LETTER * (len(name) + len(other)) or abs(place[1] - y) > _LINE
            for (x, y), other in zip(places, names, strict=False)
            if math.isfinite(x)
        )
        places.append(place if free else np.full(2, np.nan))
        if free:
            taken.append(place)
    return places


def _trail(points: Array) -> str:
    parts, pen = [], "M"
    for x, y in points:
        if math.isfinite(x) and math.isfinite(y):
            parts.append(f"{pen}{x:.1f} {y:.1f}")
            pen = "L"
        else:
            pen = "M"
    return "".join(parts)


def _scale_bar(span: float, unit: LengthUnit) -> tuple[float, str]:
    """A round length of about a quarter of the drawing, and its words."""
    rough = 0.25 * span
    power = 10.0 ** math.floor(math.log10(rough))
    length = max(m * power for m in (1.0, 2.0, 5.0) if m * power <= rough)
    if unit.metric and length >= 1.0:
        return length, f"{number(length)} m".replace(".00", "")
    return length, f"{length * unit.factor:g} {unit.shown}"
