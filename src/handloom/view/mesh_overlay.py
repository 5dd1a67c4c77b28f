"""Hand meshes drawn over pictures: translucent, through the lens, in plain colours that show their form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from handloom.cameras import Camera
from handloom.errors import VideoError
from handloom.hand import HandModel, PosedHand
from handloom.keypoints import Array, Track
from handloom.rendering import Fragments, rasterise
from handloom.session import FittedHand
from handloom.view.colours import Colour, mesh_colour
from handloom.view.pictures import Picture

OPACITY = 0.72
PLAIN: Colour = (112, 172, 222)
_SAMPLES = 2  # per pixel and axis
_NAIL, _PALE = 0.55, 0.35  # towards white
_LIGHT = np.array([-0.35, -0.65, -0.67])  # from above, left and before, in the camera's frame
_CONTOUR_PX = 0.4


@dataclass(frozen=True, eq=False)
class HandMesh:
    """One hand to draw.

    Attributes:
        model: whose faces and nails.
        vertices: (V, 3) in the world; a hand with a NaN is left out.
        colour: of the skin.
    """

    model: HandModel
    vertices: Array
    colour: Colour = PLAIN


def draw_hand(
    image: Picture,
    camera: Camera,
    model: HandModel,
    vertices: Array,
    *,
    colour: Colour = PLAIN,
    opacity: float = OPACITY,
) -> None:
    """Draw one hand on a picture, in place; see :func:`draw_hands`."""
    draw_hands(image, camera, [HandMesh(model, vertices, colour)], opacity=opacity)


def draw_hands(
    image: Picture, camera: Camera, hands: Sequence[HandMesh], *, opacity: float = OPACITY
) -> None:
    """Draw hands on a picture, in place; the nearer hides the farther.

    Args:
        image: (H, W, 3) uint8 RGB, as the camera recorded it.
        camera: the lens distortion is applied to every vertex.
        hands: those to draw.
        opacity: 1 hides the picture behind.

    Raises:
        VideoError: if the picture does not have the camera's size.
    """
    shown = [hand for hand in hands if np.isfinite(hand.vertices).all()]
    if not shown:
        return
    height, width = image.shape[:2]
    if camera.image_size not in (None, (width, height)):
        expected = "×".join(map(str, camera.image_size or ()))
        raise VideoError(
            f"The hands were seen by {camera.name} in pictures of {expected}, this one has {width}×{height}.",
            "It is not the recording that was tracked: bring that back, or name it.",
        )
    vertices = np.concatenate([hand.vertices for hand in shown])
    faces = _joined([hand.model.faces for hand in shown], [len(hand.vertices) for hand in shown])
    drawn = _rasterised(camera, vertices, faces, (width, height), _SAMPLES)
    if drawn is None:
        return
    fragments, (left, top) = drawn
    normals = np.concatenate([hand.model.normals(hand.vertices) for hand in shown])
    paint = np.concatenate([vertex_paint(hand.model, hand.colour) for hand in shown])
    colour, coverage = _shaded(fragments, faces, vertices, normals, paint, camera)
    alpha = opacity * coverage[..., None]
    part = image[top : top + coverage.shape[0], left : left + coverage.shape[1]]
    part[:] = np.rint(part * (1.0 - alpha) + opacity * colour).astype(np.uint8)


def meshes_at(hands: Mapping[Track, FittedHand], posed: Mapping[Track, PosedHand], t: int) -> list[HandMesh]:
    """What to draw of fitted hands at one position of their posed (T, V, 3) vertices, by track's colour."""
    return [
        HandMesh(hand.model, posed[track].vertices[t], mesh_colour(track)) for track, hand in hands.items()
    ]


def vertex_paint(model: HandModel, colour: Colour) -> Array:
    """(V, 3) colour of every vertex, 0 to 255: skin in a paler shade of the one given, nails paler still."""
    own = np.array(colour, dtype=np.float64)
    skin = own + _PALE * (255.0 - own)
    return np.where(model.nails[:, None], skin + _NAIL * (255.0 - skin), skin)


