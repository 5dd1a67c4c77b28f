"""Lens distortion: ideal image coordinates to distorted ones and back.

Both models are OpenCV's. Ideal coordinates are x/z and y/z in the camera's frame; distorted coordinates are
what the intrinsic matrix turns into pixels. A calibrated polynomial describes its lens only out to some
radius; beyond it the polynomial turns round and would fold the outside world back into the picture. Each
lens knows that radius, and what lies outside is NaN.
"""

from __future__ import annotations

from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.polynomial import Polynomial
from numpy.typing import NDArray

Array = NDArray[np.float64]

_MAX_ITERATIONS = 30
_LAST_STEP = 1e-9  # after a Newton step this small the error is about its square
_FARTHEST = 1e4  # a fold beyond this radius, 89.994° from the axis, is no fold
_TABLE_SIZE = 512
_TABLE_ANGLE = np.deg2rad(89.0)  # the table of starting values ends here for lenses without a fold


class Lens(Protocol):
    """What a camera needs of its lens. Coordinates are (2, N) arrays, x in the first row: the arithmetic runs
    on whole rows, and few calls matter more than anything when a live frame has 21 points."""

    @property
    def limit(self) -> float:
        """Largest ideal radius, tan of the angle from the axis, at which the model can be inverted."""
        ...

    def distort(self, ideal: Array) -> Array:
        """Distorted coordinates of ideal ones; NaN beyond the limit."""
        ...

    def undistort(self, distorted: Array) -> Array:
        """Ideal coordinates of distorted ones; NaN where no ideal point within the limit maps there."""
        ...


class PinholeLens:
    """A lens without distortion."""

    limit = np.inf

    def distort(self, ideal: Array) -> Array:
        """The coordinates themselves."""
        return ideal

    def undistort(self, distorted: Array) -> Array:
        """The coordinates themselves."""
        return distorted


