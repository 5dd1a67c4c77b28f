"""Clinical angles: named, in degrees, the same from a model and from anatomical points."""

from __future__ import annotations

import numpy as np
import pytest

from handloom.hand import HAND_TREE, load_open_hand
from handloom.hand.angles import CLINICAL_ANGLES, angles_from_keypoints, clinical_angles
from handloom.hand.kinematics import rigid, rotation_from_vector
from handloom.skeleton import HAND
from handloom.synthesis.gestures import gesture, gesture_names


@pytest.fixture(params=["right", "left"])
def model(request):
    return load_open_hand(request.param)


def anatomical(model, angles, T=None):
    """Joint centres with the landmarks' finger tips."""
    posed = model.pose(angles, None, T)
    points = posed.keypoints.copy()
    points[..., HAND.indices(HAND_TREE.joints), :] = posed.joints
    return points


def test_twenty_angles_by_name():
    assert len(CLINICAL_ANGLES) == len(set(CLINICAL_ANGLES)) == 20
    assert {"index_mcp_flexion", "index_mcp_abduction", "little_dip_flexion", "thumb_cmc_abduction",
            "thumb_mcp_flexion", "thumb_ip_flexion"} <= set(CLINICAL_ANGLES)  # fmt: skip


def test_model_angles_in_degrees():
    angles = np.zeros((3, 15, 3))
    angles[1, HAND_TREE.articulated.index("ring_pip"), 0] = np.pi / 2
    angles[2, HAND_TREE.articulated.index("index_mcp"), 1] = np.pi / 18
    named = clinical_angles(angles)
    assert tuple(named) == CLINICAL_ANGLES
    np.testing.assert_allclose(named["ring_pip_flexion"], [0, 90, 0])
    np.testing.assert_allclose(named["index_mcp_abduction"], [0, 0, 10])
    assert sum(np.abs(values).sum() for values in named.values()) == pytest.approx(100)


@pytest.mark.parametrize("name", gesture_names())
def test_points_tell_what_the_model_was_bent_by(model, name):
    angles = gesture(name)
    truth = clinical_angles(angles)
    flat = anatomical(model, np.zeros((15, 3)))
    read = angles_from_keypoints(anatomical(model, angles), model.side, flat=flat)
    for angle in CLINICAL_ANGLES:
        # Out of the palm's plane, spreading and bending share the turn.
        bound = 9 if angle.endswith("abduction") or angle.startswith("thumb") else 4
        assert abs(read[angle] - truth[angle]) < bound, angle


def test_landmarks_tell_it_roughly(model):
    angles = gesture("fist")
    truth, read = clinical_angles(angles), angles_from_keypoints(
        model.pose(angles).keypoints, model.side, flat=model.rest_keypoints
    )  # fmt: skip
    for angle in CLINICAL_ANGLES:
        assert abs(read[angle] - truth[angle]) < 25, angle


def test_angles_do_not_depend_on_place_size_or_side():
    rng = np.random.default_rng(0)
    angles = gesture("pinch")
    right, left = load_open_hand("right"), load_open_hand("left")
    expected = angles_from_keypoints(anatomical(right, angles), "right")
    T = rigid(rotation_from_vector(rng.normal(size=3)), rng.normal(size=3))
    moved = angles_from_keypoints(1000 * anatomical(right, angles, T), "right")
    mirrored = angles_from_keypoints(anatomical(left, angles), "left")
    for angle in CLINICAL_ANGLES:
        assert moved[angle] == pytest.approx(expected[angle], abs=1e-6)
        assert mirrored[angle] == pytest.approx(expected[angle], abs=1e-6)


def test_batches_keep_their_axes_and_gaps_their_place(model):
    points = np.tile(anatomical(model, gesture("relaxed")), (4, 2, 1, 1))
    points[1, 0, HAND.index("index_tip")] = np.nan
    read = angles_from_keypoints(points, model.side)
    assert read["index_dip_flexion"].shape == (4, 2)
    assert np.isnan(read["index_dip_flexion"][1, 0])
    assert np.isnan(read["index_dip_flexion"]).sum() == 1
    assert np.isfinite(read["middle_dip_flexion"]).all()


def test_hyperextension_is_negative(model):
    angles = np.zeros((15, 3))
    angles[HAND_TREE.articulated.index("index_mcp"), 0] = np.deg2rad(-18)
    assert angles_from_keypoints(anatomical(model, angles), model.side)["index_mcp_flexion"] < -15


def test_unknown_side_is_refused():
    with pytest.raises(ValueError, match="side"):
        angles_from_keypoints(np.zeros((21, 3)), "both")
