"""The parts of a data set made by Ray: on the cores of this machine or of many that share a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

from handloom.errors import SynthesisError
from handloom.synthesis.generation.executors import PATIENCE, Make, Note

LOCAL = "local"


class RayCluster:
    """Makes the parts as tasks of Ray, one core each.

    Every machine needs the same handloom, and has to see the set's folder (and a folder of photographs, if
    the recipe names one) under the same path.

    Args:
        address: of the cluster: ``"auto"`` for the one this machine belongs to, ``"ray://host:10001"``, or
            ``"local"`` for one of this machine's own that ends with the run.
        cpus: cores of a ``"local"`` one; by default all.
    """

    def __init__(self, address: str = "auto", cpus: int | None = None) -> None:
        self._address, self._cpus = address, cpus

    def run(self, make: Make, parts: Sequence[int], note: Note) -> Iterator[int]:
        """See :meth:`~handloom.synthesis.generation.executors.Executor.run`."""
        ray = _imported()
        self._connect(ray)
        under_way: dict[Any, int] = {}
        try:
            shared = ray.put(make)
            # A task whose worker dies is Ray's to repeat, not one that fails.
            task = ray.remote(num_cpus=1, max_retries=PATIENCE, retry_exceptions=False)(_make_part)
            under_way = {task.remote(shared, part): part for part in parts}
            while under_way:
                for done in ray.wait(list(under_way), num_returns=1)[0]:
                    _result(ray, done)
                    yield under_way.pop(done)
        finally:
            for reference in under_way:
                ray.cancel(reference, force=True)
            ray.shutdown()

    def _connect(self, ray: Any) -> None:
        # Ray would report its use to its makers.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        own = {"num_cpus": self._cpus, "include_dashboard": False} if self._address == LOCAL else {}
        try:
            ray.init(address=self._address, log_to_driver=False, logging_level="error", **own)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise SynthesisError(
                f"There is no Ray cluster at {self._address!r}: {error}.",
                "Start one with 'ray start --head', or use 'local' for this machine alone.",
            ) from error


def _make_part(make: Make, part: int) -> None:
    make(part)


def _result(ray: Any, reference: Any) -> None:
    try:
        ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
    except ray.exceptions.RayError as error:
        raise SynthesisError(
            f"A part could not be made on the cluster: {type(error).__name__}.",
            "Run the command again with --resume, and look into Ray's logs if it happens again.",
        ) from error


def _imported() -> Any:
    try:
        import ray
    except ImportError as error:
        raise SynthesisError("Ray is not installed.", "Install handloom[cluster].") from error
    return ray
