"""aniposelib 0.8: calibrate cameras as its documentation does, or helped where it stops.

python with_aniposelib.py JOB.json -o OUT

As a user runs it: the steps of ``calibrate_videos`` with a board in millimetres. Helped, it gets what it
lacks: pictures of an inverted board are inverted, a board seen from behind is found in the mirror image,
every frame is looked at, and the intrinsics start from ``cv2.calibrateCamera`` with the two parameters per
lens that aniposelib itself refines.
"""

from __future__ import annotations

import cv2
import numpy as np
from aniposelib.boards import CharucoBoard, Checkerboard
from aniposelib.cameras import CameraGroup
from job import BoardJob, Job, arguments, write_corners

START = (
    cv2.CALIB_USE_INTRINSIC_GUESS
    | cv2.CALIB_FIX_ASPECT_RATIO
    | cv2.CALIB_FIX_PRINCIPAL_POINT
    | cv2.CALIB_ZERO_TANGENT_DIST
    | cv2.CALIB_FIX_K2
    | cv2.CALIB_FIX_K3
)


def make_board(board: BoardJob, helped: bool):
    """aniposelib's board of that kind, which finds itself also inverted and from behind if helped."""
    if board.kind == "chessboard":
        return Checkerboard(board.columns, board.rows, board.square_mm)
    marker_mm = board.marker_scale * board.square_mm
    made = CharucoBoard(board.columns, board.rows, board.square_mm, marker_mm, 4, board.markers)
    if helped:
        find = made.detect_image

        def find_any_way_round(image, camera=None):
            picture = cv2.bitwise_not(image) if board.inverted else image
            corners, ids = find(picture)
            if len(corners) == 0:
                corners, ids = find(cv2.flip(picture, 1))
                if len(corners):
                    corners = np.array(corners)
                    corners[..., 0] = picture.shape[1] - 1 - corners[..., 0]
            return corners, ids

        made.detect_image = find_any_way_round
    return made


def find_corners(job: Job, board, group) -> list[list[dict]]:
    """Rows of detections per camera, as aniposelib's own methods return them."""
    files = list(job.cameras.values())
    if not job.is_video:
        for camera, names in zip(group.cameras, files, strict=True):
            height, width = cv2.imread(names[0]).shape[:2]
            camera.set_size((width, height))
        return [board.detect_images(names) for names in files]
    group.set_camera_sizes_videos(files)
    if not job.helped:
        return group.get_rows_videos(files, board, verbose=False)
    return [board.detect_video(names[0], prefix=0, skip=1) for names in files]


def moment_of(row: dict) -> int:
    return row["framenum"][-1] if isinstance(row["framenum"], tuple) else row["framenum"]


def start_intrinsics(group, board, rows: list[list[dict]]) -> None:
    for camera, detections in zip(group.cameras, rows, strict=True):
        points, pixels = board.get_all_calibration_points(detections, 6)
        size = tuple(camera.get_size())
        K = cv2.initCameraMatrix2D(points, pixels, size)
        _, K, lens, _, _ = cv2.calibrateCamera(points, pixels, size, K, np.zeros(5), flags=START)
        camera.set_camera_matrix(K)
        camera.set_distortions(lens)


def main() -> None:
    job, out = arguments()
    np.random.seed(job.draw)  # noqa: NPY002  (aniposelib draws from here)
    board = make_board(job.board, job.helped)
    group = CameraGroup.from_names(list(job.cameras))
    rows = find_corners(job, board, group)
    found = (
        (camera, moment_of(row), int(corner), float(x), float(y))
        for camera, detections in enumerate(rows)
        for row in detections
        for corner, (x, y) in zip(np.ravel(row["ids"]), np.reshape(row["corners"], (-1, 2)), strict=True)
    )
    write_corners(out / "corners.csv", found)
    rows = [[row for row in detections if job.takes_part(moment_of(row))] for detections in rows]
    if job.helped:
        start_intrinsics(group, board, rows)
    group.calibrate_rows(rows, board, init_intrinsics=not job.helped, verbose=False)
    for camera in group.cameras:
        camera.set_translation(camera.get_translation() / 1000)
    group.dump(out / "rig.toml")


if __name__ == "__main__":
    main()
