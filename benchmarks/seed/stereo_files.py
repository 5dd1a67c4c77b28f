"""The seeds' calibration files, ``c0.dat`` and ``rot_trans_c0.dat``."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def read_block(path: Path, name: str, rows: int) -> np.ndarray:
    """The rows that follow the first line ``name:`` of a seed calibration file."""
    lines = path.read_text().splitlines()
    start = lines.index(f"{name}:") + 1
    return np.array([[float(value) for value in line.split()] for line in lines[start : start + rows]])


def read_camera(folder: Path, camera: int) -> tuple[np.ndarray, np.ndarray]:
    """K (3, 3) and T_camera_world (4, 4) of one camera; the lens distortion is ignored, as in the seeds."""
    K = read_block(folder / f"c{camera}.dat", "intrinsic", 3)
    T = np.eye(4)
    T[:3, :3] = read_block(folder / f"rot_trans_c{camera}.dat", "R", 3)
    T[:3, 3:] = read_block(folder / f"rot_trans_c{camera}.dat", "T", 3)
    return K, T
