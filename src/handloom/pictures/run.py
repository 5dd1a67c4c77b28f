"""Pictures in, hands with their numbers out; one bad picture never stops the others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from handloom.cameras import Camera
from handloom.detection import BodyDetector, Reading
from handloom.detection.choice import hand_detector
from handloom.errors import FitError, HandloomError, VideoError
from handloom.fitting.sides import SIDES, SideVerdict, fit_sides
from handloom.hand import load_open_hand
from handloom.pictures.evidence import evidence_of
from handloom.pictures.indicators import measure
from handloom.pictures.lens import lens_of
from handloom.pictures.options import ImageOptions
from handloom.pictures.result import FoundHand, PictureResult, read_picture
from handloom.pictures.search import DARK, HandSearch
from handloom.progress import SILENT, Progress
from handloom.video.images import IMAGE_SUFFIXES, ImageSequence, is_image

Image = NDArray[np.uint8]

SMALLEST_PICTURE_PX = 32


def picture_files(pictures: str | Path) -> list[Path]:
    """The picture, or the pictures of a folder in natural order.

    Raises:
        VideoError: if there is nothing there, or the folder holds no picture.
    """
    path = Path(pictures)
    if path.is_dir():
        return ImageSequence.files_in(path)
    if not path.exists():
        raise VideoError(f"There is no picture or folder {path}.", "Check the path.")
    if not is_image(path):
        raise VideoError(
            f"{path} is not named like a picture.", f"Known are {', '.join(sorted(IMAGE_SUFFIXES))}."
        )
    return [path]


def image(
    pictures: str | Path | Sequence[Path], options: ImageOptions | None = None, progress: Progress = SILENT
) -> list[PictureResult]:
    """Find and fit all hands of pictures.

    Args:
        pictures: a picture, a folder of pictures, or several files.
        options: what is known of lens and hands.
        progress: told of every picture.

    Returns:
        One result per picture, in order. A picture that cannot be read has its reason in the result.

    Raises:
        VideoError: if there is no picture at all.
        ModelError: if the networks cannot be had.
    """
    options = options or ImageOptions()
    paths = picture_files(pictures) if isinstance(pictures, str | Path) else list(pictures)
    search = search_for(options)
    results = []
    with progress.task("pictures", total=len(paths), unit="pictures") as task:
        for path, name in zip(paths, _names(paths), strict=True):
            try:
                result = _one(path, name, search, options)
            except HandloomError as error:
                result = PictureResult(path, name, reason=str(error), failed=True)
            if result.failed:
                progress.note(f"{path.name}: {result.reason}")
            results.append(result)
            task.advance()
    return results


def search_for(options: ImageOptions) -> HandSearch:
    """The search with the networks that the options ask for.

    Raises:
        ModelError: if they cannot be had.
    """
    hands = hand_detector(options.detector, options.runtime, weights=options.weights, features=True)
    return HandSearch(hands(), BodyDetector(options.runtime))


def read_hands(
    picture: Image, path: Path, name: str, search: HandSearch, options: ImageOptions
) -> PictureResult:
    """Find and fit all hands of one (H, W, 3) RGB picture; see :func:`image`."""
    height, width = picture.shape[:2]
    if min(width, height) < SMALLEST_PICTURE_PX:
        raise VideoError(f"{path.name} has only {width} × {height} pixels.", "Give a larger picture.")
    lens = lens_of(path, (width, height), options)
    found = search.find(picture, options.max_hands, options.smallest_px)
    if not found:
        reason = _why_none(picture, search)
        return PictureResult(path, name, (width, height), lens, reason=reason, mirrored=options.mirrored)
    hands, reasons = [], []
    for seen in found:
        others = [s.reading.region for s in found if s is not seen]
        try:
            verdict = _fitted(seen.reading, lens.camera, lens.focal_spread, options)
        except FitError as error:
            reasons.append(f"A hand was seen but not fitted: {error}")
            continue
        model = load_open_hand(verdict.side)
        fit = verdict.fit
        vertices = model.pose(fit.angles, fit.shape, fit.T_camera_wrist).vertices
        detector = search.hands if options.checks else None
        indicators = measure(picture, lens.camera, seen.reading, verdict, model, vertices, others, detector)
        hands.append(FoundHand(seen.reading, seen.where, verdict, model, vertices, indicators))
    return PictureResult(
        path, name, (width, height), lens, tuple(hands), " ".join(reasons), mirrored=options.mirrored
    )


def _one(path: Path, name: str, search: HandSearch, options: ImageOptions) -> PictureResult:
    return read_hands(read_picture(path, mirrored=options.mirrored), path, name, search, options)


def _fitted(reading: Reading, camera: Camera, focal_spread: float, options: ImageOptions) -> SideVerdict:
    evidence = evidence_of(reading, camera)
    models = {side: load_open_hand(side) for side in SIDES}
    right = reading.right
    if options.side is not None:
        right = 1.0 if options.side == "right" else 0.0
    return fit_sides(models, camera, evidence, right, options.size, focal_spread=focal_spread)


def _why_none(picture: Image, search: HandSearch) -> str:
    grey = picture.mean(axis=-1)
    mean, bright = float(grey.mean()), float(np.percentile(grey, 99))
    people = search.people(picture)
    light = f"mean grey value {mean:.0f} of 255, brightest {bright:.0f}"
    if mean < DARK / 2 or bright < DARK * 1.2:
        return f"No hand found: the picture is dark ({light}), and lifting its shadows did not help."
    if people:
        return f"No hand found, though a person is: the hands are hidden, blurred or too small ({light})."
    return f"No hand and no person found ({light})."


def _names(paths: Sequence[Path]) -> list[str]:
    """A unique name for each: the stem; where stems repeat, with the suffix; where that repeats, numbered."""
    names: list[str] = []
    stems = [path.stem for path in paths]
    for path in paths:
        name = path.stem if stems.count(path.stem) == 1 else path.name.replace(".", "_")
        number, unique = 2, name
        while unique in names:
            unique, number = f"{name}_{number}", number + 1
        names.append(unique)
    return names
