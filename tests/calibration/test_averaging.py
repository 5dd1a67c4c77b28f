"""Camera poses from relative poses, one of which may be wrong."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from handloom.calibration.linking.averaging import average, components, spanning_tree
from handloom.hand.kinematics import rigid


def ring(count, seed=0):
    """Poses of cameras that stand anywhere, the first at the origin."""
    rng = np.random.default_rng(seed)
    T = rigid(Rotation.random(count, random_state=seed).as_matrix(), rng.normal(size=(count, 3)))
    return T @ np.linalg.inv(T[0])


def apart(T, true):
    """Largest angle in degrees, and distance, between poses."""
    E = T @ np.linalg.inv(true)
    turns = Rotation.from_matrix(E[:, :3, :3]).magnitude()
    return np.degrees(turns.max()), np.abs(T[:, :3, 3] - true[:, :3, 3]).max()


def test_components_put_the_largest_group_first_and_of_equals_the_lowest():
    assert components(6, [(4, 5), (1, 2), (3, 4)]) == ((3, 4, 5), (1, 2), (0,))
    assert components(4, [(2, 3), (0, 1)]) == ((0, 1), (2, 3))
    assert components(3, []) == ((0,), (1,), (2,))


def test_spanning_tree_takes_the_strongest_way():
    edges = [(0, 1), (0, 2), (1, 2), (2, 3), (1, 3)]
    assert spanning_tree([0, 1, 2, 3], edges, [1.0, 5.0, 4.0, 2.0, 3.0]) == [1, 2, 4]


def test_average_of_exact_poses_is_exact():
    true = ring(5)
    edges = list(combinations(range(5), 2))
    X = [true[b] @ np.linalg.inv(true[a]) for a, b in edges]
    T = average(range(5), edges, X, [1.0] * 10, [0.01] * 10, [0.01] * 10)
    assert max(apart(T, true)) < 1e-9


@pytest.mark.parametrize("turn_deg", [5.0, 40.0, 120.0])
def test_one_bad_edge_does_not_turn_half_the_rig(turn_deg):
    # Two halves of four cameras; a wrong pair joins them in the tree, being the strongest of all.
    true = ring(8, seed=3)
    edges = list(combinations(range(8), 2))
    X = [true[b] @ np.linalg.inv(true[a]) for a, b in edges]
    bad = edges.index((2, 5))
    X[bad] = rigid(Rotation.from_rotvec(np.deg2rad([0, turn_deg, 0])).as_matrix(), [0.5, 0, 0]) @ X[bad]
    strengths = [100.0 if e == bad else 1.0 for e in range(len(edges))]
    T = average(range(8), edges, X, strengths, [0.002] * len(edges), [0.005] * len(edges))
    turn, shift = apart(T, true)
    assert turn < 0.1
    assert shift < 0.02


def test_noise_averages_out():
    true = ring(6, seed=1)
    edges = list(combinations(range(6), 2))
    rng = np.random.default_rng(5)
    X = []
    for a, b in edges:
        E = rigid(Rotation.from_rotvec(rng.normal(0, 0.01, 3)).as_matrix(), rng.normal(0, 0.01, 3))
        X.append(E @ true[b] @ np.linalg.inv(true[a]))
    tree = average(range(6), edges[:5], X[:5], [1.0] * 5, [0.01] * 5, [0.01] * 5)
    full = average(range(6), edges, X, [1.0] * 15, [0.01] * 15, [0.01] * 15)
    assert apart(full, true)[0] < apart(tree, true)[0]


def test_a_single_camera_is_the_origin():
    np.testing.assert_array_equal(average([4], [], [], [], [], []), np.eye(4)[None])
