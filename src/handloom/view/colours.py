"""One palette for everything shown: fingers of a hand, sides of a body, tracks of a session."""

from __future__ import annotations

import colorsys

import numpy as np
from numpy.typing import NDArray

from handloom.keypoints import Track
from handloom.skeleton import FINGERS, Skeleton

Colour = tuple[int, int, int]

FINGER_COLOURS: dict[str, Colour] = dict(
    zip(
        FINGERS,
        ((226, 87, 76), (232, 163, 38), (72, 168, 96), (52, 142, 214), (157, 101, 209)),
        strict=True,
    )
)
SIDE_COLOURS: dict[str, Colour] = {"left": (45, 140, 200), "right": (232, 118, 44), "none": (64, 158, 120)}
MESH_COLOURS: dict[str, Colour] = {"left": (72, 150, 220), "right": (64, 190, 150)}
"""Of fitted hands: unlike any skin, so that the mesh stands out from the hand it lies on."""
NEUTRAL: Colour = (158, 163, 173)

_HUE_STEP = 0.17


def joint_colours(skeleton: Skeleton) -> NDArray[np.uint8]:
    """(J, 3) RGB: joints of a hand by finger, of a body by side."""
    return np.array([_colour_of(joint) for joint in skeleton.joints], dtype=np.uint8)


def bone_colours(skeleton: Skeleton) -> NDArray[np.uint8]:
    """(B, 3) RGB: the colour of the bone's far joint; a bone that joins both sides is neutral."""
    colours = []
    for parent, child in skeleton.bones:
        crosses = {"left", "right"} <= {parent.split("_")[0], child.split("_")[0]}
        colours.append(NEUTRAL if crosses else _colour_of(child))
    return np.array(colours, dtype=np.uint8)


def track_colour(track: Track) -> Colour:
    """RGB of a track as a whole: by side, turned in hue for every further person."""
    return _of_subject(SIDE_COLOURS[track.side], track.subject)


def mesh_colour(track: Track) -> Colour:
    """RGB of a track's fitted hand: by side, turned in hue for every further person."""
    return _of_subject(MESH_COLOURS[track.side], track.subject)


def view_colour(index: int) -> Colour:
    """RGB of a view: hues a golden section apart, so that any number of neighbours differ."""
    red, green, blue = colorsys.hls_to_rgb((0.58 + 0.381966 * index) % 1.0, 0.55, 0.48)
    return (round(255 * red), round(255 * green), round(255 * blue))


def as_css(colour: Colour) -> str:
    """``#rrggbb``."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _of_subject(colour: Colour, subject: int) -> Colour:
    red, green, blue = (channel / 255.0 for channel in colour)
    hue, saturation, value = colorsys.rgb_to_hsv(red, green, blue)
    turned = colorsys.hsv_to_rgb((hue + _HUE_STEP * subject) % 1.0, saturation, value)
    return (round(255 * turned[0]), round(255 * turned[1]), round(255 * turned[2]))


def _colour_of(joint: str) -> Colour:
    words = joint.split("_")
    if words[0] in FINGER_COLOURS:
        return FINGER_COLOURS[words[0]]
    return next((SIDE_COLOURS[word] for word in words if word in ("left", "right")), NEUTRAL)
