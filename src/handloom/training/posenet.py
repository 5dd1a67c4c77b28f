"""The task of PoseNet: where the 21 joints are in a crop of a hand."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from handloom.detection.regions import upright_angle
from handloom.evaluation.joints import auc, distances, pck, summary
from handloom.networks.losses import keypoint_losses, kind_loss, scoremap_loss
from handloom.networks.registry import build, info
from handloom.skeleton import HAND
from handloom.training.augmentation import Strength, photometric
from handloom.training.backgrounds import described, piece
from handloom.training.crop_batches import Crop, as_input, augmented_crop, pictures, plain_crop
from handloom.training.crops import PAPER_SIDE, Scatter, View, box_region, paper_region, scattered
from handloom.training.examples import Cut, Example
from handloom.training.maps import peaks, score_maps
from handloom.training.sources import Data
from handloom.training.task import Part, Settings

DEFAULTS = {
    # §1.10; the paper begins with weights of a body's pose network.
    "paper": Settings(30_000, 8, 1e-4, drops=(10_000, 20_000)),
    "small": Settings(
        30_000, 32, 1e-3, schedule="cosine", warmup=300, weight_decay=1e-3, clip=1.0, average=0.998
    ),
}
MARGIN = 1.4
"""Side of a crop, relative to the box of the keypoints: 1.25 times the box of the mask, which is larger."""
SCATTER = Scatter(rotation_deg=60.0, scale=(1 / 1.3, 1.3), shift=0.06, mirror=0.5)
UPRIGHT_SCATTER = replace(SCATTER, rotation_deg=30.0)
_UPRIGHT = 0.5  # share of crops turned so that the fingers point up, as hands are read the second time
_SIDES = (96, 128)
"""Of the small network's crops, a step's drawn at random. Of small ones twice as many are learnt from in a
second, and hands of either size are read."""
_NO_HAND = 0.08  # share of crops without a hand
_SHARES = {"distance": 10.0, "kind": 0.1}  # of the losses, beside the maps' 1
_PX = np.linspace(0.0, 30.0, 20)  # thresholds of the paper's AUC
_VALIDATED, _BATCH = 500, 32


def cut_for(variant: str) -> Cut:
    """What examples this task wants."""
    return Cut("hand", info("posenet", variant).size[0], margin=2.2 if variant == "small" else 3.0)


@dataclass(eq=False)
class PoseNetTask:
    """Crops of hands in, score maps out. See :class:`~handloom.training.task.Task`.

    The paper's variant learns visible joints on its own crops (§1.9). The small one learns all joints whose
    place is known, hidden ones too, on crops of any turn, and besides whether there is a hand and which.
    """

    found: Data
    variant: str
    backgrounds: NDArray[np.uint8]
    pretrained: bool = False
    strength: Strength = field(default_factory=Strength)
    name = "posenet"

    def __post_init__(self) -> None:
        self.defaults = DEFAULTS[self.variant]
        self.size = info(self.name, self.variant).size[0]
        if self.variant == "paper":
            self.strength = Strength.paper()

    def network(self) -> nn.Module:
        return build(self.name, self.variant, pretrained=self.pretrained)

    def batch(self, seed: int, step: int, size: int) -> dict[str, Tensor]:
        rngs = [np.random.default_rng([seed, step, number]) for number in range(size)]
        if self.variant == "paper":
            crops = [self._crop(rng, self.size) for rng in rngs]
            return {**_labels(crops), "shown": _stack([crop.visible for crop in crops])}
        side = _SIDES[np.random.default_rng([seed, step]).integers(len(_SIDES))]
        drawn = [
            self._crop(rng, side) if rng.random() >= _NO_HAND else self._empty(rng, side) for rng in rngs
        ]
        return {
            **_labels(drawn),
            "shown": _stack([crop.inside for crop in drawn]),
            "hand": torch.tensor([float(crop.side != _NOBODY) for crop in drawn]),
            "right": torch.tensor([float(crop.side == "right") for crop in drawn]),
            "sided": torch.tensor([float(crop.side in ("left", "right", _NOBODY)) for crop in drawn]),
        }

    def loss(self, network: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        found = network(as_input(batch["pictures"]))
        if self.variant == "paper":
            maps = score_maps(batch["xy"], batch["shown"], self.size, self.size)
            return scoremap_loss(found, maps, batch["shown"]), {}
        shape, distance = keypoint_losses(found, batch["xy"], batch["shown"])
        rows = batch["sided"] > 0
        if rows.any():
            kind = kind_loss(
                type(found)(*(x[rows] for x in found)), batch["hand"][rows], batch["right"][rows]
            )
        else:
            kind = 0.0 * (found.hand.sum() + found.right.sum())
        loss = shape + _SHARES["distance"] * distance + _SHARES["kind"] * kind
        parts = {"maps": shape, "distance": distance, "kind": kind}
        return loss, {name: value.detach() for name, value in parts.items()}

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Errors on crops as they are, in pixels of a 256 px crop, over the joints in the crop."""
        device = next(network.parameters()).device
        examples = self.found.validation.spread(_VALIDATED)
        errors, seen, sides = [], [], []
        for start in range(0, len(examples), _BATCH):
            crops = [plain_crop(example, self._view(example)) for example in examples[start : start + _BATCH]]
            found = network(as_input(pictures([crop.image for crop in crops]).to(device)))
            if self.variant == "paper":
                xy = peaks(found[-1], self.size)
            else:
                xy = found.keypoints
                right = (found.right > 0).cpu().numpy()
                known = [
                    (r, crop.side) for r, crop in zip(right, crops, strict=True) if crop.side != "unknown"
                ]
                sides += [bool(r) == (side == "right") for r, side in known]
            true, inside = np.stack([c.xy for c in crops]), np.stack([c.inside for c in crops])
            errors.append(distances(xy.cpu().numpy(), true, inside) * (PAPER_SIDE / self.size))
            seen.append(np.stack([crop.visible for crop in crops]))
        return _figures(np.concatenate(errors), np.concatenate(seen), sides)

    def parts(self, network: nn.Module) -> tuple[Part, ...]:
        # The paper's crops are about the middle knuckle; the detector's own margin suits them.
        margin = {"margin": f"{MARGIN:g}"} if self.variant == "small" else {}
        return (Part.of(self.name, self.variant, network, **margin),)

    def data(self) -> dict[str, Any]:
        return described(self.found.description, self.backgrounds)

    def _crop(self, rng: np.random.Generator, side: int) -> Crop:
        example = self.found.training.example(rng)
        view = self._random_view(example, rng, side)
        return augmented_crop(example, view, self.strength, self.backgrounds, rng)

    def _view(self, example: Example) -> View:
        """The crop that is validated."""
        if self.variant == "paper":
            return paper_view(example, self.size)
        return View(box_region(example.xy, MARGIN), self.size)

    def _random_view(self, example: Example, rng: np.random.Generator, side: int) -> View:
        if self.variant == "paper":
            return paper_view(example, side, rng)
        if rng.random() >= _UPRIGHT or not np.isfinite(example.xy[_PALM]).all():
            return scattered(box_region(example.xy, MARGIN), side, SCATTER, rng)
        angle = upright_angle(*example.xy[_PALM])
        return scattered(box_region(example.xy, MARGIN, angle), side, UPRIGHT_SCATTER, rng)

    def _empty(self, rng: np.random.Generator, side: int) -> Crop:
        """A crop without a hand."""
        image = photometric(piece(self.backgrounds, side, rng), self.strength, rng)
        unknown, no = np.full((21, 3), np.nan), np.zeros(21, bool)
        return Crop(image, None, unknown[:, :2], no, no, unknown, np.full((3, 3), np.nan), _NOBODY)


