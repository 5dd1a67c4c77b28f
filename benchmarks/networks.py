"""ColorHandPose3D's networks: as many weights as in the paper, able to learn, fast enough when small.

python benchmarks/networks.py [--only weights|overfit|speed] [--networks posenet ...] [--device cuda]

Weights: their number against the paper's tables. Overfit: every network and variant learns 16 made crops by
heart; the paper's image networks see crops of 96 px on a processor (256 px with ``--device cuda``), as they
would take hours there. Its masks are enlarged from cells of 8 px, which cannot show a finger of a small crop:
a mask's IoU counts as a share of the best that cells of its size can reach, found by optimising the cells.
Speed: the small variant, exported to ONNX with weights as they begin, as the detector that `handloom track`
runs: mask of the picture, crop, maps, joints in space.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from bench import CORES, Scorecard, use_two_cores
from torch import Tensor, nn

from handloom.detection.colorhandpose.crop import around
from handloom.detection.colorhandpose.detector import MARGIN, ColorHandPoseDetector
from handloom.hand.canonical import canonical
from handloom.networks import losses
from handloom.networks.hand_layer import rotation_from_vector
from handloom.networks.registry import NETWORKS, VARIANTS, Exported, build, info
from handloom.synthesis.pictures import Recipe, draw_sample
from handloom.training.crop_batches import as_input, hand_mask, pictures, plain_crop
from handloom.training.crops import PAPER_SIDE, View, box_region
from handloom.training.examples import Cut, Example, examples_of
from handloom.training.export import export
from handloom.training.maps import score_maps
from handloom.training.task import Part

WEIGHTS = {"handsegnet": 13_601_986, "posenet": 17_518_847, "poseprior": 1_637_279, "viewpoint": 2_238_403}
SAMPLES, SEED = 16, 11
PAPER_SIDE_CPU = 96  # of crops, pixels
PAPER_CELL = 8
PARTS = ("weights", "overfit", "speed")
# Share of what a mask can reach, share of joints, square error of coordinates, degrees (§1.16; the mask's bar
# is our own).
BAR_IOU, BAR_PCK, BAR_MSE, BAR_DEG = 0.95, 1.0, 1e-3, 3.0
PCK_PX = 5.0
BAR_RATE, BAR_LOAD_S = 30.0, 1.0


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=PARTS, nargs="+", default=PARTS)
    parser.add_argument("--networks", choices=NETWORKS, nargs="+", default=NETWORKS, help="to overfit")
    parser.add_argument("--variants", choices=VARIANTS, nargs="+", default=VARIANTS, help="to overfit")
    parser.add_argument("--device", default="cpu", help="to overfit on [%(default)s]")
    parser.add_argument("--threads", type=int, default=CORES, help="to overfit with [%(default)s]")
    options = parser.parse_args()
    use_two_cores()
    torch.set_num_threads(options.threads)
    met = True
    if "weights" in options.only:
        met &= weights()
    if "overfit" in options.only:
        met &= overfit(options.networks, options.variants, options.device)
    if "speed" in options.only:
        met &= speed()
    sys.exit(0 if met else 1)


def weights() -> bool:
    card = Scorecard("weights of the paper's variant, thousands", ("tables", "handloom"))
    for name, expected in WEIGHTS.items():
        with torch.device("meta"):
            count = sum(parameter.numel() for parameter in build(name, "paper").parameters())
        # The bar is on the difference, as there is none for equality.
        card.add(name, expected / 1000, count / 1000, digits=3)
        card.add("  difference", "", float(abs(count - expected)), at_most=0.0, digits=0)
    return card.show()


@dataclass(frozen=True, eq=False)
class Samples:
    """Made crops and all that is true of them; coordinates are pixels of the crop."""

    pictures: Tensor
    masks: Tensor
    xy: Tensor
    shown: Tensor
    right: Tensor
    points: Tensor
    R: Tensor
    size: int

    @property
    def maps(self) -> Tensor:
        """(16, 21, 32, 32) as the lifting networks take them."""
        return score_maps(self.xy * (PAPER_SIDE / self.size), self.shown, PAPER_SIDE, 32)

    @property
    def side(self) -> Tensor:
        return torch.stack([1 - self.right, self.right], dim=1)


def samples(size: int, device: str) -> Samples:
    recipe = Recipe(image_size=(320, 320), hands={"one": 1.0})
    cut = Cut("hand", size, needs=("xy", "xyz", "K", "side", "regions"))
    found: list[Example] = []
    index = 0
    while len(found) < SAMPLES:
        (sample,) = draw_sample(recipe, SEED, index)
        found += examples_of(sample, cut)[:1]
        index += 1
    crops = [plain_crop(example, View(box_region(example.xy, MARGIN), size)) for example in found]
    sides = [crop.side for crop in crops]
    hands = canonical(np.stack([crop.xyz for crop in crops]), sides)

    def tensor(values: object) -> Tensor:
        return torch.as_tensor(np.asarray(values), dtype=torch.float32, device=device)

    return Samples(
        as_input(pictures([crop.image for crop in crops])).to(device),
        tensor([hand_mask(crop) for crop in crops]),
        tensor([crop.xy for crop in crops]),
        tensor([crop.inside for crop in crops]),
        tensor([side == "right" for side in sides]),
        tensor(hands.points),
        tensor(hands.R),
        size,
    )


@dataclass(frozen=True)
class Trial:
    """How a network learns, and how well it knows."""

    unit: str
    loss: Callable[[nn.Module, Samples, Tensor], Tensor]
    figure: Callable[[nn.Module, Samples], float]
    bar: dict[str, float]
    rate: dict[str, float]
    batch: dict[str, int]
    steps: int

    def reached(self, value: float) -> bool:
        return value <= self.bar["at_most"] if "at_most" in self.bar else value >= self.bar["at_least"]


def _mask_loss(network: nn.Module, s: Samples, rows: Tensor) -> Tensor:
    return losses.segmentation_loss(network(s.pictures[rows]), s.masks[rows], dice=1.0)


def _iou(network: nn.Module, s: Samples) -> float:
    logits = torch.cat([network(picture[None]) for picture in s.pictures])
    # The paper's network enlarges its cells itself.
    cells = s.size // PAPER_CELL if logits.shape[-1] == s.size else logits.shape[-1]
    return _overlap(logits, s) / _best_overlap(s, cells)


def _overlap(logits: Tensor, s: Samples) -> float:
    large = nn.functional.interpolate(logits, s.masks.shape[-2:], mode="bilinear", align_corners=False)
    found, true = large[:, 1] > large[:, 0], s.masks > 0.5
    return float(((found & true).sum((1, 2)) / (found | true).sum((1, 2))).mean())


@cache
def _best_overlap(s: Samples, cells: int) -> float:
    """IoU of masks enlarged from free cells: 0.92 for cells of 8 px in crops of 96."""
    logits = torch.zeros(SAMPLES, 2, cells, cells, device=s.masks.device, requires_grad=True)
    optimiser = torch.optim.Adam([logits], 0.3)
    with torch.enable_grad():
        for _ in range(300):
            large = nn.functional.interpolate(
                logits, s.masks.shape[-2:], mode="bilinear", align_corners=False
            )
            optimiser.zero_grad()
            losses.segmentation_loss(large, s.masks, dice=1.0).backward()
            optimiser.step()
    return _overlap(logits, s)


def _pose_loss(network: nn.Module, s: Samples, rows: Tensor) -> Tensor:
    found = network(s.pictures[rows])
    if isinstance(found, list):
        targets = score_maps(s.xy[rows], s.shown[rows], s.size, s.size)
        return losses.scoremap_loss(found, targets, s.shown[rows])
    shape, distance = losses.keypoint_losses(found, s.xy[rows], s.shown[rows])
    return shape + 10 * distance + 0.1 * losses.kind_loss(found, torch.ones_like(found.hand), s.right[rows])


def _pck(network: nn.Module, s: Samples) -> float:
    found = []
    for picture in s.pictures:
        answer = network(picture[None])
        found.append(_centroids(answer[-1], s.size) if isinstance(answer, list) else answer.keypoints)
    error = (torch.cat(found) - s.xy).norm(dim=-1) * (PAPER_SIDE / s.size)
    return float((error[s.shown > 0] <= PCK_PX).float().mean())


def _centroids(maps: Tensor, size: int) -> Tensor:
    """(N, 21, 2) pixels: mean of the enlarged map where it is above half of its peak. The peak's own cell is
    8 px of 256 wide, so that the cell alone could miss by more than the bar."""
    large = nn.functional.interpolate(maps, (size, size), mode="bilinear", align_corners=False)
    excess = (large - 0.5 * large.amax(dim=(-2, -1), keepdim=True)).clamp(min=0)
    share = excess / excess.sum(dim=(-2, -1), keepdim=True).clamp(min=1e-9)
    along = torch.arange(size, dtype=maps.dtype, device=maps.device)
    return torch.stack([share.sum(dim=-2) @ along, share.sum(dim=-1) @ along], dim=-1)


def _prior_loss(network: nn.Module, s: Samples, rows: Tensor) -> Tensor:
    return losses.canonical_loss(network(s.maps[rows], s.side[rows]), s.points[rows])


def _view_loss(network: nn.Module, s: Samples, rows: Tensor) -> Tensor:
    return losses.rotation_loss(rotation_from_vector(network(s.maps[rows], s.side[rows])), s.R[rows])


def _mse(network: nn.Module, s: Samples) -> float:
    return float(losses.canonical_loss(network(s.maps, s.side), s.points))


def _degrees(network: nn.Module, s: Samples) -> float:
    R = rotation_from_vector(network(s.maps, s.side))
    return float(torch.rad2deg(losses.rotation_angle(R, s.R)).max())


# The paper's rates are for tens of thousands of steps.
TRIALS = {
    "handsegnet": Trial(
        "IoU of the masks, of its best", _mask_loss, _iou, {"at_least": BAR_IOU},
        {"paper": 1e-4, "small": 2e-3}, {"paper": 4, "small": 16}, 800,
    ),
    "posenet": Trial(
        f"joints within {PCK_PX:g} px of 256", _pose_loss, _pck, {"at_least": BAR_PCK},
        {"paper": 1e-4, "small": 2e-3}, {"paper": 4, "small": 16}, 1200,
    ),
    "poseprior": Trial(
        "square error", _prior_loss, _mse, {"at_most": BAR_MSE}, {"paper": 3e-4, "small": 1e-3},
        {"paper": 16, "small": 16}, 2000,
    ),
    "viewpoint": Trial(
        "worst angle, degrees", _view_loss, _degrees, {"at_most": BAR_DEG}, {"paper": 3e-4, "small": 1e-3},
        {"paper": 16, "small": 16}, 2000,
    ),
}  # fmt: skip
CHECK_EVERY = 20


def overfit(networks: list[str], variants: list[str], device: str) -> bool:
    card = Scorecard(f"{SAMPLES} made crops learnt by heart", ("side, px", "steps", "seconds", "reached"))
    sizes = {
        "paper": PAPER_SIDE if device != "cpu" else PAPER_SIDE_CPU,
        "small": info("posenet", "small").size[0],
    }
    for variant in variants:
        data = samples(sizes[variant], device)
        for name in networks:
            trial = TRIALS[name]
            begin = time.perf_counter()
            steps, value = _learn(name, variant, trial, data, device)
            took = time.perf_counter() - begin
            row = f"{name}, {variant}: {trial.unit}"
            print(f"{row} {value:.4f} after {steps} steps, {took:.0f} s", file=sys.stderr, flush=True)
            card.add(row, f"{data.size}", f"{steps}", f"{took:.0f}", value, **trial.bar, digits=4)
    return card.show()


def _learn(name: str, variant: str, trial: Trial, data: Samples, device: str) -> tuple[int, float]:
    torch.manual_seed(SEED)
    has_backbone = variant == "small" and name in ("handsegnet", "posenet")
    network = build(name, variant, pretrained=has_backbone).to(device)
    optimiser = torch.optim.Adam(network.parameters(), trial.rate[variant])
    # In the second half the rate falls, or single steps would undo what is nearly known by heart.
    falling = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min(1.0, max(2 * (1 - step / trial.steps), 0.02))
    )
    rows = np.random.default_rng(SEED)
    value = float("nan")
    for step in range(1, trial.steps + 1):
        network.train()
        if variant == "paper" and name in ("poseprior", "viewpoint"):
            network.dropout = 0.0  # as in the published training
        chosen = torch.as_tensor(rows.permutation(SAMPLES)[: trial.batch[variant]], device=device)
        optimiser.zero_grad()
        trial.loss(network, data, chosen).backward()
        optimiser.step()
        falling.step()
        if step % CHECK_EVERY == 0:
            network.eval()
            with torch.no_grad():
                value = trial.figure(network, data)
            if trial.reached(value):
                return step, value
    return trial.steps, value


def speed() -> bool:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        torch.manual_seed(SEED)
        for network in NETWORKS:
            about, made = info(network, "small"), build(network, "small")
            export(
                Part(
                    network,
                    made,
                    Exported(made),
                    about.inputs,
                    about.outputs,
                    about.example(2),
                    about.metadata(),
                ),
                folder,
            )
        begin = time.perf_counter()
        first = ColorHandPoseDetector(folder)
        load = time.perf_counter() - begin
        detectors = [first, ColorHandPoseDetector(folder)]
    (sample,) = draw_sample(Recipe(image_size=(640, 480), hands={"one": 1.0}), SEED, 0)
    image = sample.image
    assert image is not None
    region = around(sample.hands[0].xy, MARGIN)

    def see(detector: ColorHandPoseDetector) -> None:
        # With untrained weights the mask's regions mean nothing: the crop is the true hand's.
        detector.segment(image)
        detector.read(image, region)

    alone = _rate(lambda: see(first), 1)
    with ThreadPoolExecutor(CORES) as pool:
        both = _rate(lambda: list(pool.map(see, detectors)), CORES)
    card = Scorecard("small variant, 640 × 480 pictures, float32, without torch", ("ONNX",))
    card.add("load and try all four networks, s", load, at_most=BAR_LOAD_S)
    card.add("pictures per second, one thread", alone, digits=1)
    card.add("pictures per second, two cores", both, at_least=BAR_RATE, digits=1)
    return card.show()


def _rate(call: Callable[[], object], count: int, seconds: float = 4.0) -> float:
    for _ in range(3):
        call()
    begin, calls = time.perf_counter(), 0
    while (took := time.perf_counter() - begin) < seconds:
        call()
        calls += 1
    return calls * count / took


if __name__ == "__main__":
    main()
