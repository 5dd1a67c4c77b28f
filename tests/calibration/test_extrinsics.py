"""Cameras linked by the board they saw together."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest

from handloom.calibration.boards import parse_board
from handloom.calibration.linking.extrinsics import link
from handloom.calibration.sightings import Sightings
from handloom.cameras import CameraRig, read_rig
from handloom.synthesis.board_scene import board_rig, make_board_scene, see_board, wave_board

BOARD = parse_board("charuco:10x7:25mm")
EITHER_END = parse_board("chessboard:8x6:25mm")


def rebuilt(sightings, **columns):
    """The sightings with some columns replaced."""
    given = {name: getattr(sightings, name) for name in ("camera", "moment", "corner", "pixels")} | columns
    return Sightings.build(
        sightings.board, sightings.cameras, sightings.image_sizes, sightings.times_s, **given
    )


def without(sightings, camera, moments):
    """The sightings without a camera's views of some moments."""
    return sightings.where((sightings.camera != camera) | ~np.isin(sightings.moment, moments))


def errors(links, rig):
    """Largest error of the rotation in degrees, and of the centre by its distance to the origin."""
    true = np.stack([camera.T_camera_world for camera in rig])
    origin = links.groups[0][0]
    true = true @ np.linalg.inv(true[origin])
    linked = [c for c in links.groups[0] if c != origin]
    T, true = links.T_camera_world[linked], true[linked]
    cosine = (np.trace(T[:, :3, :3] @ true[:, :3, :3].swapaxes(1, 2), axis1=1, axis2=2) - 1) / 2
    centres, true_centres = (-np.einsum("cji,cj->ci", M[:, :3, :3], M[:, :3, 3]) for M in (T, true))
    shift = np.linalg.norm(centres - true_centres, axis=-1) / np.linalg.norm(true_centres, axis=-1)
    return np.degrees(np.arccos(np.clip(cosine, -1, 1))).max(), shift.max()


def reprojection(links):
    """(N,) distances between corners and the projections of the boards."""
    sightings = links.sightings
    T = links.T_world_board[sightings.moment]
    world = np.einsum("nij,nj->ni", T[:, :3, :3], sightings.object_points) + T[:, :3, 3]
    distance = np.full(len(sightings), np.nan)
    for number, camera in enumerate(links.cameras):
        rows = sightings.camera == number
        if camera is not None:
            distance[rows] = np.linalg.norm(camera.project(world[rows]) - sightings.pixels[rows], axis=-1)
    return distance


def edge(links, a, b):
    return next(e for e in links.edges if e.cameras == (a, b))


@pytest.mark.parametrize(("cameras", "moments"), [(2, 60), (4, 100), (8, 160), (16, 300)])
def test_rig_is_right_in_spite_of_outliers(cameras, moments):
    scene = make_board_scene(BOARD, cameras, moments, outliers=0.1)
    links = link(scene.sightings, scene.rig.cameras)
    assert links.groups == (tuple(range(cameras)),)
    turn, shift = errors(links, scene.rig)
    assert turn < 0.1
    assert shift < 0.003
    distance = reprojection(links)
    assert np.median(distance[~scene.outlier]) < 0.3
    assert (links.cameras[0].T_camera_world == np.eye(4)).all()
    seen = np.unique(scene.sightings.moment)
    assert np.isfinite(links.T_world_board[seen]).all()


def test_edges_count_and_measure():
    scene = make_board_scene(BOARD, 4, 100)
    links = link(scene.sightings, scene.rig.cameras)
    both = (links.poses.camera == 1) | (links.poses.camera == 2)
    assert edge(links, 1, 2).moments == len(links.poses.moment[both]) - len(
        np.unique(links.poses.moment[both])
    )
    for e in links.edges:
        a, b = (scene.rig[c] for c in e.cameras)
        assert e.used
        assert e.agreeing == e.moments
        assert e.share == pytest.approx(1.0)
        assert 1 < e.places <= e.moments
        assert e.error_px < 0.1
        assert e.angle_rad == pytest.approx(np.arccos(a.axis @ b.axis), abs=0.01)


def test_the_same_sightings_give_identical_bytes_whatever_the_order_of_rows():
    scene = make_board_scene(BOARD, 4, 80, outliers=0.1)
    first = link(scene.sightings, scene.rig.cameras)
    order = np.random.default_rng(0).permutation(len(scene.sightings))
    s = scene.sightings
    shuffled = rebuilt(
        s, camera=s.camera[order], moment=s.moment[order], corner=s.corner[order], pixels=s.pixels[order]
    )
    second = link(shuffled, scene.rig.cameras)
    assert first.T_camera_world.tobytes() == second.T_camera_world.tobytes()
    assert first.T_world_board.tobytes() == second.T_world_board.tobytes()


