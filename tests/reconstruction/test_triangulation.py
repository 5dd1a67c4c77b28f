"""Triangulation against scenes whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from handloom.reconstruction.triangulation import triangulate, triangulate_dlt

Array = NDArray[np.float64]

K = np.array([[900.0, 0.0, 640.0], [0.0, 910.0, 360.0], [0.0, 0.0, 1.0]])
SCENE_SIZE = 1.0
SIGMA = 2.0 / 900.0


def ring(views: int, offset: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Array:
    """(C, 4, 4) cameras on an arc of 1.5 m around ``offset``, looking at it."""
    T = np.zeros((views, 4, 4))
    for c in range(views):
        angle = 2.2 * (c / max(views - 1, 1) - 0.5)
        center = 1.5 * np.array([np.sin(angle), 0.2 * (-1) ** c, -np.cos(angle)])
        z = -center / np.linalg.norm(center)
        x = np.cross([0.0, 1.0, 0.0], z)
        x /= np.linalg.norm(x)
        T[c, :3, :3] = np.stack([x, np.cross(z, x), z])
        T[c, :3, 3] = -T[c, :3, :3] @ (center + offset)
        T[c, 3, 3] = 1.0
    return T


def project(T: Array, X: Array) -> Array:
    """Normalised image positions (C, ..., 2)."""
    q = np.einsum("cij,...j->c...i", T[:, :3, :3], X) + T[:, :3, 3].reshape(len(T), *[1] * (X.ndim - 1), 3)
    return q[..., :2] / q[..., 2:]


def to_pixels(normalised: Array) -> Array:
    return normalised * K[[0, 1], [0, 1]] + K[:2, 2]


def cloud(count: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, size=(count, 3)) * SCENE_SIZE


def noise(shape: tuple[int, ...], sigma: float, seed: int = 1) -> Array:
    return np.random.default_rng(seed).normal(scale=sigma, size=shape)


def svd_point(P: Array, xy: Array, weights: Array) -> Array:
    """The plain statement of the direct linear transform for one point."""
    rows = [w * (P[c, i] - xy[c, i] * P[c, 2]) for c, w in enumerate(weights) for i in (0, 1)]
    X = np.linalg.svd(np.array(rows))[2][3]
    return X[:3] / X[3]


@pytest.mark.parametrize("offset", [(0.0, 0.0, 0.0), (300.0, -200.0, 100.0)], ids=["near", "far_from_origin"])
@pytest.mark.parametrize("views", [2, 3, 4, 8])
@pytest.mark.parametrize(("exact", "tolerance"), [(False, 1e-6), (True, 1e-9)], ids=["default", "exact"])
def test_dlt_is_exact_without_noise(views, exact, tolerance, offset):
    T, X = ring(views, offset), cloud(500) + offset
    found = triangulate_dlt(K @ T[:, :3], to_pixels(project(T, X)), exact=exact)
    assert np.abs(found - X).max() < tolerance * SCENE_SIZE


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("views", [2, 3, 8])
def test_dlt_agrees_with_plain_svd(views, exact):
    """Moderate noise: where the homogeneous coordinates have their origin and unit hardly matters."""
    T, X = ring(views), cloud(50)
    xy = project(T, X) + noise((views, 50, 2), SIGMA / 2)
    weights = np.random.default_rng(2).uniform(0.1, 1.0, size=(views, 50))
    found = triangulate_dlt(T[:, :3], xy, weights, exact=exact)
    plain = np.array([svd_point(T[:, :3], xy[:, n], weights[:, n]) for n in range(50)])
    assert np.abs(found - plain).max() < 0.05 * np.linalg.norm(plain - X, axis=-1).mean()


def test_dlt_modes_agree_with_noise():
    T, X = ring(5), cloud(2000)
    xy = project(T, X) + noise((5, 2000, 2), 20 * SIGMA)
    exact = triangulate_dlt(T[:, :3], xy, exact=True)
    np.testing.assert_allclose(triangulate_dlt(T[:, :3], xy), exact, atol=1e-9)


def test_weights_favour_the_better_view():
    T, X = ring(3), cloud(500)
    xy = project(T, X)
    xy[2] += noise((500, 2), 20 * SIGMA)
    plain = np.linalg.norm(triangulate_dlt(T[:, :3], xy) - X, axis=-1).mean()
    weights = np.broadcast_to([[1.0], [1.0], [0.05]], (3, 500))
    assert np.linalg.norm(triangulate_dlt(T[:, :3], xy, weights) - X, axis=-1).mean() < 0.05 * plain


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("missing", ["nan_position", "zero_weight", "nan_weight"])
def test_ignored_observation_has_no_influence(missing, exact):
    T, X = ring(4), cloud(30)
    xy = project(T, X) + noise((4, 30, 2), SIGMA)
    expected = triangulate_dlt(T[1:, :3], xy[1:], exact=exact)
    weights = np.ones((4, 30))
    if missing == "nan_position":
        xy[0] = np.nan
    else:
        weights[0] = 0.0 if missing == "zero_weight" else np.nan
    found = triangulate_dlt(T[:, :3], xy, weights, exact=exact)
    # The fourth camera still takes part in the conditioning, which noise makes visible.
    assert np.abs(found - expected).max() < 1e-3


@pytest.mark.parametrize("observing", [0, 1])
def test_too_few_views_give_nan(observing):
    T, X = ring(4), cloud(10)
    xy = project(T, X)
    xy[observing:] = np.nan
    assert np.isnan(triangulate_dlt(T[:, :3], xy)).all()
    assert np.isnan(triangulate_dlt(T[:, :3], xy, exact=True)).all()
    result = triangulate(xy, T, SIGMA)
    assert np.isnan(result.points).all()
    assert np.isnan(result.covariance).all()
    assert not result.inliers.any()
    assert np.isnan(result.residual).all()


def test_parallel_rays_give_nan():
    T = np.stack([np.eye(4), np.eye(4)])
    T[1, 0, 3] = -0.2
    xy = np.zeros((2, 3, 2))
    assert np.isnan(triangulate_dlt(T[:, :3], xy)).all()
    assert np.isnan(triangulate_dlt(T[:, :3], xy, exact=True)).all()
    assert np.isnan(triangulate(xy, T, SIGMA).points).all()


@pytest.mark.parametrize("views", [2, 4, 8])
@pytest.mark.parametrize("offset", [(0.0, 0.0, 0.0), (300.0, -200.0, 100.0)], ids=["near", "far_from_origin"])
def test_robust_is_exact_without_noise(views, offset):
    T, X = ring(views, offset), cloud(200) + offset
    result = triangulate(project(T, X), T, SIGMA)
    assert np.abs(result.points - X).max() < 1e-9
    assert result.inliers.all()
    assert result.residual.max() < 1e-9


@pytest.mark.parametrize("views", [4, 8, 15])
def test_outlier_views_are_found_and_dropped(views):
    """A fifth of the observations is wrong, at least two views of every point are right."""
    count = 1000
    rng = np.random.default_rng(3)
    T, X = ring(views), cloud(count)
    xy = project(T, X) + noise((views, count, 2), SIGMA)
    wrong = rng.random((views, count)) < 0.2
    wrong &= np.cumsum(wrong, axis=0) <= max(1, views // 3)
    clean = np.where(wrong[..., None], np.nan, xy)
    angle = rng.uniform(0, 2 * np.pi, size=(views, count))
    shift = rng.uniform(15, 100, size=(views, count)) * SIGMA
    xy += (wrong * shift)[..., None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)

    result = triangulate(xy, T, SIGMA)
    error = np.linalg.norm(result.points - X, axis=-1)
    reference = np.linalg.norm(triangulate(clean, T, SIGMA).points - X, axis=-1)
    assert error.mean() < 2 * reference.mean()
    assert result.inliers[wrong].mean() < 0.02
    assert result.inliers[~wrong].mean() > 0.98
    assert np.isfinite(result.residual).all()


def test_one_of_three_views_wrong_is_found():
    """With three views only an error across the epipolar lines of both others shows; vertical ones do."""
    T, X = ring(3), cloud(500)
    clean = project(T, X) + noise((3, 500, 2), SIGMA)
    xy = clean.copy()
    xy[np.arange(500) % 3, np.arange(500), 1] += 60 * SIGMA
    result = triangulate(xy, T, SIGMA)
    error = np.linalg.norm(result.points - X, axis=-1)
    reference = np.linalg.norm(triangulate(clean, T, SIGMA).points - X, axis=-1)
    assert np.median(error) < 2 * np.median(reference)
    wrong = np.arange(3)[:, None] == np.arange(500) % 3
    assert result.inliers[wrong].mean() < 0.1


def test_two_views_that_disagree_are_kept_and_reported():
    T, X = ring(2), cloud(100)
    agreeing = triangulate(project(T, X), T, SIGMA)
    xy = project(T, X)
    xy[1, :, 1] += 40 * SIGMA
    result = triangulate(xy, T, SIGMA)
    assert result.inliers.all()
    assert (result.residual.max(axis=0) > 5 * SIGMA).all()
    growth = np.trace(result.covariance, axis1=-2, axis2=-1) / np.trace(
        agreeing.covariance, axis1=-2, axis2=-1
    )
    assert np.median(growth) > 20


@pytest.mark.parametrize("views", [2, 3, 4, 8])
def test_covariance_is_calibrated(views):
    """Squared Mahalanobis distance of the error averages 3; a little less, as doubt only inflates."""
    count = 20_000
    T, X = ring(views), cloud(count)
    sigma = np.random.default_rng(4).uniform(0.5, 2.0, size=(views, count)) * SIGMA
    xy = project(T, X) + noise((views, count, 2), 1.0) * sigma[..., None]
    result = triangulate(xy, T, sigma)
    error = result.points - X
    squared = np.einsum("ni,nij,nj->n", error, np.linalg.inv(result.covariance), error)
    assert 2.55 < squared.mean() < 3.15


def test_covariance_grows_with_understated_sigma():
    T, X = ring(8), cloud(2000)
    xy = project(T, X) + noise((8, 2000, 2), SIGMA)
    claimed = triangulate(xy, T, SIGMA / 4, outlier_sigmas=50.0, huber_sigmas=50.0).covariance
    honest = triangulate(xy, T, SIGMA).covariance
    ratio = np.trace(claimed, axis1=1, axis2=2) / np.trace(honest, axis1=1, axis2=2)
    assert 0.5 < np.median(ratio) < 1.0


def test_point_behind_the_cameras_is_nan():
    """Rays that diverge meet behind both cameras."""
    T = ring(2)
    X = np.array([[0.0, 0.0, -20.0]])
    assert np.isnan(triangulate(project(T, X), T, SIGMA).points).all()


def test_view_that_looks_away_is_dropped():
    T, X = ring(4), cloud(50)
    xy = project(T, X)
    T[3] = np.diag([-1.0, 1.0, -1.0, 1.0]) @ T[3]
    result = triangulate(xy, T, SIGMA)
    assert np.abs(result.points - X).max() < 1e-9
    assert not result.inliers[3].any()
    assert np.isnan(result.residual[3]).all()


@settings(deadline=None, max_examples=20)
@given(st.permutations(range(5)), st.integers(0, 1000))
def test_order_of_the_views_does_not_matter(order, seed):
    T, X = ring(5), cloud(20, seed)
    xy = project(T, X) + noise((5, 20, 2), SIGMA, seed)
    xy[seed % 5] += 50 * SIGMA
    xy[(seed + 1) % 5, ::3] = np.nan
    order = list(order)
    found, shuffled = triangulate(xy, T, SIGMA), triangulate(xy[order], T[order], SIGMA)
    np.testing.assert_allclose(shuffled.points, found.points, atol=1e-6)
    np.testing.assert_array_equal(shuffled.inliers, found.inliers[order])
    linear = triangulate_dlt(T[:, :3], xy)
    np.testing.assert_allclose(triangulate_dlt(T[order, :3], xy[order]), linear, atol=1e-9)


@pytest.mark.parametrize("batch", [(), (1,), (7,), (2, 3), (2, 1, 4), (0,), (3, 0)])
def test_batch_shapes(batch):
    T = ring(3)
    X = cloud(int(np.prod(batch))).reshape(*batch, 3)
    xy = project(T, X)
    assert triangulate_dlt(T[:, :3], xy).shape == (*batch, 3)
    result = triangulate(xy, T, np.full(3, SIGMA))
    assert result.points.shape == (*batch, 3)
    assert result.covariance.shape == (*batch, 3, 3)
    assert result.inliers.shape == result.residual.shape == (3, *batch)
    np.testing.assert_allclose(result.points, X, atol=1e-9)


def test_threads_do_not_change_the_result():
    T, X = ring(3), cloud(12_000)
    xy = project(T, X) + noise((3, 12_000, 2), SIGMA)
    for exact in (False, True):
        one, two = (triangulate_dlt(T[:, :3], xy, exact=exact, threads=n) for n in (1, 2))
        np.testing.assert_array_equal(one, two)
    one, two = (triangulate(xy, T, SIGMA, threads=n).covariance for n in (1, 2))
    np.testing.assert_array_equal(one, two)


def test_inputs_are_left_alone_and_may_be_read_only():
    T, X = ring(3), cloud(5)
    xy = project(T, X)
    for array in (T, xy):
        array.flags.writeable = False
    np.testing.assert_allclose(triangulate(xy, T, SIGMA).points, X, atol=1e-9)
    np.testing.assert_allclose(triangulate_dlt(T[:, :3], xy), X, atol=1e-9)


@pytest.mark.parametrize(
    ("cameras", "xy", "sigma"),
    [
        ((3, 4, 4), (2, 5, 2), ()),
        ((3, 4, 4), (3, 5, 3), ()),
        ((3, 3, 3), (3, 5, 2), ()),
        ((3, 4, 4), (3, 5, 2), (3, 4)),
    ],
    ids=["view_count", "not_pixels", "not_cameras", "sigma_shape"],
)
def test_wrong_shapes_are_refused(cameras, xy, sigma):
    with pytest.raises(ValueError, match=r"must be|broadcast"):
        triangulate(np.ones(xy), np.ones(cameras), np.ones(sigma))
