"""Losses of ColorHandPose3D: the value by hand, derivatives that are finite, weights that count."""

from __future__ import annotations

from math import log, pi

import pytest

torch = pytest.importorskip("torch", reason="the learning rooms need torch: pip install 'handloom[learn]'")

from handloom.networks.colorhandpose.decoding import PAPER_SIGMA, gaussian, places  # noqa: E402
from handloom.networks.colorhandpose.small import Pose  # noqa: E402
from handloom.networks.hand_layer import rotation_from_vector  # noqa: E402
from handloom.networks.losses import (  # noqa: E402
    canonical_loss,
    geodesic_loss,
    keypoint_losses,
    kind_loss,
    rotation_angle,
    rotation_loss,
    scoremap_loss,
    segmentation_loss,
)


def pose_of(keypoints, logits=None, hand=None, right=None):
    count = len(keypoints)
    logits = torch.zeros(count, 21, 32, 32) if logits is None else logits
    nothing = torch.zeros(count)
    return Pose(
        logits,
        logits.exp(),
        keypoints,
        nothing if hand is None else hand,
        nothing if right is None else right,
    )


def test_segmentation_by_hand():
    logits = torch.tensor([[[[2.0, 0.0]], [[0.0, 0.0]]]])
    masks = torch.tensor([[[0, 1]]])
    expected = (log(1 + torch.tensor(-2.0).exp()) + log(2)) / 2
    assert segmentation_loss(logits, masks).item() == pytest.approx(float(expected))


def test_finer_mask_becomes_shares_of_cells():
    """Of a cell that is half hand, even odds are right: no derivative."""
    logits = torch.zeros(1, 2, 1, 2, requires_grad=True)
    masks = torch.tensor([[[True, False, True, True], [True, False, True, True]]])
    segmentation_loss(logits, masks).backward()
    assert logits.grad[0, :, 0, 0].tolist() == pytest.approx([0, 0])
    assert logits.grad[0, 1, 0, 1] < 0


def test_mask_that_is_no_multiple():
    with pytest.raises(ValueError, match=r"masks of \(5, 4\) are no multiple of logits of \(2, 2\)"):
        segmentation_loss(torch.zeros(1, 2, 2, 2), torch.zeros(1, 5, 4))


def test_dice_vanishes_where_masks_agree():
    masks = (torch.rand(2, 32, 32) > 0.5).float()
    logits = 40 * torch.stack([1 - masks, masks], dim=1) - 20
    assert segmentation_loss(logits, masks, dice=1.0).item() == pytest.approx(0, abs=1e-3)
    assert segmentation_loss(-logits, masks, dice=1.0) - segmentation_loss(-logits, masks) > 0.99


def test_score_maps_by_hand():
    """Root mean squares 0.3 and 0.1 of the visible joints; the third joint is hidden."""
    targets = torch.zeros(1, 3, 8, 8)
    errors = torch.tensor([0.3, 0.1, 5.0])[None, :, None, None]
    visible = torch.tensor([[1.0, 1.0, 0.0]])
    stages = [errors.expand(1, 3, 4, 4), torch.zeros(1, 3, 4, 4)]
    assert scoremap_loss(stages, targets, visible).item() == pytest.approx(0.4 / 2.001, rel=1e-4)


def test_perfect_score_maps_have_a_finite_derivative():
    maps = torch.zeros(1, 21, 4, 4, requires_grad=True)
    scoremap_loss([maps], torch.zeros(1, 21, 8, 8), torch.ones(1, 21)).backward()
    assert maps.grad.isfinite().all()


def test_true_maps_diverge_by_nothing():
    true = 20 + 80 * torch.rand(2, 21, 2)
    logits = gaussian(places(true, 128, 128), (32, 32), PAPER_SIGMA).clamp(min=1e-30).log()
    divergence, distance = keypoint_losses(pose_of(true, logits), true, torch.ones(2, 21))
    assert divergence.item() == pytest.approx(0, abs=1e-5)
    assert distance.item() == pytest.approx(0, abs=1e-5)


def test_distance_is_in_sides_of_the_crop_and_weighted():
    true = torch.full((1, 21, 2), 64.0)
    found = true.clone()
    found[0, 0] += torch.tensor([3.0, 4.0])
    found[0, 1] += 100
    weights = torch.zeros(1, 21)
    weights[0, 0] = 1
    _, distance = keypoint_losses(pose_of(found), true, weights)
    assert distance.item() == pytest.approx(5 / 128, rel=2e-3)


def test_joint_without_truth_has_no_effect():
    true = torch.full((1, 21, 2), 64.0)
    true[0, 7] = float("nan")
    weights = torch.ones(1, 21)
    weights[0, 7] = 0
    logits = torch.randn(1, 21, 32, 32, requires_grad=True)
    divergence, distance = keypoint_losses(pose_of(torch.full((1, 21, 2), 60.0), logits), true, weights)
    (divergence + distance).backward()
    assert logits.grad.isfinite().all()
    assert (logits.grad[0, 7] == 0).all()
    assert (logits.grad[0, 6] != 0).any()


def test_side_counts_only_where_there_is_a_hand():
    keypoints = torch.zeros(2, 21, 2)
    right = torch.tensor([3.0, -9.0], requires_grad=True)
    pose = pose_of(keypoints, hand=torch.tensor([20.0, -20.0]), right=right)
    loss = kind_loss(pose, torch.tensor([1, 0]), torch.tensor([1, 1]))
    loss.backward()
    assert loss.item() == pytest.approx(log(1 + torch.tensor(-3.0).exp().item()), rel=1e-4)
    assert right.grad[1] == 0


@pytest.mark.parametrize("angle", [0.0, 1e-4, 0.5, 3.0, pi])
def test_angle_between_rotations(angle):
    axis = torch.nn.functional.normalize(torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64), dim=0)
    first = rotation_from_vector(torch.tensor([0.3, 0.4, -2.0], dtype=torch.float64))
    between = (angle * axis).requires_grad_()
    found = rotation_angle(first, first @ rotation_from_vector(between))
    assert found.item() == pytest.approx(angle, abs=2e-6)
    found.backward()
    assert between.grad.isfinite().all()


def test_means_over_all_elements():
    ones, zeros = torch.ones(2, 21, 3), torch.zeros(2, 21, 3)
    assert canonical_loss(2 * ones, zeros).item() == 4
    eye = torch.eye(3).expand(2, 3, 3)
    half_turn = torch.diag(torch.tensor([1.0, -1.0, -1.0])).expand(2, 3, 3)
    assert rotation_loss(half_turn, eye).item() == pytest.approx(8 / 9)
    assert geodesic_loss(half_turn, eye).item() == pytest.approx(pi, abs=1e-5)
