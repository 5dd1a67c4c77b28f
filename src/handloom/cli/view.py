"""``handloom view`` and ``handloom report``: look at a session."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

TERMINATED = 143  # what shells expect after SIGTERM


def view(
    session: Annotated[Path, typer.Argument(help="A session folder or an .rrd file.")],
    browser: Annotated[
        bool | None,
        typer.Option(help="Serve a web page on this computer, or open a window [default: what works]."),
    ] = None,
) -> None:
    """Show a session in the rerun viewer."""
    from handloom.view.viewer import show

    # Being asked to end must end the viewer as well: a signal alone would leave it running.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    show(session, browser=browser, say=Console(highlight=False).print)


def report(
    session: Annotated[Path, typer.Argument(help="A session folder.")],
    recording: Annotated[bool, typer.Option(help="Write recording.rrd as well.")] = False,
) -> None:
    """Write the HTML report of a session anew."""
    from handloom.cli.progress import TerminalProgress
    from handloom.cli.results import present
    from handloom.session import Session

    console = Console()
    present(Session.open(session), console, TerminalProgress(console), recording=recording)
