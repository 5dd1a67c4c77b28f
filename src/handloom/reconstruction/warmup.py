"""Loading the compiled kernels ahead of their first use."""

from __future__ import annotations

import threading

import numpy as np

from handloom.reconstruction.trajectory import Evidence, MotionModel, smooth
from handloom.reconstruction.triangulation import triangulate


def warm_up() -> threading.Thread:
    """Load the kernels in a thread of its own: it takes half a second that detection need not wait for."""
    thread = threading.Thread(target=_touch, name="warm-up", daemon=True)
    thread.start()
    return thread


def _touch() -> None:
    """Solve one tiny problem with every kernel."""
    poses = np.stack([np.eye(4), np.eye(4)])
    poses[1, 0, 3] = -1.0
    points = np.array([[[0.0, 0.0, 2.0], [0.0, 0.5, 2.0], [0.0, 1.0, 2.0], [0.0, 1.4, 2.1]]] * 3)
    rays = np.stack([points[..., :2], points[..., :2] - [1.0, 0.0]]) / points[..., 2:]
    triangulate(rays, poses, 0.01)
    evidence = Evidence(poses[:, :3, :3].copy(), poses[:, :3, 3].copy(), rays, np.ones(rays.shape[:-1]))
    model = MotionModel(
        pairs=np.array([[0, 1]]),
        lengths=np.array([0.5]),
        length_sigma=np.array([0.1]),
        acceleration=np.ones(4),
        chains=np.array([[0, 1, 2, 3]]),
    )
    smooth(points, evidence, model, iterations=1)
