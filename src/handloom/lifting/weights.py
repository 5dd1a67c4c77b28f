"""Weights of small networks: safetensors, which can hold nothing but numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from handloom.errors import ModelError


def read_weights(path: str | Path) -> tuple[dict[str, NDArray[np.float32]], dict[str, str]]:
    """All tensors of a file in float32 by name, and its metadata.

    Raises:
        ModelError: if the file is missing or damaged.
    """
    try:
        with safe_open(Path(path), framework="numpy") as file:
            tensors = {name: file.get_tensor(name).astype(np.float32) for name in file.keys()}  # noqa: SIM118
            return tensors, dict(file.metadata() or {})
    except FileNotFoundError as error:
        raise ModelError(f"There is no file {path}.", "Check the path.") from error
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path} is no safetensors file: {error}.", "Get or make it anew.") from error
