"""HandSegNet, PoseNet and PosePrior as tasks: what their batches say, and what their figures mean."""

from __future__ import annotations

import pickle
from dataclasses import replace

import cv2
import numpy as np
import pytest
from made_samples import made_samples

torch = pytest.importorskip("torch", reason="the learning rooms need torch: pip install 'handloom[learn]'")

from torch import nn  # noqa: E402

from handloom.hand.canonical import placed  # noqa: E402
from handloom.networks.colorhandpose.small import Pose  # noqa: E402
from handloom.training import handsegnet, posenet, poseprior  # noqa: E402
from handloom.training.augmentation import Strength  # noqa: E402
from handloom.training.backgrounds import paint_backgrounds  # noqa: E402
from handloom.training.examples import examples_of  # noqa: E402
from handloom.training.maps import peaks, score_maps  # noqa: E402
from handloom.training.packed import pack  # noqa: E402
from handloom.training.sources import Data, HeldOut, Stored  # noqa: E402


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def backgrounds():
    return paint_backgrounds(2, 0)


@pytest.fixture(scope="module")
def task_of(tmp_path_factory, backgrounds):
    """Tasks on a handful of hands."""
    folder = tmp_path_factory.mktemp("stores")
    samples = made_samples(4, ("left", "right"))

    def made(name, variant, **options):
        module = {"handsegnet": handsegnet, "posenet": posenet, "poseprior": poseprior}[name]
        store = folder / f"{name}-{variant}"
        cut = module.cut_for(variant)
        packed = pack((e for sample in samples for e in examples_of(sample, cut)), store)
        stored = Stored(packed, 0, len(packed))
        data = Data(stored, HeldOut((stored,)), {"fingerprint": "few"})
        if name == "poseprior":
            return poseprior.PosePriorTask(data, variant)
        kind = handsegnet.HandSegNetTask if name == "handsegnet" else posenet.PoseNetTask
        return kind(data, variant, backgrounds, **options)

    return made


@pytest.mark.parametrize("variant", ["small", "paper"])
@pytest.mark.parametrize("name", ["handsegnet", "posenet", "poseprior"])
def test_batches_depend_on_seed_and_step_alone(task_of, name, variant) -> None:
    task = task_of(name, variant)
    first = task.batch(1, 5, 4)
    task.batch(0, 0, 2)
    again = pickle.loads(pickle.dumps(task)).batch(1, 5, 4)
    for key, values in first.items():
        assert torch.equal(values.nan_to_num(), again[key].nan_to_num())
    for seed, step in ((1, 6), (2, 5)):
        other = task.batch(seed, step, 4)
        assert any(not torch.equal(first[key], other[key]) for key in first)


@pytest.mark.parametrize("name", ["handsegnet", "posenet"])
def test_other_backgrounds_make_another_run(task_of, backgrounds, name) -> None:
    task = task_of(name, "small")
    assert task.data() == task_of(name, "small").data()
    other = replace(task, backgrounds=backgrounds[::-1].copy())
    assert task.data()["fingerprint"] != other.data()["fingerprint"]


@pytest.mark.parametrize("name", ["handsegnet", "posenet", "poseprior"])
def test_every_weight_learns(task_of, name) -> None:
    task = task_of(name, "small")
    torch.manual_seed(0)
    network = task.network()
    loss, figures = task.loss(network, task.batch(0, 0, 2))
    loss.backward()
    assert torch.isfinite(loss)
    assert not any(value.requires_grad for value in figures.values())
    assert all(weight.grad is not None for weight in network.parameters())


def test_the_papers_lifting_is_of_its_input(task_of) -> None:
    task = task_of("poseprior", "paper")
    network = task.network()
    loss, _ = task.loss(network, task.batch(0, 0, 2))
    assert torch.isfinite(loss)
    assert {part.name for part in task.parts(network)} == {"poseprior", "viewpoint"}


def test_masks_are_those_of_the_pieces(task_of) -> None:
    """A network that is told the truth has an IoU of 1, one that says nothing 0."""
    task = task_of("handsegnet", "small", strength=Strength.none())

    class Known(nn.Module):
        def __init__(self, shift: float) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(1))
            self.shift = shift
            self.at = 0

        def forward(self, pictures):
            examples = task.found.validation.spread(300)[self.at : self.at + len(pictures)]
            self.at += len(pictures)
            views = [handsegnet._whole(example, task.size) for example in examples]
            crops = map(handsegnet.plain_crop, examples, views)
            masks = [handsegnet.hand_mask(crop) for crop in crops]
            logits = torch.from_numpy(np.stack(masks)).float() - 0.5 + self.shift
            return torch.stack([-logits, logits], dim=1)

    assert task.validate(Known(0.0))["mask IoU"] == pytest.approx(1.0)
    assert task.validate(Known(0.0))["boxes with IoU ≥ 0.5, share"] == 1.0
    assert task.validate(Known(-1.0))["mask IoU"] == pytest.approx(0.0)


