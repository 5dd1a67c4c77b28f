"""Compiled homography of a flat board, with corners that are grossly wrong, and the two rotations it allows.

A homography of all corners comes first; where it does not explain them, the best of homographies through four
corners each by the median of its errors (least median of squares, Rousseeuw 1984), fitted again to what it
explains. The rotations follow in closed form (infinitesimal plane-based pose estimation, Collins and Bartoli
2014).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from handloom.calibration.linking.pose_algebra import compiled, orthonormalise, solve

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

RAYLEIGH_MEDIAN = 1.1774
"""Median length of a two-dimensional error of unit standard deviation per axis."""

SMALLEST_SIGMA_PX = 0.05

_SAMPLES = 60  # with a third of the corners wrong, one in five is right
_CLEAR_PX = 1.0  # a homography that explains every corner this well needs no search


@compiled
def robust_homography(p: Array, q: Array, A: Array, use: Mask, H: Array) -> bool:
    """Homography of the corners that agree; ``use`` is reduced to them."""
    n = len(p)
    size = np.sqrt((p * p).sum() / n)
    middle = np.array([q[:, 0].mean(), q[:, 1].mean()])
    spread = np.sqrt(((q - middle) ** 2).sum() / n)
    if size == 0.0 or spread == 0.0 or _collinear(p, use):
        return False
    p, q = p / size, (q - middle) / spread
    fitted = _fit(p, q, use, H)
    errors = _errors(p, q, A, H, spread) if fitted else np.full(n, np.inf)
    if not errors.max() <= _CLEAR_PX and n > 4:
        state = np.uint64(88172645463325252)
        best = np.inf
        sample = np.empty(4, dtype=np.int64)
        trial = np.empty((3, 3))
        for _ in range(_SAMPLES):
            drawn = 0
            while drawn < 4:
                state ^= state << np.uint64(13)
                state ^= state >> np.uint64(7)
                state ^= state << np.uint64(17)
                index = np.int64((state >> np.uint64(11)) % np.uint64(n))
                new = True
                for k in range(drawn):
                    new = new and sample[k] != index
                if new:
                    sample[drawn] = index
                    drawn += 1
            use[:] = False
            for k in range(4):
                use[sample[k]] = True
            if not _fit(p, q, use, trial):
                continue
            errors = _errors(p, q, A, trial, spread)
            middling = np.median(errors)
            if middling < best:
                best = middling
                H[:] = trial
        if best == np.inf:
            return False
        for _ in range(3):
            errors = _errors(p, q, A, H, spread)
            sigma = max(np.median(errors) / RAYLEIGH_MEDIAN * (1.0 + 5.0 / (n - 4.0)), SMALLEST_SIGMA_PX)
            use[:] = errors <= 3.5 * sigma
            if use.sum() < 4 or not _fit(p, q, use, H):
                return False
        if _collinear(p, use):
            return False
    elif not fitted:
        return False
    # Back from the scaled coordinates of both planes.
    H[:, :2] /= size
    for j in range(3):
        for i in range(2):
            H[i, j] = spread * H[i, j] + middle[i] * H[2, j]
    return True


@compiled
def plane_rotations(H: Array, R: Array) -> bool:
    """Both rotations of a plane that has this homography near its origin; whether it shows its front."""
    x, y = H[0, 2] / H[2, 2], H[1, 2] / H[2, 2]
    J = np.empty((2, 2))
    for k in range(2):
        J[0, k] = (H[0, k] - H[2, k] * x) / H[2, 2]
        J[1, k] = (H[1, k] - H[2, k] * y) / H[2, 2]
    # V turns the optical axis into the line of sight.
    length = np.sqrt(x * x + y * y + 1.0)
    c = 1.0 / length
    k = c * c / (1.0 + c)
    V = np.array(
        [[1.0 - k * x * x, -k * x * y, x * c], [-k * x * y, 1.0 - k * y * y, y * c], [-x * c, -y * c, c]]
    )
    B = np.empty((2, 2))
    for j in range(2):
        B[0, j] = V[0, j] - x * V[2, j]
        B[1, j] = V[1, j] - y * V[2, j]
    determinant = B[0, 0] * B[1, 1] - B[0, 1] * B[1, 0]
    a = (B[1, 1] * J[0, 0] - B[0, 1] * J[1, 0]) / determinant
    b = (B[1, 1] * J[0, 1] - B[0, 1] * J[1, 1]) / determinant
    d = (B[0, 0] * J[1, 0] - B[1, 0] * J[0, 0]) / determinant
    e = (B[0, 0] * J[1, 1] - B[1, 0] * J[0, 1]) / determinant
    rows, cross, other = a * a + b * b, a * d + b * e, d * d + e * e
    gamma = np.sqrt(0.5 * (rows + other + np.sqrt((rows - other) ** 2 + 4.0 * cross * cross)))
    a, b, d, e = a / gamma, b / gamma, d / gamma, e / gamma
    first = np.sqrt(max(0.0, 1.0 - a * a - d * d))
    second = np.sqrt(max(0.0, 1.0 - b * b - e * e))
    if a * b + d * e > 0.0:
        second = -second
    for s in range(2):
        sign = 1.0 - 2.0 * s
        W = np.array([[a, b, 0.0], [d, e, 0.0], [sign * first, sign * second, 0.0]])
        R[s] = V @ W
        orthonormalise(R[s])
    return J[0, 0] * J[1, 1] - J[0, 1] * J[1, 0] > 0.0


@compiled
def _collinear(p: Array, use: Mask) -> bool:
    """Whether the corners used lie (nearly) on a line, which leaves the board free to turn about it."""
    n, sx, sy, sxx, sxy, syy = 0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(len(p)):
        if use[i]:
            n += 1
            sx += p[i, 0]
            sy += p[i, 1]
            sxx += p[i, 0] ** 2
            sxy += p[i, 0] * p[i, 1]
            syy += p[i, 1] ** 2
    sxx, sxy, syy = sxx - sx * sx / n, sxy - sx * sy / n, syy - sy * sy / n
    root = np.sqrt((sxx - syy) ** 2 + 4.0 * sxy * sxy)
    return sxx + syy - root <= 2e-3 * (sxx + syy + root)


@compiled
def _fit(p: Array, q: Array, use: Mask, H: Array) -> bool:
    """Homography with H₂₂ = 1 by linear least squares; the board's middle never lies in the focal plane."""
    M = np.zeros((8, 8))
    h = np.zeros(8)
    row = np.zeros(8)
    for i in range(len(p)):
        if not use[i]:
            continue
        for axis in range(2):
            row[:] = 0.0
            row[3 * axis], row[3 * axis + 1], row[3 * axis + 2] = p[i, 0], p[i, 1], 1.0
            row[6], row[7] = -q[i, axis] * p[i, 0], -q[i, axis] * p[i, 1]
            for k in range(8):
                if row[k] != 0.0:
                    h[k] += row[k] * q[i, axis]
                    for m in range(8):
                        M[k, m] += row[k] * row[m]
    if not solve(M, h):
        return False
    for k in range(8):
        H[k // 3, k % 3] = h[k]
    H[2, 2] = 1.0
    return True


@compiled
def _errors(p: Array, q: Array, A: Array, H: Array, spread: float) -> Array:
    """(n,) errors of a homography in pixels; infinite beyond its horizon."""
    errors = np.empty(len(p))
    for i in range(len(p)):
        w = H[2, 0] * p[i, 0] + H[2, 1] * p[i, 1] + 1.0
        if w <= 0.0:
            errors[i] = np.inf
            continue
        u = ((H[0, 0] * p[i, 0] + H[0, 1] * p[i, 1] + H[0, 2]) / w - q[i, 0]) * spread
        v = ((H[1, 0] * p[i, 0] + H[1, 1] * p[i, 1] + H[1, 2]) / w - q[i, 1]) * spread
        errors[i] = np.hypot(A[i, 0, 0] * u + A[i, 0, 1] * v, A[i, 1, 0] * u + A[i, 1, 1] * v)
    return errors
