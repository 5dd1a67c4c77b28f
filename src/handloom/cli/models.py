"""``handloom models``: the networks' weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table


def models(
    again: Annotated[
        bool, typer.Option("--fetch", help="Fetch all of them now, replacing damaged ones.")
    ] = False,
    wheel: Annotated[
        Path | None, typer.Option(help="Take them out of this mediapipe 0.10.21 wheel instead of the index.")
    ] = None,
) -> None:
    """List the networks handloom runs and whether they are on this computer."""
    from handloom.assets import cache_folder, fetch
    from handloom.detection.models import MODELS, fetch_models
    from handloom.networks.fetched import EFFICIENTNET

    console = Console()
    if again or wheel is not None:
        fetch_models(wheel)
    if again:
        fetch([EFFICIENTNET])
    table = Table(title=f"Networks in {cache_folder()}", title_justify="left")
    for column in ("network", "for", "state", "sha256"):
        table.add_column(column)
    colours = {"ready": "green", "missing": "yellow", "damaged": "red"}
    rows = [(name, "detection", asset) for name, asset in MODELS.items()]
    rows.append(("efficientnet_lite0", "training", EFFICIENTNET))
    states = [asset.state for *_, asset in rows]
    for (name, use, asset), state in zip(rows, states, strict=True):
        table.add_row(name, use, f"[{colours[state]}]{state}[/]", asset.sha256[:12])
    console.print(table)
    if "missing" in states:
        console.print("Missing ones are fetched when they are first needed, or now with --fetch.")
