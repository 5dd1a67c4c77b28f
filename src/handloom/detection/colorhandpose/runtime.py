"""Runs a network's ONNX file on one thread: by onnxruntime, or by OpenVINO where it is installed.

As with the ``.tflite`` files (:mod:`handloom.detection.runtime`), one request per core beats one request on
several, so a network computes on the thread that calls it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from handloom.detection.runtime import ONE_THREAD, load_openvino
from handloom.errors import ModelError

Tensor = NDArray[np.float32]
OnnxRuntime = Literal["onnx", "openvino"]

# A tensor kept in another file says so by this key, as protobuf writes it.
_ELSEWHERE = b"\x0a\x08location\x12"
_WARNINGS_OFF = 4
AGAIN = "Export the network again, or name another folder with --weights."


class OnnxNetwork:
    """A network read from the bytes of an ONNX file.

    Args:
        content: of the file; everything must be in it.
        name: of the file, for messages.
        runtime: ``"onnx"`` or ``"openvino"``.

    Attributes:
        metadata: what the file says of itself.
        inputs: names and shapes of the inputs; None for an axis of free length.
        outputs: names of the outputs.

    Raises:
        ModelError: if the bytes are no network, keep tensors in other files, or the runtime is not there.
    """

    def __init__(self, content: bytes, name: str, runtime: OnnxRuntime = "onnx") -> None:
        if _ELSEWHERE in content:
            raise ModelError(f"{name} keeps weights in other files, which is not allowed.", AGAIN)
        self.name = name
        self._run: Callable[[dict[str, Tensor]], list[Tensor]]
        session = _session(content, name)
        self.metadata: dict[str, str] = dict(session.get_modelmeta().custom_metadata_map)
        self.inputs: dict[str, tuple[int | None, ...]] = {
            entry.name: tuple(n if isinstance(n, int) else None for n in entry.shape)
            for entry in session.get_inputs()
        }
        self.outputs: list[str] = [entry.name for entry in session.get_outputs()]
        if runtime == "onnx":
            self._run = lambda feed: session.run(None, feed)
        else:
            self._run = _compiled(content, name, {k: (1, *shape[1:]) for k, shape in self.inputs.items()})

    def __call__(self, *inputs: Tensor) -> dict[str, Tensor]:
        """Outputs by name for one sample; the inputs are in the file's order.

        Raises:
            ModelError: if the network does not take inputs of that number, or these shapes.
        """
        if len(inputs) != len(self.inputs):
            raise ModelError(f"{self.name} has {len(self.inputs)} inputs instead of {len(inputs)}.", AGAIN)
        feed = dict(zip(self.inputs, inputs, strict=True))
        try:
            found = self._run(feed)
        # What a runtime raises has no common class.
        except Exception as error:
            reason = str(error).strip().splitlines()[0]
            raise ModelError(f"{self.name} does not run: {reason}", AGAIN) from error
        return dict(zip(self.outputs, found, strict=True))


def _session(content: bytes, name: str) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = _WARNINGS_OFF
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelError(f"{name} is no network that can be run: {reason}", AGAIN) from error


def _compiled(
    content: bytes, name: str, shapes: dict[str, tuple[int | None, ...]]
) -> Callable[[dict[str, Tensor]], list[Tensor]]:
    openvino = load_openvino()
    core = openvino.Core()
    options = {**ONE_THREAD, "INFERENCE_PRECISION_HINT": openvino.Type.f32}
    try:
        model = core.read_model(content)
        model.reshape({key: [-1 if n is None else n for n in shape] for key, shape in shapes.items()})
        request = core.compile_model(model, "CPU", options).create_infer_request()
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise ModelError(
            f"OpenVINO does not take {name}: {reason}", "Run without --runtime openvino."
        ) from error

    def run(feed: dict[str, Tensor]) -> list[Tensor]:
        found = request.infer(feed)
        return [np.array(output) for output in found.values()]

    return run
