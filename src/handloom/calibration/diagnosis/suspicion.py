"""Why a camera contradicts the others: explanations tried one by one on the poses of the board.

Before one camera the board has poses A, in the world that the others agree on poses B. If X = A B⁻¹ is the
same at most moments, the camera agrees. If it is not, but is once the pictures are flipped, the clock is
shifted, or the recording is cut in two, then that is why.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from handloom.calibration.linking.board_pose import find_board_poses
from handloom.calibration.sightings import Sightings
from handloom.cameras import Camera

Array = NDArray[np.float64]
Moments = NDArray[np.int64]

AGREED = 0.6
"""Share of the moments at which an explanation has to hold."""

_GAIN = 0.25  # and by so much more often than no explanation at all
_TOLERANCE = 0.006  # of the picture's diagonal
_PROPOSERS, _JUDGES = 24, 80
_LEAST_MOMENTS = 8
_LONGEST_LAG_S = 2.0
_MOST_LAGS = 60
_HALF_TURN = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, eq=False)
class Paths:
    """Poses of the middle of the board in one camera and in the world, over all moments; NaN where unknown.

    Attributes:
        own: the camera with its lens.
        A: (T, 4, 4) before the camera.
        B: (T, 4, 4) in the world.
        times_s: (T,).
        span: (P, 3) points that span the board, about its middle.
        half_turn: whether either end of the board may be up.
    """

    own: Camera
    A: Array
    B: Array
    times_s: Array
    span: Array
    half_turn: bool

    @classmethod
    def of(cls, sightings: Sightings, own: Camera, camera: int, T_world_board: Array) -> Paths:
        """Paths of a camera against boards in the world that it had no part in, or little."""
        points = sightings.board.points
        poses = find_board_poses(
            sightings.of_camera(camera), [own if c == camera else None for c in range(len(sightings.cameras))]
        )
        usable = poses.found & poses.facing
        A = np.full_like(T_world_board, np.nan)
        A[poses.moment[usable]] = poses.T_camera_middle[usable, 0]
        B = T_world_board.copy()
        B[:, :3, 3] += B[:, :3, :3] @ poses.middle
        low, high = points.min(axis=0) - poses.middle, points.max(axis=0) - poses.middle
        span = np.array([[x, y, 0.0] for x in (low[0], high[0]) for y in (low[1], high[1])])
        return cls(own, A, B, sightings.times_s, span, sightings.board.half_turn is not None)

    @property
    def shared(self) -> Moments:
        """Moments at which both are known."""
        return np.flatnonzero(np.isfinite(self.A[:, 0, 0]) & np.isfinite(self.B[:, 0, 0]))


@dataclass(frozen=True, eq=False)
class Explanation:
    """A camera's pose under an assumption.

    Attributes:
        T_camera_world: (4, 4).
        share: of the moments that agree with it.
        moments: how many were asked.
        lag: pictures by which the camera is late, if that was assumed.
        cut: moment at which it was moved, if that was.
    """

    T_camera_world: Array
    share: float
    moments: int
    lag: int = 0
    cut: int = -1


def as_it_is(paths: Paths) -> Explanation | None:
    """The camera's pose without any assumption."""
    shared = paths.shared
    return _agreement(paths, paths.A[shared], paths.B[shared])


def flipped(sightings: Sightings, own: Camera, camera: int, T_world_board: Array) -> Explanation | None:
    """The pose of a camera whose pictures are flipped, if that explains what it sees.

    Only of boards that look like themselves in a mirror: markers are not even found there.
    """
    mirror = _mirror_numbers(sightings.board.points)
    plain = as_it_is(Paths.of(sightings, own, camera, T_world_board))
    if mirror is None:
        return None
    rows = sightings.camera == camera
    pixels, corner = sightings.pixels.copy(), sightings.corner.copy()
    width = float(sightings.image_sizes[camera, 0])
    pixels[rows, 0] = width - 1 - pixels[rows, 0]
    corner[rows] = mirror[corner[rows]]
    turned = replace(sightings, pixels=pixels, corner=corner)
    paths = Paths.of(turned, _flipped_lens(own, width), camera, T_world_board)
    return _better(as_it_is(replace(paths, half_turn=True)), plain)


