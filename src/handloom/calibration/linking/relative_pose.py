"""How one camera stands to another, from the moments at which both saw the board.

Every moment gives a relative pose, several where a view has a twin solution or the board can be read from
either end. Many are poor and some are wrong. The one that most moments agree with is refined on those.
Moments with the board in the same place are one witness, however many there are: two mirrored or unrelated
cameras would agree with themselves as long as the board lies still.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from handloom.calibration.linking import relative_pose_kernel as kernel
from handloom.calibration.linking.board_pose import BoardPoses
from handloom.calibration.linking.pose_algebra import solve, turn

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

TOLERANCES = (0.0005, 0.001, 0.002, 0.004)
"""Of the picture's diagonal: what passes for agreement, the first that most moments reach. Good lenses and
clocks reach the first (0.7 px at 1280×720); the last admits poor ones for the bundle adjustment to mend."""

_NEARLY_ALL, _MOST, _SOME = 0.9, 0.5, 0.25
_CLEARLY = 0.1  # by how much more a mirror image must agree
_FEW, _MANY = 2.0, 5.0  # different places of the board
_NEAR = 0.02  # ideal coordinates, about a degree: as far as a board in the same place may move
_TRIED, _JUDGES = 48, 96  # moments that propose, moments that are asked
_ROUNDS = 12
_HALF_TURN = np.diag([-1.0, -1.0, 1.0, 1.0])
_HALF_TURN_STEP = np.array([-1.0, -1.0, 1.0, -1.0, -1.0, 1.0])
_FLIPS = ((1.0, 1.0, -1.0), (-1.0, 1.0, 1.0), (1.0, -1.0, 1.0))
"""What a mirrored picture does to the board, besides the camera: it is seen from behind if its points can be
told apart, and with the columns or rows in reverse if they are numbered by where they are."""


@dataclass(frozen=True, eq=False)
class RelativePose:
    """How camera b stands to camera a, and how much the moments agree on it.

    Attributes:
        T_b_a: (4, 4).
        moments: (M,) that both saw.
        error_px: (M,) how far the two views are from having seen one board: root mean square over the
            corners of both of what a common pose adds to their errors, to first order.
        agrees: (M,) moments whose error passes for agreement.
        turned: (M,) whether the numbering of the board is half a turn apart in the two views.
        places: how many different places the board had at the moments that agree.
        share: of the different places of the board at all M moments.
        covariance: (6, 6) of (ρ, φ) in a's frame: R ← R exp(φ), t ← t + R ρ.
        sound: whether enough moments agree to rely on it.
        mirrored: whether clearly more of them would if one of the two pictures were mirrored.
    """

    T_b_a: Array
    moments: Indices
    error_px: Array
    agrees: NDArray[np.bool_]
    turned: NDArray[np.bool_]
    places: float
    share: float
    covariance: Array
    sound: bool = False
    mirrored: bool = False


@dataclass(frozen=True, eq=False)
class SharedMoments:
    """Candidates of two cameras at the moments that both saw; arrays as for the kernel.

    Attributes:
        moments: (M,) their numbers.
        A, B: (M, I, 4, 4), (M, K, 4, 4) poses of the board; the second half of B's are turned by half.
        La, Lb: (M, I, 6, 6), (M, K, 6, 6) information of the poses.
        S: (M, I, K, 6, 6) joint information.
        excess: (M, I, K).
        corners: (M,) in both views.
        weights: (M,) one over the number of moments with the board in the same place.
        diagonal_px: mean of the two pictures'.
    """

    moments: Indices
    A: Array
    B: Array
    La: Array
    Lb: Array
    S: Array
    excess: Array
    corners: Array
    weights: Array
    diagonal_px: float

    @classmethod
    def of(
        cls, poses: BoardPoses, a: Indices, b: Indices, diagonal_px: float, board: Array, half_turn: bool
    ) -> SharedMoments:
        """What two cameras saw together.

        Args:
            poses: of the board in every view.
            a: (M,) views of the first camera.
            b: (M,) views of the second at the same moments.
            diagonal_px: of their pictures.
            board: (P, 3) points that span the board, relative to its middle.
            half_turn: whether the board may be numbered from the other end.
        """
        A, B = poses.T_camera_middle[a], poses.T_camera_middle[b]
        La, Lb = poses.information[a], poses.information[b]
        excess_b = poses.excess[b]
        places = np.concatenate([_seen_at(A[:, 0], board), _seen_at(B[:, 0], board)], axis=1)
        if half_turn:
            B = np.concatenate([B, B @ _HALF_TURN], axis=1)
            Lb = np.concatenate([Lb, Lb * np.outer(_HALF_TURN_STEP, _HALF_TURN_STEP)], axis=1)
            excess_b = np.concatenate([excess_b, excess_b], axis=1)
        return cls(
            poses.moment[a],
            A,
            B,
            La,
            Lb,
            _joint(La, Lb),
            poses.excess[a][:, :, None] + excess_b[:, None, :],
            (poses.corners[a] + poses.corners[b]).astype(np.float64),
            1.0 / kernel.crowding(places, _NEAR),
            diagonal_px,
        )

    def mirrored(self, flip: tuple[float, float, float]) -> SharedMoments:
        """The same moments, were the second camera's pictures mirrored: M B F of every pose B.

        Args:
            flip: diagonal of F, one of its signs negative.
        """
        F, M = np.array(flip), np.array([-1.0, 1.0, 1.0])
        B = self.B.copy()
        B[..., :3, :3] *= M[:, None] * F
        B[..., :3, 3] *= M
        step = np.concatenate([F, -F])  # a rotation's axis turns round in a mirror
        Lb = self.Lb * np.outer(step, step)
        return replace(self, B=B, Lb=Lb, S=_joint(self.La, Lb))

    def disagreement(self, X: Array) -> tuple[Array, Indices]:
        """(M,) errors in pixels under a relative pose, and (M, 2) the candidates chosen."""
        error, choice = np.empty(len(self.A)), np.empty((len(self.A), 2), dtype=np.int64)
        kernel.disagreement(self.A, self.B, self.S, self.excess, self.corners, X, error, choice)
        return error, choice


def relative_pose(shared: SharedMoments) -> RelativePose:
    """Consensus of the moments about how two cameras stand to each other.

    It is sound if half of the different places that the board was seen in agree, at least two of them; where
    the tolerance has to be wide or fewer agree, five. It is not if clearly more would agree in a mirror.
    """
    fallback = None
    mirrors: list[SharedMoments] = []
    for step, tolerance in enumerate(TOLERANCES):
        found = _at_tolerance(shared, tolerance * shared.diagonal_px)
        if found.share < _NEARLY_ALL:
            mirrors = mirrors or [shared.mirrored(flip) for flip in _FLIPS]
            for mirror in mirrors:
                other = _at_tolerance(mirror, tolerance * shared.diagonal_px)
                if other.places >= _FEW - 0.01 and other.share >= max(_MOST, found.share + _CLEARLY):
                    return replace(found, mirrored=True)
        needed = _FEW if step < 2 and found.share >= _MOST else _MANY
        if found.places >= needed - 0.01:
            if found.share >= _MOST:
                return replace(found, sound=True)
            if fallback is None and step < 2 and found.share >= _SOME:
                fallback = replace(found, sound=True)
    return fallback if fallback is not None else found


def _at_tolerance(shared: SharedMoments, tolerance_px: float) -> RelativePose:
    half = 0.5 * tolerance_px
    X = np.eye(4)
    kernel.best_hypothesis(
        shared.A,
        shared.B,
        shared.S,
        shared.excess,
        shared.corners,
        shared.weights,
        _spaced(shared.weights, _TRIED),
        _spaced(shared.weights, _JUDGES),
        half,
        X,
    )
    H, g = np.empty((6, 6)), np.empty(6)
    for _ in range(_ROUNDS):
        error, choice = shared.disagreement(X)
        # Between a vote for each place and one for each moment: while the board rests, what is wrong with a
        # lens repeats itself, what is wrong with a corner does not.
        weights = np.sqrt(shared.weights) / (1.0 + (error / half) ** 2) ** 2
        kernel.accumulate(shared.A, shared.B, shared.S, choice, weights, X, H, g)
        step = -g
        if not solve(H.copy(), step):
            break
        X[:3, 3] += X[:3, :3] @ step[:3]
        R = np.ascontiguousarray(X[:3, :3])
        turn(R, *step[3:].tolist())
        X[:3, :3] = R
        if np.abs(step).max() < 1e-9:
            break
    return evaluate(shared, X, tolerance_px)


def evaluate(shared: SharedMoments, X: Array, tolerance_px: float) -> RelativePose:
    """How much the moments agree on a given relative pose; not judged yet.

    Args:
        shared: the moments.
        X: (4, 4) from the first camera's frame to the second's.
        tolerance_px: error that passes for agreement.
    """
    error, choice = shared.disagreement(X)
    agrees = error <= tolerance_px
    places = float(shared.weights[agrees].sum())
    covariance = np.full((6, 6), np.inf)
    if agrees.any():
        H, g = np.empty((6, 6)), np.empty(6)
        weights = np.where(agrees, shared.weights, 0.0)
        kernel.accumulate(shared.A, shared.B, shared.S, choice, weights, X, H, g)
        # A common pose has six fewer parameters than two: so many squares of the error are left over.
        squares = (weights * shared.corners * np.where(agrees, error, 0.0) ** 2).sum()
        variance = squares / (6.0 * max(places - 1.0, 0.5))
        covariance = variance * np.linalg.pinv(H, hermitian=True)
    return RelativePose(
        T_b_a=X.copy(),
        moments=shared.moments,
        error_px=error,
        agrees=agrees,
        turned=choice[:, 1] >= 2,
        places=places,
        share=places / float(shared.weights.sum()),
        covariance=covariance,
    )


def _joint(La: Array, Lb: Array) -> Array:
    S = np.empty((*La.shape[:2], Lb.shape[1], 6, 6))
    kernel.joint_information(La, Lb, S)
    return S


def _seen_at(T: Array, board: Array) -> Array:
    """(M, P, 2) ideal coordinates of the board's points."""
    points = np.einsum("mij,pj->mpi", T[:, :3, :3], board) + T[:, None, :3, 3]
    return np.ascontiguousarray(points[..., :2] / np.maximum(points[..., 2:], 1e-9))


def _spaced(weights: Array, count: int) -> Indices:
    """Up to ``count`` moments, evenly over the different places of the board."""
    if len(weights) <= count:
        return np.arange(len(weights))
    along = np.cumsum(weights)
    marks = (np.arange(count) + 0.5) / count * along[-1]
    return np.unique(np.searchsorted(along, marks))
