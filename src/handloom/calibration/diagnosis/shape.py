"""A board that is not what its description says: bent, or stretched by the printer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from handloom.calibration.diagnosis.changes import spread
from handloom.calibration.diagnosis.evidence import Evidence
from handloom.calibration.findings import Finding, Name, Severity

Array = NDArray[np.float64]

_MOST_MOMENTS = 100
_LEAST_MOMENTS = 10
_BELIEF = 0.02  # of the board's size: how far corners may be from their places
_BENT = 0.003  # of the board's size, from valley to peak
_STRETCHED = 0.003
_SIGNIFICANT = 6.0  # standard deviations
_SHOWS_PX = 0.1  # by so much the residuals must be larger for it, root mean square
_STEP_M = 1e-6


@dataclass(frozen=True, eq=False)
class Shape:
    """Where the corners of the board really are, as all cameras together see them.

    Attributes:
        points: (P, 3) places by the description, of the corners that were seen.
        shift: (P, 3) from there, metres; what a similarity explains is taken out.
        std: (P, 3) standard deviations.
        explained_px: how much of the residuals it explains, root mean square.
    """

    points: Array
    shift: Array
    std: Array
    explained_px: float

    @property
    def size_m(self) -> float:
        """Diagonal of the board."""
        return float(np.linalg.norm(np.ptp(self.points, axis=0)))

    @property
    def bend(self) -> tuple[float, float]:
        """From valley to peak out of the plane, metres, and its standard deviation."""
        low, high = np.quantile(self.shift[:, 2], [0.02, 0.98])
        return float(high - low), float(np.sqrt(2) * np.median(self.std[:, 2]))

    @property
    def stretch(self) -> tuple[float, float]:
        """By what part the squares are wider than high, and its standard deviation."""
        centred = self.points - self.points.mean(axis=0)
        slopes, variance = [], 0.0
        for axis in (0, 1):
            squares = float((centred[:, axis] ** 2).sum())
            slopes.append(float(centred[:, axis] @ self.shift[:, axis]) / squares)
            variance += float((centred[:, axis] ** 2 * self.std[:, axis] ** 2).sum()) / squares**2
        return slopes[0] - slopes[1], float(np.sqrt(variance))


def findings(evidence: Evidence) -> Iterator[Finding]:
    """``bent-board``, and ``wrong-square`` where width and height of the squares differ."""
    shape = measure(evidence)
    if shape is None or shape.explained_px < _SHOWS_PX:
        return
    bend, bend_std = shape.bend
    if bend > max(_BENT * shape.size_m, _SIGNIFICANT * bend_std):
        yield Finding(
            Name.bent_board,
            Severity.warning,
            f"The board is not flat: its corners lie up to {1e3 * bend:.1f} mm (standard deviation"
            f" {1e3 * bend_std:.1f} mm) above one another across its {1e2 * shape.size_m:.0f} cm.",
            "Glue the print onto glass, aluminium composite or another plate that is flat to half a"
            " millimetre, and"
            " record again.",
            (),
            {"bend_mm": 1e3 * bend, "std_mm": 1e3 * bend_std, "explained_px": shape.explained_px},
        )
    stretch, stretch_std = shape.stretch
    if abs(stretch) > max(_STRETCHED, _SIGNIFICANT * stretch_std):
        wider, higher = ("wider", "high") if stretch > 0 else ("higher", "wide")
        yield Finding(
            Name.wrong_square,
            Severity.warning,
            f"The board's squares are at least {100 * abs(stretch):.1f} % {wider} than {higher} (standard"
            " deviation"
            f" {100 * stretch_std:.2f} %; the lenses have taken up a part of it), so lengths differ by"
            " direction.",
            "Print the board at 100 % (no 'fit to page'), check both sides with a ruler, and state the"
            " length that"
            " was measured.",
            (),
            {"stretch_percent": 100 * stretch, "std_percent": 100 * stretch_std},
        )


def measure(evidence: Evidence) -> Shape | None:
    """The shape of the board: one Gauss-Newton step in its corners, with its poses eliminated.

    The cameras are held. What they could not absorb of a wrong shape shows as the same pattern in every view.
    """
    calibration = evidence.calibration
    if calibration is None:
        return None
    sightings = calibration.sightings
    usable = calibration.used & np.isfinite(calibration.residuals).all(axis=-1)
    moments = np.unique(sightings.moment[usable])
    if len(moments) < _LEAST_MOMENTS:
        return None
    rows = np.flatnonzero(usable & np.isin(sightings.moment, spread(moments, _MOST_MOMENTS)))
    corners, number = np.unique(sightings.corner[rows], return_inverse=True)
    points = sightings.board.points[corners]
    residual = calibration.residuals[rows]
    by_point = _by_point(evidence, rows)
    valid = np.isfinite(by_point).all(axis=(1, 2))
    rows, number, residual, by_point = rows[valid], number[valid], residual[valid], by_point[valid]
    sigma = float(np.sqrt((residual**2).sum() / max(2 * len(rows) - 6 * len(moments), 1)))
    local = sightings.object_points[rows]
    by_pose = np.concatenate([by_point, np.cross(local[:, None, :], by_point)], axis=-1)
    size = 3 * len(points)
    N, g = np.zeros((size, size)), np.zeros(size)
    moment = sightings.moment[rows]
    for part in np.split(np.arange(len(rows)), np.flatnonzero(np.diff(moment)) + 1):
        P, D, r = by_pose[part], by_point[part], residual[part]
        V = np.einsum("nki,nkj->ij", P, P) + 1e-9 * np.eye(6)
        W = np.zeros((size, 6))
        columns = 3 * number[part][:, None] + np.arange(3)
        np.add.at(W, columns, np.einsum("nki,nkj->nij", D, P))
        np.add.at(N, (columns[:, :, None], columns[:, None, :]), np.einsum("nki,nkj->nij", D, D))
        np.add.at(g, columns, np.einsum("nki,nk->ni", D, r))
        solved = np.linalg.solve(V, np.concatenate([W.T, np.einsum("nki,nk->i", P, r)[:, None]], axis=1))
        N -= W @ solved[:, :-1]
        g -= W @ solved[:, -1]
    extent = float(np.linalg.norm(np.ptp(points, axis=0)))
    weight = (max(sigma, 1e-3) / (_BELIEF * extent)) ** 2
    covariance = np.linalg.inv(N + weight * np.eye(size))
    shift = covariance @ g
    keep = _without_similarity(points)
    explained = float(np.sqrt(max(float(2 * shift @ g - shift @ N @ shift), 0.0) / len(rows)))
    std = np.sqrt(np.maximum(np.diag(keep @ covariance @ keep), 0.0)) * sigma
    return Shape(points, (keep @ shift).reshape(-1, 3), std.reshape(-1, 3), explained)


def _by_point(evidence: Evidence, rows: NDArray[np.int64]) -> Array:
    """(n, 2, 3) pixels per metre that a corner is moved in the board's frame."""
    calibration = evidence.calibration
    assert calibration is not None
    sightings = calibration.sightings
    T = calibration.T_world_board[sightings.moment[rows]]
    local = sightings.object_points[rows]
    derivative = np.full((len(rows), 2, 3), np.nan)
    for number, camera in enumerate(evidence.cameras):
        own = sightings.camera[rows] == number
        if camera is None or not own.any():
            continue
        for axis in range(3):
            h = np.zeros(3)
            h[axis] = _STEP_M
            ends = [
                camera.project((T[own, :3, :3] @ (local[own] + s * h)[:, :, None])[..., 0] + T[own, :3, 3])
                for s in (1, -1)
            ]
            derivative[own, :, axis] = (ends[0] - ends[1]) / (2 * _STEP_M)
    return derivative


def _without_similarity(points: Array) -> Array:
    """(3P, 3P) what takes the turn, shift and change of size that fit best out of shifts."""
    centred = points - points.mean(axis=0)
    basis = [np.tile(axis, (len(points), 1)) for axis in np.eye(3)]
    basis += [np.cross(axis, centred) for axis in np.eye(3)]
    basis.append(centred)
    Q, _ = np.linalg.qr(np.stack([column.ravel() for column in basis], axis=-1))
    return np.asarray(np.eye(3 * len(points)) - Q @ Q.T)