class BrownConradyLens:
    """Radial and tangential distortion: k1, k2, p1, p2[, k3[, k4, k5, k6]] in OpenCV's order.

    With u = x² + y², the radial factor L(u) = (1 + k1 u + k2 u² + k3 u³) / (1 + k4 u + k5 u² + k6 u³) and the
    tangential vector q = (p2, p1), a point X is drawn at L(u) X + 2 (q·X) X + u q.
    """

    def __init__(self, coefficients: Array) -> None:
        padded = np.zeros(8)
        padded[: len(coefficients)] = coefficients
        self._k1, self._k2, p1, p2, self._k3, self._k4, self._k5, self._k6 = padded.tolist()
        self._rational = bool(padded[5:].any())
        self._tangential = float(np.hypot(p1, p2))
        self._q = np.array([[p2], [p1]])
        self._twice_q = 2.0 * self._q.ravel()
        self._twice_q_swapped = self._twice_q[::-1].copy()

    @cached_property
    def limit(self) -> float:
        """Largest radius of a disc on which the mapping is one-to-one.

        The Jacobian is symmetric: a radial part with eigenvalues d(rL)/dr and L, and a tangential part whose
        eigenvalues are at least -6 r |(p1, p2)|. While the sum is positive definite on a disc, which is
        convex, the mapping cannot take two points of the disc to one.
        """
        r = Polynomial([0.0, 1.0])
        u = Polynomial([0.0, 0.0, 1.0])
        above, below = self._numerator, self._denominator
        slope = above * below + Polynomial([0.0, 2.0]) * (above.deriv() * below - above * below.deriv())
        tangential = 6.0 * self._tangential * r
        radii = [
            0.999 * _smallest_positive_root(below(u)),  # a pole; next to it the inverse is worthless
            _smallest_positive_root(above(u) - tangential * below(u)),
            _smallest_positive_root(slope(u) - tangential * below(u) ** 2),
        ]
        limit = min(radii)
        return limit if limit < _FARTHEST else np.inf

    def distort(self, ideal: Array) -> Array:
        """Distorted coordinates of ideal ones; NaN beyond the limit."""
        u = _squared_radius(ideal)
        if self._limit_squared < np.inf:
            u = np.where(u <= self._limit_squared, u, np.nan)
        factor = self._radial(u)
        if not self._tangential:
            return ideal * factor
        factor += self._twice_q @ ideal
        return ideal * factor + self._q * u

    def undistort(self, distorted: Array) -> Array:
        """Ideal coordinates of distorted ones, by Newton's method on both coordinates at once."""
        # Hopeless pixels are dropped here: they would keep the iteration of all others alive.
        drawn = np.sqrt(_squared_radius(distorted))
        drawn = np.where(drawn <= self._largest_drawn_radius, drawn, np.nan)
        radii, drawn_radii = self._table
        guess = distorted * _ratio(np.interp(drawn, drawn_radii, radii), drawn)
        for _ in range(_MAX_ITERATIONS):
            step = self._newton_step(guess, distorted)
            guess = self._within_limit(guess - step)
            # NaN compares false, so that missing points do not prolong the iteration.
            if not (np.abs(step) > _LAST_STEP * (1.0 + drawn)).any():
                break
        found = np.abs(step) <= _LAST_STEP * (1.0 + drawn)
        found = found[0] & found[1] & (_squared_radius(guess) <= self._limit_squared * (1.0 + 1e-9))
        return np.where(found, guess, np.nan)

    def _within_limit(self, ideal: Array) -> Array:
        """Points that a step threw beyond the limit, where other solutions lie, pulled back to it."""
        if self._limit_squared == np.inf:
            return ideal
        excess = _squared_radius(ideal) / self._limit_squared
        return ideal / np.sqrt(np.maximum(excess, 1.0)) if (excess > 1.0).any() else ideal

    def _newton_step(self, ideal: Array, target: Array) -> Array:
        """(2, N) solution of J step = error; J is symmetric."""
        u = _squared_radius(ideal)
        factor, slope = self._radial_and_slope(u)
        factor += self._twice_q @ ideal
        error = ideal * factor - target + self._q * u
        slope *= 2.0
        diagonal = factor + ideal * (slope * ideal + 4.0 * self._q)
        off_diagonal = slope * ideal[0] * ideal[1] + self._twice_q_swapped @ ideal
        determinant = diagonal[0] * diagonal[1] - off_diagonal * off_diagonal
        return (diagonal[::-1] * error - off_diagonal * error[::-1]) / determinant

    def _radial(self, u: Array) -> Array:
        factor = ((self._k3 * u + self._k2) * u + self._k1) * u + 1.0
        if self._rational:
            factor /= ((self._k6 * u + self._k5) * u + self._k4) * u + 1.0
        return factor

    def _radial_and_slope(self, u: Array) -> tuple[Array, Array]:
        factor = ((self._k3 * u + self._k2) * u + self._k1) * u + 1.0
        slope = (3.0 * self._k3 * u + 2.0 * self._k2) * u + self._k1
        if self._rational:
            below = ((self._k6 * u + self._k5) * u + self._k4) * u + 1.0
            factor /= below
            slope -= factor * ((3.0 * self._k6 * u + 2.0 * self._k5) * u + self._k4)
            slope /= below
        return factor, slope

    @property
    def _numerator(self) -> Polynomial:
        return Polynomial([1.0, self._k1, self._k2, self._k3])

    @property
    def _denominator(self) -> Polynomial:
        return Polynomial([1.0, self._k4, self._k5, self._k6])

    @cached_property
    def _limit_squared(self) -> float:
        return self.limit**2

    @cached_property
    def _table(self) -> tuple[Array, Array]:
        """Ideal radii and the distorted radii that the radial part alone gives them."""
        ideal = np.tan(np.linspace(0.0, min(np.arctan(self.limit), _TABLE_ANGLE), _TABLE_SIZE))
        return ideal, ideal * self._radial(ideal**2)

    @cached_property
    def _largest_drawn_radius(self) -> float:
        if not np.isfinite(self.limit):
            return np.inf
        factor = float(self._radial(np.array([self._limit_squared]))[0])
        return self.limit * factor + 3.0 * self._tangential * self._limit_squared


