"""The seed's script on the TemugeB clip: how good its 3D keypoints are and how long the whole process takes.

python benchmarks/seed_reference.py CLIP [--runs 5] [-o OUT]

CLIP holds ``media/cam0_test.mp4``, ``media/cam1_test.mp4`` and ``camera_parameters/``.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

import numpy as np
from metrics import project_pinhole, reprojection_rms
from seed.result import run_seed
from seed.stereo_files import read_camera

from handloom.evaluation.motion import acceleration_rms, bone_length_variation
from handloom.skeleton import HAND

BOTH_VIEWS = slice(12, 372)
"""The frames in which both views of the clip see the hand."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("-o", "--out", type=Path, help="keep the seed's files here")
    options = parser.parse_args()

    videos = [options.clip / "media" / f"cam{camera}_test.mp4" for camera in (0, 1)]
    calibration = options.clip / "camera_parameters"
    with tempfile.TemporaryDirectory() as scratch:
        out = options.out or Path(scratch)
        results = [run_seed("handpose3d.py", videos, calibration, out) for _ in range(options.runs)]
    seed = results[-1]
    walls = [result.wall_s for result in results]

    found = np.isfinite(seed.xyz).all(axis=(1, 2))
    print(f"seed 1, {len(seed.xyz)} frames, both views detected in {found.sum()}; over frames 12 to 371:")
    xyz = seed.xyz[BOTH_VIEWS]
    print(f"  acceleration           {acceleration_rms(xyz):.3f} units/frame² rms")
    print(f"  bone-length variation  {100 * bone_length_variation(xyz, HAND.bone_indices):.1f} %")
    for camera in (0, 1):
        projected = project_pinhole(xyz, *read_camera(calibration, camera))
        error = reprojection_rms(projected, seed.xy[camera][BOTH_VIEWS])
        print(f"  reprojection, view {camera}   {error:.2f} px rms")
    print(f"  whole process          {statistics.median(walls):.2f} s, median of {len(walls)}", end=" ")
    print(f"({min(walls):.2f} to {max(walls):.2f}), {len(seed.xyz) / statistics.median(walls):.1f} frames/s")


if __name__ == "__main__":
    main()
