"""What pictures say of the hand's surface: where its outline runs, and how far away it is.

The silhouette counts on both sides (algorithms.md §10.7 j): vertices should not leave the mask, and every
piece of the mask's outline should have the hand's own outline under it. Depth (§10.7 k) is compared at
the vertices that the camera sees. Each residual adds what it knows of single vertices to their (3, 3)
information and their gradient, as those of keypoints do;
:func:`handloom.fitting.residuals.add_points` carries both on to the parameters.

Which outline point belongs to which vertex, and which vertices see what, is decided by :func:`match_contour`
and :func:`match_depth` and held for one step: the residuals themselves are smooth.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from handloom.cameras import Camera
from handloom.hand import HandModel
from handloom.rendering.rasteriser import NOTHING, rasterise

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

_STEP = 1e-6  # of the distance: for differences through the lens
_SMOOTHING_PX = 2.0  # outlines are staircases of pixels; their direction is read off a blurred mask
_TURN_PX = 12.0  # an outline that runs the other way counts as far away as so many pixels
_AGREES = 0.5  # cosine between the directions of two outlines or surfaces that may be the same
_DEPTH_SMOOTHING_PX = 1.5
_EDGE_STEPS = 0.03  # of the depth: neighbouring pixels that differ by more lie on different things


class MaskField(NamedTuple):
    """A mask, prepared for fitting.

    Attributes:
        distance: (H, W) signed distance to the outline, pixels, positive outside; NaN where nothing is known.
        contour: (Q, 2) points on the outline, pixels.
        normals: (Q, 2) unit directions out of the mask at these.
    """

    distance: Array
    contour: Array
    normals: Array


class ContourMatches(NamedTuple):
    """Points of a mask's outline and the vertex that each belongs to.

    Attributes:
        vertices: (M,) indices.
        points, normals: (M, 2) of the outline.
    """

    vertices: Indices
    points: Array
    normals: Array


class DepthMatches(NamedTuple):
    """Vertices and the plane that a depth map shows where each is seen.

    Attributes:
        vertices: (S,) indices.
        pixels: (S, 2) where they were seen.
        depth: (S,) measured there.
        slopes: (S, 2) change of the depth per pixel.
        steepness: (S,) depth that a plane gains per distance from it: 1 for one that faces the camera.
    """

    vertices: Indices
    pixels: Array
    depth: Array
    slopes: Array
    steepness: Array


def mask_field(mask: ArrayLike, spacing: float = 3.0) -> MaskField:
    """Prepare a mask.

    Args:
        mask: (H, W) true (or above a half) on the hand; NaN where an occluder leaves it open.
        spacing: about so many pixels between points of the outline.

    Returns:
        The field of an empty mask knows nothing and has no outline.
    """
    given = np.asarray(mask, dtype=np.float64)
    unknown = np.isnan(given)
    inside = np.nan_to_num(given) > 0.5
    if not inside.any():
        return MaskField(np.full(inside.shape, np.nan), np.zeros((0, 2)), np.zeros((0, 2)))
    to_hand = cv2.distanceTransform((~inside).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    if inside.all():
        to_rest = np.full(inside.shape, np.inf)
    else:
        to_rest = cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # Distances are to pixel centres; the outline runs half a pixel before them.
    distance = np.where(inside, np.maximum(0.5 - to_rest, -1e4), to_hand - 0.5)
    distance[unknown] = np.nan
    return MaskField(distance, *_outline(inside, unknown, spacing))


def _outline(inside: NDArray[np.bool_], unknown: NDArray[np.bool_], spacing: float) -> tuple[Array, Array]:
    height, width = inside.shape
    chains, _ = cv2.findContours(inside.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    step = max(round(spacing), 1)
    q = np.concatenate([chain[::step, 0] for chain in chains if len(chain) >= 8] or [np.zeros((0, 2), int)])
    # Where the picture ends or something covers the hand, the mask ends but the hand does not.
    near_unknown = cv2.dilate(unknown.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    within = (q >= 2).all(axis=1) & (q[:, 0] < width - 2) & (q[:, 1] < height - 2)
    q = q[within & ~near_unknown[q[:, 1], q[:, 0]]]
    soft = cv2.GaussianBlur(inside.astype(np.float64), (0, 0), _SMOOTHING_PX)
    down, right = -np.gradient(soft, axis=0), -np.gradient(soft, axis=1)
    n = np.stack([right[q[:, 1], q[:, 0]], down[q[:, 1], q[:, 0]]], axis=-1)
    length = np.linalg.norm(n, axis=-1)
    clear = length > 1e-3
    normals = n[clear] / length[clear, None]
    return q[clear] + 0.5 * normals, normals


def project_with_jacobian(camera: Camera, points: Array) -> tuple[Array, Array]:
    """(n, 2) pixels of (n, 3) points in the world and their (n, 2, 3) derivatives; NaN where not visible.

    Derivatives are central differences, so that they hold for every lens model.
    """
    depth = (points - camera.center) @ camera.axis
    step = _STEP * np.maximum(np.abs(depth), 1e-9)
    moved = points[:, None] + step[:, None, None] * np.concatenate([np.eye(3), -np.eye(3)])
    around = camera.project(moved)
    D = (around[:, :3] - around[:, 3:]) / (2.0 * step[:, None, None])
    return camera.project(points), np.swapaxes(D, -1, -2)


def sample(field: Array, pixels: Array) -> tuple[Array, Array]:
    """Bilinear interpolation.

    Returns:
        (n,) values of the (H, W) field at (n, 2) pixels, and (n, 2) exact derivatives of the interpolant;
        NaN outside the picture and next to a NaN of the field.
    """
    height, width = field.shape
    ok = np.isfinite(pixels).all(axis=1)
    ok &= (pixels >= 0).all(axis=1) & (pixels[:, 0] < width - 1) & (pixels[:, 1] < height - 1)
    p = np.where(ok[:, None], pixels, 0.0)
    corner = p.astype(np.int64)
    (x, y), (u, v) = corner.T, (p - corner).T
    a, b, c, d = field[y, x], field[y, x + 1], field[y + 1, x], field[y + 1, x + 1]
    value = (1 - v) * ((1 - u) * a + u * b) + v * ((1 - u) * c + u * d)
    slope = np.stack([(1 - v) * (b - a) + v * (d - c), (1 - u) * (c - a) + u * (d - b)], axis=-1)
    return np.where(ok, value, np.nan), np.where(ok[:, None], slope, np.nan)


def outside_residuals(
    pixels: Array, D: Array, field: MaskField, sigma: float, knee: float, information: Array, gradient: Array
) -> float:
    """Vertices outside the mask, by their distance to it; inside, or where nothing is known, they are free.

    Args:
        pixels, D: (V, 2), (V, 2, 3) of :func:`project_with_jacobian`.
        field: the mask.
        sigma: standard deviation, pixels.
        knee: residuals beyond so many standard deviations count linearly.
        information, gradient: (V, 3, 3) and (V, 3), added to.

    Returns:
        ½ rᵀr.
    """
    distance, slope = sample(field.distance, pixels)
    out = np.flatnonzero(np.nan_to_num(distance) > 0.0)
    rows = (slope[out, None] @ D[out])[:, 0]
    return _gather(out, distance[out] / sigma, rows / sigma, knee, information, gradient)


def contour_residuals(
    pixels: Array,
    D: Array,
    matches: ContourMatches,
    sigma: float,
    knee: float,
    information: Array,
    gradient: Array,
) -> float:
    """The mask's outline against the hand's, across the outline: along it nothing is known.

    Arguments and result as of :func:`outside_residuals`, with :func:`match_contour`.
    """
    v, n = matches.vertices, matches.normals
    off = (n * (pixels[v] - matches.points)).sum(axis=1)
    rows = (n[:, None] @ D[v])[:, 0]
    return _gather(v, off / sigma, rows / sigma, knee, information, gradient)


def depth_residuals(
    placed: Array,
    pixels: Array,
    D: Array,
    camera: Camera,
    matches: DepthMatches,
    sigma: float,
    knee: float,
    information: Array,
    gradient: Array,
) -> float:
    """Vertices against the planes measured where they are seen, by their distance, smooth L1.

    Args:
        placed: (V, 3) vertices in the world.
        pixels, D: (V, 2), (V, 2, 3) of :func:`project_with_jacobian`.
        camera: of the depth map.
        matches: :func:`match_depth`.
        sigma: standard deviation, in the unit of the world.
        knee: residuals beyond so many standard deviations count linearly.
        information, gradient: (V, 3, 3) and (V, 3), added to.

    Returns:
        ½ rᵀr.
    """
    v = matches.vertices
    plane = matches.depth + (matches.slopes * (pixels[v] - matches.pixels)).sum(axis=1)
    off = (placed[v] - camera.center) @ camera.axis - plane
    rows = camera.axis - (matches.slopes[:, None] @ D[v])[:, 0]
    # Along the axis, the flanks of fingers would outweigh all that faces the camera.
    scale = sigma * matches.steepness
    return _gather(v, off / scale, rows / scale[:, None], knee, information, gradient)


def depth_field(depth: ArrayLike) -> Array:
    """Prepare a depth map.

    Args:
        depth: (H, W) distance along the optical axis, zero or NaN where missing.

    Returns:
        (H, W) smoothed a little, since the noise of single pixels would make its slopes meaningless; NaN
        where it is missing or jumps from one thing to another.
    """
    D = np.array(depth, dtype=np.float64)
    known = np.isfinite(D) & (D > 0.0)
    D[~known] = 0.0
    square = np.ones((5, 5), np.uint8)
    highest, lowest = cv2.dilate(D, square), cv2.erode(np.where(known, D, np.inf), square)
    known &= highest - lowest < _EDGE_STEPS * D
    weight = cv2.GaussianBlur(known.astype(np.float64), (0, 0), _DEPTH_SMOOTHING_PX)
    smooth = cv2.GaussianBlur(np.where(known, D, 0.0), (0, 0), _DEPTH_SMOOTHING_PX)
    return np.where(known, smooth / np.maximum(weight, 1e-12), np.nan)


def match_contour(
    model: HandModel, vertices: Array, camera: Camera, pixels: Array, field: MaskField, reach: float
) -> ContourMatches:
    """The vertex on the hand's outline that each point of the mask's outline belongs to.

    Near in place and direction is taken together. Points that have nothing within reach belong to something
    else (a sleeve, a forearm) and are left out; so is the open edge of the wrist, which is no outline.

    Args:
        model, vertices: the hand, (V, 3) vertices in the world.
        camera, pixels: the view, and (V, 2) the vertices in it.
        field: its mask.
        reach: pixels.
    """
    nothing = ContourMatches(np.zeros(0, dtype=np.int64), np.zeros((0, 2)), np.zeros((0, 2)))
    rim = _rim(model, pixels)
    facing = model.normals(vertices)[rim] @ camera.T_camera_world[:2, :3].T
    length = np.linalg.norm(facing, axis=1)
    rim, facing = rim[length > 0.3], facing[length > 0.3] / length[length > 0.3, None]
    if not len(rim) or not len(field.contour):
        return nothing
    tree = cKDTree(np.hstack([pixels[rim], _TURN_PX * facing]))
    _, found = tree.query(np.hstack([field.contour, _TURN_PX * field.normals]))
    nearest = np.asarray(found, dtype=np.int64)
    close = np.linalg.norm(pixels[rim[nearest]] - field.contour, axis=1) < reach
    close &= (facing[nearest] * field.normals).sum(axis=1) > _AGREES
    return ContourMatches(rim[nearest[close]], field.contour[close], field.normals[close])


def _rim(model: HandModel, pixels: Array) -> Indices:
    """Vertices where faces seen from outside meet faces seen from inside."""
    a, b, c = np.moveaxis(pixels[model.faces], 1, 0)
    area = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    count = len(model.template)
    front = np.bincount(model.faces[area < 0.0].ravel(), minlength=count) > 0
    back = np.bincount(model.faces[area > 0.0].ravel(), minlength=count) > 0
    edges = np.sort(model.faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    kinds, uses = np.unique(edges, axis=0, return_counts=True)
    free = np.ones(count, dtype=bool)
    free[kinds[uses == 1].ravel()] = False
    return np.asarray(np.flatnonzero(front & back & free), dtype=np.int64)


def match_depth(
    model: HandModel, vertices: Array, camera: Camera, pixels: Array, field: Array, reach: float
) -> DepthMatches:
    """What a depth map says at the vertices that nothing of the hand hides.

    Args:
        model, vertices: the hand, (V, 3) vertices in the world.
        camera, pixels: the view, and (V, 2) the vertices in it.
        field: :func:`depth_field`.
        reach: depths further off than this, in the unit of the world, are not the hand's.
    """
    seen: Indices = np.zeros(0, dtype=np.int64)
    z = (vertices - camera.center) @ camera.axis
    finite = np.isfinite(pixels).all(axis=1)
    if finite.any():
        size = np.array(field.shape[::-1])
        start: Indices = np.clip(np.floor(pixels[finite].min(axis=0)), 0, size - 1).astype(np.int64)
        stop = np.clip(np.ceil(pixels[finite].max(axis=0)) + 1, start + 1, size)
        width, height = (int(length) for length in stop - start)
        face = rasterise(pixels - start, z, model.faces, (width, height)).face
        seen = np.unique(model.faces[np.unique(face[face != NOTHING])])
    measured, slopes = sample(field, pixels[seen])
    near = np.abs(np.nan_to_num(z[seen] - measured, nan=np.inf)) < reach
    seen, measured, slopes = seen[near], measured[near], slopes[near]
    _, D = project_with_jacobian(camera, vertices[seen])
    inward = camera.axis - (slopes[:, None] @ D)[:, 0]
    steepness = np.linalg.norm(inward, axis=1)
    # A surface that looks another way belongs to the finger beside.
    same = -(inward * model.normals(vertices)[seen]).sum(axis=1) > _AGREES * steepness
    return DepthMatches(seen[same], pixels[seen[same]], measured[same], slopes[same], steepness[same])


def _huber(r: Array, knee: float) -> tuple[Array, Array]:
    size = np.abs(r)
    weight = np.where(size <= knee, 1.0, knee / np.maximum(size, 1e-30))
    return np.where(size <= knee, 0.5 * r * r, knee * (size - 0.5 * knee)), weight


def _gather(
    vertices: Indices, r: Array, rows: Array, knee: float, information: Array, gradient: Array
) -> float:
    """Add whitened residuals (n,) with (n, 3) derivatives by the place of a vertex each."""
    cost, weight = _huber(r, knee)
    np.add.at(gradient, vertices, (weight * r)[:, None] * rows)
    np.add.at(information, vertices, weight[:, None, None] * rows[:, :, None] * rows[:, None, :])
    return float(cost.sum())
