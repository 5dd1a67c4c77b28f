"""Seeds 1 and 2: the part their hand and body scripts share.

Two recordings are read in step with OpenCV, a landmark network of its own follows each of them, landmarks are
rounded to whole pixels and triangulated point by point; what is missing is written as −1. The seeds show
both pictures with the landmarks drawn in; windows and drawing are left out here, which favours the seed.
Runs in an environment that has mediapipe 0.10.21, see ``environment.py``; it does not import handloom.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from dlt import triangulate_point
from stereo_files import read_camera

Landmarks = list[list[int]]
CROP_WIDTH = 720  # the seeds' calibration belongs to the square in the middle of a 1280×720 picture


def pixels(landmarks, picture: np.ndarray, keep: list[int]) -> Landmarks:
    """Whole pixels of the landmarks to keep; −1 for all of them where the network found nothing."""
    if landmarks is None:
        return [[-1, -1] for _ in keep]
    height, width = picture.shape[:2]
    found = (landmarks.landmark[i] for i in keep)
    return [[round(point.x * width), round(point.y * height)] for point in found]


def triangulate(P: list[np.ndarray], views: list[Landmarks]) -> np.ndarray:
    """(J, 3) points; −1 where one of the two views has nothing."""
    points = []
    for uv0, uv1 in zip(*views, strict=True):
        missing = uv0[0] == -1 or uv1[0] == -1
        points.append([-1, -1, -1] if missing else triangulate_point(P, [uv0, uv1]))
    return np.array(points)


def write(path: Path, frames: list) -> None:
    """One line per frame, all numbers of the frame in a row."""
    with path.open("w") as file:
        for frame in frames:
            file.write(" ".join(str(value) for value in np.asarray(frame).reshape(-1)) + "\n")


def run(networks: list, landmarks_of: Callable, keep: list[int]) -> None:
    """Follow two recordings to the end of the shorter one and write the seed's three files."""
    parser = argparse.ArgumentParser()
    parser.add_argument("videos", nargs=2, type=Path)
    parser.add_argument("--cameras", type=Path, required=True, help="folder of c0.dat, rot_trans_c0.dat, …")
    parser.add_argument("-o", "--out", type=Path, required=True)
    arguments = parser.parse_args()

    calibration = [read_camera(arguments.cameras, camera) for camera in (0, 1)]
    P = [K @ T_camera_world[:3] for K, T_camera_world in calibration]
    captures = [cv2.VideoCapture(str(video)) for video in arguments.videos]
    keypoints2d: tuple[list, list] = ([], [])
    keypoints3d = []
    while True:
        reads = [capture.read() for capture in captures]
        if not all(ok for ok, _ in reads):
            break
        views = []
        for network, (_, picture), stored in zip(networks, reads, keypoints2d, strict=True):
            if picture.shape[1] != CROP_WIDTH:
                left = (picture.shape[1] - CROP_WIDTH) // 2
                picture = picture[:, left : left + CROP_WIDTH]
            rgb = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
            rgb.flags.writeable = False
            views.append(pixels(landmarks_of(network.process(rgb)), rgb, keep))
            stored.append(views[-1])
        keypoints3d.append(triangulate(P, views))
    for capture in captures:
        capture.release()

    arguments.out.mkdir(parents=True, exist_ok=True)
    for camera, stored in enumerate(keypoints2d):
        write(arguments.out / f"kpts_cam{camera}.dat", stored)
    write(arguments.out / "kpts_3d.dat", keypoints3d)