def test_two_groups_never_joined():
    scene = make_board_scene(BOARD, 5, 120)
    s = scene.sightings
    early = s.moment < 60
    apart = s.where(np.where(np.isin(s.camera, [0, 1]), early, ~early))
    links = link(apart, scene.rig.cameras)
    assert links.groups == ((2, 3, 4), (0, 1))
    assert links.cameras[0] is None
    assert links.cameras[1] is None
    assert (links.cameras[2].T_camera_world == np.eye(4)).all()
    assert np.isnan(links.T_camera_world[:2]).all()
    assert np.isnan(links.T_world_board[:60]).all()
    assert max(errors(links, scene.rig)) < 0.1


def test_groups_of_equal_size_start_at_the_first_camera():
    scene = make_board_scene(BOARD, 4, 120)
    s = scene.sightings
    apart = s.where(np.where(np.isin(s.camera, [0, 3]), s.moment < 60, s.moment >= 60))
    links = link(apart, scene.rig.cameras)
    assert {len(group) for group in links.groups} == {2}
    assert links.groups[0][0] == 0


def test_a_camera_linked_to_no_other():
    scene = make_board_scene(BOARD, 4, 120)
    s = scene.sightings
    alone = s.where((s.camera == 2) == (s.moment >= 90))
    links = link(alone, scene.rig.cameras)
    assert links.groups == ((0, 1, 3), (2,))
    assert not [e for e in links.edges if 2 in e.cameras]
    assert max(errors(links, scene.rig)) < 0.1


def test_a_camera_that_never_saw_the_board():
    scene = make_board_scene(BOARD, 3, 60)
    links = link(scene.sightings.where(scene.sightings.camera != 0), scene.rig.cameras)
    assert links.groups == ((1, 2), (0,))


def test_a_chain_of_cameras_holds():
    # Each camera shares moments with its neighbours alone.
    scene = make_board_scene(BOARD, 5, 200, outliers=0.1)
    s = scene.sightings
    leg = s.moment * 5 // 200
    chained = s.where((s.camera == leg) | (s.camera == (leg + 1) % 5) & (leg < 4))
    links = link(chained, scene.rig.cameras)
    assert [e.cameras for e in links.edges] == [(0, 1), (1, 2), (2, 3), (3, 4)]
    assert links.groups == ((0, 1, 2, 3, 4),)
    turn, shift = errors(links, scene.rig)
    assert turn < 0.5
    assert shift < 0.01


