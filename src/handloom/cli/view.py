"""``handloom view`` and ``handloom report``: look at a session."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def view(
    session: Annotated[Path, typer.Argument(help="A session folder or an .rrd file.")],
    browser: Annotated[
        bool | None,
        typer.Option(help="Serve a web page on this computer, or open a window [default: what works]."),
    ] = None,
) -> None:
    """Show a session in the rerun viewer."""
    from handloom.view.viewer import show

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
