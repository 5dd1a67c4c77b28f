"""``handloom fit``: the parametric hand through a tracked session."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def fit(
    session: Annotated[Path, typer.Argument(help="A session folder of handloom track.")],
    hand: Annotated[str, typer.Option(help="'open', or a file or folder of MANO.")] = "open",
    hand_length: Annotated[
        float | None,
        typer.Option(help="Wrist to tip of the middle finger of the flat hand, millimetres, if measured."),
    ] = None,
    write_report: Annotated[bool, typer.Option("--report/--no-report", help="Write report.html.")] = True,
    recording: Annotated[bool, typer.Option(help="Write recording.rrd for the viewer.")] = True,
    overlays: Annotated[
        bool, typer.Option(help="Write overlays/overlay_VIEW.mp4: the meshes over every view.")
    ] = True,
) -> None:
    """Fit hands to a tracked session: one shape each, a pose in every frame, the mesh with it."""
    from handloom.cli.progress import TerminalProgress
    from handloom.cli.results import present
    from handloom.fitting.sequence import SequenceOptions
    from handloom.fitting.session import fit_session
    from handloom.session import Session

    console = Console()
    progress = TerminalProgress(console)
    options = SequenceOptions(hand_length_m=None if hand_length is None else hand_length / 1000.0)
    opened = Session.open(session)
    fit_session(opened, hand, options, progress=progress)
    present(opened, console, progress, report=write_report, recording=recording, overlays=overlays)
