"""Caliscope 0.11.8: calibrate cameras with its scripting API, without its windows.

python with_caliscope.py JOB.json -o OUT

Its documentation extracts the corners twice, for the lenses and for the rig; here once, which favours it.
``calibrate_extrinsics`` is what its window calls: bootstrap, adjust, set outliers aside, adjust again.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import pandas as pd
from caliscope.api import (
    CameraArray,
    CameraData,
    Charuco,
    CharucoTracker,
    Chessboard,
    ChessboardTracker,
    ConstraintSet,
    ImagePoints,
    calibrate_extrinsics,
    calibrate_intrinsics,
    extract_image_points_multicam,
)
from job import BoardJob, Job, arguments, write_corners


def make_board(board: BoardJob):
    """Caliscope's tracker of the board and the distances that its adjustment keeps."""
    if board.kind == "chessboard":
        made = Chessboard(rows=board.rows, columns=board.columns, square_size_cm=board.square_mm / 10)
        return ChessboardTracker(made), ConstraintSet.from_chessboard(made)
    made = Charuco.from_squares(
        columns=board.columns,
        rows=board.rows,
        square_size_cm=board.square_mm / 10,
        dictionary=f"DICT_4X4_{board.markers}",
        aruco_scale=board.marker_scale,
        inverted=board.inverted,
    )
    return CharucoTracker(made), ConstraintSet.from_charuco(made)


def find_in_pictures(job: Job, tracker) -> tuple[ImagePoints, CameraArray]:
    """The same table as of videos: Caliscope has no function for pictures, but its tracker takes them."""
    rows, cameras = [], {}
    for camera, names in enumerate(job.cameras.values()):
        for moment, name in enumerate(names):
            picture = cv2.imread(name, cv2.IMREAD_GRAYSCALE)
            cameras[camera] = CameraData(cam_id=camera, size=picture.shape[::-1])
            packet = tracker.get_points(picture, cam_id=camera, rotation_count=0)
            for corner, pixel, point in zip(packet.keypoint_id, packet.img_loc, packet.obj_loc, strict=True):
                rows.append((moment, camera, moment, float(moment), 0, int(corner), *pixel, *point))
    columns = ["sync_index", "cam_id", "frame_index", "frame_time", "object_id", "keypoint_id"]
    columns += ["img_loc_x", "img_loc_y", "obj_loc_x", "obj_loc_y", "obj_loc_z"]
    return ImagePoints(pd.DataFrame(rows, columns=columns)), CameraArray(cameras)


def find_corners(job: Job, tracker) -> tuple[ImagePoints, CameraArray]:
    if not job.is_video:
        return find_in_pictures(job, tracker)
    videos = {camera: Path(names[0]) for camera, names in enumerate(job.cameras.values())}
    points = extract_image_points_multicam(videos, tracker, progress=None)
    return points, CameraArray.from_video_metadata(videos)


def main() -> None:
    job, out = arguments()
    tracker, constraints = make_board(job.board)
    points, cameras = find_corners(job, tracker)
    columns = ["cam_id", "sync_index", "keypoint_id", "img_loc_x", "img_loc_y"]
    write_corners(out / "corners.csv", points.df[columns].itertuples(index=False))
    table = points.df[points.df.sync_index.map(job.takes_part)].reset_index(drop=True)
    for camera in range(len(job.cameras)):
        alone = ImagePoints(table[table.cam_id == camera].reset_index(drop=True))
        cameras[camera] = calibrate_intrinsics(alone, cameras[camera]).camera
    run = calibrate_extrinsics(ImagePoints(table), cameras, constraints)
    run.capture_volume.camera_array.to_aniposelib_toml(out / "rig.toml")


if __name__ == "__main__":
    main()
