"""Augmented crops: what becomes of an example on its way into a batch."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from handloom.training.augmentation import Strength, occluder, on_background, photometric
from handloom.training.backgrounds import piece
from handloom.training.crops import View, seen_in
from handloom.training.examples import LEFT, NOTHING, Example

Array = NDArray[np.float64]
Image = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Crop:
    """A crop and what is true of it.

    Attributes:
        image: (S, S, 3) uint8 RGB.
        regions: (S, S) uint8, see :data:`handloom.training.examples.PERSON`; None without masks.
        xy: (21, 2) pixels of the crop, NaN where not labelled.
        visible: (21,) in the crop, and hidden by nothing that is known.
        inside: (21,) in the crop.
        xyz: (21, 3) metres in the axes of the crop's camera.
        K: (3, 3) its intrinsics.
        side: of the hand as the crop shows it.
    """

    image: Image
    regions: Image | None
    xy: Array
    visible: NDArray[np.bool_]
    inside: NDArray[np.bool_]
    xyz: Array
    K: Array
    side: str


def plain_crop(example: Example, view: View, *, mirrors: bool = False) -> Crop:
    """An example as a view shows it.

    Args:
        mirrors: whether picture and regions go on beyond the border as between mirrors; else it is black
            there. What keypoints say of hands is then not all that is to be seen.
    """
    assert example.image is not None
    to_image, side = view.to_image(), view.size
    image = _warped(example.image, to_image, side, _filter(to_image), mirrors)
    regions = None
    if example.regions is not None:
        regions = _warped(example.regions, to_image, side, cv2.INTER_NEAREST, mirrors)
    xy = view.pixels(example.xy)
    with np.errstate(invalid="ignore"):
        inside = np.asarray(((xy >= -0.5) & (xy <= side - 0.5)).all(axis=-1))
    K, xyz = seen_in(view, example.K, example.xyz)
    return Crop(image, regions, xy, inside & example.visible, inside, xyz, K, view.side(example.side))


def augmented_crop(
    example: Example,
    view: View,
    strength: Strength,
    backgrounds: Image,
    rng: np.random.Generator,
    *,
    mirrors: bool = False,
) -> Crop:
    """The crop of a view, before another background, behind occluders, in other light.

    Args:
        backgrounds: (M, B, B, 3) pictures without hands.
        mirrors: see :func:`plain_crop`.
    """
    crop = plain_crop(example, view, mirrors=mirrors)
    image, regions, visible = crop.image, crop.regions, crop.visible
    size = view.size
    if regions is not None and rng.random() < strength.background:
        image = on_background(image, regions != NOTHING, piece(backgrounds, size, rng))
    chance = strength.occluder
    while rng.random() < chance:
        mask = occluder(size, rng)
        image = image.copy()
        image[mask] = piece(backgrounds, size, rng)[mask]
        if regions is not None:
            regions = np.where(mask, NOTHING, regions).astype(np.uint8)
        at = np.clip(np.nan_to_num(np.rint(crop.xy)), 0, size - 1).astype(int)
        visible = visible & ~mask[at[:, 1], at[:, 0]]
        chance *= 0.5
    image = photometric(image, strength, rng)
    return Crop(image, regions, crop.xy, visible, crop.inside, crop.xyz, crop.K, crop.side)


def hand_mask(crop: Crop) -> NDArray[np.bool_]:
    """(S, S) where the crop shows hands."""
    assert crop.regions is not None
    return crop.regions >= LEFT


def pictures(images: list[Image]) -> Tensor:
    """(N, 3, H, W) uint8 of (H, W, 3) pictures."""
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()


def as_input(images: Tensor) -> Tensor:
    """(N, 3, H, W) float32 in [0, 1], what networks take, of uint8 on the same device."""
    return images.float() / 255.0


def _filter(to_image: Array) -> int:
    """Nearly halved pictures are still smooth enough when interpolated; others average first."""
    return cv2.INTER_LINEAR if np.hypot(*to_image[:, 0]) < 2.0 else cv2.INTER_AREA


def _warped(image: Image, to_image: Array, side: int, filtering: int, mirrors: bool) -> Image:
    if filtering == cv2.INTER_AREA:
        # warpAffine has no filter for this: make the picture smaller first.
        scale = float(np.hypot(*to_image[:, 0]))
        small = max(round(image.shape[1] / scale), 1), max(round(image.shape[0] / scale), 1)
        sx, sy = image.shape[1] / small[0], image.shape[0] / small[1]
        image = np.asarray(cv2.resize(image, small, interpolation=cv2.INTER_AREA), np.uint8)
        to_small = np.array([[1 / sx, 0, 0.5 / sx - 0.5], [0, 1 / sy, 0.5 / sy - 0.5]])
        to_image = to_small[:, :2] @ to_image + np.array([[0, 0, to_small[0, 2]], [0, 0, to_small[1, 2]]])
        filtering = cv2.INTER_LINEAR
    return np.asarray(
        cv2.warpAffine(
            image, to_image, (side, side), flags=filtering | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT if mirrors else cv2.BORDER_CONSTANT, borderValue=0,
        ),
        np.uint8,
    )  # fmt: skip
