"""Hands with known truth: the open hand in poses of the recorded prior, in front of a camera."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from handloom.evaluation import Hands
from handloom.fitting.prior import recorded_prior
from handloom.hand import load_open_hand

FOCAL_PX, CENTRE_PX = 480.0, 112.0


def made(count: int, seed: int = 0, *, both: bool = False, mesh: bool = False, bend: float = 0.0) -> Hands:
    """Hands of many people, 0.5 to 0.9 m away, one in each of ``count`` samples.

    Args:
        both: every second one is a left hand.
        bend: added to every flexion, radians.
    """
    rng = np.random.default_rng(seed)
    prior = recorded_prior()
    which = rng.choice(len(prior.weight), count, p=prior.weight / prior.weight.sum())
    noise = rng.normal(size=(count, prior.mean.shape[1]))
    spread = np.linalg.cholesky(prior.covariance)[which]
    angles = (prior.mean[which] + np.einsum("nij,nj->ni", spread, noise)).reshape(count, 15, 3)
    shapes = rng.normal(size=(count, load_open_hand().shape_count))
    turns = Rotation.random(count, random_state=rng).as_matrix()
    places = np.stack(
        [rng.uniform(-0.1, 0.1, count), rng.uniform(-0.1, 0.1, count), rng.uniform(0.5, 0.9, count)], 1
    )
    sides = tuple("left" if both and n % 2 else "right" for n in range(count))
    joints, meshes = [], []
    for n in range(count):
        model = load_open_hand(sides[n])
        pose = model.clamp(angles[n])
        pose[:, 0] += bend
        T = np.eye(4)
        T[:3, :3], T[:3, 3] = turns[n], places[n]
        posed = model.pose(pose, shapes[n], T)
        joints.append(posed.keypoints)
        if mesh:
            meshes.append(posed.vertices)
    xyz = np.stack(joints)
    xy = FOCAL_PX * xyz[..., :2] / xyz[..., 2:] + CENTRE_PX
    keys = tuple(f"{n:05d}" for n in range(count))
    return Hands(keys, sides, xyz, xy, np.ones((count, 21), bool), np.stack(meshes) if mesh else None)


def noisy(hands: Hands, metres: float = 0.003, seed: int = 9) -> Hands:
    """Predictions with independent noise of a standard deviation per axis (and 2 px in the picture)."""
    rng = np.random.default_rng(seed)
    vertices = hands.vertices
    if vertices is not None:
        vertices = vertices + rng.normal(0, metres, vertices.shape)
    return replace(
        hands,
        xyz=hands.xyz + rng.normal(0, metres, hands.xyz.shape),
        xy=hands.xy + rng.normal(0, 2.0, hands.xy.shape),
        vertices=vertices,
        conditions=(),
    )
