"""The hand as a torch module: equal to the NumPy hand, and differentiable everywhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the learning rooms need torch: pip install 'handloom[learn]'")

from handloom.hand import HandModel, load_open_hand  # noqa: E402
from handloom.hand.kinematics import rigid, rotation_from_angles, rotation_from_vector  # noqa: E402
from handloom.networks import hand_layer  # noqa: E402
from handloom.networks.hand_layer import HandLayer  # noqa: E402


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def rng():
    return np.random.default_rng(4)


def with_correctives(side: str) -> HandModel:
    rng = np.random.default_rng(0)
    model = load_open_hand(side)
    return replace(
        model,
        pose_directions=rng.normal(0, 0.002, (len(model.template), 3, 135)),
        keypoint_pose_directions=rng.normal(0, 0.002, (21, 3, 135)),
    )


def small_hand() -> HandModel:
    """Few vertices and two shapes, for derivatives by finite differences."""
    model, some = with_correctives("right"), slice(0, 1609, 400)
    return replace(
        model,
        template=model.template[some], weights=model.weights[some],
        shape_directions=model.shape_directions[some, :, :2],
        joint_directions=model.joint_directions[..., :2],
        keypoint_directions=model.keypoint_directions[..., :2],
        pose_directions=model.pose_directions[some],
    )  # fmt: skip


def scene(model, rng, *batch):
    angles = rng.uniform(model.limits[..., 0], model.limits[..., 1], (*batch, 15, 3))
    T = rigid(rotation_from_vector(rng.normal(size=(*batch, 3))), rng.normal(0, 0.3, (*batch, 3)))
    return angles, rng.normal(size=(*batch, model.shape_count)), T


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 1e-5), (torch.float64, 1e-9)])
@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("make", [load_open_hand, with_correctives])
def test_equals_the_numpy_hand(make, side, dtype, bound, rng):
    model = make(side)
    layer = HandLayer(model, dtype)
    inputs = scene(model, rng, 6)
    expected = model.pose(*inputs)
    found = layer(*(torch.as_tensor(value, dtype=dtype) for value in inputs))
    for name in ("vertices", "joints", "keypoints", "T_world_joint"):
        assert getattr(found, name).dtype == dtype
        assert np.abs(getattr(found, name).numpy() - getattr(expected, name)).max() < bound, name


def test_rotations_replace_angles(rng):
    model = with_correctives("right")
    angles, shape, T = scene(model, rng, 3)
    layer = HandLayer(model, torch.float64)
    rotations = torch.as_tensor(rotation_from_angles(angles, model.axes))
    found = layer(None, torch.as_tensor(shape), torch.as_tensor(T), rotations=rotations)
    np.testing.assert_allclose(found.vertices.numpy(), model.pose(angles, shape, T).vertices, atol=1e-12)


def test_leading_axes_broadcast(rng):
    model = load_open_hand()
    layer = HandLayer(model)
    angles, shape, T = torch.zeros(5, 15, 3), torch.zeros(4, 1, model.shape_count), torch.eye(4)
    found = layer(angles, shape, T)
    assert found.vertices.shape == (4, 5, len(model.template), 3)
    assert found.T_world_joint.shape == (4, 5, 16, 4, 4)
    assert layer(torch.zeros(15, 3)).keypoints.shape == (21, 3)


@pytest.mark.parametrize("scale", [0.0, 1e-9, 1e-4, 0.03, 1.0])
def test_derivatives_are_right_at_and_near_zero(scale, rng):
    layer = HandLayer(small_hand(), torch.float64)
    angles = torch.tensor(scale * rng.normal(size=(1, 15, 3)), requires_grad=True)
    shape = torch.tensor(scale * rng.normal(size=(1, 2)), requires_grad=True)
    T = torch.tensor(rigid(rotation_from_vector(rng.normal(size=(1, 3))), rng.normal(size=(1, 3))))

    def outputs(angles, shape):
        posed = layer(angles, shape, T)
        return posed.vertices, posed.joints, posed.keypoints

    assert torch.autograd.gradcheck(outputs, (angles, shape), eps=1e-6, atol=1e-7)


@pytest.mark.parametrize("scale", [0.0, 1e-12, 1e-5, 0.0316, 0.5])
def test_second_derivatives_of_a_rotation_exist(scale, rng):
    vector = torch.tensor(scale * rng.normal(size=(2, 3)), requires_grad=True)
    assert torch.autograd.gradcheck(hand_layer.rotation_from_vector, (vector,))
    assert torch.autograd.gradgradcheck(hand_layer.rotation_from_vector, (vector,))


def test_float32_gradients_at_rest_are_finite():
    layer = HandLayer(load_open_hand())
    angles = torch.zeros(15, 3, requires_grad=True)
    layer(angles).vertices.square().sum().backward()
    assert torch.isfinite(angles.grad).all()
    assert angles.grad.abs().max() > 0


@pytest.mark.parametrize(
    "given", [{}, {"angles": torch.zeros(15, 3), "rotations": torch.eye(3).expand(15, 3, 3)}]
)
def test_angles_or_rotations(given):
    with pytest.raises(ValueError, match="either angles or rotations"):
        HandLayer(load_open_hand())(**given)


def test_moves_as_a_module():
    layer = HandLayer(load_open_hand()).double()
    assert layer(torch.zeros(15, 3, dtype=torch.float64)).vertices.dtype == torch.float64
    assert not list(layer.parameters())
    assert not layer.state_dict(), "a checkpoint need not hold a hand model, least of all MANO"
