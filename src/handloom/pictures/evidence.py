"""What one reading of a hand says, as the fit takes it: keypoints, and all guesses in space made of them."""

from __future__ import annotations

from handloom.cameras import Camera
from handloom.detection import Reading
from handloom.fitting.picture_evidence import Guess, PictureEvidence
from handloom.fitting.sides import SIDES
from handloom.lifting import Lifter, load_landmark_head, load_lifter

LIFTED_M, HEAD_M = 0.015, 0.030
"""Standard deviations of the guesses, per axis. The head's errors are about twice the lifter's. Both stand
for more than the guesses' own errors, which are not independent of the keypoints'. Chosen on made pictures,
where surer guesses are better (PA-MPJPE 5.1 mm with 0.03 for both, 4.6 with these, 4.4 with half of them),
and on the first half of view 0 of the TemugeB clip, where 0.01 to 0.06 differ by 0.2 mm, surer are worse."""


def evidence_of(reading: Reading, camera: Camera, lifter: Lifter | None = None) -> PictureEvidence:
    """Evidence of one hand.

    The lifting network guesses for either side, the landmark head from the features of the landmark network.
    Where there is a landmark head's guess, the network's own world landmarks are left out: they come from the
    same features and are worse.

    Args:
        reading: of the hand.
        camera: its lens.
        lifter: another than the one shipped.
    """
    lifter = lifter or load_lifter()
    rays = camera.undistort(reading.xy)
    guesses = [Guess(lifter.lift(rays, side), LIFTED_M, side) for side in SIDES]
    world = reading.world
    if reading.features is not None:
        guesses.append(Guess(load_landmark_head().in_space(reading.features, reading.region), HEAD_M))
        world = None
    return PictureEvidence(reading.xy, world=world, guesses=tuple(guesses))
