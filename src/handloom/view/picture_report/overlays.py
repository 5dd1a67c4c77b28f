"""The mesh and the 2D keypoints over the picture as it was taken."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from markupsafe import Markup

from handloom.errors import SessionError
from handloom.keypoints import Array
from handloom.pictures import PictureResult
from handloom.session.files import make_folder, whole_file
from handloom.skeleton import HAND
from handloom.view.colours import SIDE_COLOURS
from handloom.view.mesh_overlay import HandMesh, draw_hands
from handloom.view.overlay import draw_skeleton
from handloom.view.pictures import Picture

FOLDER = "overlays"
_MARGIN = 0.45  # around a hand, of its extent
_QUALITY = 82


def overlay(picture: Picture, result: PictureResult, *, mesh: bool = True, skeleton: bool = True) -> Picture:
    """A copy of a picture with the hands found in it: translucent meshes, 2D keypoints over them."""
    drawn = picture.copy()
    if mesh and result.hands and result.lens is not None:
        meshes = [HandMesh(h.model, h.vertices, SIDE_COLOURS[h.verdict.side]) for h in result.hands]
        draw_hands(drawn, result.lens.camera, meshes)
    if skeleton:
        for hand in result.hands:
            extent = float(np.linalg.norm(np.ptp(hand.reading.xy, axis=0)))
            draw_skeleton(drawn, HAND, hand.reading.xy, thickness=max(1, round(extent / 90)))
    return drawn


def write_overlays(results: Sequence[PictureResult], folder: Path) -> list[Path]:
    """Write ``overlays/<picture>.png`` with the meshes, and ``…_2d.png`` with the 2D keypoints.

    Raises:
        SessionError: if the file system refuses.
    """
    make_folder(folder / FOLDER)
    written = []
    for result in results:
        if result.failed:
            continue
        picture = result.picture()
        for suffix, mesh in (("", True), ("_2d", False)):
            path = folder / FOLDER / f"{result.name}{suffix}.png"
            drawn = overlay(picture, result, mesh=mesh, skeleton=not mesh)
            done, encoded = cv2.imencode(".png", cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR))
            if not done:
                raise SessionError(f"{path} cannot be encoded.", "Give a smaller picture.")
            with whole_file(path) as temporary:
                temporary.write_bytes(encoded.tobytes())
            written.append(path)
    return written


def data_uri(picture: Picture, longest: int) -> Markup:
    """A JPEG inside the page, made smaller or larger so that its longer side is ``longest`` pixels."""
    scale = longest / max(picture.shape[:2])
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=way)
    _, encoded = cv2.imencode(
        ".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
    )
    return Markup("data:image/jpeg;base64,") + base64.b64encode(encoded.tobytes()).decode("ascii")


def around(picture: Picture, xy: Array) -> Picture:
    """The part of a picture around (J, 2) keypoints; the whole where they lie outside."""
    low, high = np.nanmin(xy, axis=0), np.nanmax(xy, axis=0)
    half = (0.5 + _MARGIN) * float((high - low).max())
    centre = (low + high) / 2
    size = np.array(picture.shape[1::-1])
    left, top = np.clip(np.floor(centre - half), 0, size).astype(int)
    right, bottom = np.clip(np.ceil(centre + half), 0, size).astype(int)
    part = picture[top:bottom, left:right]
    return part if part.size else picture
