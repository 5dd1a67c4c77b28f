"""``handloom live``: hands while they move."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console

from handloom.cli.detectors import DETECTOR_HELP, WEIGHTS_HELP, HandDetectorName
from handloom.cli.track import Runtime


def live(
    sources: Annotated[
        list[str],
        typer.Argument(help="One per camera: webcam numbers, URLs, or video files played at their own pace."),
    ],
    rig: Annotated[
        Path | None, typer.Option(help="The calibration; one camera may go without [default: see --fov].")
    ] = None,
    unit: Annotated[
        str | None, typer.Option(help="Length of the rig's unit where its file does not say: mm, '25 mm', …")
    ] = None,
    fov: Annotated[
        float, typer.Option(help="Of one camera without a rig: degrees across the longer side.")
    ] = 65.0,
    hand_length: Annotated[
        float | None,
        typer.Option(help="Wrist to tip of the middle finger of the flat hand, millimetres, if measured."),
    ] = None,
    max_hands: Annotated[int, typer.Option(min=1, help="At most so many hands.")] = 2,
    headless: Annotated[bool, typer.Option("--headless", help="Do not open the viewer.")] = False,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Keep a session in this folder.")] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the session that is there.")
    ] = False,
    lite: Annotated[bool, typer.Option("--lite", help="Smaller, faster, less exact hand networks.")] = False,
    detector: Annotated[HandDetectorName, typer.Option(help=DETECTOR_HELP)] = HandDetectorName.mediapipe,
    weights: Annotated[Path | None, typer.Option(help=WEIGHTS_HELP)] = None,
    runtime: Annotated[Runtime, typer.Option(help="What runs the networks.")] = Runtime.litert,
) -> None:
    """Follow hands live, fitted meshes included, until the cameras end or Ctrl-C."""
    from handloom.cameras import read_rig
    from handloom.cli.progress import TerminalProgress
    from handloom.errors import RigError
    from handloom.live import Keeper, LiveHands, LiveOptions, LivePictures, one_camera, run_live
    from handloom.tracking import open_recording
    from handloom.video import open_video
    from handloom.video.webcam import without_password

    console = Console(highlight=False)
    options = LiveOptions(
        max_hands=max_hands,
        hand_length_m=None if hand_length is None else hand_length / 1000.0,
        runtime=runtime.value,
        lite=lite,
        detector=detector.value,
        weights=None if weights is None else str(weights),
    )
    with ExitStack() as stack:
        if rig is not None:
            recording = open_recording(sources, read_rig(rig, unit=unit), TerminalProgress(console))
            opened, cameras, places = recording.sources, recording.rig, recording.videos
        elif len(sources) == 1:
            [source] = opened = (open_video(sources[0]),)
            cameras = one_camera(source.name, source.image_size, fov)
            path = Path(sources[0])
            places = (str(path.resolve()) if path.exists() else without_password(sources[0]),)
        else:
            raise RigError(
                f"{len(sources)} cameras were given without a calibration.",
                "Say --rig, from handloom calibrate; one camera alone may go without.",
            )
        pictures = LivePictures(opened)
        hands = stack.enter_context(closing(LiveHands(cameras, pictures.fps, options)))
        show = None
        if not headless:
            from handloom.view.live import LiveScene

            show = stack.enter_context(closing(LiveScene(cameras)))
        keeper = None if out is None else Keeper(out, cameras, overwrite=overwrite)
        if keeper is not None:
            stack.callback(keeper.abort)
        with pictures, _ended_by(pictures.stop):
            console.print(f"{len(opened)} views at {pictures.fps:.0f} frames/s; Ctrl-C ends it")
            summary = run_live(pictures, hands, keeper=keeper, show=show)
        for problem in pictures.problems:
            console.print(f"[yellow]note[/]  {problem.problem}")
        console.print(
            f"frames   {summary.frames}, {summary.with_hands} with hands; {summary.skipped} pictures skipped"
        )
        if summary.frames:
            for name, values in (("latency", summary.computing_ms), ("delay", summary.delay_ms)):
                middle, late = np.percentile(values, [50.0, 99.0])
                what = "pictures to hands" if name == "latency" else "with the wait for all views"
                console.print(f"{name:<8} {middle:.1f} ms median, {late:.1f} ms 99 % ({what})")
        if keeper is not None and summary.frames:
            views = zip(cameras, places, opened, strict=True)
            inputs: dict[str, Any] = {
                "videos": {
                    camera.name: {"path": place, "image_size": list(source.image_size), "fps": source.fps}
                    for camera, place, source in views
                },
                "frames": summary.frames,
            }
            session = keeper.finish(["handloom", *sys.argv[1:]], inputs, asdict(options))
            console.print(f"session  {session.folder}")


@contextmanager
def _ended_by(stop: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C and SIGTERM stop without an exception: the frame at hand is completed, what was kept written."""
    before = {end: signal.signal(end, lambda *_: stop()) for end in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for end, handler in before.items():
            signal.signal(end, handler)