_NOBODY = "nobody"
_PALM = HAND.indices(["wrist", "middle_mcp"])


def paper_view(example: Example, size: int, rng: np.random.Generator | None = None) -> View:
    """The paper's crop of an example, enlarged or reduced to ``size`` (§1.9)."""
    assert example.image is not None
    limits = (example.image.shape[1], example.image.shape[0])
    return View(paper_region(example.xy, example.visible, limits, rng, unit=example.scale), size)


def _labels(crops: list[Crop]) -> dict[str, Tensor]:
    xy = np.stack([crop.xy for crop in crops])
    return {"pictures": pictures([crop.image for crop in crops]), "xy": torch.from_numpy(xy).float()}


def _stack(flags: list[NDArray[np.bool_]]) -> Tensor:
    return torch.from_numpy(np.stack(flags)).float()


def _figures(errors: NDArray[np.float64], seen: NDArray[np.bool_], sides: list[bool]) -> dict[str, float]:
    visible = np.where(seen, errors, np.nan)
    table = {
        "2D error, px of 256": summary(errors).mean,
        "2D error median, px of 256": summary(errors).median,
        "2D error of visible joints, px of 256": summary(visible).mean,
        "2D AUC 0–30 px": auc(pck(visible, _PX), _PX),
    }
    return table | ({"sides right, share": float(np.mean(sides))} if sides else {})
