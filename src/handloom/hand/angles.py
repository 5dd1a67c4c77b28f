"""Joint angles by their clinical names, in degrees: from a fitted hand, or from 21 keypoints alone.

Flexion is positive towards the palm, hyperextension negative. Abduction of a finger is positive away from the
middle finger, of the middle finger itself towards the thumb.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from handloom.hand.tree import HAND_TREE
from handloom.skeleton import FINGERS, HAND

Array = NDArray[np.float64]

CLINICAL_ANGLES = tuple(
    f"{finger}_{angle}"
    for finger in FINGERS
    for angle in (
        ("cmc_flexion", "cmc_abduction", "mcp_flexion", "ip_flexion")
        if finger == "thumb"
        else ("mcp_flexion", "mcp_abduction", "pip_flexion", "dip_flexion")
    )
)
"""The twenty angles of a hand, finger by finger, base to tip."""

_THUMB_AT_REST = np.array([0.64, 0.39, 0.67])
_BACK_OF_THUMB = np.array([0.77, -0.34, -0.54])
"""Where first metacarpal and thumb's back point in the flat open hand: thumbward, distal, palmar."""


def clinical_angles(angles: ArrayLike) -> dict[str, Array]:
    """The angles of a hand model by name, counted from the model's flat hand.

    Args:
        angles: (..., 15, 3) flexion, abduction, twist in radians, in the order of ``HAND_TREE``.

    Returns:
        (...,) degrees for each of ``CLINICAL_ANGLES``.
    """
    degrees = np.degrees(np.asarray(angles, dtype=np.float64))
    named = {}
    for name in CLINICAL_ANGLES:
        joint, kind = name.rsplit("_", 1)
        named[name] = degrees[..., HAND_TREE.articulated.index(joint), int(kind == "abduction")]
    return named


def angles_from_keypoints(
    keypoints: ArrayLike, side: str, *, flat: ArrayLike | None = None
) -> dict[str, Array]:
    """The same angles as a goniometer would read them off 21 points, without a model.

    The palm's plane is that of wrist, index and little knuckle. Then

    * a finger's MCP flexion is how far its first phalanx leaves the palm's plane, and its MCP abduction the
      angle in that plane between phalanx and the line from wrist to knuckle (a few degrees in a flat hand);
    * PIP, DIP, thumb MCP and IP flexion are between neighbouring bones, about the finger's own hinge;
    * the thumb's CMC flexion and abduction are the turns, about the axes of the open hand, that take its
      first metacarpal from where it lies in the flat hand to where it is.

    Angles follow the points given. Landmark networks see some of them off the joint centres: read a flat hand
    of the same convention as zero (``flat``), such as ``load_open_hand(side).rest_keypoints``, and a few
    degrees of difference remain, most at PIP joints and in the thumb.

    Args:
        keypoints: (..., 21, 3) in any unit, in the order of ``handloom.skeleton.HAND``.
        side: ``"left"`` or ``"right"``.
        flat: (21, 3) keypoints of a flat hand of the same side whose readings count as zero.

    Returns:
        (...,) degrees for each of ``CLINICAL_ANGLES``, NaN where a point it needs is NaN.

    Raises:
        ValueError: if ``side`` is neither ``"left"`` nor ``"right"``.
    """
    if side not in ("left", "right"):
        raise ValueError(f"side must be 'left' or 'right', got {side!r}")
    readings = _read(np.asarray(keypoints, dtype=np.float64), side)
    if flat is not None:
        zero = _read(np.asarray(flat, dtype=np.float64), side)
        readings = {
            name: (value - zero[name] + np.pi) % (2 * np.pi) - np.pi for name, value in readings.items()
        }
    return {name: np.degrees(readings[name]) for name in CLINICAL_ANGLES}


def _read(points: Array, side: str) -> dict[str, Array]:
    # A mirrored left hand is a right hand, with the same angles.
    points = points * [1.0 if side == "right" else -1.0, 1.0, 1.0]

    def at(joint: str) -> Array:
        return points[..., HAND.index(joint), :]

    across = at("index_mcp") - at("little_mcp")
    z = _unit(np.cross(across, (at("index_mcp") + at("little_mcp")) / 2 - at("wrist")))
    named: dict[str, Array] = {}
    for finger in FINGERS[1:]:
        bones = [
            at(f"{finger}_{b}") - at(f"{finger}_{a}")
            for a, b in (("mcp", "pip"), ("pip", "dip"), ("dip", "tip"))
        ]
        ray = _unit(_without(at(f"{finger}_mcp") - at("wrist"), z))
        thumbward = np.cross(ray, z)
        first = _unit(bones[0])
        outwards = -1.0 if finger in ("ring", "little") else 1.0
        named[f"{finger}_mcp_flexion"] = np.arctan2(_dot(first, z), _dot(first, ray))
        named[f"{finger}_mcp_abduction"] = outwards * np.arcsin(np.clip(_dot(first, thumbward), -1, 1))
        named[f"{finger}_pip_flexion"] = _bend(bones[0], bones[1], thumbward)
        named[f"{finger}_dip_flexion"] = _bend(bones[1], bones[2], thumbward)
    y = _unit(_without(at("middle_mcp") - at("wrist"), z))
    palm = np.stack([np.cross(y, z), y, z], axis=-2)
    metacarpal, proximal = at("thumb_mcp") - at("thumb_cmc"), at("thumb_ip") - at("thumb_mcp")
    rest = _unit(_THUMB_AT_REST)
    flexion = _unit(np.cross(_BACK_OF_THUMB, rest))
    back = np.cross(rest, flexion)
    pointing = (palm @ _unit(metacarpal)[..., None])[..., 0]
    named["thumb_cmc_flexion"] = np.arctan2(-pointing @ back, pointing @ rest)
    named["thumb_cmc_abduction"] = np.arcsin(np.clip(pointing @ flexion, -1, 1))
    hinge = (_carried(flexion, rest, pointing)[..., None, :] @ palm)[..., 0, :]
    named["thumb_mcp_flexion"] = _bend(metacarpal, proximal, hinge)
    named["thumb_ip_flexion"] = _bend(proximal, at("thumb_tip") - at("thumb_ip"), hinge)
    return named


def _carried(axis: Array, rest: Array, pointing: Array) -> Array:
    """(..., 3) an axis as the smallest rotation from direction ``rest`` to ``pointing`` takes it along."""
    v = np.cross(rest, pointing)
    c = _dot(pointing, rest)[..., None]
    across = np.cross(v, axis)
    return np.asarray(axis + across + np.cross(v, across) / np.maximum(1.0 + c, 1e-6))


def _bend(first: Array, second: Array, hinge: Array) -> Array:
    """Signed angle from one bone to the next about a hinge, made square to the first bone."""
    a = _unit(first)
    axis = _unit(_without(hinge, a))
    b = _without(second, axis)
    return np.arctan2(_dot(np.cross(a, b), axis), _dot(a, b))


def _dot(a: Array, b: Array) -> Array:
    return (a * b).sum(axis=-1)


def _unit(vector: Array) -> Array:
    length = np.linalg.norm(vector, axis=-1, keepdims=True)
    return vector / np.where(length > 0, length, np.nan)


def _without(vector: Array, direction: Array) -> Array:
    return vector - _dot(vector, direction)[..., None] * direction
