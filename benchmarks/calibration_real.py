"""Bars 2, 3 and 4 of the calibration: real recordings, against OpenCV's recipe, aniposelib and Caliscope.

python benchmarks/calibration_real.py [--data DATA] [--only stereo four refusals lenses] [--repeats 3]

* stereo: 13 pairs of pictures of a chessboard. Errors are of all corners that a side found, its lenses and
  rig held, the board posed anew by one and the same function.
* four: four cameras, a ChArUco board in glass that camera 1 sees from behind. Moments 0, 5, 10, … take no
  part in calibrating. At them the board is posed from half of its corners and the other half is predicted,
  and its squares are triangulated. The same corners count for every side, each as that side itself found
  them; that figure and the one with our corners for all are both held against the bar. aniposelib cannot
  calibrate these recordings; ``peers/with_aniposelib.py`` says how it is helped. Times are of whole
  processes, from recordings to files, the shortest of all repeats.
* refusals: recordings and links that are not good enough end with their finding, and the command with a
  status other than 0.
* lenses: seven pictures for each of four lenses, against the focal lengths of Qualisys.
"""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from bench import Scorecard, command_line, use_two_cores
from held_out import Squares, as_sightings, common, fitted_px, predicted_px, rms, squares
from numpy.typing import NDArray
from peers import opencv_recipe
from peers.job import BoardJob, Job
from peers.result import PeerResult, run_peer
from unlinked import stored_pairs

from handloom.calibration.boards import Chessboard, parse_board
from handloom.calibration.collect import collect, write_sightings
from handloom.calibration.findings import Name
from handloom.calibration.lenses.intrinsics import calibrate_lenses
from handloom.calibration.pipeline import calibrate_sightings
from handloom.calibration.sightings import Sightings
from handloom.cameras import CameraRig, read_rig, write_rig

Array = NDArray[np.float64]

MONO_PX, STEREO_PX = 0.21, 0.23
BASELINE_MM, BASELINE_WITHIN_MM = 82.8, 0.5
SQUARE_MM, SQUARE_WITHIN_MM = 54.0, 0.4
PREDICTED_PX = 0.40
HELD_OUT_EVERY = 5
OF_ANIPOSELIB = 1 / 3
FOCAL_PERCENT = 2.0

CHESSBOARD = "chessboard:9x6:25mm"
CHARUCO = "charuco:4x5:54mm:marker=40.5mm:dict=4X4_1000:inverted:two-sided"
LENS_BOARD = "chessboard:4x7:60mm"
PEER_CHESSBOARD = BoardJob("chessboard", 9, 6, 25.0)
PEER_CHARUCO = BoardJob("charuco", 4, 5, 54.0, 0.75, 1000, inverted=True)


@dataclass(frozen=True)
class Side:
    """A rig and the corners that the same program found."""

    name: str
    rig: CameraRig
    seen: Sightings


def our_command(recordings: Sequence[Path], board: str, out: Path, *extra: str) -> list[str]:
    call = [sys.executable, "-c", "from handloom.cli.main import main; main()", "calibrate"]
    return [*call, *map(str, recordings), "--board", board, "-o", str(out), *extra]


def show_failure(name: str, result: PeerResult) -> None:
    print(f"{name} stops after {result.wall_s:.1f} s: {result.failure}")


