"""The main job with ColorHandPose3D: pictures whose hands its made networks see, tracked into space."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from made_onnx import drawn, write_handsegnet, write_posenet
from synthetic import arc_rig, hand_motion

from handloom import track, write_rig
from handloom.errors import HandloomError
from handloom.tracking import TrackOptions

FRAMES = 12


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("weights")
    write_handsegnet(folder, 256)
    write_posenet(folder, 256)
    return folder


def test_hands_are_tracked_into_space(weights, tmp_path):
    rig = arc_rig(2, distance=0.9)
    truth = hand_motion(np.arange(FRAMES) / 30.0)
    truth = truth - truth.mean(axis=(0, 1)) + 0.02
    for camera in rig:
        folder = tmp_path / camera.name
        folder.mkdir()
        for t, xyz in enumerate(truth):
            picture = drawn([camera.project(xyz)], camera.image_size, 8, hull=1.15)
            cv2.imwrite(str(folder / f"{t:03d}.png"), picture[..., ::-1])
    write_rig(rig, tmp_path / "rig.toml")
    options = TrackOptions(max_hands=1, detector="chp3d", weights=str(weights), fps=30.0)
    videos = [tmp_path / camera.name for camera in rig]
    session = track(videos, tmp_path / "rig.toml", tmp_path / "session", options)
    (hand,) = session.tracks
    error = np.linalg.norm(session.positions(hand) - truth, axis=-1)
    assert np.nanmedian(error) < 0.006
    assert set(session.run["models"]) == {"handsegnet", "posenet"}
    assert session.run["options"]["detector"] == "chp3d"


def test_choices_a_detector_does_not_have_are_refused(weights):
    with pytest.raises(HandloomError, match="no lite networks"):
        TrackOptions(detector="chp3d", weights=str(weights), lite=True).make("hand")
    with pytest.raises(HandloomError, match="not of the detector 'mediapipe'"):
        TrackOptions(weights=str(weights)).make("hand")
    with pytest.raises(HandloomError, match="no hand detector 'yolo'"):
        TrackOptions(detector="yolo").make("hand")
