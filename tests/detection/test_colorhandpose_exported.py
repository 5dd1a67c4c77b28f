"""Networks exported from torch, in the detector: the same numbers, whichever library computes them."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the learning wing needs torch")
onnx = pytest.importorskip("onnx", reason="the metadata are written by onnx")

from handloom.detection.colorhandpose import ColorHandPoseDetector  # noqa: E402
from handloom.detection.colorhandpose.crop import sampled  # noqa: E402
from handloom.detection.colorhandpose.detector import SURE_PEAK  # noqa: E402
from handloom.detection.regions import Region, letterbox  # noqa: E402
from handloom.evaluation.alignment import procrustes_aligned  # noqa: E402
from handloom.networks.registry import NETWORKS, Exported, build, info  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory):
    """The small networks with random weights, and their modules by name."""
    path = tmp_path_factory.mktemp("weights")
    modules = {}
    torch.manual_seed(3)
    for name in NETWORKS:
        about, network = info(name, "small"), build(name, "small").eval()
        modules[name] = network
        file = path / f"{name}.onnx"
        # The older exporter takes a second where that of the training takes twenty.
        torch.onnx.export(
            Exported(network).eval(), about.example(1), file, dynamo=False,
            input_names=list(about.inputs), output_names=list(about.outputs),
        )  # fmt: skip
        model = onnx.load(file)
        onnx.helper.set_model_props(model, about.metadata())
        onnx.save(model, file)
    return path, modules


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).integers(0, 255, (180, 260, 3), dtype=np.uint8)


def _tensor(crop):
    return torch.from_numpy(crop.transpose(2, 0, 1)[None].astype(np.float32) / 255)


def test_keypoints_are_those_of_the_torch_network(folder, image):
    path, modules = folder
    region = Region(120.0, 90.0, 110.0, 0.3)
    reading = ColorHandPoseDetector(path).read(image, region)
    side = info("posenet", "small").size[0]
    with torch.no_grad():
        pose = modules["posenet"](_tensor(sampled(image, region, side, replicate=False)))
    affine = region.to_image(side)
    expected = pose.keypoints[0].numpy() @ affine[:, :2].T + affine[:, 2]
    np.testing.assert_allclose(reading.xy, expected, atol=1e-2)
    sure = float(reading.confidence.mean()) / SURE_PEAK
    assert 0.0 < sure < 1.0
    assert reading.presence == pytest.approx(sure * float(pose.hand.sigmoid()), abs=1e-4)
    assert reading.right == pytest.approx(float(pose.right.sigmoid()), abs=1e-4)


def test_with_the_mirror_a_picture_and_its_mirror_image_say_the_same(folder, image):
    detector = ColorHandPoseDetector(folder[0], mirrored=True)
    side, width = info("posenet", "small").size[0], image.shape[1]
    region = Region(120.0, 90.0, 110.0)
    # A crop's first pixel lies on the region's edge, its last one a pixel before the other.
    there = Region(width - 1 - region.x + region.size / side, region.y, region.size)
    one = detector.read(image, region)
    other = detector.read(np.ascontiguousarray(image[:, ::-1]), there)
    alone = ColorHandPoseDetector(folder[0]).read(image, region)
    off = np.abs(alone.xy - one.xy).max()
    assert off > 0
    np.testing.assert_allclose(other.xy * [-1, 1] + [width - 1, 0], one.xy, atol=0.1 * off)
    assert other.right == pytest.approx(1 - one.right, abs=0.1 * abs(alone.right - one.right))


def test_the_mask_is_that_of_the_torch_network(folder, image):
    path, modules = folder
    probability, frame = ColorHandPoseDetector(path).segment(image)
    side = info("handsegnet", "small").size[0]
    assert frame == letterbox((260, 180))
    with torch.no_grad():
        logits = modules["handsegnet"](_tensor(sampled(image, frame, side, replicate=False)))
        large = torch.nn.functional.interpolate(logits, (side, side), mode="bilinear", align_corners=False)
    np.testing.assert_allclose(probability, large.softmax(dim=1)[0, 1].numpy(), atol=1e-4)


def test_joints_in_space_are_those_of_the_torch_networks(folder, image):
    path, modules = folder
    region = Region(120.0, 90.0, 110.0)
    reading = ColorHandPoseDetector(path).read(image, region, "left")
    side = info("posenet", "small").size[0]
    with torch.no_grad():
        maps = modules["posenet"](_tensor(sampled(image, region, side, replicate=False))).maps
        points = modules["poseprior"](maps, torch.tensor([[1.0, 0.0]]))[0].double().numpy()
    # The network counts from the palm's centre, which is halfway to the middle knuckle.
    points[0] = 2 * points[0] - points[9]
    np.testing.assert_allclose(procrustes_aligned(points, reading.world), reading.world, atol=1e-5)
