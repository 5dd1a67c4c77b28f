"""What the networks of ColorHandPose3D are trained to lessen.

Sums run over all samples of a batch. Weights and visibilities are (N, 21) in [0, 1].
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from handloom.networks.colorhandpose.decoding import (
    PAPER_SIGMA,
    gaussian,
    places,
    spatial_log_softmax,
)
from handloom.networks.colorhandpose.small import STRIDE, Pose


def segmentation_loss(logits: Tensor, masks: Tensor, dice: float = 0.0) -> Tensor:
    """Cross-entropy of every pixel (§3.1 of the paper), and Dice if wanted.

    Args:
        logits: (N, 2, h, w) of background and hand.
        masks: (N, H, W), 1 or True on hands. Where they are finer than the logits, a cell's target is the
            share of it that is hand.
        dice: weight of 1 minus the Dice coefficient of the whole batch, which counts small hands like large
            ones.

    Raises:
        ValueError: if the masks are not a whole number of times as large as the logits.
    """
    share = masks.to(logits.dtype)[:, None]
    height, width = logits.shape[-2:]
    if share.shape[-2] % height or share.shape[-1] % width:
        raise ValueError(f"masks of {tuple(masks.shape[1:])} are no multiple of logits of {(height, width)}")
    if share.shape[-2:] != logits.shape[-2:]:
        share = functional.avg_pool2d(share, (share.shape[-2] // height, share.shape[-1] // width))
    target = torch.cat([1 - share, share], dim=1)
    loss = functional.cross_entropy(logits, target)
    if dice:
        hand = logits.softmax(dim=1)[:, 1:]
        overlap = 2 * (hand * share).sum() / (hand.sum() + share.sum() + 1)
        loss = loss + dice * (1 - overlap)
    return loss


def scoremap_loss(stages: list[Tensor], targets: Tensor, visible: Tensor) -> Tensor:
    """Root mean square of each visible joint's map, averaged over joints, summed over stages (§3.2).

    Args:
        stages: (N, 21, h, w) maps of PoseNet's stages.
        targets: (N, 21, H, W) Gaussian maps; the stages are enlarged to their size.
        visible: (N, 21).
    """
    count = visible.sum() + 0.001
    total = targets.new_zeros(())
    for maps in stages:
        large = functional.interpolate(maps, targets.shape[-2:], mode="bilinear", align_corners=False)
        # The root has no derivative at a perfect map.
        error = ((large - targets) ** 2).mean(dim=(-2, -1)).clamp(min=1e-12).sqrt()
        total = total + (visible * error).sum() / count
    return total


def keypoint_losses(
    pose: Pose, keypoints: Tensor, weights: Tensor, sigma: float = PAPER_SIGMA
) -> tuple[Tensor, Tensor]:
    """The two losses of the small PoseNet: of its maps' shape, and of the places that they mean.

    The first is the divergence of the map from a Gaussian about the true place; it teaches fast and forbids
    maps of several peaks that are right only in the mean. The second is the mean distance, in sides of the
    crop: it is what is measured, and finer than a cell.

    Args:
        pose: of crops.
        keypoints: (N, 21, 2) true places, pixels of the crop; NaN, or outside of it, only with weight 0.
        weights: (N, 21).
        sigma: standard deviation of the Gaussian, in sides of the crop.
    """
    height, width = pose.logits.shape[-2:]
    found = places(pose.keypoints, STRIDE * width, STRIDE * height)
    true = places(keypoints.nan_to_num(), STRIDE * width, STRIDE * height)
    count = weights.sum() + 0.001
    target = gaussian(true, (height, width), sigma)
    divergence = (target * (target.clamp(min=1e-12).log() - spatial_log_softmax(pose.logits))).sum((-2, -1))
    distance = ((found - true) ** 2).sum(dim=-1).clamp(min=1e-12).sqrt()
    return (weights * divergence).sum() / count, (weights * distance).sum() / count


def kind_loss(pose: Pose, hand: Tensor, right: Tensor) -> Tensor:
    """Cross-entropy of presence and, where there is a hand, of its side.

    Args:
        pose: of crops.
        hand: (N,), 1 where the crop shows a hand.
        right: (N,), 1 where it is a right one.
    """
    hand, right = hand.to(pose.hand.dtype), right.to(pose.right.dtype)
    presence = functional.binary_cross_entropy_with_logits(pose.hand, hand)
    side = functional.binary_cross_entropy_with_logits(pose.right, right, weight=hand, reduction="sum")
    return presence + side / hand.sum().clamp(min=1)


def canonical_loss(found: Tensor, true: Tensor) -> Tensor:
    """Mean square error of all (N, 21, 3) canonical coordinates (§3.3)."""
    return functional.mse_loss(found, true)


def rotation_loss(found: Tensor, true: Tensor) -> Tensor:
    """Mean square error of all elements of (N, 3, 3) rotations (§3.3)."""
    return functional.mse_loss(found, true)


def geodesic_loss(found: Tensor, true: Tensor) -> Tensor:
    """Mean angle between (N, 3, 3) rotations, radians."""
    return rotation_angle(found, true).mean()


def rotation_angle(first: Tensor, second: Tensor) -> Tensor:
    """(...,) angles between (..., 3, 3) rotations, radians, with finite derivatives everywhere.

    From sine and cosine: the arc cosine of the trace alone is blind to small angles.
    """
    between = first.transpose(-1, -2) @ second
    skew = between - between.transpose(-1, -2)
    axis = torch.stack([skew[..., 2, 1], skew[..., 0, 2], skew[..., 1, 0]], dim=-1)
    sine = 0.5 * ((axis**2).sum(dim=-1) + 1e-12).sqrt()
    cosine = 0.5 * (between.diagonal(dim1=-2, dim2=-1).sum(dim=-1) - 1)
    return torch.atan2(sine, cosine)
