"""Calibration of made rigs against their truth, and every finding against the fault that brings it about.

python benchmarks/calibration_synthetic.py [--moments 300] [--cameras 2,4,8,16] [--seed 0]

Rigs of 2, 4, 8 and 16 cameras see a board with 0.2 px of noise and 10 % gross outliers. The other side is
OpenCV's recipe on the same corners: calibrateCamera for every camera, stereoCalibrate from each camera to
the next. How well rotations can be known depends on the number of moments, because principal points are known
no better; the standard deviation that the calibration itself states stands beside the error. The table of
faults has a column that says what else was found, which should be nothing.
"""

from __future__ import annotations

import argparse
import os
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")

import cv2
import numpy as np
from bench import Scorecard
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from handloom.calibration.boards import parse_board
from handloom.calibration.findings import Severity
from handloom.calibration.pipeline import calibrate_sightings
from handloom.calibration.sightings import Sightings
from handloom.cameras import Camera, CameraRig
from handloom.hand.kinematics import rigid
from handloom.synthesis.board_faults import FAULTS
from handloom.synthesis.board_scene import BoardScene, make_board_scene

Array = NDArray[np.float64]

NOISE_PX = 0.2
OUTLIERS = 0.1
FOCAL_PERCENT, ROTATION_DEG, TRANSLATION_PERCENT, RMS_PERCENT = 0.3, 0.1, 0.3, 10.0
BOARD = "chessboard:9x6:40mm"
MOST_VIEWS = 40  # that OpenCV is given, evenly: its lens calibration takes minutes for hundreds


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--moments", type=int, default=300)
    parser.add_argument("--cameras", default="2,4,8,16")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    counts = [int(count) for count in options.cameras.split(",")]
    met = [accuracy(count, options.moments, options.seed) for count in counts]
    met.append(faults(options.seed))
    sys.exit(0 if all(met) else 1)


def accuracy(count: int, moments: int, seed: int) -> bool:
    """The table of one rig: errors of focal lengths, poses and residuals on both sides."""
    scene = make_board_scene(
        parse_board(BOARD), count, moments, noise_px=NOISE_PX, outliers=OUTLIERS, seed=seed
    )
    result = calibrate_sightings(scene.sightings)
    rms = np.sqrt((result.residuals[result.used] ** 2).mean()) / NOISE_PX
    ours = (*errors(result.rig, scene.rig), 100 * abs(rms - 1.0))
    theirs = recipe(scene.sightings)
    other = (np.nan,) * 4
    if theirs is not None:
        residuals = recipe_residuals(*theirs, scene.sightings)
        other = (*errors(theirs[0], scene.rig), 100 * abs(residuals / NOISE_PX - 1.0))
    card = Scorecard(f"{count} cameras, {moments} moments, 10 % outliers", ("OpenCV's recipe", "ours"))
    card.add("focal length, worst camera %", other[0], ours[0], at_most=FOCAL_PERCENT, digits=3)
    card.add("rotation, worst camera °", other[1], ours[1], at_most=ROTATION_DEG, digits=3)
    stated = [np.linalg.norm(one.rotation_rad) for one in result.uncertainty if one is not None]
    card.add("  standard deviation stated °", "", np.degrees(max(stated)), digits=3)
    card.add("translation, worst % of baseline", other[2], ours[2], at_most=TRANSLATION_PERCENT, digits=3)
    card.add("RMS off the noise %", other[3], ours[3], at_most=RMS_PERCENT, digits=1)
    loud = sum(finding.severity is not Severity.note for finding in result.findings)
    card.add("errors and warnings", "", float(loud), at_most=0, digits=0)
    return card.show()


def errors(found: CameraRig, truth: CameraRig) -> tuple[float, float, float]:
    """Worst focal length in %, rotation in degrees, translation in % of the distance to the first camera."""
    if found.names != truth.names:
        return (np.nan,) * 3
    focal = max(abs(a.K[i, i] / b.K[i, i] - 1.0) for a, b in zip(found, truth, strict=True) for i in (0, 1))
    turns, shifts = [], []
    for a, b in zip(found.cameras[1:], truth.cameras[1:], strict=True):
        A, B = (
            camera.T_camera_world @ np.linalg.inv(rig[0].T_camera_world)
            for camera, rig in ((a, found), (b, truth))
        )
        turns.append(np.degrees(Rotation.from_matrix(A[:3, :3] @ B[:3, :3].T).magnitude()))
        centers = [-T[:3, :3].T @ T[:3, 3] for T in (A, B)]
        shifts.append(np.linalg.norm(centers[0] - centers[1]) / np.linalg.norm(centers[1]))
    return 100 * float(focal), float(max(turns)), 100 * float(max(shifts))


