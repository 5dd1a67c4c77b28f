"""Cameras and boards in space: the two plans, and the scene that the page's script draws to be turned."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from handloom.calibration.calibration import Calibration
from handloom.cameras import Camera
from handloom.keypoints import Array
from handloom.view.calibration_report.evidence import CameraEvidence, board_corners
from handloom.view.colours import NEUTRAL, as_css
from handloom.view.report.plan import Trail
from handloom.view.scene import upward

_IN_PLAN, _IN_SCENE = 40, 160  # boards shown
_FRUSTUM = 0.16  # of the distance to the board


def board_trails(calibration: Calibration) -> list[Trail]:
    """Outlines of some boards as one interrupted line."""
    outlines = _some(board_corners(calibration), _IN_PLAN)
    closed = np.concatenate([outlines, outlines[:, :1], np.full((len(outlines), 1, 3), np.nan)], axis=1)
    return [Trail(closed.reshape(-1, 3), NEUTRAL)]


def turnable(calibration: Calibration, cameras: list[CameraEvidence]) -> dict[str, Any]:
    """Cameras and boards for the script: z upwards, lengths such that everything fits a ball of radius 1."""
    rig = calibration.rig
    outlines = _some(board_corners(calibration), _IN_SCENE)
    up = upward(rig)
    ahead = np.asarray(rig[0].axis - (rig[0].axis @ up) * up)
    if np.linalg.norm(ahead) < 1e-6:
        ahead = np.asarray(rig[0].T_camera_world[1, :3] - (rig[0].T_camera_world[1, :3] @ up) * up)
    ahead /= np.linalg.norm(ahead)
    axes = np.stack([np.cross(ahead, up), ahead, up])
    shown = [(seen, seen.result.camera, seen.result.distances) for seen in cameras if seen.result is not None]
    distances = np.concatenate([distance for *_, distance in shown])
    depth = _FRUSTUM * (float(np.median(distances)) if len(distances) else 1.0)
    frusta = [_frustum(camera, depth) for _, camera, _ in shown]
    everything = np.concatenate([*frusta, outlines.reshape(-1, 3)])
    middle = 0.5 * (everything.min(axis=0) + everything.max(axis=0))
    radius = float(np.linalg.norm(everything - middle, axis=1).max()) or 1.0

    def place(points: Array) -> list[list[float]]:
        return np.round((points - middle) @ axes.T / radius, 4).tolist()

    return {
        "cameras": [
            {"name": seen.name, "colour": as_css(seen.colour), "points": place(frustum)}
            for (seen, *_), frustum in zip(shown, frusta, strict=True)
        ],
        "boards": [place(outline) for outline in outlines],
    }


def _frustum(camera: Camera, depth: float) -> Array:
    """(5, 3) centre and the picture's corners at a depth, lens distortion left aside."""
    width, height = camera.image_size or (2.0 * camera.K[0, 2], 2.0 * camera.K[1, 2])
    corners = np.array([[0.0, 0.0], [width, 0.0], [width, height], [0.0, height]]) - 0.5
    rays = (corners - camera.K[:2, 2]) / camera.K[[0, 1], [0, 1]]
    inside = np.column_stack([rays * depth, np.full(4, depth)])
    R, t = camera.T_camera_world[:3, :3], camera.T_camera_world[:3, 3]
    return np.concatenate([camera.center[None], (inside - t) @ R])


def _some(outlines: Array, most: int) -> NDArray[np.float64]:
    known = outlines[np.isfinite(outlines).all(axis=(1, 2))]
    return known[np.linspace(0, len(known) - 1, min(len(known), most)).astype(int)]
