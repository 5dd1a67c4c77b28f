"""Many hands as arrays: the truth of a data set and the predictions for it, in the same form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from handloom.datasets.orders import palm_of
from handloom.datasets.sample import DataSet, HandLabel, Sample
from handloom.errors import DataSetError
from handloom.progress import SILENT, Progress
from handloom.skeleton import HAND

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Triangles = NDArray[np.int64]

J = len(HAND)
_WRONG_SIDE = 1e6


@dataclass(frozen=True, eq=False)
class Hands:
    """N hands, one row each; NaN is what is not known.

    Attributes:
        keys: of the sample each is in.
        sides: ``"left"``, ``"right"`` or ``"unknown"``.
        xyz: (N, 21, 3) metres in the camera's OpenCV axes.
        xy: (N, 21, 2) pixels.
        visible: (N, 21) whether the joint is seen; True where the data set does not say.
        vertices: (N, V, 3) metres in the camera's axes; None where there are no meshes.
        right: (N,) probability that it is a right hand.
        conditions: what is known of the sample.
        frames: of which video the sample is a picture, and its number there; empty where nobody knows.
        faces: of the meshes, by side; none where they are not known.
        root: ``"wrist"``, or ``"palm"`` where joint 0 is the palm's centre.
    """

    keys: tuple[str, ...]
    sides: tuple[str, ...]
    xyz: Array
    xy: Array
    visible: Flags
    vertices: Array | None = None
    right: Array | None = None
    conditions: tuple[Mapping[str, str | float], ...] = ()
    frames: tuple[tuple[str, int] | None, ...] = ()
    faces: Mapping[str, Triangles] = field(default_factory=dict)
    root: str = "wrist"

    def __post_init__(self) -> None:
        count = len(self.keys)
        shapes = {
            "sides": (len(self.sides),), "xyz": self.xyz.shape, "xy": self.xy.shape,
            "visible": self.visible.shape,
        }  # fmt: skip
        expected = {"sides": (count,), "xyz": (count, J, 3), "xy": (count, J, 2), "visible": (count, J)}
        for name, shape in shapes.items():
            if shape != expected[name]:
                raise ValueError(f"{name} must have shape {expected[name]}, got {shape}")
        if self.vertices is not None and (self.vertices.ndim != 3 or len(self.vertices) != count):
            raise ValueError(f"vertices must have shape ({count}, V, 3), got {self.vertices.shape}")
        if self.right is not None and self.right.shape != (count,):
            raise ValueError(f"right must have shape ({count},), got {self.right.shape}")

    def __len__(self) -> int:
        return len(self.keys)

    def condition(self, row: int) -> Mapping[str, str | float]:
        """What is known of the sample of one row."""
        return self.conditions[row] if self.conditions else {}

    def frame(self, row: int) -> tuple[str, int] | None:
        """Video and number of one row."""
        return self.frames[row] if self.frames else None

    def take(self, rows: NDArray[np.intp] | Sequence[int]) -> Hands:
        """These rows; an index of −1 gives a row of which nothing is known."""
        index = np.asarray(rows, dtype=np.intp)
        absent = index < 0

        def pick(values: Array) -> Array:
            chosen = np.full((len(index), *values.shape[1:]), np.nan)
            chosen[~absent] = values[index[~absent]]
            return chosen

        visible = np.zeros((len(index), J), bool)
        visible[~absent] = self.visible[index[~absent]]
        return replace(
            self,
            keys=tuple("" if k < 0 else self.keys[k] for k in index),
            sides=tuple("unknown" if k < 0 else self.sides[k] for k in index),
            xyz=pick(self.xyz),
            xy=pick(self.xy),
            visible=visible,
            vertices=None if self.vertices is None else pick(self.vertices),
            right=None if self.right is None else pick(self.right),
            conditions=tuple({} if k < 0 else self.condition(int(k)) for k in index),
            frames=tuple(None if k < 0 else self.frame(int(k)) for k in index),
        )

    def rooted_at_palm(self) -> Hands:
        """The same hands with the palm's centre as joint 0: halfway from wrist to middle knuckle.

        A root counts as seen if either of the two joints is (Zimmermann & Brox 2017, §0.4).
        """
        if self.root == "palm":
            return self
        knuckle = HAND.index("middle_mcp")
        visible = self.visible.copy()
        visible[:, 0] |= visible[:, knuckle]
        return replace(self, xyz=palm_of(self.xyz), xy=palm_of(self.xy), visible=visible, root="palm")


def hands_of(samples: Sequence[Sample]) -> Hands:
    """All labelled hands of samples, in order.

    Raises:
        DataSetError: if there is no hand, or roots or meshes of different kinds are mixed.
    """
    pairs = [(sample, hand) for sample in samples for hand in sample.hands]
    if not pairs:
        raise DataSetError("The data set labels no hand.", "Give a data set, or a split of one, with labels.")
    labels = [hand for _, hand in pairs]
    roots = {hand.root for hand in labels}
    if len(roots) > 1:
        raise DataSetError(
            "Some hands of the data set have the wrist as their root, others the palm's centre.",
            "Evaluate them apart.",
        )
    return Hands(
        keys=tuple(sample.key for sample, _ in pairs),
        sides=tuple(hand.side for hand in labels),
        xyz=np.stack([np.asarray(hand.xyz, np.float64) for hand in labels]),
        xy=np.stack([np.asarray(hand.xy, np.float64) for hand in labels]),
        visible=np.stack([np.ones(J, bool) if h.visible is None else h.visible for h in labels]),
        vertices=_meshes(labels),
        conditions=tuple(sample.conditions for sample, _ in pairs),
        frames=tuple(sample.frame for sample, _ in pairs),
        faces={hand.side: hand.faces for hand in labels if hand.faces is not None},
        root=roots.pop(),
    )


def hands_in(dataset: DataSet, progress: Progress = SILENT) -> Hands:
    """All labelled hands of a data set; its pictures are not opened."""
    samples = []
    with progress.task("labels", total=len(dataset), unit="samples") as task:
        for index in range(len(dataset)):
            samples.append(dataset.labels(index))
            task.advance()
    return hands_of(samples)


def join(parts: Sequence[Hands]) -> Hands:
    """Rows of several one after another; meshes are kept where all have them of one size."""
    meshes = [part.vertices for part in parts if part.vertices is not None]
    same = len(meshes) == len(parts) and len({mesh.shape[1] for mesh in meshes}) == 1
    rights = [np.full(len(p), np.nan) if p.right is None else p.right for p in parts]
    return Hands(
        tuple(key for part in parts for key in part.keys),
        tuple(side for part in parts for side in part.sides),
        np.concatenate([part.xyz for part in parts]),
        np.concatenate([part.xy for part in parts]),
        np.concatenate([part.visible for part in parts]),
        np.concatenate(meshes) if same else None,
        np.concatenate(rights),
        tuple(part.condition(k) for part in parts for k in range(len(part))),
        tuple(part.frame(k) for part in parts for k in range(len(part))),
        parts[0].faces if same else {},
        parts[0].root,
    )


@dataclass(frozen=True, eq=False)
class Coverage:
    """What was predicted of what there is.

    Attributes:
        hands: true hands.
        found: those with a prediction.
        extra: predictions that belong to no true hand.
        missing: keys of the samples of hands without a prediction.
    """

    hands: int
    found: int
    extra: int
    missing: tuple[str, ...]

    @property
    def share(self) -> float:
        """Found of all."""
        return self.found / self.hands if self.hands else float("nan")


def matched(predictions: Hands, truth: Hands, *, by_side: bool = False) -> tuple[Hands, Coverage]:
    """Predictions in the rows of the truth, unknown where there is none.

    Within a sample hands of one side go together first; of several the nearest, by pixels or else in space.

    Args:
        by_side: a prediction of the wrong side is no prediction. Otherwise it is held against the hand that
            is left, and only handedness says that the side was wrong.

    Returns:
        One row for every true hand, with the keys of the truth; and how many there are.

    Raises:
        DataSetError: if no prediction is of a sample of the truth.
    """
    rows = np.full(len(truth), -1, dtype=np.intp)
    ours = _by_key(predictions.keys)
    theirs = _by_key(truth.keys)
    strange = [key for key in ours if key not in theirs]
    if ours and len(strange) == len(ours):
        raise DataSetError(
            f"None of the {len(ours)} predicted samples is in the data set: the first is {strange[0]!r}, "
            f"the data set begins with {truth.keys[0]!r}.",
            "Give the keys that the data set's samples have, or the split the predictions were made for.",
        )
    for key, group in theirs.items():
        for row, other in _paired(predictions, ours.get(key, []), truth, group, by_side):
            rows[row] = other
    found = int((rows >= 0).sum())
    taken = replace(predictions.take(rows), keys=truth.keys, conditions=truth.conditions)
    missing = tuple(key for key, row in zip(truth.keys, rows, strict=True) if row < 0)
    return taken, Coverage(len(truth), found, len(predictions) - found, missing)


def _paired(
    predictions: Hands, ours: list[int], truth: Hands, theirs: list[int], by_side: bool
) -> Iterator[tuple[int, int]]:
    if not ours:
        return
    cost = np.zeros((len(theirs), len(ours)))
    for i, row in enumerate(theirs):
        for k, other in enumerate(ours):
            if len(theirs) + len(ours) > 2:
                cost[i, k] = _apart(predictions, other, truth, row)
            sides = {truth.sides[row], predictions.sides[other]}
            cost[i, k] += _WRONG_SIDE * (sides == {"left", "right"})
    for pair in zip(*linear_sum_assignment(cost), strict=True):
        if not (by_side and cost[pair] >= _WRONG_SIDE):
            yield theirs[pair[0]], ours[pair[1]]


def _apart(predictions: Hands, other: int, truth: Hands, row: int) -> float:
    for name in ("xy", "xyz"):
        apart = getattr(predictions, name)[other] - getattr(truth, name)[row]
        distance = np.linalg.norm(apart, axis=-1)
        if np.isfinite(distance).any():
            return float(min(np.nanmean(distance), _WRONG_SIDE / 10))
    return _WRONG_SIDE / 10


def _by_key(keys: Sequence[str]) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = {}
    for row, key in enumerate(keys):
        groups.setdefault(key, []).append(row)
    return groups


def _meshes(labels: Sequence[HandLabel]) -> Array | None:
    meshes = [hand.vertices for hand in labels if hand.vertices is not None]
    if not meshes:
        return None
    sizes = {len(mesh) for mesh in meshes}
    if len(sizes) > 1:
        raise DataSetError(
            f"The data set's meshes have {', '.join(map(str, sorted(sizes)))} vertices.",
            "Evaluate hands of one mesh at a time.",
        )
    nothing = np.full((sizes.pop(), 3), np.nan)
    return np.stack([nothing if hand.vertices is None else hand.vertices for hand in labels])
