"""``handloom datasets``: is a data set what it should be, and what does it look like?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

Folder = Annotated[Path, typer.Argument(help="A data set's folder, or the one file it is.")]
LayoutName = Annotated[
    str | None,
    typer.Option("--layout", help="freihand, rhd, stb, interhand, … [default: guessed from the files]"),
]
Split = Annotated[
    str | None, typer.Option("--split", help="Such as training [default: the first that is there]")
]

datasets = typer.Typer(help="Check labelled data sets, and look at them.", no_args_is_help=True)


@datasets.command()
def check(
    folder: Folder,
    layout: LayoutName = None,
    split: Split = None,
    limit: Annotated[int, typer.Option(min=1, help="So many samples, spread over the set.")] = 500,
    pictures: Annotated[bool, typer.Option(help="Read pictures and maps too.")] = True,
) -> None:
    """Hold a data set against itself: its 3D on its 2D, units, sides, boxes, masks, files."""
    from handloom.cli.progress import TerminalProgress
    from handloom.datasets import check as run
    from handloom.datasets import open_dataset

    console = Console(highlight=False)
    dataset = open_dataset(folder, layout, split)
    result = run(dataset, limit, pictures=pictures, progress=TerminalProgress(console))
    console.print(str(result), markup=False)
    if result.findings:
        raise typer.Exit(1)


@datasets.command()
def show(
    folder: Folder,
    out: Annotated[Path, typer.Option("-o", "--out", help="The sheet: a .png or .jpg.")],
    layout: LayoutName = None,
    split: Split = None,
    count: Annotated[int, typer.Option(min=1, help="So many samples, spread over the set.")] = 36,
    columns: Annotated[int, typer.Option(min=1, help="Pictures in a row.")] = 6,
    tile: Annotated[int, typer.Option(min=32, help="Size of a picture in pixels.")] = 224,
) -> None:
    """Write a contact sheet with the keypoints drawn."""
    import numpy as np

    from handloom.datasets import iterate, open_dataset
    from handloom.datasets.pictures import as_jpg, as_png
    from handloom.errors import DataSetError
    from handloom.session.files import whole_file
    from handloom.view.sample_sheet import sample_sheet

    if out.suffix.lower() not in (".png", ".jpg"):
        raise DataSetError(f"A sheet cannot be written as {out.name}.", "Name it .png or .jpg.")
    dataset = open_dataset(folder, layout, split)
    if not len(dataset):
        raise DataSetError(f"{folder} has no samples.", "Choose another split.")
    chosen = np.unique(np.linspace(0, len(dataset) - 1, count).round().astype(int)).tolist()
    sheet = sample_sheet(list(iterate(dataset, chosen)), columns=columns, tile=tile)
    with whole_file(out) as temporary:
        temporary.write_bytes(as_png(sheet) if out.suffix.lower() == ".png" else as_jpg(sheet))
    Console(highlight=False).print(f"{len(chosen)} of {len(dataset)} samples  {out}")
