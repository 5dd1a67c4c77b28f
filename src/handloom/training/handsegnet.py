"""The task of HandSegNet: which pixels are hands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from handloom.detection.regions import Region
from handloom.evaluation.masks import box_iou, mask_iou
from handloom.networks.losses import segmentation_loss
from handloom.networks.registry import build, info
from handloom.training.augmentation import Strength, photometric
from handloom.training.backgrounds import described, piece
from handloom.training.crop_batches import as_input, augmented_crop, hand_mask, pictures, plain_crop
from handloom.training.crops import Scatter, View, scattered
from handloom.training.examples import Cut, Example
from handloom.training.sources import Data
from handloom.training.task import Part, Settings

DEFAULTS = {
    # §1.10; its learning rates are for weights of a person detector.
    "paper": Settings(40_000, 8, 1e-5, drops=(20_000, 30_000)),
    "small": Settings(
        15_000, 32, 1e-3, schedule="cosine", warmup=300, weight_decay=1e-3, clip=1.0, average=0.998
    ),
}
TRAINED_SIDE = {"paper": 256, "small": 160}
"""Of the pieces that are trained on, pixels; for the small network fewer than it is given later, as a step's
time goes with their number."""
SCATTER = Scatter(rotation_deg=30.0, scale=(1 / 1.6, 5.0), shift=0.12, mirror=0.5)
"""Down to hands of a twelfth of the picture's side, as in photographs of whole people."""
_DICE = {"paper": 0.0, "small": 0.5}
_NO_HAND = 0.1  # share of pieces without a hand
_VALIDATED, _BATCH = 300, 16
_BOX_IOU = 0.5


def cut_for(variant: str) -> Cut:
    """What examples this task wants."""
    return Cut("picture", info("handsegnet", variant).size[0], needs=("regions",))


@dataclass(eq=False)
class HandSegNetTask:
    """Pictures in, hand or not for every pixel out. See :class:`~handloom.training.task.Task`.

    The paper's variant is trained on random 256² pieces with other hues, the small one on pieces of any size
    and turn, before other backgrounds, among them people whose hands are not seen, in other light. Where a
    piece is larger than the picture, the picture goes on as between mirrors.
    """

    found: Data
    variant: str
    backgrounds: NDArray[np.uint8]
    pretrained: bool = False
    strength: Strength = field(default_factory=lambda: Strength(background=0.65))
    name = "handsegnet"

    def __post_init__(self) -> None:
        self.defaults = DEFAULTS[self.variant]
        self.size = info(self.name, self.variant).size[0]
        self.piece = TRAINED_SIDE[self.variant]
        if self.variant == "paper":
            self.strength = Strength.paper()

    def network(self) -> nn.Module:
        return build(self.name, self.variant, pretrained=self.pretrained)

    def batch(self, seed: int, step: int, size: int) -> dict[str, Tensor]:
        images, masks = [], []
        for number in range(size):
            rng = np.random.default_rng([seed, step, number])
            small = self.variant == "small"
            if small and rng.random() < _NO_HAND:
                images.append(photometric(piece(self.backgrounds, self.piece, rng), self.strength, rng))
                masks.append(np.zeros((self.piece, self.piece), bool))
                continue
            example = self.found.training.example(rng)
            view = self._view(example, rng)
            crop = augmented_crop(example, view, self.strength, self.backgrounds, rng, mirrors=small)
            images.append(crop.image)
            masks.append(hand_mask(crop))
        return {"pictures": pictures(images), "masks": torch.from_numpy(np.stack(masks))}

    def loss(self, network: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        logits = network(as_input(batch["pictures"]))
        return segmentation_loss(logits, batch["masks"], _DICE[self.variant]), {}

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Mean IoU of mask and true mask, and how often their boxes overlap by half."""
        device = next(network.parameters()).device
        examples = self.found.validation.spread(_VALIDATED)
        ious, boxes = [], []
        for start in range(0, len(examples), _BATCH):
            crops = [plain_crop(e, _whole(e, self.size)) for e in examples[start : start + _BATCH]]
            logits = network(as_input(pictures([crop.image for crop in crops]).to(device)))
            large = nn.functional.interpolate(logits, (self.size, self.size), mode="bilinear")
            masks = (large[:, 1] > large[:, 0]).cpu().numpy()
            true = np.stack([hand_mask(crop) for crop in crops])
            ious += list(np.atleast_1d(mask_iou(masks, true)))
            boxes += [box_iou(_box(a), _box(b)) for a, b in zip(masks, true, strict=True) if b.any()]
        return {
            "mask IoU": float(np.mean(ious)),
            "boxes with IoU ≥ 0.5, share": float(np.mean(np.array(boxes) >= _BOX_IOU)) if boxes else np.nan,
        }

    def parts(self, network: nn.Module) -> tuple[Part, ...]:
        return (Part.of(self.name, self.variant, network),)

    def data(self) -> dict[str, Any]:
        return described(self.found.description, self.backgrounds)

    def _view(self, example: Example, rng: np.random.Generator) -> View:
        assert example.image is not None
        height, width = example.image.shape[:2]
        middle = np.array([width / 2, height / 2])
        # A piece shows hands as large as the network sees them in a whole picture.
        share = self.piece / self.size
        side = float(self.piece) if self.variant == "paper" else share * max(width, height)
        free = np.maximum(np.array([width, height]) - side, 0.0) / 2
        x, y = middle + free * rng.uniform(-1.0, 1.0, 2)
        region = Region(float(x), float(y), side)
        if self.variant == "paper":
            return View(region, self.piece)
        return scattered(region, self.piece, SCATTER, rng)


def _whole(example: Example, size: int) -> View:
    """The whole picture, with a black border to make it square."""
    assert example.image is not None
    height, width = example.image.shape[:2]
    return View(Region(width / 2, height / 2, float(max(width, height))), size)


def _box(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(4,) left, top, right, bottom; no extent where the mask is empty."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return np.zeros(4)
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float64)
