"""Filmed boards show their corners where the cameras project them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from handloom.calibration.boards import Board, parse_board
from handloom.calibration.collect import collect
from handloom.synthesis.board_scene import BoardScene, board_rig, see_board, wave_board
from handloom.synthesis.board_video import BoardFilm, film_board


def scene_of(board: Board, cameras: int, moments: int) -> BoardScene:
    rig = board_rig(cameras, image_size=(640, 360))
    return see_board(rig, board, wave_board(rig, board, moments))


@pytest.mark.parametrize("spec", ["chessboard:8x5:30mm", "charuco:5x4:50mm", "charuco:5x4:50mm:inverted"])
def test_corners_are_found_where_they_are_projected(spec: str) -> None:
    board = parse_board(spec)
    scene = scene_of(board, 3, 30)
    errors = []
    for camera in scene.rig:
        film = BoardFilm(camera, board)
        for moment in range(0, 30, 5):
            T = scene.T_world_board[moment]
            truth = camera.project(board.points @ T[:3, :3].T + T[:3, 3])
            found = board.find(film.picture([T], moment))
            errors.append(found.pixels - truth[found.ids])
    errors = np.concatenate(errors)
    assert len(errors) > 60
    assert np.sqrt(np.median((errors**2).sum(axis=-1))) < 0.05
    assert np.abs(np.median(errors, axis=0)).max() < 0.02


def test_a_film_is_collected_as_it_was_played(tmp_path: Path) -> None:
    scene = scene_of(parse_board("charuco:5x4:50mm"), 2, 20)
    paths = film_board(scene, tmp_path, fps=30.0)
    assert [path.name for path in paths] == ["cam0.mp4", "cam1.mp4"]
    sightings = collect([tmp_path], scene.sightings.board).sightings
    assert (sightings.counts > 0).sum() >= 12
    for view in sightings.views:
        T = scene.T_world_board[round(sightings.times_s[view.moment] * 30)]
        world = sightings.board.points[view.ids] @ T[:3, :3].T + T[:3, 3]
        error = view.pixels - scene.rig.cameras[view.camera].project(world)
        assert np.sqrt(np.median((error**2).sum(axis=-1))) < 0.5


def test_a_long_exposure_blurs_what_moves() -> None:
    board = parse_board("chessboard:8x5:30mm")
    scene = scene_of(board, 1, 20)
    film = BoardFilm(scene.rig.cameras[0], board, noise=0.0)
    still, moved = scene.T_world_board[8], scene.T_world_board[8].copy()
    moved[:3, 3] += [0.02, 0.0, 0.0]
    sharp = film.picture([still]).astype(float)
    blurred = film.picture([still, moved]).astype(float)
    assert np.abs(np.diff(blurred[..., 0], axis=1)).max() < 0.8 * np.abs(np.diff(sharp[..., 0], axis=1)).max()


def test_the_same_seed_gives_the_same_picture() -> None:
    board = parse_board("chessboard:8x5:30mm")
    scene = scene_of(board, 1, 5)
    one, two = (
        BoardFilm(scene.rig.cameras[0], board, seed=3).picture([scene.T_world_board[2]]) for _ in "ab"
    )
    assert np.array_equal(one, two)
