"""``handloom image`` from the outside."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from handloom.cli.main import app
from handloom.errors import DetectionError, HandloomError, RigError


@pytest.fixture(scope="module")
def folder(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photograph with a hand, one without, and a text that is called a picture."""
    raw = data / "mediapipe/mediapipe/model_maker/python/vision/gesture_recognizer/testdata/raw_data"
    shirt = raw / "four/105f8f8e-ccd6-45a0-b22a-e314930bc13e.jpg"
    if not shirt.exists():
        pytest.skip(f"no photograph {shirt}")
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "hand.jpg").write_bytes(shirt.read_bytes())
    (folder / "text.jpg").write_text("no picture")
    cv2.imwrite(str(folder / "wall.png"), np.full((200, 300, 3), 130, np.uint8))
    return folder


def _run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["image", *map(str, arguments)])


def test_a_folder_with_truth_and_conditions(folder: Path, tmp_path: Path) -> None:
    truth, conditions = tmp_path / "coco.json", tmp_path / "meta.csv"
    keypoints = np.column_stack([np.full(21, 230), np.full(21, 140), np.full(21, 2)])
    truth.write_text(json.dumps({
        "images": [{"id": 1, "file_name": "hand.jpg"}],
        "annotations": [{"image_id": 1, "keypoints": keypoints.ravel().tolist()}],
    }))  # fmt: skip
    conditions.write_text("file,view,lighting\nhand.jpg,palm,day\nwall.png,none,<b>odd</b>\n")
    out = tmp_path / "out"
    result = _run(folder, "-o", out, "--truth", truth, "--metadata", conditions, "--hand-length", "185")
    assert result.exit_code == 0, result.output
    assert "1 of 3 pictures with a hand" in result.output
    content = json.loads((out / "hands.json").read_text(encoding="utf-8"))
    (hand,) = content["pictures"][0]["hands"]
    assert hand["side"] == "right"
    assert hand["errors"]["px"]["index"] > 0
    assert 0.4 < hand["distance_m"] < 2.0
    report = (out / "report.html").read_text(encoding="utf-8")
    for word in ("no sign of failure", "By condition", "Errors against the truth", "text.jpg", "<svg"):
        assert word in report
    assert "<b>odd</b>" not in report
    assert sorted(p.name for p in (out / "overlays").iterdir()) == [
        "hand.png", "hand_2d.png", "wall.png", "wall_2d.png",
    ]  # fmt: skip
    before, after = cv2.imread(str(folder / "hand.jpg")), cv2.imread(str(out / "overlays/hand.png"))
    assert before.shape == after.shape  # type: ignore[union-attr]
    assert (out / "meshes/hand.glb").exists()


def test_several_pictures_and_a_folder_of_them(folder: Path, tmp_path: Path) -> None:
    more = tmp_path / "more"
    more.mkdir()
    cv2.imwrite(str(more / "wall.png"), np.full((120, 160, 3), 90, np.uint8))
    given = (folder / "wall.png", more, folder / "wall.png")
    result = _run(*given, "-o", tmp_path / "out", "--no-checks")
    assert result.exit_code == 0, result.output
    assert "0 of 2 pictures with a hand" in result.output
    content = json.loads((tmp_path / "out/hands.json").read_text(encoding="utf-8"))
    assert len({picture["name"] for picture in content["pictures"]}) == 2


def test_nothing_but_text(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no picture")
    result = _run(tmp_path / "text.jpg", "-o", tmp_path / "out")
    assert isinstance(result.exception, DetectionError)
    assert "text.jpg" in result.exception.problem
    assert (tmp_path / "out/report.html").exists()


def test_a_rig_of_two_cameras(folder: Path, data: Path, tmp_path: Path) -> None:
    rig = data / "temugeb_handpose3d/camera_parameters"
    result = _run(folder, "-o", tmp_path / "out", "--intrinsics", rig)
    assert isinstance(result.exception, RigError)
    assert "2 cameras" in result.exception.problem


@pytest.mark.parametrize(
    "extra", [("--fov", "400"), ("--hand-length", "18"), ("--truth", "gone.json"), ("--metadata", "gone.csv")]
)
def test_what_cannot_be(folder: Path, tmp_path: Path, extra: tuple[str, str]) -> None:
    result = _run(folder, "-o", tmp_path / "out", *extra)
    assert isinstance(result.exception, HandloomError)
    assert result.exception.remedy
    assert not (tmp_path / "out").exists()


def test_another_detector_with_weights_of_ones_own(tmp_path: Path) -> None:
    made_onnx = pytest.importorskip("made_onnx")
    from handloom.hand import load_open_hand

    made_onnx.write_handsegnet(tmp_path, 256)
    made_onnx.write_posenet(tmp_path, 256)
    keypoints = load_open_hand("right").rest_keypoints
    xy = [320.0, 330.0] + keypoints[:, :2] * [1500.0, -1500.0]
    picture = made_onnx.drawn([xy], (640, 480), 7, hull=1.15)
    cv2.imwrite(str(tmp_path / "hand.png"), picture[..., ::-1])
    out = tmp_path / "out"
    result = _run(
        tmp_path / "hand.png", "-o", out, "--no-checks", "--detector", "chp3d", "--weights", tmp_path
    )
    assert result.exit_code == 0, result.output
    content = json.loads((out / "hands.json").read_text(encoding="utf-8"))
    assert len(content["pictures"][0]["hands"]) == 1


def test_weights_without_their_detector(tmp_path: Path) -> None:
    (tmp_path / "hand.png").write_bytes(b"")
    result = _run(tmp_path / "hand.png", "-o", tmp_path / "out", "--weights", tmp_path)
    assert isinstance(result.exception, HandloomError)
    assert "--detector chp3d" in str(result.exception)
