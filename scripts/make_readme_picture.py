"""Draws what was found in the views of a frame: ``python scripts/make_readme_picture.py SESSION PICTURE``.

Fitted hands are drawn as meshes; a session without any shows its 3D keypoints. The frame, or several side by
side, is chosen with ``--frames``; ``--square`` cuts the views to a square around the hands.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from handloom.cameras import Camera
from handloom.keypoints import Array, Track
from handloom.session import FittedHand, Session
from handloom.view.colours import mesh_colour
from handloom.view.mesh_overlay import HandMesh, draw_hands
from handloom.view.overlay import draw_skeleton
from handloom.view.pictures import Picture, PictureReader, find_videos

WIDTH = 420
ROOM = 0.25  # of the hands' size, around them
GAP = 6


def main(session: Session, picture: Path, frames: list[int], *, square: bool) -> None:
    """The views of one frame side by side; of several frames, a column each."""
    videos, hands = find_videos(session), session.hands()
    columns = []
    for frame in frames:
        views = []
        for index, camera in enumerate(session.rig):
            reader = PictureReader(videos[camera.name])
            image = reader.at(int(session.source_frames[index, frame]))
            reader.close()
            if image is None:
                raise SystemExit(f"{camera.name} has no picture at frame {frame}")
            views.append(shown(session, camera, image.copy(), hands, frame, square=square))
        columns.append(views)
    if len(columns) == 1:
        drawn = np.hstack(spaced(columns[0], axis=1))
    else:
        drawn = np.hstack(spaced([np.vstack(spaced(views, axis=0)) for views in columns], axis=1))
    cv2.imwrite(str(picture), drawn[..., ::-1])


def shown(
    session: Session,
    camera: Camera,
    image: Picture,
    hands: dict[Track, FittedHand],
    frame: int,
    *,
    square: bool,
) -> Picture:
    """One view with its hands, ``WIDTH`` pixels wide."""
    xyz = {track: session.positions(track, frame, frame + 1)[0] for track in session.tracks}
    draw_hands(
        image,
        camera,
        [
            HandMesh(hand.model, hand.posed(frame).vertices, mesh_colour(track))
            for track, hand in hands.items()
        ],
    )
    for track in session.tracks:
        if track not in hands:
            points = session.keypoints3d(track, frame, frame + 1)
            draw_skeleton(image, points.skeleton, camera.project(points.xyz[0]))
    if square:
        image = cut(image, camera.project(np.concatenate(list(xyz.values()))))
    height = round(WIDTH * image.shape[0] / image.shape[1])
    kind = cv2.INTER_AREA if image.shape[1] > WIDTH else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (WIDTH, height), interpolation=kind), dtype=np.uint8)


def cut(image: Picture, pixels: Array) -> Picture:
    """The square of a picture around the pixels that are there, moved inside it."""
    present = pixels[np.isfinite(pixels).all(axis=1)]
    low, high = present.min(axis=0), present.max(axis=0)
    limit = min(image.shape[:2])
    side = min(limit, int((1 + 2 * ROOM) * (high - low).max()))
    corner = np.clip(0.5 * (low + high) - side / 2, 0, np.array(image.shape[1::-1]) - side).astype(int)
    return np.ascontiguousarray(image[corner[1] : corner[1] + side, corner[0] : corner[0] + side])


def spaced(pictures: list[Picture], axis: int) -> list[Picture]:
    """The pictures with white between them."""
    shape = list(pictures[0].shape)
    shape[axis] = GAP
    white = np.full(shape, 255, dtype=np.uint8)
    return [part for picture in pictures for part in (picture, white)][:-1]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("session", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--frames", type=int, nargs="+", default=[44])
    parser.add_argument("--square", action="store_true")
    arguments = parser.parse_args()
    main(Session.open(arguments.session), arguments.picture, arguments.frames, square=arguments.square)
