"""Trained weights as files that need no torch: safetensors, and ONNX held against the network it is from."""

from __future__ import annotations

import contextlib
import inspect
import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from handloom.errors import ModelError, TrainingError
from handloom.session.files import explained, whole_file
from handloom.training.task import Part

TOLERANCE = 1e-4
"""Largest difference of an ONNX file's outputs from the network's, relative to the largest of each output."""

_INSTALL = "Run `pip install 'handloom[learn]'`."
_LEAST = 1e-3  # outputs below are taken for as large
_PRIME = 3  # samples with which the free axis is checked: another number than the example has


def export(part: Part, folder: Path, metadata: Mapping[str, str] | None = None) -> tuple[Path, Path, float]:
    """Write ``NAME.safetensors`` and ``NAME.onnx``, each whole or not at all.

    Args:
        metadata: of the run, beside that of the part; both files carry it.

    Returns:
        Both paths, and the largest relative difference between ONNX and torch.

    Raises:
        TrainingError: if a package is missing, or the ONNX file computes something else.
        SessionError: if the disk is full or the folder may not be written.
    """
    properties = {**part.metadata, "handloom": version("handloom"), **(metadata or {})}
    weights, onnx = folder / f"{part.name}.safetensors", folder / f"{part.name}.onnx"
    part.module.eval()
    save_weights(part.weights, weights, properties)
    with whole_file(onnx) as temporary:
        _write_onnx(part, temporary, properties)
        difference = onnx_difference(part, temporary)
        if not difference <= TOLERANCE:
            raise TrainingError(
                f"The ONNX file of {part.name} differs from the network by {difference:.1e} of its output.",
                "This is a fault of the exporter or the runtime; try another version of onnxscript.",
            )
    return weights, onnx, difference


def save_weights(network: nn.Module, path: Path, metadata: Mapping[str, str]) -> None:
    """A network's state as safetensors, with what one must know of it."""
    from safetensors.torch import save

    state = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    with whole_file(path) as temporary:
        temporary.write_bytes(save(state, dict(metadata)))


def load_weights(path: Path) -> dict[str, Tensor]:
    """The state that :func:`save_weights` wrote.

    Raises:
        ModelError: if it is missing or no safetensors file.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    if not path.is_file():
        raise ModelError(
            f"There are no weights {path}.", "Name a .safetensors file that a training exported."
        )
    try:
        with explained(path):
            return load(path.read_bytes())
    except SafetensorError as error:
        raise ModelError(f"{path} holds no weights: {error}.", "Name a .safetensors file.") from error


def onnx_difference(part: Part, path: Path) -> float:
    """Largest difference between an ONNX file and the network, relative to the largest of each output.

    Held against each other on as many samples as the example has, and on three.
    """
    try:
        from onnxruntime import InferenceSession
    except ImportError as error:
        raise TrainingError("onnxruntime, which checks exported networks, is missing.", _INSTALL) from error

    session = InferenceSession(str(path), providers=["CPUExecutionProvider"])
    worst = 0.0
    for inputs in (part.example, tuple(_samples(x, _PRIME) for x in part.example)):
        with torch.no_grad():
            expected = part.module(*inputs)
        expected = (expected,) if isinstance(expected, Tensor) else expected
        found = session.run(None, dict(zip(part.inputs, (x.numpy() for x in inputs), strict=True)))
        for one, other in zip(found, expected, strict=True):
            scale = max(float(other.abs().max()), _LEAST)
            worst = max(worst, float(np.abs(one - other.numpy()).max()) / scale)
    return worst


def _samples(values: Tensor, count: int) -> Tensor:
    return values[torch.arange(count) % len(values)]


def _write_onnx(part: Part, path: Path, metadata: Mapping[str, str]) -> None:
    try:
        import onnx
        import onnxscript  # noqa: F401  the exporter needs it
    except ImportError as error:
        raise TrainingError(f"{error.name}, which writes ONNX files, is missing.", _INSTALL) from error

    free = dict.fromkeys((0, *part.free), torch.export.Dim.DYNAMIC)
    # With one sample the exporter would take the number of samples for a constant.
    example = tuple(_samples(x, max(len(x), 2)) for x in part.example)
    shapes = [{axis: kind for axis, kind in free.items() if axis < x.ndim} for x in example]
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            part.module,
            example,
            dynamo=True,
            input_names=list(part.inputs),
            output_names=list(part.outputs),
            dynamic_shapes=_nested(part.module, shapes),
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    onnx.helper.set_model_props(model, dict(metadata))
    path.write_bytes(model.SerializeToString())


def _nested(module: nn.Module, shapes: list[Any]) -> tuple[Any, ...]:
    """Free axes of the inputs as the exporter wants them: one level deeper for ``forward(*inputs)``."""
    kinds = [parameter.kind for parameter in inspect.signature(module.forward).parameters.values()]
    return (tuple(shapes),) if inspect.Parameter.VAR_POSITIONAL in kinds else tuple(shapes)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporter tells its own developers."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
