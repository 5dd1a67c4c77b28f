"""Pictures of rendered hands, and the networks loaded once."""

from __future__ import annotations

import numpy as np
import pytest
from hand_pictures import Shown

from handloom.cameras import Camera
from handloom.detection import BodyDetector, HandDetector
from handloom.fitting.hand_size import hand_length
from handloom.hand import load_open_hand
from handloom.hand.kinematics import rigid
from handloom.pictures.search import HandSearch
from handloom.rendering import COMPLEXIONS, HandSurface, Lighting, render, room
from handloom.synthesis.gestures import gesture
from handloom.synthesis.motion import RAISED

SIZE = (640, 480)


@pytest.fixture(scope="session")
def shown() -> Shown:
    model = load_open_hand("right")
    T = rigid(RAISED, np.zeros(3))
    posed = model.pose(model.clamp(gesture("spread")), None, T)
    eye = np.array([0.0, -0.5, 0.08])
    R = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
    K = np.array([[600.0, 0, 319.5], [0, 600.0, 239.5], [0, 0, 1]])
    camera = Camera("camera", SIZE, K, np.zeros(5), rigid(R, -R @ eye))
    surface = HandSurface(model, COMPLEXIONS[0], 0).at(posed.vertices, T, np.zeros(3))
    image, _ = render(camera, [surface], room(SIZE, 4), Lighting(key=(0.2, -0.8, 0.8)))
    return Shown(image, camera, (posed.keypoints - eye) @ R.T, hand_length(model))


@pytest.fixture(scope="session")
def search() -> HandSearch:
    return HandSearch(HandDetector(), BodyDetector())
