"""The ``handloom`` command."""

from __future__ import annotations

import sys

import typer
from rich.console import Console
from rich.markup import escape

from handloom.cli.board import board
from handloom.cli.calibrate import calibrate
from handloom.cli.datasets import datasets
from handloom.cli.demo import demo
from handloom.cli.evaluate import evaluate
from handloom.cli.export import export
from handloom.cli.fit import fit
from handloom.cli.image import image
from handloom.cli.live import live
from handloom.cli.models import models
from handloom.cli.synth import synth
from handloom.cli.track import track
from handloom.cli.train import train
from handloom.cli.view import report, view
from handloom.errors import HandloomError

INTERRUPTED = 130  # what shells expect after Ctrl-C

app = typer.Typer(
    help="Weaves camera views into metric 3D hands and bodies.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for command in (
    demo, board, calibrate, track, fit, live, image, synth, train, evaluate, view, report, export, models
):  # fmt: skip
    app.command()(command)
app.add_typer(datasets, name="datasets")


def main() -> None:
    """Run the command line; problems the user can mend end with a message and status 1."""
    errors = Console(stderr=True, highlight=False)
    try:
        app()
    except HandloomError as error:
        errors.print(f"[bold red]error[/]  {escape(error.problem)}")
        if error.remedy:
            errors.print(f"[bold]→[/]      {escape(error.remedy)}")
        sys.exit(1)
    except SystemExit as end:
        # Ctrl-C arrives as the status that typer makes of it.
        if end.code == INTERRUPTED and sys.argv[1:2] in (["track"], ["synth"], ["train"]):
            errors.print("[yellow]interrupted[/]  the same command with --resume goes on from here")
        raise


if __name__ == "__main__":
    main()
