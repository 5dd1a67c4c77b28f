"""The task of PosePrior and Viewpoint: from score maps to the canonical hand and its rotation (§1.6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from handloom.evaluation.errors import figures, measure
from handloom.evaluation.hands import Hands
from handloom.evaluation.protocols import protocol_named
from handloom.hand.canonical import canonical, placed
from handloom.hand.kinematics import rotation_from_vector
from handloom.networks.hand_layer import rotation_from_vector as turned_by
from handloom.networks.losses import canonical_loss, rotation_angle, rotation_loss
from handloom.networks.registry import build, info
from handloom.training.crops import PAPER_SIDE, Scatter, View, box_region, paper_region, scattered, seen_in
from handloom.training.examples import Cut, Example
from handloom.training.maps import score_maps
from handloom.training.sources import Data
from handloom.training.task import Part, Settings

DEFAULTS = {
    "paper": Settings(80_000, 8, 1e-5, drops=(60_000,)),
    "small": Settings(
        20_000, 64, 1e-3, schedule="cosine", warmup=300, weight_decay=1e-4, clip=1.0, average=0.998
    ),
}
STREAMS = ("poseprior", "viewpoint")
MARGIN = 1.4
SCATTER = Scatter(rotation_deg=60.0, scale=(1 / 1.3, 1.3), shift=0.06, mirror=0.5)
_NOISE_PX = 2.5  # of the keypoints, in pixels of a 256 px crop
_KEPT = 0.8  # of the maps
_VALIDATED = 1000
_SIDES = ("left", "right")
_ANYWHERE = (1 << 20, 1 << 20)


def cut_for(variant: str) -> Cut:
    """What examples this task wants: labels only."""
    return Cut("hand", 0, needs=("xy", "xyz", "K", "side"))


class Lifting(nn.Module):
    """Both streams, trained together: (N, 21, 3) canonical joints and (N, 3) rotation vectors."""

    def __init__(self, variant: str) -> None:
        super().__init__()
        self.prior = build("poseprior", variant)
        self.view = build("viewpoint", variant)

    def forward(self, maps: Tensor, side: Tensor) -> tuple[Tensor, Tensor]:
        return self.prior(maps, side), self.view(maps, side)


@dataclass(frozen=True, eq=False)
class _Hand:
    """What a network is given of a hand, and what it is to say."""

    xy: NDArray[np.float64]
    shown: NDArray[np.bool_]
    side: str
    points: NDArray[np.float64]
    R: NDArray[np.float64]
    scale: float
    xyz: NDArray[np.float64]


@dataclass(eq=False)
class PosePriorTask:
    """Score maps made from keypoints in, canonical joints and rotation out.

    See :class:`~handloom.training.task.Task`. The paper's variant sees its own crops (§1.9) and maps of
    visible joints; the small one crops of any turn, either side, with noise and missing maps.
    """

    found: Data
    variant: str
    name = "poseprior"

    def __post_init__(self) -> None:
        self.defaults = DEFAULTS[self.variant]
        self.cells = info(self.name, self.variant).size[0]

    def network(self) -> nn.Module:
        return Lifting(self.variant)

    def batch(self, seed: int, step: int, size: int) -> dict[str, Tensor]:
        hands = []
        for number in range(size):
            rng = np.random.default_rng([seed, step, number])
            hands.append(self._hand(self.found.training.example(rng), rng))
        return {
            "xy": _floats([hand.xy for hand in hands]),
            "shown": _floats([hand.shown for hand in hands]),
            "side": _floats([_one_hot(hand.side) for hand in hands]),
            "points": _floats([hand.points for hand in hands]),
            "R": _floats([hand.R for hand in hands]),
        }

    def loss(self, network: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        maps = score_maps(batch["xy"], batch["shown"], PAPER_SIDE, self.cells)
        points, vector = network(maps, batch["side"])
        R = turned_by(vector)
        shape, turn = canonical_loss(points, batch["points"]), rotation_loss(R, batch["R"])
        angle = torch.rad2deg(rotation_angle(R.detach(), batch["R"])).mean()
        return shape + turn, {"canonical": shape.detach(), "rotation": turn.detach(), "rotation, deg": angle}

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Figures of ColorHandPose3D's protocol, with the true size of every hand, and of the rotation."""
        device = next(network.parameters()).device
        examples = self.found.validation.spread(_VALIDATED)
        hands = [self._hand(example, None) for example in examples]
        maps = score_maps(
            _floats([hand.xy for hand in hands]),
            _floats([hand.shown for hand in hands]),
            PAPER_SIDE,
            self.cells,
        )
        side = _floats([_one_hot(hand.side) for hand in hands])
        points, vector = (x.double().cpu().numpy() for x in network(maps.to(device), side.to(device)))
        R = rotation_from_vector(vector)
        sides, scale = [hand.side for hand in hands], np.array([hand.scale for hand in hands])
        guess = placed(points, R, sides, scale, root="palm", wanted="palm")
        protocol = protocol_named("chp3d")
        truth = _as_hands(hands, np.stack([hand.xyz for hand in hands])).rooted_at_palm()
        found = Hands(truth.keys, truth.sides, guess, truth.xy, truth.visible, root="palm")
        table = figures(protocol, measure(protocol, found, truth), truth, np.ones(len(hands), bool))
        angle = np.rad2deg(_angles(R, np.stack([hand.R for hand in hands])))
        kept = {name: value for name, value in table.items() if name.startswith(("scaled MPJPE", "PA"))}
        return {**kept, "rotation, deg": float(angle.mean()), "rotation median, deg": float(np.median(angle))}

    def parts(self, network: nn.Module) -> tuple[Part, ...]:
        assert isinstance(network, Lifting)
        streams = dict(zip(STREAMS, (network.prior, network.view), strict=True))
        return tuple(Part.of(name, self.variant, stream, root="palm") for name, stream in streams.items())

    def data(self) -> dict[str, Any]:
        return self.found.description

    def _hand(self, example: Example, rng: np.random.Generator | None) -> _Hand:
        """A hand in a crop of 256 px; without a generator in the one that is validated."""
        view = self._view(example, rng)
        xy, side = view.pixels(example.xy), view.side(example.side)
        _, xyz = seen_in(view, example.K, example.xyz)
        known = np.asarray(np.isfinite(xy).all(axis=-1))
        if self.variant == "paper":
            known &= example.visible
        if rng is not None:
            xy = xy + rng.normal(0.0, _NOISE_PX, xy.shape)
            if self.variant == "small":
                known &= rng.random(len(known)) < _KEPT ** rng.integers(2)
        with np.errstate(invalid="ignore"):
            inside = np.asarray(((xy >= 0) & (xy <= PAPER_SIDE - 1)).all(axis=-1))
        apart = canonical(xyz, side, root="palm")
        return _Hand(xy, known & inside, side, apart.points, apart.R, float(apart.scale), xyz)

    def _view(self, example: Example, rng: np.random.Generator | None) -> View:
        if self.variant == "paper":
            return View(paper_region(example.xy, example.visible, _ANYWHERE, rng), PAPER_SIDE)
        region = box_region(example.xy, MARGIN)
        return View(region, PAPER_SIDE) if rng is None else scattered(region, PAPER_SIDE, SCATTER, rng)


def _one_hot(side: str) -> NDArray[np.float64]:
    return np.array([side == name for name in _SIDES], np.float64)


def _floats(rows: list[Any]) -> Tensor:
    return torch.from_numpy(np.stack(rows)).float()


def _as_hands(hands: list[_Hand], xyz: NDArray[np.float64]) -> Hands:
    keys = tuple(str(number) for number in range(len(hands)))
    visible = np.stack([hand.shown for hand in hands])
    return Hands(
        keys, tuple(hand.side for hand in hands), xyz, np.stack([hand.xy for hand in hands]), visible
    )


def _angles(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) angles between (N, 3, 3) rotations, radians."""
    trace = np.einsum("nij,nij->n", first, second)
    return np.asarray(np.arccos(np.clip((trace - 1.0) / 2.0, -1.0, 1.0)))