def stereo(data: Path, scratch: Path) -> bool:
    """13 pairs of pictures of a chessboard."""
    folder = data / "opencv_samples"
    board = parse_board(CHESSBOARD)
    assert isinstance(board, Chessboard)
    pictures = {side: sorted(folder.glob(f"{side}??.jpg")) for side in ("left", "right")}
    sides = [_opencv_stereo(pictures, board)]
    job = Job(PEER_CHESSBOARD, {side: [str(path) for path in paths] for side, paths in pictures.items()})
    for peer in ("aniposelib", "caliscope"):
        result = run_peer(peer, job, scratch / f"stereo_{peer}")
        if result.rig is None:
            show_failure(peer, result)
        else:
            moments = len(pictures["left"])
            sides.append(Side(peer, result.rig, as_sightings(board, result.rig, result.corners, moments)))
    seen = collect([_as_folder(paths, scratch) for paths in pictures.values()], board).sightings
    sides.append(Side("ours", calibrate_sightings(seen).rig, seen))

    figures = [_stereo_figures(side) for side in sides]
    card = Scorecard("13 stereo pairs", tuple(side.name for side in sides))
    most = max(pairs for pairs, *_ in figures)
    pairs, left, right, both, baseline = zip(*figures, strict=True)
    card.add("pairs used", *pairs, at_least=most, digits=0)
    card.add("left lens, RMS px", *left, at_most=MONO_PX, digits=3)
    card.add("right lens, RMS px", *right, at_most=MONO_PX, digits=3)
    card.add("both, RMS px", *both, at_most=STEREO_PX, digits=3)
    card.add("baseline, mm", *baseline)
    off = [abs(value - BASELINE_MM) for value in baseline]
    card.add(f"baseline, mm off {BASELINE_MM}", *off, at_most=BASELINE_WITHIN_MM)
    return card.show()


def _as_folder(pictures: Sequence[Path], scratch: Path) -> Path:
    """A folder of its own with these pictures in it, named as their common beginning."""
    name = re.sub(r"\d+$", "", pictures[0].stem)
    folder = scratch / "pictures" / name
    folder.mkdir(parents=True, exist_ok=True)
    for path in pictures:
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def _opencv_stereo(pictures: dict[str, list[Path]], board: Chessboard) -> Side:
    found = {name: [opencv_recipe.find(path, board) for path in paths] for name, paths in pictures.items()}
    size = (640, 480)
    left, right = (
        opencv_recipe.lens(name, [view for view in views if view is not None], board, size)
        for name, views in found.items()
    )
    pairs = [(a, b) for a, b in zip(*found.values(), strict=True) if a is not None and b is not None]
    rig = opencv_recipe.stereo(left, right, pairs, board)
    rows = [
        (camera, moment, corner, *pixel)
        for camera, views in enumerate(found.values())
        for moment, view in enumerate(views)
        if view is not None
        for corner, pixel in enumerate(view)
    ]
    return Side("OpenCV's recipe", rig, as_sightings(board, rig, np.array(rows), len(pictures["left"])))


def _stereo_figures(side: Side) -> tuple[float, ...]:
    """Pairs, RMS of the left lens, of the right one, of both together, baseline in mm."""
    pairs = np.flatnonzero((side.seen.counts > 0).all(axis=1))
    lenses = (rms(fitted_px(side.rig, side.seen.of_camera(camera))) for camera in (0, 1))
    both = rms(fitted_px(side.rig, side.seen.at_moments(pairs)))
    baseline_mm = 1000 * float(np.linalg.norm(side.rig[1].center - side.rig[0].center))
    return float(len(pairs)), *lenses, both, baseline_mm


def four(data: Path, scratch: Path, repeats: int) -> bool:
    """Four cameras and a ChArUco board that one of them sees from behind."""
    folder = data / "caliscope" / "sessions" / "4_cam_recording" / "calibration" / "extrinsic"
    videos = sorted(folder.glob("cam_?.mp4"))
    board = parse_board(CHARUCO)
    job = Job(PEER_CHARUCO, {video.stem: [str(video)] for video in videos}, HELD_OUT_EVERY)
    plain = run_peer("aniposelib", job, scratch / "four_unhelped")
    if plain.rig is None:
        show_failure("aniposelib", plain)
    peers = {
        "aniposelib, helped": run_peer("aniposelib", replace(job, helped=True), scratch / "four_helped"),
        "caliscope": run_peer("caliscope", job, scratch / "four_caliscope"),
    }
    found = collect(videos, board)
    seen = _numbered_by_frame(found.sightings, found.facts.fps or 1.0)
    frames = len(seen.times_s)
    held = np.arange(0, frames, HELD_OUT_EVERY)
    training = np.setdiff1d(np.arange(frames), held)
    sides = []
    for name, result in peers.items():
        if result.rig is None:
            show_failure(name, result)
        else:
            rig = result.rig.subset(seen.cameras)
            sides.append(Side(name, rig, as_sightings(board, rig, result.corners, frames)))
    sides.append(Side("ours", calibrate_sightings(seen.at_moments(training)).rig, seen))

    card = Scorecard("four cameras, held-out moments", tuple(side.name for side in sides))
    linked = [len(side.rig) for side in sides]
    card.add("cameras", *linked, at_least=len(videos), digits=0)
    card.add("corners found", *(len(side.seen) for side in sides), digits=0)
    own = [own.at_moments(held) for own in common([side.seen for side in sides])]
    pixels = [predicted_px(side.rig, corners) for side, corners in zip(sides, own, strict=True)]
    card.add("predicted corners, median px", *map(_median, pixels), at_most=PREDICTED_PX, digits=3)
    card.add("predicted corners, RMS px", *map(rms, pixels), digits=3)
    of_all = [squares(side.rig, side.seen.at_moments(held)) for side in sides]
    _add_squares(card, of_all)
    of_own = [squares(side.rig, corners) for side, corners in zip(sides, own, strict=True)]
    _add_square_error(card, "squares, RMS error mm", of_own)
    of_ours = [squares(side.rig, own[-1]) for side in sides]
    _add_square_error(card, "with our corners, RMS error mm", of_ours)
    met = card.show()
    return _four_times(videos, job, scratch, repeats) and met


