"""``handloom export``: a session in the formats of other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def export(
    session: Annotated[Path, typer.Argument(help="A session folder.")],
    format: Annotated[
        str,
        typer.Option(
            "--format", "-f", help="One or more of csv, csv-wide, parquet, trc, c3d, bvh, glb, openpose."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder for the files [default: SESSION/export].")
    ] = None,
) -> None:
    """Write a session as CSV, Parquet, TRC, C3D, BVH, GLB or OpenPose JSON."""
    from handloom.export import export as write
    from handloom.session import Session

    console = Console(highlight=False)
    opened = Session.open(session)
    folder = out or session / "export"
    for name in format.split(","):
        paths = write(opened, name.strip(), folder)
        shown = str(paths[0]) if len(paths) == 1 else f"{len(paths)} files in {paths[0].parent}"
        console.print(f"{name.strip():<9} {shown}")
