"""The networks of the paper: as many weights as its tables, the shapes they promise, and they learn."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the learning rooms need torch: pip install 'handloom[learn]'")

from torch.nn import functional  # noqa: E402

from handloom.errors import ModelError  # noqa: E402
from handloom.networks.colorhandpose.layers import Convolution  # noqa: E402
from handloom.networks.initial import PAPER_BIAS, start_from  # noqa: E402
from handloom.networks.registry import NETWORKS, VARIANTS, Exported, build, info  # noqa: E402


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    torch.set_num_threads(1)


def side(count: int):
    return functional.one_hot(torch.arange(count) % 2, 2).float()


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("handsegnet", 13_601_986),
        ("posenet", 17_518_847),
        ("poseprior", 1_637_279),
        ("viewpoint", 2_238_403),
    ],
)
def test_number_of_weights_is_the_papers(name, count):
    with torch.device("meta"):
        network = build(name, "paper")
    assert sum(parameter.numel() for parameter in network.parameters()) == count


def test_segmentation_has_the_size_of_the_picture_whatever_it_is():
    logits = build("handsegnet", "paper")(torch.rand(1, 3, 48, 67))
    assert logits.shape == (1, 2, 48, 67)


def test_posenet_gives_maps_of_three_stages():
    network = build("posenet", "paper")
    maps = network(torch.rand(1, 3, 64, 64))
    assert [stage.shape for stage in maps] == [(1, 21, 8, 8)] * 3
    (last,) = Exported(network)(torch.rand(1, 3, 64, 64))
    assert last.shape == (1, 21, 8, 8)


@pytest.mark.parametrize("name", ["poseprior", "viewpoint"])
def test_lifting_depends_on_the_side(name):
    network = build(name, "paper").eval()
    maps = torch.rand(1, 21, 32, 32).expand(2, -1, -1, -1)
    found = network(maps, side(2))
    assert found.shape == ((2, 21, 3) if name == "poseprior" else (2, 3))
    assert not torch.equal(found[0], found[1])


def test_dropout_only_in_training():
    network = build("poseprior", "paper")
    inputs = torch.rand(1, 21, 32, 32), side(1)
    assert not torch.equal(network(*inputs), network(*inputs))
    network.eval()
    assert torch.equal(network(*inputs), network(*inputs))


def test_strided_convolution_pads_at_the_far_end():
    """TensorFlow's SAME: of a side of 4, windows begin at 0 and 2, and the last reaches one past the end."""
    layer = Convolution(1, 1, 3, stride=2, linear=True)
    torch.nn.init.ones_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    line = torch.tensor([1.0, 10, 100, 1000])
    found = layer(torch.outer(torch.tensor([1.0, 0, 0, 0]), line)[None, None])
    assert found[0, 0, 0].tolist() == [111, 1100]


def test_first_weights_follow_the_generator_and_biases_are_small():
    def made():
        torch.manual_seed(3)
        return build("viewpoint", "paper").state_dict()

    first, second = made(), made()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert all((value == PAPER_BIAS).all() for name, value in first.items() if name.endswith("bias"))
    other = build("viewpoint", "paper").state_dict()
    assert not torch.equal(first["out.weight"], other["out.weight"])


def test_posenet_starts_from_the_layers_it_shares_with_handsegnet():
    source, target = build("handsegnet", "paper"), build("posenet", "paper")
    copied = start_from(target, source.state_dict())
    layers = [
        *(f"{block}_{i}" for block in (1, 2) for i in (1, 2)),
        *(f"3_{i}" for i in (1, 2, 3, 4)),
        "4_1",
        "4_2",
    ]
    assert set(copied) == {f"trunk.conv{layer}.{kind}" for layer in layers for kind in ("weight", "bias")}
    assert all(torch.equal(target.state_dict()[name], source.state_dict()[name]) for name in copied)


def test_start_from_weights_of_another_kind_is_refused():
    with pytest.raises(ModelError, match=r"Not one of the \d+ weights given fits Viewpoint"):
        start_from(build("viewpoint", "paper"), build("posenet", "small").state_dict())


@pytest.mark.parametrize(("name", "variant"), [("footnet", "paper"), ("posenet", "huge")])
def test_unknown_network(name, variant):
    with pytest.raises(ModelError, match=rf"'{name}', variant '{variant}'.*posenet \(paper\)"):
        build(name, variant)


def test_pretrained_weights_of_a_network_without_backbone():
    with pytest.raises(ModelError, match="no pretrained weights for viewpoint, variant paper"):
        build("viewpoint", "paper", pretrained=True)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", NETWORKS)
def test_metadata_is_text_and_its_example_fits(name, variant):
    about = info(name, variant)
    assert all(isinstance(text, str) and text for text in about.metadata().values())
    with torch.device("meta"):
        network, inputs = build(name, variant), about.example(2)
        outputs = Exported(network)(*inputs)
    assert len(inputs) == len(about.inputs)
    assert len(outputs) == len(about.outputs)
    assert all(len(output) == 2 for output in outputs)
