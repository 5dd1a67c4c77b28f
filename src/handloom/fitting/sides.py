"""Which hand it is: what the network says, held against which hand fits.

A hand and its mirror image look much alike in one picture, and a wrong side makes the error in space two to
three times as large. The network's own probability is the better witness where it is sure; where it is not,
the hand that bends the way hands bend, with the reprojection and the joint limits that follow, settles it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from handloom.cameras import Camera
from handloom.fitting.frames import FitOptions
from handloom.fitting.hand_size import HandSize
from handloom.fitting.picture import PictureFit, fit_picture
from handloom.fitting.picture_evidence import PictureEvidence
from handloom.hand import HandModel

SIDES = ("left", "right")

CLEARLY = 4.0
"""A fall of ½χ² from which a side fits clearly better."""

VOTE = 1.0
"""The fit counts for no more than this against the network's log odds: one surer than 73 % is followed. On
rendered pictures and on a real clip larger votes gained as often as they lost."""


@dataclass(frozen=True, eq=False)
class SideVerdict:
    """One hand in one picture, fitted as both.

    Attributes:
        fit: as the side decided for.
        other: as the other side.
        right: probability that the network gave for the person's right hand.
        doubtful: whether network and fit contradict each other clearly, or neither is sure.
    """

    fit: PictureFit
    other: PictureFit
    right: float
    doubtful: bool

    @property
    def side(self) -> str:
        return self.fit.side

    @property
    def advantage(self) -> float:
        """By how much ½χ² of the side decided for is lower; negative where the other fits better."""
        return self.other.cost - self.fit.cost


def fit_sides(
    models: Mapping[str, HandModel],
    camera: Camera,
    evidence: PictureEvidence,
    right: float,
    size: HandSize | None = None,
    options: FitOptions | None = None,
    *,
    focal_spread: float = 0.0,
) -> SideVerdict:
    """Fit a hand as left and as right and decide which it is.

    Args:
        models: ``"left"`` and ``"right"``.
        camera, evidence, size, options, focal_spread: as in :func:`fit_picture`.
        right: the network's probability of the person's right hand (``Reading.right``). The picture is taken
            to be that of an ordinary camera: in a mirrored one, hands are the other side's.

    Raises:
        FitError: see :func:`fit_picture`.
    """
    fits = {
        side: fit_picture(models[side], camera, evidence, size, options, focal_spread=focal_spread)
        for side in SIDES
    }
    p = float(np.clip(right, 1e-3, 1.0 - 1e-3))
    network = np.log(p / (1.0 - p))
    shape = fits["left"].cost - fits["right"].cost
    total = network + float(np.clip(shape, -VOTE, VOTE))
    side, other = ("right", "left") if total >= 0.0 else ("left", "right")
    contradicted = abs(shape) >= CLEARLY and np.sign(shape) != np.sign(network)
    return SideVerdict(fits[side], fits[other], right, bool(contradicted or abs(network) < 1.0))
