"""What one reading of a hand says, as the fit takes it: keypoints, and all guesses in space made of them."""

from __future__ import annotations

from handloom.cameras import Camera
from handloom.detection import Reading
from handloom.fitting.picture_evidence import Guess, PictureEvidence
from handloom.fitting.sides import SIDES
from handloom.lifting import Lifter, load_landmark_head, load_lifter

SIGMA_M = 0.030
"""Standard deviation of a guess, per axis. Lower ones are nearer to their errors, but these are not
independent of the keypoints' errors; chosen on the first half of view 0 of the TemugeB clip."""


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
    guesses = [Guess(lifter.lift(rays, side), SIGMA_M, side) for side in SIDES]
    world = reading.world
    if reading.features is not None:
        guesses.append(Guess(load_landmark_head().in_space(reading.features, reading.region), SIGMA_M))
        world = None
    return PictureEvidence(reading.xy, world=world, sigma_world_m=SIGMA_M, guesses=tuple(guesses))