def shifted(paths: Paths) -> Explanation | None:
    """The pose of a camera whose pictures are late or early by whole pictures, if that explains what it"
    " sees."""
    times = paths.times_s
    if not np.isfinite(times).all() or len(times) < _LEAST_MOMENTS:
        return None
    step = float(np.median(np.diff(times)))
    reach = min(_MOST_LAGS, int(_LONGEST_LAG_S / step)) if step > 0 else 0
    best: Explanation | None = None
    plain = as_it_is(paths)
    for lag in sorted(range(-reach, reach + 1), key=abs):
        index = np.searchsorted(times, times - lag * step - step / 2)
        there = index < len(times)
        index = np.minimum(index, len(times) - 1)
        there &= np.abs(times[index] - (times - lag * step)) < step / 2
        B = np.where(there[:, None, None], paths.B[index], np.nan)
        both = np.flatnonzero(np.isfinite(paths.A[:, 0, 0]) & np.isfinite(B[:, 0, 0]))
        found = _agreement(paths, paths.A[both], B[both])
        if found is not None and (best is None or found.share > best.share):
            best = replace(found, lag=lag)
    return _better(best, plain) if best is not None and best.lag else None


def cut_in_two(paths: Paths) -> Explanation | None:
    """The pose before and the moment of a push, if that explains what a camera sees."""
    shared = paths.shared
    if len(shared) < 2 * _LEAST_MOMENTS:
        return None
    best: Explanation | None = None
    for cut in np.linspace(0.15, 0.85, 15):
        middle = int(cut * len(shared))
        halves = [
            _agreement(paths, paths.A[part], paths.B[part]) for part in (shared[:middle], shared[middle:])
        ]
        first, second = halves
        if first is None or second is None:
            continue
        share = (first.share * first.moments + second.share * second.moments) / (
            first.moments + second.moments
        )
        if min(first.share, second.share) >= AGREED and (best is None or share > best.share):
            best = replace(first, share=share, cut=int(shared[middle]))
    return _better(best, as_it_is(paths))


def _agreement(paths: Paths, A: Array, B: Array) -> Explanation | None:
    """The pose that most moments agree with: every proposer's is put before all judges."""
    count = len(A)
    if count < _LEAST_MOMENTS:
        return None
    proposers = _spread(count, _PROPOSERS)
    judges = _spread(count, _JUDGES)
    proposed = A[proposers] @ np.linalg.inv(B[proposers])
    if paths.half_turn:
        turned = A[proposers] @ _HALF_TURN @ np.linalg.inv(B[proposers])
        proposed = np.concatenate([proposed, turned])
    seen = _pixels(paths, A[judges] @ _points(paths.span))  # (J, 4, 2)
    expected = _pixels(paths, proposed[:, None] @ (B[judges] @ _points(paths.span)))  # (K, J, 4, 2)
    error = np.linalg.norm(expected - seen, axis=-1).max(axis=-1)
    if paths.half_turn:
        other = np.linalg.norm(expected - seen[:, ::-1], axis=-1).max(axis=-1)
        error = np.fmin(error, other)
    assert paths.own.image_size is not None
    limit = _TOLERANCE * float(np.hypot(*paths.own.image_size))
    soft = (1.0 / (1.0 + (np.where(np.isfinite(error), error, np.inf) / limit) ** 2)).sum(axis=1)
    best = int(np.argmax(soft))
    share = float((error[best] < 2 * limit).mean())
    return Explanation(proposed[best], share, count)


def _better(found: Explanation | None, plain: Explanation | None) -> Explanation | None:
    without = 0.0 if plain is None else plain.share
    return found if found is not None and found.share >= max(AGREED, without + _GAIN) else None


def _points(span: Array) -> Array:
    return np.concatenate([span, np.ones((len(span), 1))], axis=1).T


def _pixels(paths: Paths, points: Array) -> Array:
    """(..., 4, 2) pixels without distortion of (..., 4, 4) homogeneous columns."""
    focal = float(paths.own.K[0, 0])
    depth = np.where(points[..., 2, :] > 1e-6, points[..., 2, :], np.nan)
    return focal * np.stack([points[..., 0, :] / depth, points[..., 1, :] / depth], axis=-1)


def _mirror_numbers(points: Array) -> NDArray[np.int32] | None:
    """(P,) the number every point has in a mirror; None if the points are not their own mirror image."""
    mirrored = points.copy()
    mirrored[:, 0] = points[:, 0].min() + points[:, 0].max() - points[:, 0]
    apart = np.linalg.norm(mirrored[:, None] - points[None], axis=-1)
    fits = apart.min(axis=1) <= 1e-6 * max(float(np.ptp(points)), 1e-9)
    return apart.argmin(axis=1).astype(np.int32) if fits.all() else None


def _flipped_lens(camera: Camera, width: float) -> Camera:
    K, distortion = camera.K.copy(), camera.distortion.copy()
    K[0, 2] = width - 1 - K[0, 2]
    K[0, 1] = -K[0, 1]
    if camera.model == "brown-conrady":
        distortion[3] = -distortion[3]
    return replace(camera, K=K, distortion=distortion)


def _spread(count: int, most: int) -> Moments:
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))