def recipe(sightings: Sightings) -> tuple[CameraRig, dict[tuple[int, int], Array]] | None:
    """OpenCV's recipe: lenses one by one, then each camera to the one before; the views' board poses, too."""
    lenses, boards = [], {}
    for number, size in enumerate(sightings.image_sizes.tolist()):
        views = [view for view in sightings.views_of(number) if len(view.ids) >= 12]
        views = [views[i] for i in np.linspace(0, len(views) - 1, MOST_VIEWS).round().astype(int)]
        points = [sightings.board.points[view.ids].astype(np.float32) for view in views]
        pixels = [view.pixels.astype(np.float32) for view in views]
        _, K, distortion, R, t = cv2.calibrateCamera(points, pixels, size, None, None)  # type: ignore[call-overload]
        lenses.append((K, distortion.ravel()[:5]))
        for view, r, s in zip(views, R, t, strict=True):
            boards[number, view.moment] = rigid(Rotation.from_rotvec(r.ravel()).as_matrix(), s.ravel())
    T = [np.eye(4)]
    for number in range(1, len(lenses)):
        before = {view.moment: view for view in sightings.views_of(number - 1)}
        pairs = []
        for view in sightings.views_of(number):
            partner = before.get(view.moment)
            ids = np.intersect1d(view.ids, partner.ids) if partner is not None else []
            if partner is not None and len(ids) >= 12:
                pairs.append(
                    (ids, partner.pixels[np.isin(partner.ids, ids)], view.pixels[np.isin(view.ids, ids)])
                )
        if not pairs:
            return None
        pairs = [pairs[i] for i in np.linspace(0, len(pairs) - 1, MOST_VIEWS).round().astype(int)]
        (K0, d0), (K1, d1) = lenses[number - 1 : number + 1]
        found = cv2.stereoCalibrate(
            [sightings.board.points[ids].astype(np.float32) for ids, _, _ in pairs],
            [first.astype(np.float32) for _, first, _ in pairs],
            [second.astype(np.float32) for _, _, second in pairs],
            K0, d0, K1, d1, tuple(sightings.image_sizes[number].tolist()), flags=cv2.CALIB_FIX_INTRINSIC,
        )  # fmt: skip
        T.append(rigid(found[5], found[6].ravel()) @ T[-1])
    cameras = tuple(
        Camera(name, tuple(size), K, d, T_camera_world)
        for name, size, (K, d), T_camera_world in zip(
            sightings.cameras, sightings.image_sizes.tolist(), lenses, T, strict=True
        )
    )
    return CameraRig(cameras), boards


def recipe_residuals(rig: CameraRig, boards: dict[tuple[int, int], Array], sightings: Sightings) -> float:
    """Root mean square residual per axis of the views the recipe used, each at its own board pose, outliers
    included: the recipe sets none aside."""
    squares = []
    for view in sightings.views:
        T = boards.get((view.camera, view.moment))
        if T is None:
            continue
        camera = rig[view.camera]
        points = sightings.board.points[view.ids] @ T[:3, :3].T + T[:3, 3]
        world = (points - camera.T_camera_world[:3, 3]) @ camera.T_camera_world[:3, :3]
        squares.append(((camera.project(world) - view.pixels) ** 2).ravel())
    return float(np.sqrt(np.nanmean(np.concatenate(squares))))


def faults(seed: int) -> bool:
    """The table of faults made on purpose: whether each gets its finding, and what else is found."""
    scene: BoardScene = make_board_scene(parse_board(BOARD), 4, 120, seed=seed)
    card = Scorecard("fault made on purpose", ("other errors and warnings", "its finding"))
    for name, fault in FAULTS.items():
        found = calibrate_sightings(fault(scene).sightings).findings
        loud = {str(f.name) for f in found if f.severity is not Severity.note}
        others = ", ".join(sorted(loud - {name})) or "none"
        card.add(name, others, float(name in loud), at_least=1, digits=0)
    return card.show()


if __name__ == "__main__":
    main()
