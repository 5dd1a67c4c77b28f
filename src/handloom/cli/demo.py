"""``handloom demo``: the whole main job without a recording of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table


def demo(
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the capture and the session.")] = Path(
        "handloom-demo"
    ),
    real: Annotated[
        bool, typer.Option("--real", help="Four real cameras around a person who walks.")
    ] = False,
    cameras: Annotated[int, typer.Option(min=2, max=8, help="Cameras of the made capture.")] = 3,
    frames: Annotated[int, typer.Option(min=10, help="Frames of the made capture.")] = 150,
    seed: Annotated[int, typer.Option(help="Decides hands, motion and light of the made capture.")] = 0,
    overwrite: Annotated[bool, typer.Option(help="Replace an earlier demo in the same folder.")] = True,
) -> None:
    """Make a small capture of moving hands, track it, and print the error against the truth."""
    from handloom.cli.progress import TerminalProgress
    from handloom.cli.results import present
    from handloom.demo import errors_against, run_demo, run_real_demo

    console = Console()
    progress = TerminalProgress(console)
    if real:
        session = run_real_demo(out, overwrite=overwrite, progress=progress)
        present(session, console, progress)
        return
    session, truth = run_demo(
        out, cameras=cameras, frames=frames, seed=seed, overwrite=overwrite, progress=progress
    )
    present(session, console, progress, truth=truth)
    table = Table(title="Error against the truth, millimetres", title_justify="left")
    for column in ("track", "frames", "mean", "median", "95 %", "plain DLT, mean"):
        table.add_column(column, justify="left" if column == "track" else "right", no_wrap=column == "track")
    for error in errors_against(session, truth):
        numbers = (error.mean_mm, error.median_mm, error.p95_mm, error.dlt_mm)
        table.add_row(error.track.name, str(error.frames), *(f"{number:.2f}" for number in numbers))
    console.print(table)