def test_a_camera_with_few_shared_moments_and_on_its_head_is_linked():
    rig = board_rig(4)
    turned = replace(rig[2], T_camera_world=np.diag([-1.0, -1.0, 1.0, 1.0]) @ rig[2].T_camera_world)
    rig = CameraRig((*rig.cameras[:2], turned, rig[3]), up=rig.up)
    scene = see_board(rig, BOARD, wave_board(rig, BOARD, 120), outliers=0.1)
    together = np.unique(scene.sightings.moment[scene.sightings.camera == 2])
    few = without(scene.sightings, 2, np.setdiff1d(together, together[:: len(together) // 6]))
    links = link(few, rig.cameras)
    assert links.groups == ((0, 1, 2, 3),)
    turn, shift = errors(links, rig)
    assert turn < 0.5
    assert shift < 0.01


def test_one_shared_moment_links_nothing():
    scene = make_board_scene(BOARD, 2, 60)
    s = scene.sightings
    both = np.flatnonzero((s.counts > 0).all(axis=1))
    links = link(without(s, 1, both[1:]), scene.rig.cameras)
    assert links.groups == ((0,), (1,))
    assert edge(links, 0, 1).moments == 1
    assert not edge(links, 0, 1).used


def test_a_board_at_rest_is_one_witness_however_long():
    rig = board_rig(2)
    still = np.repeat(wave_board(rig, BOARD, 40)[20:21], 50, axis=0)
    links = link(see_board(rig, BOARD, still).sightings, rig.cameras)
    assert links.groups == ((0,), (1,))
    assert edge(links, 0, 1).moments == 50
    assert edge(links, 0, 1).places == pytest.approx(1.0)


@pytest.mark.parametrize("fault", ["mirrored", "mirrored-and-numbered-anew", "reversed", "shuffled"])
def test_a_camera_that_contradicts_the_others_does_not_corrupt_them(fault):
    scene = make_board_scene(BOARD, 4, 120, outliers=0.1)
    s = scene.sightings
    wrong = s.camera == 2
    pixels, corner, moment = s.pixels.copy(), s.corner.copy(), s.moment.copy()
    if fault.startswith("mirrored"):
        pixels[wrong, 0] = 1279 - pixels[wrong, 0]
    if fault.endswith("anew"):
        columns = 9
        corner[wrong] = (corner // columns * columns + columns - 1 - corner % columns)[wrong]
    if fault == "reversed":
        moment[wrong] = 119 - moment[wrong]
    if fault == "shuffled":
        moment[wrong] = np.random.default_rng(0).permutation(120)[moment[wrong]]
    links = link(rebuilt(s, pixels=pixels, corner=corner, moment=moment), scene.rig.cameras)
    assert links.groups == ((0, 1, 3), (2,))
    assert not [e for e in links.edges if 2 in e.cameras and e.used]
    assert all(e.mirrored == fault.startswith("mirrored") for e in links.edges if 2 in e.cameras)
    assert not any(e.mirrored for e in links.edges if 2 not in e.cameras)
    assert max(errors(links, scene.rig)) < 0.05
    assert links.poses.facing[links.poses.camera == 2].any() == (fault != "mirrored")


def test_a_board_that_can_be_read_from_either_end_is_read_consistently():
    scene = make_board_scene(EITHER_END, 4, 120, outliers=0.1)
    s = scene.sightings
    turned = np.random.default_rng(1).random((120, 4)) < 0.5
    corner = np.where(turned[s.moment, s.camera], EITHER_END.half_turn[s.corner], s.corner)
    links = link(rebuilt(s, corner=corner), scene.rig.cameras)
    assert links.groups == ((0, 1, 2, 3),)
    assert errors(links, scene.rig)[0] < 0.1
    # The rows of the new sightings are those of the scene, or all of them the other way round.
    same = links.sightings.corner == s.corner
    assert same.all() or not same.any()
    steps = np.einsum("tji,tjk->tik", links.T_world_board[:-1, :3, :3], links.T_world_board[1:, :3, :3])
    assert np.trace(steps, axis1=1, axis2=2).min() > 2.5
    assert np.median(reprojection(links)) < 0.4


def test_mediocre_lenses_still_link():
    scene = make_board_scene(BOARD, 4, 120, outliers=0.1)
    wrong = replace(scene.rig[1], K=scene.rig[1].K * [[1.03, 1, 1], [1, 1.03, 1], [1, 1, 1]])
    links = link(scene.sightings, [scene.rig[0], wrong, *scene.rig.cameras[2:]])
    assert links.groups == ((0, 1, 2, 3),)
    assert errors(links, scene.rig)[0] < 1.0


def test_a_camera_that_moved_is_linked_where_it_was_longest():
    scene = make_board_scene(BOARD, 4, 120)
    pushed = scene.rig[2].T_camera_world.copy()
    pushed[:3, 3] += 0.06, 0.0, 0.02
    after = CameraRig(tuple(replace(c, T_camera_world=pushed) if c.name == "cam2" else c for c in scene.rig))
    s, other = scene.sightings, see_board(after, BOARD, scene.T_world_board).sightings
    parts = (
        s.where((s.camera != 2) | (s.moment < 80)),
        other.where((other.camera == 2) & (other.moment >= 80)),
    )
    columns = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("camera", "moment", "corner", "pixels")
    }
    links = link(rebuilt(s, **columns), scene.rig.cameras)
    assert links.groups == ((0, 1, 2, 3),)
    assert errors(links, scene.rig)[0] < 0.1
    assert edge(links, 1, 2).share < 0.9


def test_a_camera_without_lens_is_not_linked():
    scene = make_board_scene(BOARD, 3, 60)
    links = link(scene.sightings, [scene.rig[0], None, scene.rig[2]])
    assert links.groups == ((0, 2), (1,))
    assert links.cameras[1] is None


def test_cameras_must_be_those_of_the_sightings():
    scene = make_board_scene(BOARD, 3, 20)
    with pytest.raises(ValueError, match="in their order"):
        link(scene.sightings, scene.rig.cameras[::-1])
    with pytest.raises(ValueError, match="got 2"):
        link(scene.sightings, scene.rig.cameras[:2])


def test_caliscopes_four_cameras_one_of_which_sees_the_board_from_behind(data):
    # Camera 1, which aniposelib and pairwise OpenCV lose, is also turned on its side.
    session = data / "caliscope" / "sessions" / "4_cam_recording"
    with (session / "calibration" / "extrinsic" / "xy.csv").open() as file:
        rows = list(csv.DictReader(file))
    board = parse_board("charuco:4x5:54mm:dict=4X4_1000:inverted")
    instants = sorted({int(row["sync_index"]) for row in rows})
    rig = read_rig(session)
    sightings = Sightings.build(
        board,
        rig.names,
        [camera.image_size for camera in rig],
        np.array(instants) / 6.0,
        [int(row["cam_id"]) for row in rows],
        [instants.index(int(row["sync_index"])) for row in rows],
        [int(row["keypoint_id"]) for row in rows],
        [[float(row["img_loc_x"]), float(row["img_loc_y"])] for row in rows],
    )
    links = link(sightings, rig.cameras)
    assert links.groups == ((0, 1, 2, 3),)
    assert all(e.used for e in links.edges)
    behind = ~links.poses.facing[links.poses.found]
    np.testing.assert_array_equal(behind, links.poses.camera[links.poses.found] == 1)
    # Caliscope's own bundle adjustment with the same lenses.
    turn, shift = errors(links, rig)
    assert turn < 1.0
    assert shift < 0.02
    assert np.median(reprojection(links)) < 1.5