class Saying(nn.Module):
    """A PoseNet that finds every joint so many pixels to the right of where it is."""

    def __init__(self, task, off: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.task, self.off, self.at = task, off, 0

    def forward(self, crops):
        examples = self.task.found.validation.spread(500)[self.at : self.at + len(crops)]
        self.at += len(crops)
        views = [self.task._view(example) for example in examples]
        xy = torch.from_numpy(np.stack([v.pixels(e.xy) for v, e in zip(views, examples, strict=True)]))
        right = torch.tensor([1.0 if e.side == "right" else -1.0 for e in examples])
        empty = torch.zeros(len(crops), 21, 1, 1)
        return Pose(empty, empty, xy + torch.tensor([self.off, 0.0]), right, right)


def test_errors_of_posenet_count_pixels_of_a_256_px_crop(task_of) -> None:
    task = task_of("posenet", "small")
    figures = task.validate(Saying(task, 2.0))
    assert figures["2D error, px of 256"] == pytest.approx(2.0 * 256 / task.size)
    assert figures["sides right, share"] == 1.0
    assert task.validate(Saying(task, 0.0))["2D error median, px of 256"] == pytest.approx(0.0, abs=1e-9)


def test_some_pieces_have_no_hand_and_some_many(task_of) -> None:
    batch = task_of("handsegnet", "small").batch(0, 0, 48)
    counts = [cv2.connectedComponents(mask.numpy().astype(np.uint8))[0] - 1 for mask in batch["masks"]]
    assert 0 in counts
    assert max(counts) > 4
    assert batch["pictures"].shape[-2:] == batch["masks"].shape[-2:]


def test_half_of_the_crops_show_fingers_that_point_up(task_of) -> None:
    task = task_of("posenet", "small")
    palm = posenet.HAND.indices(["wrist", "middle_mcp"])
    sides, up = set(), []
    for step in range(12):
        batch = task.batch(0, step, 16)
        sides.add(batch["pictures"].shape[-1])
        wrist, knuckle = batch["xy"][:, palm].unbind(dim=1)
        across, down = (knuckle - wrist)[batch["hand"] > 0].T
        up.append(torch.rad2deg(torch.atan2(across, -down)).abs() < 31.0)
    assert sides == {96, 128}
    assert torch.cat(up).float().mean() > 0.4


def test_crops_without_a_hand_have_no_joints(task_of) -> None:
    batch = task_of("posenet", "small").batch(0, 0, 60)
    nobody = batch["hand"] == 0
    assert 0 < int(nobody.sum()) < 20
    assert float(batch["shown"][nobody].sum()) == 0
    assert (batch["shown"][~nobody].sum(dim=1) > 10).all()


def test_hands_of_unknown_side_do_not_teach_a_side(task_of) -> None:
    task = task_of("posenet", "small")
    batch = task.batch(0, 0, 3)
    batch["sided"][:] = 0
    loss, figures = task.loss(task.network(), batch)
    assert torch.isfinite(loss)
    assert float(figures["kind"]) == 0.0


def test_the_paper_learns_visible_joints_only(task_of) -> None:
    task = task_of("posenet", "paper")
    assert task.strength == Strength.paper()
    batch = task.batch(0, 0, 4)
    assert set(batch) == {"pictures", "xy", "shown"}
    visible = sum(task.found.training[n].visible.sum() for n in range(8)) / 8
    assert float(batch["shown"].sum(dim=1).mean()) <= visible + 3


def test_score_maps_are_pooled_gaussians() -> None:
    xy = torch.tensor([[[100.3, 40.0], [10.0, 250.0], [float("nan")] * 2]])
    shown = torch.tensor([[1.0, 1.0, 0.0]])
    full = score_maps(xy, shown, 256, 256)
    v, u = torch.meshgrid(torch.arange(256.0), torch.arange(256.0), indexing="ij")
    expected = torch.exp(-((u - 100.3) ** 2 + (v - 40.0) ** 2) / 25.0**2)
    torch.testing.assert_close(full[0, 0], expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(score_maps(xy, shown, 256, 32), nn.functional.avg_pool2d(full, 8))
    assert float(full[0, 2].abs().max()) == 0.0
    torch.testing.assert_close(peaks(full, 256)[0, :2], torch.tensor([[100.0, 40.0], [10.0, 250.0]]))


def test_targets_of_the_lifting_are_the_hand(task_of) -> None:
    """Canonical joints, turned and placed, are the hand as the crop's camera has it."""
    for variant in ("small", "paper"):
        task = task_of("poseprior", variant)
        hand = task._hand(task.found.training[1], np.random.default_rng(2))
        again = placed(hand.points, hand.R, hand.side, hand.scale, hand.xyz[0])
        shift = hand.xyz[0] - again[0]
        np.testing.assert_allclose(again + shift, hand.xyz, atol=1e-9)


def test_figures_of_a_perfect_lifting_are_zero(task_of) -> None:
    from handloom.hand.kinematics import vector_from_rotation

    task = task_of("poseprior", "small")

    class Known(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(1))

        def forward(self, maps, side):
            hands = [task._hand(example, None) for example in task.found.validation.spread(1000)]
            points = np.stack([hand.points for hand in hands])
            vectors = np.stack([vector_from_rotation(hand.R) for hand in hands])
            return torch.from_numpy(points), torch.from_numpy(vectors)

    figures = task.validate(Known())
    assert figures["scaled MPJPE, mm"] == pytest.approx(0.0, abs=1e-4)
    assert figures["rotation, deg"] == pytest.approx(0.0, abs=1e-3)


def test_strengths_of_variants_differ() -> None:
    assert Strength.paper() == replace(Strength.none(), hue=0.1)
