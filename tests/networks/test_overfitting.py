"""Every network learns a few samples by its own loss; in full: `benchmarks/networks.py`."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the learning rooms need torch: pip install 'handloom[learn]'")

from handloom.networks.colorhandpose.decoding import PAPER_SIGMA, gaussian  # noqa: E402
from handloom.networks.hand_layer import rotation_from_vector  # noqa: E402
from handloom.networks.losses import (  # noqa: E402
    canonical_loss,
    keypoint_losses,
    kind_loss,
    rotation_loss,
    scoremap_loss,
    segmentation_loss,
)
from handloom.networks.registry import NETWORKS, VARIANTS, build  # noqa: E402

SIDES = {"paper": 16, "small": 32}
RATES = {"paper": 3e-4, "small": 2e-3}
STEPS = {"handsegnet": 10, "posenet": 12, "poseprior": 40, "viewpoint": 40}


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    torch.set_num_threads(1)


def normalised_maps(places, size, sigma=PAPER_SIGMA):
    maps = gaussian(places, (size, size), sigma)
    return maps / maps.amax(dim=(-2, -1), keepdim=True)


def problem(name, variant):
    """A loss of the network, as a function of it."""
    image, side = name in ("handsegnet", "posenet"), SIDES[variant]
    count = 2 if image and variant == "paper" else 16
    colours = torch.rand(count, 3, 1, 1).expand(-1, -1, side, side).clone()
    places, joints = 0.8 * (torch.rand(count, 21, 2) - 0.5), torch.ones(count, 21)
    right = (torch.arange(count) % 2).float()
    if name == "handsegnet":
        masks = torch.zeros(count, side, side)
        masks[:, :, side // 2 :] = 1
        colours[masks[:, None].expand_as(colours) > 0] *= 0.2
        return lambda network: segmentation_loss(network(colours), masks)
    if name == "posenet" and variant == "paper":
        # As wide as the maps' two cells can show.
        targets = normalised_maps(places, side, sigma=0.4)
        return lambda network: scoremap_loss(network(colours), targets, joints)
    if name == "posenet":
        keypoints = (places + 0.5) * side - 0.5

        def loss(network):
            pose = network(colours)
            shape, distance = keypoint_losses(pose, keypoints, joints)
            return shape + 10 * distance + kind_loss(pose, torch.ones(count), right)

        return loss
    inputs = normalised_maps(places, 32), torch.stack([1 - right, right], dim=1)
    if name == "poseprior":
        points = torch.randn(count, 21, 3)
        return lambda network: canonical_loss(network(*inputs), points)
    R = rotation_from_vector(0.5 * torch.randn(count, 3))
    return lambda network: rotation_loss(rotation_from_vector(network(*inputs)), R)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", NETWORKS)
def test_learns_by_heart(name, variant):
    torch.manual_seed(0)
    network, loss = build(name, variant), problem(name, variant)
    if variant == "paper" and name in ("poseprior", "viewpoint"):
        network.dropout = 0.0
    optimiser = torch.optim.Adam(network.parameters(), RATES[variant])
    values = []
    for _ in range(STEPS[name]):
        optimiser.zero_grad()
        value = loss(network)
        value.backward()
        optimiser.step()
        values.append(value.item())
    assert values[-1] < 0.8 * values[0]
