"""The whole detector on networks whose answers are known, and on exported ones."""

from __future__ import annotations

import numpy as np
import pytest
from made_onnx import drawn, write_handsegnet, write_lifting, write_posenet
from scipy.spatial.transform import Rotation

from handloom.detection import Region
from handloom.detection.colorhandpose import ColorHandPoseDetector
from handloom.detection.colorhandpose.lifting import misfit
from handloom.evaluation.alignment import procrustes_aligned
from handloom.hand import load_open_hand
from handloom.hand.canonical import canonical
from handloom.skeleton import HAND

SIZE = (640, 480)
LEFT_TURN, RIGHT_TURN = np.array([0.4, 2.7, 0.3]), np.array([-0.5, 0.3, 2.8])


def curled(side: str) -> np.ndarray:
    """(21, 3) keypoints of a half closed hand, metres."""
    model = load_open_hand(side)
    angles = np.zeros((15, 3))
    angles[:, 0] = np.linspace(0.2, 1.1, 15)
    return model.pose(angles).keypoints


def canonical_hand() -> np.ndarray:
    return canonical(curled("left"), "left").points


def seen(side: str, centre: tuple[float, float], extent: float = 130.0) -> np.ndarray:
    """(21, 2) pixels of the hand that the made lifting networks mean."""
    turn = RIGHT_TURN if side == "right" else LEFT_TURN
    points = canonical_hand() * [1.0, 1.0, -1.0 if side == "right" else 1.0]
    flat = (points @ Rotation.from_rotvec(turn).as_matrix())[:, :2]
    # The canonical root is the palm; pictures show the wrist.
    flat[0] = 2.0 * flat[0] - flat[HAND.index("middle_mcp")]
    flat = flat - flat.mean(axis=0)
    return centre + flat * extent / np.ptp(flat, axis=0).max()


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("weights")
    write_handsegnet(folder)
    write_posenet(folder)
    write_lifting(folder, canonical_hand(), LEFT_TURN, RIGHT_TURN)
    return folder


@pytest.fixture(scope="module")
def detector(weights):
    return ColorHandPoseDetector(weights)


def test_every_hand_of_a_picture_gets_a_region(detector):
    hands = [seen("left", (170, 200)), seen("right", (470, 260), 160)]
    found = detector.find(drawn(hands, SIZE, hull=1.1))
    assert len(found) == 2
    for region, xy in zip(sorted(found, key=lambda region: region.x), hands, strict=True):
        middle = (xy.min(axis=0) + xy.max(axis=0)) / 2
        np.testing.assert_allclose([region.x, region.y], middle, atol=12)


def test_a_hand_too_small_for_the_whole_pictures_mask_is_looked_at_closer(detector):
    xy = seen("right", (900, 300), 40)
    (region,) = detector.find(drawn([xy], (1280, 960), hull=1.1))
    middle = (xy.min(axis=0) + xy.max(axis=0)) / 2
    np.testing.assert_allclose([region.x, region.y], middle, atol=5)
    assert 40 < region.size < 90


def test_a_picture_without_hands_has_no_region(detector):
    assert detector.find(np.full((200, 300, 3), 128, np.uint8)) == []


def test_keypoints_are_read_where_they_are(detector):
    xy = seen("right", (310, 240), 180)
    image = drawn([xy], SIZE)
    reading = detector.read(image, detector.region_of(xy + 4.0))
    assert np.median(np.linalg.norm(reading.xy - xy, axis=1)) < 2.0
    assert reading.presence > detector.presence_threshold
    assert np.median(reading.confidence) > 0.3


def test_reading_in_a_turned_region_gives_the_same_keypoints(detector):
    xy = seen("right", (310, 240), 180)
    region = detector.region_of(xy)
    turned = Region(region.x, region.y, region.size * 1.2, 0.9)
    reading = detector.read(drawn([xy], SIZE), turned)
    assert np.median(np.linalg.norm(reading.xy - xy, axis=1)) < 3.0


def test_an_empty_region_is_no_hand(detector):
    reading = detector.read(np.full((200, 300, 3), 128, np.uint8), Region(150, 100, 90))
    assert reading.presence < detector.presence_threshold
    assert np.isfinite(reading.xy).all()
    assert np.isfinite(reading.world).all()


def test_without_a_head_the_side_is_the_one_that_explains_the_keypoints(detector):
    for side in ("left", "right"):
        xy = seen(side, (310, 240), 180)
        reading = detector.read(drawn([xy], SIZE), detector.region_of(xy))
        assert (reading.right > 0.5) == (side == "right")


@pytest.mark.parametrize("angle", [0.0, 0.6])
def test_joints_in_space_are_an_average_hands_in_the_pictures_axes(detector, angle):
    xy = seen("right", (310, 240), 180)
    region = detector.region_of(xy)
    reading = detector.read(drawn([xy], SIZE), Region(region.x, region.y, region.size, angle))
    truth = curled("left") * [-1.0, 1.0, 1.0]
    assert reading.world.shape == (21, 3)
    assert np.abs(procrustes_aligned(reading.world, truth) - truth).max() < 1e-3
    bone = HAND.indices(["middle_mcp", "middle_pip"])
    assert np.linalg.norm(np.diff(reading.world[bone], axis=0)) == pytest.approx(0.039, abs=0.002)
    if angle == 0.0:
        assert misfit(reading.world, reading.xy, np.ones(21)) < 0.06


def test_the_average_size_is_the_open_hands():
    bone = HAND.indices(["middle_mcp", "middle_pip"])
    rest = load_open_hand("right").rest_keypoints
    assert np.linalg.norm(np.diff(rest[bone], axis=0)) == pytest.approx(0.0388, rel=0.01)


def test_without_lifting_networks_there_is_no_world_and_no_side(tmp_path):
    write_handsegnet(tmp_path)
    write_posenet(tmp_path)
    detector = ColorHandPoseDetector(tmp_path, decoding="argmax")
    xy = seen("right", (310, 240), 180)
    reading = detector.read(drawn([xy], SIZE), detector.region_of(xy))
    assert reading.world is None
    assert reading.right == 0.5
    assert np.median(np.linalg.norm(reading.xy - xy, axis=1)) < 4.0


def test_upright_regions_turn_the_fingers_up(weights):
    detector = ColorHandPoseDetector(weights, upright=True)
    xy = seen("right", (310, 240), 180)
    region = detector.region_of(xy)
    wrist, knuckle = xy[HAND.index("wrist")], xy[HAND.index("middle_mcp")]
    c, s = np.cos(region.angle), np.sin(region.angle)
    across, down = np.array([[c, s], [-s, c]]) @ (knuckle - wrist)
    assert abs(across) < 1e-9
    assert down < 0


def test_openvino_reads_the_same(weights, detector):
    pytest.importorskip("openvino", reason="OpenVINO is optional")
    xy = seen("left", (310, 240), 180)
    image = drawn([xy], SIZE)
    ours = detector.read(image, detector.region_of(xy))
    theirs = ColorHandPoseDetector(weights, "openvino").read(image, detector.region_of(xy))
    np.testing.assert_allclose(theirs.xy, ours.xy, atol=0.05)
    np.testing.assert_allclose(theirs.world, ours.world, atol=1e-4)


def test_an_exact_fit_has_no_misfit_and_a_mirrored_hand_has_one():
    xyz = curled("right")
    xy = 300.0 * xyz[:, :2] + [40.0, 90.0]
    assert misfit(xyz, xy, np.ones(21)) < 1e-9
    assert misfit(xyz * [-1.0, 1.0, 1.0], xy, np.ones(21)) > 0.3
