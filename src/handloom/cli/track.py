"""``handloom track``: videos and a calibration in, a session out."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from handloom.cli.detectors import DETECTOR_HELP, WEIGHTS_HELP, HandDetectorName


class Target(StrEnum):
    """What to look for."""

    hands = "hands"
    body = "body"
    both = "both"


class Runtime(StrEnum):
    """What runs the networks."""

    litert = "litert"
    openvino = "openvino"


def track(
    videos: Annotated[
        list[str], typer.Argument(help="One recording per camera: files, image folders or webcam numbers.")
    ],
    rig: Annotated[Path, typer.Option(help="The calibration: a file or folder of any known format.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder of the session.")],
    target: Annotated[Target, typer.Option(help="What to look for.")] = Target.hands,
    people: Annotated[int, typer.Option(min=1, help="How many people there are at most.")] = 1,
    max_hands: Annotated[
        int | None, typer.Option(min=1, help="At most so many hands [default: 2 a person].")
    ] = None,
    unit: Annotated[
        str | None,
        typer.Option(help="Length of the rig's unit where its file does not say: mm, cm, '25 mm', …"),
    ] = None,
    offset: Annotated[
        str | None,
        typer.Option(
            help="Seconds after the first view's start at which each view starts, '0,0.04,…', or 'auto'."
        ),
    ] = None,
    fps: Annotated[
        float | None, typer.Option(help="Common frame rate [default: the slowest video's].")
    ] = None,
    causal: Annotated[
        bool, typer.Option("--causal", help="Use the past only, as a live system would.")
    ] = False,
    smooth: Annotated[
        bool, typer.Option(help="Solve for the motion, or triangulate each frame alone.")
    ] = True,
    fill: Annotated[float, typer.Option(min=0.0, help="Fill gaps up to this long, seconds.")] = 0.25,
    lite: Annotated[bool, typer.Option("--lite", help="Smaller, faster, less exact hand networks.")] = False,
    runtime: Annotated[Runtime, typer.Option(help="What runs the networks.")] = Runtime.litert,
    detector: Annotated[HandDetectorName, typer.Option(help=DETECTOR_HELP)] = HandDetectorName.mediapipe,
    weights: Annotated[Path | None, typer.Option(help=WEIGHTS_HELP)] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue a run that was interrupted.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the session that is there.")
    ] = False,
    write_report: Annotated[bool, typer.Option("--report/--no-report", help="Write report.html.")] = True,
    recording: Annotated[bool, typer.Option(help="Write recording.rrd for the viewer.")] = True,
) -> None:
    """Track hands, bodies or both through synchronised videos into metric 3D keypoints."""
    from handloom.cameras import read_rig
    from handloom.cli.progress import TerminalProgress
    from handloom.cli.results import present
    from handloom.tracking import TrackOptions, estimate_offsets
    from handloom.tracking import track as run

    console = Console()
    progress = TerminalProgress(console)
    cameras = read_rig(rig, unit=unit)
    options = TrackOptions(
        target=target.value,
        people=people,
        max_hands=max_hands,
        runtime=runtime.value,
        lite=lite,
        detector=detector.value,
        weights=None if weights is None else str(weights),
        causal=causal,
        smooth=smooth,
        fill_s=fill,
        fps=fps,
    )
    if offset == "auto":
        options = estimate_offsets(videos, cameras, options, progress)
    elif offset is not None:
        options = options.with_offsets(offset)
    session = run(
        videos,
        cameras,
        out,
        options,
        resume=resume,
        overwrite=overwrite,
        progress=progress,
        command=["handloom", *sys.argv[1:]],
    )
    present(session, console, progress, videos=videos, report=write_report, recording=recording)
