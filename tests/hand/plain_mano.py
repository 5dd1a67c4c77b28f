"""MANO's formulas (Romero et al. 2017), one vertex and one joint at a time, straight from the file."""

from __future__ import annotations

from math import cos, sin, sqrt
from typing import Any

import numpy as np


def rodrigues(vector: np.ndarray) -> np.ndarray:
    """(3, 3) rotation of a rotation vector."""
    angle = sqrt(float(vector @ vector))
    if angle < 1e-12:
        return np.eye(3)
    x, y, z = vector / angle
    c, s, v = cos(angle), sin(angle), 1 - cos(angle)
    return np.array(
        [
            [c + x * x * v, x * y * v - z * s, x * z * v + y * s],
            [y * x * v + z * s, c + y * y * v, y * z * v - x * s],
            [z * x * v - y * s, z * y * v + x * s, c + z * z * v],
        ]
    )


def plain_mano(
    content: dict[str, Any], pose: np.ndarray, shape: np.ndarray, trans: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (V, 3) and joints (16, 3), MANO's order, of a pose (48,) counted from the flat hand."""
    template, shapedirs, posedirs = content["v_template"], content["shapedirs"], content["posedirs"]
    regressor, weights = content["J_regressor"].toarray(), content["weights"]
    parents = content["kintree_table"][0]
    V, K = len(template), len(regressor)

    shaped = template.copy()
    for v in range(V):
        for n in range(len(shape)):
            shaped[v] = shaped[v] + shape[n] * shapedirs[v, :, n]
    rest = np.zeros((K, 3))
    for k in range(K):
        for v in range(V):
            rest[k] = rest[k] + regressor[k, v] * shaped[v]

    rotations = [rodrigues(pose[3 * k : 3 * k + 3]) for k in range(K)]
    feature = np.concatenate([(rotations[k] - np.eye(3)).ravel() for k in range(1, K)])
    posed = shaped.copy()
    for v in range(V):
        posed[v] = posed[v] + posedirs[v] @ feature

    world = []
    for k in range(K):
        local = np.eye(4)
        local[:3, :3] = rotations[k]
        local[:3, 3] = rest[k] if k == 0 else rest[k] - rest[parents[k]]
        world.append(local if k == 0 else world[parents[k]] @ local)
    vertices = np.zeros((V, 3))
    for v in range(V):
        for k in range(K):
            moved = world[k][:3, :3] @ (posed[v] - rest[k]) + world[k][:3, 3]
            vertices[v] = vertices[v] + weights[v, k] * moved
    return vertices + trans, np.array([T[:3, 3] for T in world]) + trans
