"""Our own picture pipeline over a data set, as predictions like anyone's."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from handloom.datasets.sample import DataSet, Sample
from handloom.detection import BodyDetector, HandDetector
from handloom.errors import DataSetError, HandloomError
from handloom.evaluation.hands import Hands, J
from handloom.pictures import ImageOptions, PictureResult, read_hands
from handloom.pictures.search import HandSearch
from handloom.progress import SILENT, Progress

METHODS = ("handloom",)


def predict(dataset: DataSet, method: str = "handloom", progress: Progress = SILENT) -> Hands:
    """Find and fit the hands in every picture of a data set.

    The data set's intrinsics are used, and as many hands are looked for as are labelled; sides, sizes and
    places of hands are not told. A picture in which nothing is found has no row.

    Args:
        dataset: with pictures.
        method: one of :data:`METHODS`.
        progress: told of every picture, and of those that cannot be used.

    Raises:
        DataSetError: for a method that is not known, or if nothing is found in any picture.
        ModelError: if the networks cannot be had.
    """
    if method not in METHODS:
        raise DataSetError(f"There is no method {method!r}.", f"Known are {', '.join(METHODS)}.")
    search = HandSearch(HandDetector(features=True), BodyDetector())
    found: list[tuple[str, PictureResult]] = []
    with progress.task("pictures", total=len(dataset), unit="pictures") as task:
        for index in range(len(dataset)):
            sample = dataset[index]
            try:
                found.append((sample.key, _read(sample, search)))
            except HandloomError as error:
                progress.note(f"{sample.key}: {error}")
            task.advance()
    rows = [(key, hand) for key, result in found for hand in result.hands]
    if not rows:
        raise DataSetError(
            f"No hand was found in any of the {len(dataset)} pictures.", "Look at the pictures."
        )
    fits = [hand.verdict.fit for _, hand in rows]
    return Hands(
        tuple(key for key, _ in rows),
        tuple(hand.verdict.side for _, hand in rows),
        np.stack([fit.keypoints for fit in fits]),
        np.stack([hand.reading.xy for _, hand in rows]).astype(np.float64),
        np.ones((len(rows), J), bool),
        np.stack([hand.vertices for _, hand in rows]),
        np.array([hand.reading.right for _, hand in rows], dtype=np.float64),
    )


def _read(sample: Sample, search: HandSearch) -> PictureResult:
    if sample.image is None:
        raise DataSetError(f"Sample {sample.key} has no picture.", "Evaluate a data set with pictures.")
    options = ImageOptions(intrinsics=sample.camera, max_hands=max(len(sample.hands), 1), checks=False)
    return read_hands(sample.image, Path(sample.key), sample.key, search, options)
