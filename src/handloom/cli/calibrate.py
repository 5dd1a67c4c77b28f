"""``handloom calibrate``: recordings of a board, or of people, in; a rig, and why to believe it, out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from handloom.errors import CalibrationError, HandloomError

if TYPE_CHECKING:
    from handloom.calibration import Calibration, Facts, Finding, Sightings
    from handloom.cameras import Camera, CameraRig
    from handloom.progress import Progress

CORNERS = ".parquet"
_COLOURS = {"error": "bold red", "warning": "yellow", "note": "cyan"}


class Source(StrEnum):
    """What is followed where there is no board."""

    hands = "hands"
    body = "body"


def calibrate(
    recordings: Annotated[
        list[Path],
        typer.Argument(
            help="One recording per camera, videos or folders of pictures; or a folder that holds them; "
            "or corners found before (.parquet)."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option("-o", "--out", help="The rig (.toml); with .parquet the corners are found and no more."),
    ],
    board: Annotated[
        str | None, typer.Option(help="What was filmed: charuco:5x7:40mm, chessboard:9x6:25mm, …")
    ] = None,
    lens_recording: Annotated[
        list[Path] | None,
        typer.Option(help="More pictures of the board for one camera's lens; they bear the camera's name."),
    ] = None,
    lenses: Annotated[
        Path | None, typer.Option(help="A calibration whose lenses are taken over and held.")
    ] = None,
    focal: Annotated[
        str | None, typer.Option(metavar="PX", help="Known focal length in pixels: 850, or left=850.")
    ] = None,
    shared_lens: Annotated[
        bool, typer.Option("--shared-lens", help="All cameras are of one make and share one lens.")
    ] = False,
    lenses_only: Annotated[
        bool, typer.Option("--lenses-only", help="The recordings do not belong together: lenses alone.")
    ] = False,
    offset: Annotated[
        str | None,
        typer.Option(help="Seconds on the common clock at which recordings start: 0,0.04,… or right=0.04."),
    ] = None,
    timing: Annotated[
        bool, typer.Option("--timing", help="Estimate the cameras' clocks along with their places.")
    ] = False,
    world: Annotated[
        str,
        typer.Option(
            help="The origin: first-camera, a camera's name, board[:12.5s], or floor[:12.5s], z up."
        ),
    ] = "first-camera",
    distance: Annotated[
        list[str] | None,
        typer.Option(metavar="A,B=LENGTH", help="Measured distance of two cameras; it sets the scale."),
    ] = None,
    keypoints: Annotated[
        Source | None, typer.Option("--from", help="No board: follow hands or a body (with --lenses).")
    ] = None,
    refine: Annotated[
        Path | None,
        typer.Option(help="With --from: a calibration whose cameras moved a little since."),
    ] = None,
    bone: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=LENGTH", help="Known length of a bone, for the scale without a board."),
    ] = None,
    every_frame: Annotated[
        bool, typer.Option("--every-frame", help="Search every frame of long videos.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Write a rig that is not to be trusted; the file then says so.")
    ] = False,
    report: Annotated[bool, typer.Option(help="Write an HTML report beside the rig.")] = True,
    recording: Annotated[bool, typer.Option(help="Write a recording for the viewer beside the rig.")] = True,
) -> None:
    """Calibrate cameras from recordings of a board, and explain the result."""
    from handloom.calibration.pipeline import CalibrateOptions, NotCalibrated, calibrate_sightings
    from handloom.cli import named_values as named
    from handloom.cli.progress import TerminalProgress

    console = Console()
    progress = TerminalProgress(console)
    if keypoints is not None:
        from handloom.cli.without_board import calibrate_without_board

        result = calibrate_without_board(
            recordings, keypoints.value, lenses, refine, bone or [], distance or [], offset, progress
        )
        say(result.findings, console)
        console.print(result.table)
        write(result.rig, result.findings, result.trusted, out, force, console)
        return
    sightings, facts = _sightings(
        recordings, board, lens_recording or [], lenses_only, offset, every_frame, progress
    )
    if facts is not None:
        _keep_corners(sightings, out.with_suffix(CORNERS), console)
    if out.suffix == CORNERS:
        return
    options = CalibrateOptions(
        known_lenses=_known_lenses(lenses, sightings.cameras),
        known_focal_px=named.for_cameras(focal, sightings.cameras, "--focal"),
        shared_lens=shared_lens,
        timing=timing,
        world=world,
        distances_m=named.distances(distance or [], "--distance"),
        lenses_only=lenses_only,
    )
    try:
        calibration = calibrate_sightings(sightings, options, facts, progress)
    except NotCalibrated as failure:
        say(failure.findings[1:], console)  # the first is the error itself
        if report:
            from handloom.view.calibration_report import write_findings_report

            page = write_findings_report(failure.findings, sightings, out.with_suffix(".html"))
            console.print(f"report   {page}")
        raise
    _present(calibration, out, force, report, recording, console)


def _sightings(
    recordings: Sequence[Path],
    board: str | None,
    lens_recordings: Sequence[Path],
    lenses_only: bool,
    offset: str | None,
    every_frame: bool,
    progress: Progress,
) -> tuple[Sightings, Facts | None]:
    """Corners found before, or looked for now."""
    from handloom.calibration.boards import parse_board
    from handloom.calibration.collect import (
        DEFAULT_MOMENTS,
        collect,
        find_cameras,
        match_lens_recordings,
        read_sightings,
    )
    from handloom.cli import named_values as named

    if len(recordings) == 1 and recordings[0].suffix == CORNERS:
        found = read_sightings(recordings[0])
        if board is not None and parse_board(board).spec != found.board.spec:
            raise CalibrationError(
                f"{recordings[0]} has corners of {found.board.spec}, not of {board}.",
                "Leave --board out, or give the recordings to search them again.",
            )
        return found, None
    if board is None:
        raise HandloomError(
            "It is not said what was filmed.",
            "Give the board, --board charuco:5x7:40mm, or --from hands or --from body where there is none.",
        )
    # The next step's modules load while the search keeps the other threads busy.
    Thread(target=import_module, args=("handloom.calibration.pipeline",), daemon=True).start()
    parsed = parse_board(board)
    names = [camera.name for camera in find_cameras(recordings).cameras]
    collected = collect(
        recordings,
        parsed,
        lens_recordings=match_lens_recordings(lens_recordings, names) if lens_recordings else None,
        synchronous=not lenses_only,
        offsets_s=named.for_cameras(offset, names, "--offset"),
        max_moments=None if every_frame else DEFAULT_MOMENTS,
        progress=progress,
    )
    return collected.sightings, collected.facts


def _keep_corners(sightings: Sightings, path: Path, console: Console) -> None:
    from handloom.calibration.collect import write_sightings

    write_sightings(sightings, path)
    console.print(f"corners  {path}  {len(sightings)} in {len(sightings.views)} pictures")


def _known_lenses(path: Path | None, cameras: Sequence[str]) -> dict[str, Camera]:
    """Lenses of an earlier calibration by the names of these cameras: by name, or all in order."""
    if path is None:
        return {}
    from handloom.cameras import read_rig

    rig = read_rig(path)
    if set(cameras) <= set(rig.names):
        return {name: rig[name] for name in cameras}
    if len(rig) == len(cameras):
        return {name: replace(camera, name=name) for name, camera in zip(cameras, rig, strict=True)}
    raise CalibrationError(
        f"{path} has the lenses of {', '.join(rig.names)}; the recordings are of {', '.join(cameras)}.",
        "Give the recordings the names of their cameras.",
    )


def _present(
    calibration: Calibration, out: Path, force: bool, report: bool, recording: bool, console: Console
) -> None:
    """Write what was found, and say in a few lines whether to believe it."""
    from handloom.view.calibration_report.squares import measured_squares

    say(calibration.findings, console)
    table = Table(title=_title(calibration), title_justify="left")
    for column in ("camera", "views", "rms", "focal length", "lens"):
        table.add_column(column, justify="left" if column in ("camera", "lens") else "right", no_wrap=True)
    rig = {camera.name: camera for camera in calibration.rig}
    for number, name in enumerate(calibration.sightings.cameras):
        views = int((calibration.sightings.counts[:, number] > 0).sum())
        spread = calibration.uncertainty[number]
        if name not in rig or spread is None:
            table.add_row(name, str(views), "–", "–", "not calibrated")
            continue
        focal = f"{rig[name].K[0, 0]:.1f} ± {spread.focal_px[0]:.1f} px"
        rms = f"{calibration.rms_of(number):.2f} px"
        table.add_row(name, str(views), rms, focal, calibration.lenses[number].model)
    console.print(table)
    squares = measured_squares(calibration)
    if squares is not None:
        mean, deviation, truth = (1000 * s for s in (squares.mean, squares.deviation, squares.truth))
        console.print(f"squares  {mean:.2f} ± {deviation:.2f} mm, true {truth:.2f}")
    if report:
        from handloom.view.calibration_report import write_calibration_report

        console.print(f"report   {write_calibration_report(calibration, out.with_suffix('.html'))}")
    if recording:
        from handloom.view.calibration_recording import write_calibration_recording

        write_calibration_recording(calibration, out.with_suffix(".rrd"))
        console.print(f"viewer   handloom view {out.with_suffix('.rrd')}")
    write(calibration.rig, calibration.findings, calibration.trusted, out, force, console)


def _title(calibration: Calibration) -> str:
    return (
        f"{len(calibration.rig)} cameras, reprojection {calibration.rms_px:.2f} px, "
        f"held out {calibration.held_out_px:.2f} px"
    )


def say(findings: Sequence[Finding], console: Console) -> None:
    for finding in findings:
        colour = _COLOURS[finding.severity]
        console.print(f"[{colour}]{finding.name}[/]  {escape(finding.problem)}")
        if finding.remedy:
            console.print(f"[bold]→[/] {escape(finding.remedy)}")


def write(
    rig: CameraRig, findings: Sequence[Finding], trusted: bool, out: Path, force: bool, console: Console
) -> None:
    """Write the rig if it is to be trusted; with ``--force`` it carries the reasons why not."""
    from handloom.cameras import write_rig

    reasons = tuple(f"{f.name}: {f.problem}" for f in findings if f.severity == "error")
    if not trusted and not force:
        raise CalibrationError(
            f"The result is not to be trusted, so {out} is not written: {'; '.join(reasons)}",
            "Mend the recording as said above, or add --force to write it with the reasons inside.",
        )
    write_rig(replace(rig, warnings=(*rig.warnings, *reasons)), out)
    console.print(f"rig      {out}")