class FisheyeLens:
    """OpenCV's fisheye (Kannala–Brandt): the angle θ from the axis is drawn at radius
    θ (1 + k1 θ² + k2 θ⁴ + k3 θ⁶ + k4 θ⁸)."""

    def __init__(self, coefficients: Array) -> None:
        self._k1, self._k2, self._k3, self._k4 = coefficients.tolist()

    @cached_property
    def limit(self) -> float:
        """Ideal radius at which the drawn radius stops growing; infinite (90°) if it never does."""
        return float(np.tan(self._angle_limit)) if self._angle_limit < np.pi / 2 else np.inf

    def distort(self, ideal: Array) -> Array:
        """Distorted coordinates of ideal ones; NaN beyond the limit."""
        radius = np.sqrt(_squared_radius(ideal))
        angle = np.arctan(radius)
        angle = np.where(angle <= self._angle_limit, angle, np.nan)
        return ideal * _ratio(self._drawn_radius(angle), radius)

    def undistort(self, distorted: Array) -> Array:
        """Ideal coordinates of distorted ones, by Newton's method on the angle."""
        k1, k2, k3, k4 = self._k1, self._k2, self._k3, self._k4
        drawn = np.sqrt(_squared_radius(distorted))
        angles, radii = self._table
        target = np.where(drawn <= radii[-1], drawn, np.nan)
        angle = np.interp(target, radii, angles)
        for _ in range(_MAX_ITERATIONS):
            u = angle * angle
            slope = (((9.0 * k4 * u + 7.0 * k3) * u + 5.0 * k2) * u + 3.0 * k1) * u + 1.0
            step = (self._drawn_radius(angle) - target) / slope
            angle = angle - step
            if not (np.abs(step) > _LAST_STEP).any():
                break
        found = (np.abs(step) <= _LAST_STEP) & (angle < np.pi / 2) & (angle <= self._angle_limit + 1e-9)
        return distorted * np.where(found, _ratio(np.tan(angle), drawn), np.nan)

    def _drawn_radius(self, angle: Array) -> Array:
        square = angle * angle
        factor = (((self._k4 * square + self._k3) * square + self._k2) * square + self._k1) * square + 1.0
        return angle * factor

    @cached_property
    def _angle_limit(self) -> float:
        slope = Polynomial([1.0, 3.0 * self._k1, 5.0 * self._k2, 7.0 * self._k3, 9.0 * self._k4])
        return min(_smallest_positive_root(slope(Polynomial([0.0, 0.0, 1.0]))), np.pi / 2)

    @cached_property
    def _table(self) -> tuple[Array, Array]:
        angles = np.linspace(0.0, self._angle_limit, _TABLE_SIZE)
        return angles, self._drawn_radius(angles)


def _squared_radius(coordinates: Array) -> Array:
    squares = coordinates * coordinates
    return squares[0] + squares[1]


def _ratio(above: Array, below: Array) -> Array:
    """Their quotient, and its limit 1 on the optical axis."""
    return np.divide(above, below, out=np.ones_like(below), where=below != 0)


def _smallest_positive_root(polynomial: Polynomial) -> float:
    """Smallest positive real root of a polynomial whose constant term is 1; infinity without one.

    A nearly double root counts: there the lens all but folds, and its inverse is worthless.
    """
    # The reciprocals of the roots solve the polynomial with its coefficients reversed. That one is monic,
    # so that coefficients of almost nothing do no harm.
    reciprocals = np.roots(polynomial.coef)
    real = reciprocals.real[np.abs(reciprocals.imag) <= 1e-7 * np.abs(reciprocals)]
    largest = float(real.max(initial=0.0))
    return 1.0 / largest if largest > 0 else np.inf