def _numbered_by_frame(seen: Sightings, fps: float) -> Sightings:
    """The same with a moment for every frame, also those in which nothing was found."""
    frame = np.rint(seen.times_s * fps).astype(np.int32)
    times = np.arange(frame.max() + 1) / fps
    blur = np.full((len(times), len(seen.cameras)), np.nan)
    return replace(seen, times_s=times, moment=frame[seen.moment], blur_px=blur)


def _median(values: Array) -> float:
    return float(np.median(values))


def _add_squares(card: Scorecard, sides: Sequence[Squares]) -> None:
    card.add("squares, mean mm", *(side.mean_mm for side in sides))
    off = (abs(side.mean_mm - SQUARE_MM) for side in sides)
    card.add(f"squares, mean off {SQUARE_MM} mm", *off, at_most=SQUARE_WITHIN_MM)
    card.add("squares, spread mm", *(side.spread_mm for side in sides), at_most=SQUARE_WITHIN_MM)


def _add_square_error(card: Scorecard, measure: str, sides: Sequence[Squares]) -> None:
    errors = [side.rms_error_mm for side in sides]
    card.add(measure, *errors, at_most=min(errors[:-1], default=math.inf), digits=3)


def _four_times(videos: Sequence[Path], job: Job, scratch: Path, repeats: int) -> bool:
    """Whole processes on the whole recordings, the sides taking turns; the others write no report."""
    whole = replace(job, held_out_every=0)
    sides = ("aniposelib, helped", "caliscope", "ours with report", "ours")
    shortest = dict.fromkeys(sides, math.inf)
    for turn in range(repeats):
        out = scratch / f"timed_{turn}"
        helped = run_peer("aniposelib", replace(whole, helped=True), out / "aniposelib")
        other = run_peer("caliscope", whole, out / "caliscope")
        walls = [helped.wall_s, other.wall_s]
        for extra in ((), ("--no-report", "--no-recording")):
            begin = time.perf_counter()
            ours = _run(our_command(videos, CHARUCO, out / "rig.toml", *extra))
            walls.append(time.perf_counter() - begin if ours.returncode == 0 else math.nan)
            if ours.returncode:
                print(f"ours ends with status {ours.returncode}:\n{ours.stdout}")
        shortest = {side: min(best, wall) for (side, best), wall in zip(shortest.items(), walls, strict=True)}
    card = Scorecard(f"whole process, shortest of {repeats}", sides)
    bar = min(OF_ANIPOSELIB * shortest["aniposelib, helped"], shortest["caliscope"])
    card.add("seconds", *shortest.values(), at_most=round(bar, 2))
    return card.show()


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def refusals(data: Path, scratch: Path) -> bool:
    """Recordings without a board, and cameras that are not linked."""
    sessions = data / "caliscope" / "sessions"
    videos = sorted((sessions / "h264_extrinsic").glob("cam_?.mp4"))
    card = Scorecard("must be refused", ("aniposelib", "caliscope", "ours"))
    job = Job(PEER_CHARUCO, {video.stem: [str(video)] for video in videos})
    others = [run_peer(peer, job, scratch / f"refused_{peer}") for peer in ("aniposelib", "caliscope")]
    ours = _run(our_command(videos, CHARUCO, scratch / "refused.toml"))
    said = (_error_of(result) for result in others)
    _add_refusal(card, "test cards, no board", tuple(said), ours, scratch / "refused.toml")
    links = stored_pairs(sessions / "not_sufficient_stereopairs")
    write_sightings(links.sightings, scratch / "links.parquet")
    write_rig(CameraRig(links.lenses), scratch / "lenses.toml")
    command = our_command([scratch / "links.parquet"], links.sightings.board.spec, scratch / "unlinked.toml")
    ours = _run([*command, "--lenses", str(scratch / "lenses.toml")])
    _add_refusal(card, "pairs 1-2, 3-4, 3-6 of six cameras", ("", ""), ours, scratch / "unlinked.toml")
    unlinked = any(name in ours.stdout for name in (Name.unlinked_camera, Name.separate_groups))
    card.add("  says that cameras are not linked", "", "", float(unlinked), at_least=1, digits=0)
    return card.show()


