"""Several cameras: names, units, projection."""

from __future__ import annotations

import camera_scenes as scenes
import numpy as np
import pytest

from handloom.cameras import CameraRig
from handloom.errors import RigError


def test_project_stacks_the_cameras_first():
    rig = scenes.rig()
    points = np.random.default_rng(3).uniform(-0.1, 0.1, (4, 21, 3))
    pixels = rig.project(points)
    assert pixels.shape == (3, 4, 21, 2)
    for i, camera in enumerate(rig):
        np.testing.assert_array_equal(pixels[i], camera.project(points))


def test_cameras_are_found_by_position_and_by_name():
    rig = scenes.rig()
    assert len(rig) == 3
    assert rig.names == ("cam_0", "cam_1", "cam_2")
    assert rig["cam_1"] is rig[1] is rig.cameras[1]
    assert rig.subset(["cam_2", "cam_0"]).names == ("cam_2", "cam_0")


def test_unknown_names_are_refused_with_those_there_are():
    with pytest.raises(RigError, match=r"no camera named 'left'\. It has 'cam_0', 'cam_1', 'cam_2'"):
        scenes.rig().subset(["cam_0", "left"])
    with pytest.raises(RigError, match="no camera named 'left'"):
        scenes.rig()["left"]


@pytest.mark.parametrize(
    ("unit", "metres"),
    [("cm", 0.01), ("mm", 0.001), ("m", 1.0), ("inch", 0.0254), ("25 mm", 0.025), ("4.6CM", 0.046)],
)
def test_a_stated_unit_turns_the_rig_into_metres(unit, metres):
    unknown = scenes.rig(unit="unknown")
    rig = unknown.in_unit(unit)
    assert rig.unit == "m"
    np.testing.assert_allclose(rig.centers, unknown.centers * metres)
    np.testing.assert_allclose(rig.baselines, unknown.baselines * metres)
    points = np.random.default_rng(3).uniform(-0.1, 0.1, (21, 3))
    np.testing.assert_allclose(rig.project(points * metres), unknown.project(points))


def test_board_squares_are_a_name_until_their_length_is_known():
    squares = scenes.rig(unit="unknown").in_unit("board-square")
    assert squares.unit == "board-square"
    assert squares.baselines[0, 1] == scenes.rig().baselines[0, 1]
    assert squares.scaled(0.05).baselines[0, 1] == pytest.approx(0.05 * squares.baselines[0, 1])


def test_a_unit_that_contradicts_the_rig_is_refused():
    with pytest.raises(RigError, match="in metres already"):
        scenes.rig(unit="m").in_unit("mm")
    assert scenes.rig(unit="m").in_unit("m").unit == "m"


@pytest.mark.parametrize("unit", ["furlong", "", "0 mm", "1.2.3 cm", "-3 cm", "mm mm"])
def test_units_that_are_none_are_refused(unit):
    with pytest.raises(RigError, match="is not a unit"):
        scenes.rig(unit="unknown").in_unit(unit)


@pytest.mark.parametrize("length", [0.0, -1.0, np.nan, np.inf])
def test_lengths_that_are_none_are_refused(length):
    with pytest.raises(ValueError, match="positive and finite"):
        scenes.rig(unit="unknown").scaled(length)


def test_up_is_a_unit_vector():
    rig = scenes.rig(up=(0.0, -2.0, 0.0))
    np.testing.assert_array_equal(rig.up, (0.0, -1.0, 0.0))
    for up in ((0.0, 0.0, 0.0), (np.nan, 0.0, 1.0), (1.0, 0.0)):
        with pytest.raises(ValueError, match="up must be a direction"):
            scenes.rig(up=up)


def test_impossible_rigs_are_refused():
    camera = scenes.camera()
    with pytest.raises(ValueError, match="at least one camera"):
        CameraRig(())
    with pytest.raises(ValueError, match="unique, repeated: cam0"):
        CameraRig((camera, camera))
    with pytest.raises(ValueError, match="unit 'mm'"):
        CameraRig((camera,), unit="mm")


def test_rigs_compare_by_value():
    rig = scenes.rig()
    assert rig.allclose(scenes.rig())
    assert not rig.allclose(scenes.rig(unit="unknown"))
    assert not rig.allclose(scenes.rig(up=None))
    assert not rig.allclose(scenes.rig(up=(0.0, 1.0, 0.0)))
    assert not rig.allclose(rig.subset(["cam_0"]))
    assert not rig.allclose(scenes.rig(("five", "four", "rational")))
