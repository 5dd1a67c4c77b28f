"""``handloom train``: a network from data to weights."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from handloom.training.task import Settings


class Network(StrEnum):
    """What can be trained."""

    handsegnet = "handsegnet"
    posenet = "posenet"
    poseprior = "poseprior"
    lifter = "lifter"


class Variant(StrEnum):
    """As in the paper, or small."""

    small = "small"
    paper = "paper"


class Precision(StrEnum):
    """Of the arithmetic."""

    full = "32"
    bf16 = "bf16"


class LogKind(StrEnum):
    """Where figures go; CSV files are always written."""

    csv = "csv"
    tensorboard = "tensorboard"


def train(
    network: Annotated[Network, typer.Argument(help="poseprior is trained together with viewpoint.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder of the run.")],
    data: Annotated[
        list[str] | None,
        typer.Option(
            help="FOLDER or LAYOUT:FOLDER of a data set, either with #SPLIT; or synth: with a recipe's path "
            "or nothing, for pictures made on the fly. May be repeated."
        ),
    ] = None,
    weights: Annotated[
        str | None, typer.Option(help="How often each --data is drawn from: 3,1. [default: by size]")
    ] = None,
    val: Annotated[
        list[str] | None,
        typer.Option(help="Data set to validate on [default: a twentieth of each --data, held out]."),
    ] = None,
    variant: Annotated[Variant, typer.Option(help="Of the network.")] = Variant.small,
    steps: Annotated[int | None, typer.Option(min=1, help="Of the optimiser.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Samples of a step, on each device.")] = None,
    learning_rate: Annotated[float | None, typer.Option(min=0.0, help="At the start.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of first weights and batches.")] = 0,
    validate_every: Annotated[int | None, typer.Option(min=1, help="Steps; a checkpoint too.")] = None,
    init: Annotated[
        Path | None, typer.Option(help=".safetensors to begin with, where names and shapes agree.")
    ] = None,
    imagenet: Annotated[
        bool, typer.Option(help="Begin the small networks' backbone with weights of ImageNet.")
    ] = True,
    backgrounds: Annotated[
        Path | None, typer.Option(help="Folder of photographs without hands, to put behind hands.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in the folder.")] = False,
    precision: Annotated[Precision, typer.Option(help="bf16 where the hardware has it.")] = Precision.full,
    accelerator: Annotated[str, typer.Option(help="cpu, cuda, mps or auto.")] = "auto",
    devices: Annotated[int, typer.Option(min=1, help="On this host.")] = 1,
    nodes: Annotated[int, typer.Option(min=1, help="Hosts; start the command on each.")] = 1,
    workers: Annotated[
        int | None, typer.Option(min=0, help="Processes that make batches [default: a core each, less one].")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Of torch.")] = None,
    log: Annotated[LogKind, typer.Option(help="Besides the CSV files.")] = LogKind.csv,
    store: Annotated[
        Path | None,
        typer.Option(
            help="Folder for cut pictures, kept and shared by runs [default: in the run's, removed]."
        ),
    ] = None,
) -> None:
    """Train a network; the run's folder then holds its weights, its ONNX file, settings, logs and curve."""
    import shutil
    import sys

    from handloom.cli.progress import TerminalProgress
    from handloom.detection.pool import usable_cores
    from handloom.session.files import make_folder
    from handloom.training.export import load_weights
    from handloom.training.loop import Machine, launch
    from handloom.training.loop import train as run
    from handloom.training.registry import Wish, task_of
    from handloom.training.run_folder import prepare_folder
    from handloom.training.sources import data_named

    console = Console(highlight=False)
    first_weights = None if init is None else load_weights(init)
    shares = _numbers(weights)
    if workers is None:
        workers = max(usable_cores() // devices - 1, 1)
    machine = Machine(accelerator, devices, nodes, workers, threads)
    fabric = launch(machine, precision.value)
    progress: Any = TerminalProgress(console)
    with fabric.rank_zero_first(local=True):
        if fabric.is_global_zero:
            prepare_folder(out, resume=resume)
        make_folder(out)
        kept = store or out / "examples"
        wish = Wish(
            network.value,
            variant.value,
            tuple(data_named(text) for text in data or ()),
            shares,
            tuple(data_named(text) for text in val or ()),
            kept,
            backgrounds,
            imagenet,
            seed,
            usable_cores(),
        )
        task = task_of(wish, progress)
    settings = _settings(
        task.defaults,
        steps=steps,
        batch=batch,
        learning_rate=learning_rate,
        seed=seed,
        precision=precision.value,
        validate_every=validate_every,
    )
    trained = run(
        task,
        settings,
        out,
        fabric=fabric,
        machine=machine,
        resume=resume,
        init=first_weights,
        tensorboard=log is LogKind.tensorboard,
        note={"command": " ".join(["handloom", *sys.argv[1:]]), "variant": variant.value},
        progress=progress,
    )
    if not fabric.is_global_zero:
        return
    if store is None:
        shutil.rmtree(kept, ignore_errors=True)
    table = Table(title=f"{network.value} after {trained.step} steps", title_justify="left")
    table.add_column("figure")
    table.add_column("validation", justify="right")
    for name, value in trained.figures.items():
        table.add_row(name, f"{value:.4g}")
    console.print(table)
    console.print(f"[bold]run[/]      {out}  {trained.samples_per_s:.3g} samples/s", soft_wrap=True)
    for path in trained.files:
        console.print(f"[bold]weights[/]  {path}", soft_wrap=True)


def _settings(defaults: Settings, **asked: Any) -> Settings:
    """The task's settings with what was asked for; drops and warm-up keep their share of the steps."""
    from dataclasses import replace

    named = {name: value for name, value in asked.items() if value is not None}
    share = named.get("steps", defaults.steps) / defaults.steps
    drops = tuple(round(drop * share) for drop in defaults.drops)
    warmup = min(defaults.warmup, round(0.1 * named.get("steps", defaults.steps)))
    return replace(defaults, drops=drops, warmup=warmup, **named)


def _numbers(text: str | None) -> tuple[float, ...]:
    from handloom.errors import HandloomError

    if text is None:
        return ()
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise HandloomError(f"--weights {text!r} are no numbers.", "Write for example 3,1.") from error
