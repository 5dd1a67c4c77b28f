"""The loop: batches in, a trained network out, through Lightning Fabric on one device or many.

Every step seeds torch from the run's seed and its own number, and batches are pure functions of both. So the
state of a run is its weights, its optimiser and a number; a run that was killed and resumed ends, on one
device, with the same bits as one that was not.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from handloom.errors import TrainingError
from handloom.progress import SILENT, Progress
from handloom.session.files import alone_in, make_folder
from handloom.training import checkpoints
from handloom.training.batches import batches
from handloom.training.checkpoints import Checkpoint
from handloom.training.curve import write_curve
from handloom.training.export import export
from handloom.training.logs import TRAINING, VALIDATION, CsvLog, Logs, TensorBoardLog
from handloom.training.optimisation import Average, optimiser, rate_at
from handloom.training.run_folder import prepare_folder, write_run
from handloom.training.task import Settings, Task

LOG_EVERY = 50
_SAVE_EVERY_S = 300.0
_PRECISION = {"32": "32-true", "bf16": "bf16-mixed"}


@dataclass(frozen=True)
class Machine:
    """What a run uses. Its result depends on ``devices × nodes``; its last bits on processor and threads too.

    Attributes:
        accelerator: ``"cpu"``, ``"cuda"``, ``"mps"`` or ``"auto"``.
        devices: on each host.
        nodes: hosts; the command is started on each of them.
        workers: processes for each device that make batches ahead; 0 makes them in between.
        threads: of torch; None leaves its own choice.
    """

    accelerator: str = "cpu"
    devices: int = 1
    nodes: int = 1
    workers: int = 0
    threads: int | None = None


@dataclass(frozen=True)
class Trained:
    """A finished run.

    Attributes:
        step: steps done.
        figures: of the last validation.
        files: exported.
        samples_per_s: of this process, validation and saving left out.
    """

    step: int
    figures: dict[str, float]
    files: tuple[Path, ...]
    samples_per_s: float


def launch(machine: Machine, precision: str = "32") -> Fabric:
    """Start the processes of a run; every one of them goes on from here.

    Raises:
        TrainingError: if there is no such device, or the precision is not known.
    """
    if precision not in _PRECISION:
        raise TrainingError(f"There is no precision {precision!r}.", f"Known are {' and '.join(_PRECISION)}.")
    if machine.threads is not None:
        torch.set_num_threads(machine.threads)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # Some backward passes on GPUs have no deterministic form; there torch warns and goes on.
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False
    try:
        fabric = Fabric(
            accelerator=machine.accelerator,
            devices=machine.devices,
            num_nodes=machine.nodes,
            precision=_PRECISION[precision],  # type: ignore[arg-type]
        )
    except (ValueError, RuntimeError) as error:
        asked = f"{machine.devices} × {machine.accelerator}"
        raise TrainingError(f"{asked} cannot be used: {error}", "Name what this computer has.") from error
    except Exception as error:  # Fabric's own class for a device that is not there
        if type(error).__name__ != "MisconfigurationException":
            raise
        raise TrainingError(
            f"There is no {machine.accelerator} to train on: {error}", "Name --accelerator cpu."
        ) from error
    fabric.launch()
    return fabric


def train(
    task: Task,
    settings: Settings,
    folder: Path,
    *,
    fabric: Fabric | None = None,
    machine: Machine | None = None,
    resume: bool = False,
    init: Mapping[str, Tensor] | None = None,
    tensorboard: bool = False,
    note: Mapping[str, Any] | None = None,
    progress: Progress = SILENT,
) -> Trained:
    """Train a network, from the start or from the run's last checkpoint, and export it.

    Args:
        task: what is trained.
        settings: of the run.
        folder: of the run; created, its parent must exist.
        fabric: from :func:`launch`; one on one CPU by default.
        machine: what the fabric was launched with.
        resume: go on with the run in the folder; a finished one is exported again.
        init: weights to begin with where names and shapes agree.
        tensorboard: whether TensorBoard's event files are written too.
        note: what else belongs into run.toml, such as the command.

    Raises:
        TrainingError: if the folder holds another run, the run to resume differs, or the loss is no number.
        HandloomError: if another run is writing into the folder, files cannot be written or data not be read.
    """
    machine = machine or Machine()
    fabric = fabric or launch(machine, settings.precision)
    run = _Run(task, settings, folder, fabric, machine, progress)
    with ExitStack() as stack:
        if fabric.is_global_zero:
            make_folder(folder)
            stack.enter_context(alone_in(folder))
        run.begin(resume, init, note or {}, tensorboard)
        run.learn()
        return run.finish()


class _Run:
    """One process of a run; the first of them does what is to be done once."""

    def __init__(
        self,
        task: Task,
        settings: Settings,
        folder: Path,
        fabric: Fabric,
        machine: Machine,
        progress: Progress,
    ) -> None:
        self.task, self.settings, self.folder = task, settings, folder
        self.fabric, self.machine = fabric, machine
        self.first = fabric.is_global_zero
        self.progress = progress if self.first else SILENT
        self.step = 0
        self.figures: dict[str, float] = {}
        self.seconds = self.elapsed_before = 0.0
        self.samples = 0
        self._saved_at = time.monotonic()

    # -- begin -----------------------------------------------------------------------------------------

    def begin(
        self, resume: bool, init: Mapping[str, Tensor] | None, note: Mapping[str, Any], tensorboard: bool
    ) -> None:
        """Everything before the first step."""
        if self.first:
            prepare_folder(self.folder, resume=resume)
        self.fabric.barrier()
        self.data = self.task.data()
        before = checkpoints.load(self.folder) if resume else None
        if before is not None:
            checkpoints.require_same_run(before, self.task.name, self.settings, self._fingerprint)
        torch.manual_seed(self.settings.seed)
        self.network = self.task.network()
        if init is not None and before is None:
            from handloom.networks.initial import start_from

            copied = start_from(self.network, init)
            self.progress.note(
                f"{len(copied)} of {len(self.network.state_dict())} tensors are those of --init"
            )
        if before is not None:
            self._load(before)
        self.model, self.optimiser = self.fabric.setup(self.network, optimiser(self.network, self.settings))
        self.average = Average(self.network, self.settings.average) if self.settings.average else None
        if before is not None:
            self.optimiser.load_state_dict(before.optimiser)
            self.step = before.step
            if self.average is not None:
                self.average.load(before.average)
        if self.first:
            self.note = dict(note)
            self._write_run(finished=False)
            csv = CsvLog(self.folder, self.step)
            self.elapsed_before = csv.seconds
            self.log = Logs([csv, *([TensorBoardLog(self.folder, self.step)] if tensorboard else [])])

    def _load(self, before: Checkpoint) -> None:
        try:
            self.network.load_state_dict(before.network)
        except RuntimeError as error:
            raise TrainingError(
                "The network in the checkpoint has other layers than this handloom's.",
                "Go on with the handloom that wrote it, or begin another run.",
            ) from error

    @property
    def _fingerprint(self) -> str:
        return str(self.data.get("fingerprint", ""))

    def _write_run(self, *, finished: bool) -> None:
        settings = {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self.settings).items()}
        weights = sum(p.numel() for p in self.network.parameters())
        tables: dict[str, Any] = {
            "network": self.task.name,
            "weights": weights,
            "finished": finished,
            "step": self.step,
            "seconds": round(self.elapsed_before + self.seconds, 1),
            **self.note,
            "settings": settings,
            "machine": {k: v for k, v in asdict(self.machine).items() if v is not None},
            "data": self.data,
            "figures": self.figures,
        }
        write_run(self.folder, tables)

    # -- steps -----------------------------------------------------------------------------------------

    def learn(self) -> None:
        """Every step that is left."""
        world, rank = self.fabric.world_size, self.fabric.global_rank
        total, size = self.settings.steps, self.settings.batch
        if self.step >= total:
            self._validate()
            return
        numbers = range(self.step * world + rank, total * world, world)
        source = batches(
            self.task, self.settings.seed, size, numbers,
            workers=self.machine.workers, pinned=self.fabric.device.type == "cuda",
        )  # fmt: skip
        with (
            _stopping() as stop,
            self.progress.task(self.task.name, total=total * size * world, unit="samples") as bar,
        ):
            bar.advance(self.step * size * world)
            self.model.train()
            sums: dict[str, Tensor] = {}
            began, logged = time.monotonic(), self.step
            for batch in source:
                figures = self._step(self.fabric.to_device(batch))
                for name, value in figures.items():
                    sums[name] = sums[name] + value if name in sums else value.detach().clone()
                self.step += 1
                bar.advance(size * world)
                mark = self.step % self.settings.validate_every == 0 or self.step == total
                # A stop of one process is a stop of all: none may wait for the others' gradients.
                ended = bool(stop) and self._agree()
                due = mark or ended or self._due()
                if due or self.step % LOG_EVERY == 0:
                    passed = time.monotonic() - began
                    self._log(sums, self.step - logged, passed, size * world)
                    sums, logged = {}, self.step
                    if mark:
                        self._validate()
                    if due:
                        self._save()
                    began = time.monotonic()
                if ended:
                    raise KeyboardInterrupt

    def _step(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        torch.manual_seed(_mixed(self.settings.seed, self.step, self.fabric.global_rank))
        rate = rate_at(self.settings, self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad()
        loss, figures = self.task.loss(self.model, batch)
        self.fabric.backward(loss)
        if self.settings.clip:
            self.fabric.clip_gradients(
                self.model, self.optimiser, max_norm=self.settings.clip, error_if_nonfinite=False
            )
        self.optimiser.step()
        if self.average is not None:
            self.average.update(self.network, self.step)
        return {"loss": loss.detach(), **figures}

    def _log(self, sums: Mapping[str, Tensor], steps: int, passed: float, samples: int) -> None:
        means = {name: float(value) / steps for name, value in sums.items()}
        if not np.isfinite(means["loss"]):
            raise TrainingError(
                f"The loss is no number any more, at one of the {steps} steps before step {self.step}.",
                "Lower --learning-rate or set --clip; the last checkpoint is from before.",
            )
        self.seconds += passed
        self.samples += steps * samples
        if self.first:
            rate = rate_at(self.settings, self.step - 1)
            elapsed = self.elapsed_before + self.seconds
            rates = {"samples_per_s": steps * samples / max(passed, 1e-9), "seconds": elapsed}
            self.log.write(TRAINING, self.step, {**means, "learning_rate": rate, **rates})

    def _validate(self) -> None:
        if self.first:
            with self._averaged():
                self.network.eval()
                with torch.no_grad():
                    self.figures = {name: float(v) for name, v in self.task.validate(self.network).items()}
                self.network.train()
            self.log.write(VALIDATION, self.step, self.figures)
            said = ", ".join(f"{name} {value:.4g}" for name, value in self.figures.items())
            self.progress.note(f"step {self.step}: {said}")
            write_curve(self.folder, f"{self.task.name}, {self.step} of {self.settings.steps} steps")
        self.fabric.barrier()

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """The network with the averaged weights, for a while."""
        if self.average is None:
            yield
            return
        own = {name: value.detach().clone() for name, value in self.network.state_dict().items()}
        self.network.load_state_dict(self.average.state)
        try:
            yield
        finally:
            self.network.load_state_dict(own)

    def _due(self) -> bool:
        """Whether the last checkpoint is old. Only where one process decides: when to save changes no bit."""
        return self.fabric.world_size == 1 and time.monotonic() - self._saved_at > _SAVE_EVERY_S

    def _agree(self) -> bool:
        # With several processes a stop waits for the next mark, which all of them reach.
        return self.fabric.world_size == 1 or self.step % self.settings.validate_every == 0

    def _save(self) -> None:
        if self.first:
            average = {} if self.average is None else self.average.state
            checkpoints.save(
                Checkpoint(
                    self.task.name, self.settings, self._fingerprint, self.step, self.network.state_dict(),
                    self.optimiser.state_dict(), average,
                ),
                self.folder,
            )  # fmt: skip
        self.fabric.barrier()
        self._saved_at = time.monotonic()

    # -- end -------------------------------------------------------------------------------------------

    def finish(self) -> Trained:
        """Export, and mark the run as finished."""
        files: list[Path] = []
        if self.first:
            if self.average is not None:
                self.network.load_state_dict(self.average.state)
            network = self.network.to("cpu").eval()
            about = {"steps": str(self.step), "seed": str(self.settings.seed)}
            for part in self.task.parts(network):
                weights, onnx, difference = export(part, self.folder, about)
                self.progress.note(f"{onnx.name} equals the network to {difference:.0e} of its output")
                files += [weights, onnx]
            self._write_run(finished=True)
            self.log.close()
        self.fabric.barrier()
        return Trained(self.step, self.figures, tuple(files), self.samples / max(self.seconds, 1e-9))


def _mixed(*numbers: int) -> int:
    """One seed of several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)


@contextmanager
def _stopping() -> Iterator[list[int]]:
    """Ctrl-C and SIGTERM wait for the step under way; the list then holds the signal's number.

    A second one ends the process at once.
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return

    def note(number: int, _: object) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
