"""Runs a network's ``.tflite`` file, one request on one thread.

One request per core beats one request on several threads (views run side by side), so a :class:`Network`
always computes on the thread that calls it and a thread must own the networks it runs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from handloom.detection.inner_tensors import with_output
from handloom.errors import ModelError

Image = NDArray[np.uint8]
Tensor = NDArray[np.float32]
Runtime = Literal["litert", "openvino"]


ONE_THREAD = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "ENABLE_CPU_PINNING": False}
"""OpenVINO's options for one request on the thread that asks."""


class Network(Protocol):
    """A network with one square picture in and several tensors out."""

    side: int

    def __call__(self, crop: Image, low: float = 0.0, high: float = 1.0) -> list[Tensor]:
        """Run on a (side, side, 3) RGB crop whose 0…255 is mapped to low…high.

        The tensors belong to the network and are valid until its next call.
        """


class LiteRTNetwork:
    """A network on ai-edge-litert with the XNNPACK delegate."""

    def __init__(self, path: Path, inner: str | None = None) -> None:
        from ai_edge_litert.interpreter import Interpreter

        source = (
            {"model_path": str(path)}
            if inner is None
            else {"model_content": with_output(path.read_bytes(), inner)}
        )
        with _quiet():
            self._interpreter = Interpreter(**source, num_threads=1)
            self._interpreter.allocate_tensors()
        entry = self._interpreter.get_input_details()[0]
        self.side = int(entry["shape"][1])
        self._input = self._interpreter.tensor(entry["index"])
        self._outputs = [self._interpreter.tensor(d["index"]) for d in self._interpreter.get_output_details()]

    def __call__(self, crop: Image, low: float = 0.0, high: float = 1.0) -> list[Tensor]:
        _normalise(crop, low, high, out=self._input()[0])
        self._interpreter.invoke()
        # A live view would forbid the next invoke, so what leaves is a copy.
        return [np.array(output()) for output in self._outputs]


def load_openvino() -> ModuleType:
    """The module, which is an extra.

    Raises:
        ModelError: if it is not installed.
    """
    try:
        import openvino
    except ImportError as error:
        raise ModelError(
            "The OpenVINO runtime is not installed.", "Install it with: pip install 'handloom[fast]'."
        ) from error
    return openvino


class OpenVINONetwork:
    """A network on OpenVINO; in bfloat16 where the processor computes it natively."""

    def __init__(self, path: Path, inner: str | None = None) -> None:
        openvino = load_openvino()
        core = openvino.Core()
        native = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        precision = openvino.Type.bf16 if native else openvino.Type.f32
        options = {**ONE_THREAD, "INFERENCE_PRECISION_HINT": precision}
        model = core.read_model(str(path))
        if inner is not None:
            model.add_outputs(inner)
        compiled = core.compile_model(model, "CPU", options)
        self._request = compiled.create_infer_request()
        self.side = int(compiled.input(0).shape[1])
        self._buffer = np.empty((1, self.side, self.side, 3), np.float32)
        self._request.set_input_tensor(openvino.Tensor(self._buffer, shared_memory=True))
        self._outputs = [self._request.get_output_tensor(i).data for i in range(len(compiled.outputs))]

    def __call__(self, crop: Image, low: float = 0.0, high: float = 1.0) -> list[Tensor]:
        _normalise(crop, low, high, out=self._buffer[0])
        self._request.infer()
        return [np.array(output) for output in self._outputs]


def load_network(path: Path, runtime: Runtime = "litert", inner: str | None = None) -> Network:
    """Load a verified ``.tflite`` file.

    Args:
        path: of the file.
        runtime: what computes it.
        inner: name of an inner tensor to give as a further, last output.

    Raises:
        ModelError: if the runtime refuses the file, or it has no such tensor.
    """
    kinds: dict[Runtime, type[LiteRTNetwork] | type[OpenVINONetwork]] = {
        "litert": LiteRTNetwork,
        "openvino": OpenVINONetwork,
    }
    try:
        return kinds[runtime](path, inner)
    except (ValueError, RuntimeError) as error:
        raise ModelError(
            f"{path.name} could not be loaded by {runtime}: {error}.",
            "Fetch it anew: handloom models --fetch.",
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what a native library says about itself off the terminal; its failures are exceptions."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def _normalise(crop: Image, low: float, high: float, out: Tensor) -> None:
    np.multiply(crop, np.float32((high - low) / 255), out=out, casting="unsafe")
    if low:
        out += np.float32(low)