def _error_of(result: PeerResult) -> str:
    return result.failure.split(":")[0].rsplit(".", maxsplit=1)[-1] if result.rig is None else "calibrates"


def _add_refusal(
    card: Scorecard,
    what: str,
    others: tuple[str, ...],
    ours: subprocess.CompletedProcess[str],
    out: Path,
) -> None:
    named = [str(name) for name in Name if str(name) in ours.stdout]
    card.add(what, *others, f"status {ours.returncode}, {', '.join(named) or 'no finding'}")
    refused = ours.returncode != 0 and bool(named) and not out.exists()
    card.add("  refused with a finding", "", "", float(refused), at_least=1, digits=0)


def lenses(data: Path) -> bool:
    """Seven pictures for each of four lenses."""
    folder = data / "pose2sim" / "Demo_SinglePerson" / "calibration"
    qualisys = read_rig(folder / "Calib.qca.txt")
    board = parse_board(LENS_BOARD)
    assert isinstance(board, Chessboard)
    folders = sorted(path for path in (folder / "intrinsics").iterdir() if path.is_dir())
    seen = collect(folders, board, synchronous=False).sightings
    ours = [result.camera for result in calibrate_lenses(seen) if result]
    card = Scorecard("focal length, % off Qualisys", ("OpenCV's recipe", "ours"))
    for pictures, camera, truth in zip(folders, ours, qualisys, strict=True):
        views = [opencv_recipe.find(path, board) for path in sorted(pictures.glob("*.jpg"))]
        found = [view for view in views if view is not None]
        assert camera.image_size is not None
        theirs = opencv_recipe.lens(camera.name, found, board, camera.image_size)
        off = (_focal_percent(side.K, truth.K) for side in (theirs, camera))
        card.add(f"{camera.name}, {len(found)} pictures", *off, at_most=FOCAL_PERCENT)
    return card.show()


def _focal_percent(K: Array, truth: Array) -> float:
    return 100 * float(np.abs(np.diag(K)[:2] / np.diag(truth)[:2] - 1).max())


def main() -> None:
    parser = command_line(__doc__)
    parts = ("stereo", "four", "refusals", "lenses")
    parser.add_argument("--only", nargs="+", choices=parts, default=parts, help="some of the parts")
    parser.add_argument("--repeats", type=int, default=3, help="times each side is timed [%(default)s]")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    use_two_cores()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        runs = {
            "stereo": lambda: stereo(options.data, scratch),
            "four": lambda: four(options.data, scratch, options.repeats),
            "refusals": lambda: refusals(options.data, scratch),
            "lenses": lambda: lenses(options.data),
        }
        met = [runs[part]() for part in parts if part in options.only]
    sys.exit(0 if all(met) else 1)


if __name__ == "__main__":
    main()
