"""``handloom board``: a calibration board to print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def board(
    spec: Annotated[
        str,
        typer.Argument(
            help="What to print: charuco:5x7:40mm, chessboard:9x6:25mm, aruco:5x7:30mm or aprilgrid:6x6:40mm."
        ),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="A .pdf, .svg or .png file.")] = Path("board.pdf"),
    paper: Annotated[
        str, typer.Option(help="A4, A3, A2, A1, A0, Letter, Legal, or a size such as 300x400mm.")
    ] = "A4",
) -> None:
    """Write a calibration board for printing at true size, with a ruler to check the print."""
    from handloom.calibration.boards import parse_board
    from handloom.calibration.boards.printing import write_board

    console = Console(highlight=False)
    made = parse_board(spec)
    page = write_board(made, out, paper)
    width, height = (side * 1000 for side in made.size_m)
    console.print(f"{out}  {width:g} × {height:g} mm on {page.paper}")
    console.print("Print at 100 %, measure the ruler and a square, and give what you measured:")
    console.print(f"  --board {made.spec}")
