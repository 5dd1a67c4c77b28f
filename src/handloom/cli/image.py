"""``handloom image``: photographs in; hands in 3D, meshes over the pictures, and where it fails, out."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from handloom.cli.detectors import DETECTOR_HELP, WEIGHTS_HELP, HandDetectorName

if TYPE_CHECKING:
    from handloom.cameras import Camera


class Side(StrEnum):
    """The person's own."""

    left = "left"
    right = "right"


def image(
    pictures: Annotated[list[Path], typer.Argument(help="Photographs, or folders of photographs.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for everything that is written.")],
    intrinsics: Annotated[
        Path | None, typer.Option(help="The camera's calibration: a rig file with one camera.")
    ] = None,
    fov: Annotated[
        float | None,
        typer.Option(metavar="DEG", help="Field of view across the longer side [default: EXIF, or 65]."),
    ] = None,
    hand_length: Annotated[
        float | None,
        typer.Option(
            metavar="MM", help="Crease of the wrist to tip of the middle finger [default: an adult's, ± 7 %]."
        ),
    ] = None,
    side: Annotated[Side | None, typer.Option(help="All hands are of this side.")] = None,
    mirrored: Annotated[
        bool,
        typer.Option("--mirrored", help="The pictures are mirrored selfies: they are turned back first."),
    ] = False,
    max_hands: Annotated[int, typer.Option(min=1, help="At most so many hands in a picture.")] = 4,
    truth: Annotated[
        Path | None, typer.Option(help="True keypoints: FreiHAND's lists or COCO annotations (JSON).")
    ] = None,
    metadata: Annotated[
        Path | None,
        typer.Option(help="CSV: file, view, background, lighting, hand, occlusion, interaction."),
    ] = None,
    checks: Annotated[
        bool, typer.Option(help="Read every hand again mirrored and turned, and compare.")
    ] = True,
    detector: Annotated[HandDetectorName, typer.Option(help=DETECTOR_HELP)] = HandDetectorName.mediapipe,
    weights: Annotated[Path | None, typer.Option(help=WEIGHTS_HELP)] = None,
) -> None:
    """Find hands in photographs, fit them, and analyse where that fails."""
    from handloom.cli.progress import TerminalProgress
    from handloom.errors import DetectionError
    from handloom.fitting.hand_size import HandSize
    from handloom.pictures import (
        ImageOptions,
        errors,
        picture_files,
        read_conditions,
        read_truth,
        write_numbers,
    )
    from handloom.pictures import image as run
    from handloom.session.files import make_folder
    from handloom.view.picture_report import write_overlays, write_picture_report

    console = Console()
    # A picture that is named twice is read once.
    paths = list(dict.fromkeys(path for given in pictures for path in picture_files(given)))
    known = read_truth(truth, paths) if truth is not None else {}
    conditions = read_conditions(metadata, paths) if metadata is not None else {}
    options = ImageOptions(
        intrinsics=None if intrinsics is None else _one_camera(intrinsics),
        fov_deg=fov,
        size=None if hand_length is None else HandSize(hand_length / 1000),
        side=None if side is None else side.value,
        mirrored=mirrored,
        max_hands=max_hands,
        checks=checks,
        detector=detector.value,
        weights=None if weights is None else str(weights),
    )
    make_folder(out)
    results = run(paths, options, TerminalProgress(console))
    found = {r.name: errors(r, known[r.path]) for r in results if r.path in known}
    write_numbers(results, out, found)
    write_overlays(results, out)
    report = write_picture_report(results, out / "report.html", found, conditions)

    table = Table(title=f"{sum(bool(r.hands) for r in results)} of {len(results)} pictures with a hand")
    for column in ("picture", "hand", "distance", "2D–3D gap", "signs of failure"):
        table.add_column(column, justify="right" if column in ("distance", "2D–3D gap") else "left")
    for result in results:
        if not result.hands:
            table.add_row(escape(result.path.name), "–", "–", "–", escape(result.reason))
        for hand in result.hands:
            fit = hand.verdict.fit
            distance = f"{fit.distance_m:.2f} ± {fit.distance_sigma_m:.2f} m"
            signs = ", ".join(hand.indicators.failures) or "none"
            table.add_row(
                escape(result.path.name), hand.verdict.side, distance, f"{fit.reprojection_px:.1f} px", signs
            )
    console.print(table)
    console.print(f"report   {report}")
    if all(result.failed for result in results):
        raise DetectionError(
            f"None of the {len(results)} pictures could be used: {results[0].path.name}: {results[0].reason}",
            "Give pictures that other programs can open.",
        )


def _one_camera(path: Path) -> Camera:
    from handloom.cameras import read_rig
    from handloom.errors import RigError

    rig = read_rig(path)
    if len(rig) != 1:
        raise RigError(
            f"{path} holds {len(rig)} cameras, a picture has one.",
            "Give a file with the picture's camera alone.",
        )
    return rig[0]