def outline(
    camera: Camera, model: HandModel, vertices: Array, image_size: tuple[int, int]
) -> list[NDArray[np.float32]]:
    """Closed lines (N, 2) in pixels around a hand in a picture of (width, height); none if it is outside."""
    drawn = None
    if np.isfinite(vertices).all():
        drawn = _rasterised(camera, vertices, model.faces, image_size, 1)
    if drawn is None:
        return []
    fragments, corner = drawn
    found, _ = cv2.findContours(fragments.mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    lines = [cv2.approxPolyDP(line, _CONTOUR_PX, closed=True)[:, 0] for line in found]
    return [(np.vstack([line, line[:1]]) + corner).astype(np.float32) for line in lines if len(line) > 2]


def _rasterised(
    camera: Camera, vertices: Array, faces: NDArray[np.int64], image_size: tuple[int, int], samples: int
) -> tuple[Fragments, tuple[int, int]] | None:
    """Samples of the part of the picture that holds the mesh, and its corner; None where it holds none."""
    pixels = camera.project(vertices)
    depth = (vertices - camera.center) @ camera.T_camera_world[2, :3]
    present = pixels[np.isfinite(pixels).all(axis=1)]
    if not len(present):
        return None
    low = np.clip(np.floor(present.min(axis=0)), 0, image_size).astype(int)
    high = np.clip(np.ceil(present.max(axis=0)) + 1, 0, image_size).astype(int)
    if (low >= high).any():
        return None
    # Sample centres lie symmetrically inside the pixel, whose own centre is the integer.
    at = (pixels - low + 0.5) * samples - 0.5
    size = (high - low) * samples
    # The wrist is open: what shows through it is the inside.
    fragments = rasterise(at, depth, faces, (int(size[0]), int(size[1])), cull=False)
    return fragments, (int(low[0]), int(low[1]))


def _shaded(
    fragments: Fragments,
    faces: NDArray[np.int64],
    vertices: Array,
    normals: Array,
    paint: Array,
    camera: Camera,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(h, w, 3) colour times coverage, and (h, w) coverage, of whole pixels."""
    mask = fragments.mask
    corners = faces[fragments.face[mask]]
    weights = fragments.barycentric[mask][:, None, :]

    def inside(values: Array) -> NDArray[np.float32]:
        return (weights @ values.astype(np.float32)[corners])[:, 0]

    R = camera.T_camera_world[:3, :3]
    normal = inside(normals @ R.T)
    sight = inside((vertices - camera.center) @ R.T)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-9
    sight /= np.linalg.norm(sight, axis=1, keepdims=True)
    facing = -(normal * sight).sum(axis=1)
    normal *= np.where(facing < 0, -1.0, 1.0).astype(np.float32)[:, None]
    lit = np.maximum(normal @ _LIGHT.astype(np.float32), 0.0)
    # Dark where the surface turns away, so that fingers before the palm stand out.
    strength = (0.30 + 0.42 * np.abs(facing) + 0.36 * lit) * np.where(facing < 0, 0.55, 1.0)
    colour = np.zeros((*mask.shape, 3), dtype=np.float32)
    colour[mask] = np.clip(inside(paint) * strength[:, None], 0.0, 255.0)
    return _averaged(colour), _averaged(mask.astype(np.float32))


def _averaged(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    height, width = samples.shape[0] // _SAMPLES, samples.shape[1] // _SAMPLES
    # INTER_AREA at a whole ratio is the mean of the samples.
    return np.asarray(cv2.resize(samples, (width, height), interpolation=cv2.INTER_AREA), dtype=np.float32)


def _joined(faces: Sequence[NDArray[np.int64]], counts: Sequence[int]) -> NDArray[np.int64]:
    starts = np.cumsum([0, *counts[:-1]])
    return np.concatenate([part + start for part, start in zip(faces, starts, strict=True)])
