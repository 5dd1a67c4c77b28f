"""Draws docs/demo.png from a finished demo: ``python scripts/make_readme_picture.py out/demo``."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

from handloom.session import Session
from handloom.video import open_video
from handloom.view.overlay import draw_skeleton

FRAME = 44
WIDTH = 420


def main(demo: Path, picture: Path) -> None:
    """Put the views of one frame side by side, the 3D skeletons drawn as each camera sees them."""
    session = Session.open(demo / "session")
    views = []
    for index, camera in enumerate(session.rig):
        with open_video(demo / "capture" / f"{camera.name}.mp4") as video:
            image = next(video.frames(FRAME)).image.copy()
        for track in session.tracks:
            points = session.keypoints3d(track, FRAME, FRAME + 1)
            draw_skeleton(image, points.skeleton, session.rig[index].project(points.xyz[0]))
        height = round(WIDTH * image.shape[0] / image.shape[1])
        views.append(cv2.resize(image, (WIDTH, height), interpolation=cv2.INTER_AREA))
    cv2.imwrite(str(picture), np.hstack(views)[..., ::-1])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(__file__).parents[1] / "docs" / "demo.png")
