"""Opening a data set by its folder: the layout is known by its files."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handloom.datasets.sample import DataSet
from handloom.errors import DataSetError


@dataclass(frozen=True)
class Layout:
    """A layout that can be read.

    Attributes:
        reader: ``module:class``; the class takes the folder (or file), a split and options of its own.
        signs: glob patterns below the folder; what matches one of them has this layout.
        file: glob pattern of the name of a file that is a whole data set by itself.
    """

    reader: str
    signs: tuple[str, ...] = ()
    file: str = ""


_HERE = "handloom.datasets"

LAYOUTS = {
    "freihand": Layout(f"{_HERE}.freihand:FreiHand", ("training_K.json", "evaluation_K.json")),
    "rhd": Layout(f"{_HERE}.rhd:Rhd", ("training/anno_training.pickle", "evaluation/anno_evaluation.pickle")),
    "stb": Layout(f"{_HERE}.stb:Stb", ("labels/*_BB.mat", "labels/*_SK.mat")),
    "interhand": Layout(
        f"{_HERE}.interhand:InterHand",
        tuple(f"{folder}InterHand2.6M_*_data.json" for folder in ("", "*/", "annotations/*/")),
    ),
    "ho3d": Layout(f"{_HERE}.ho3d:Ho3d", ("train/*/meta", "evaluation/*/meta")),
    "dexycb": Layout(f"{_HERE}.dexycb:DexYcb", ("*/*/meta.yml",)),
    "onehand10k": Layout(f"{_HERE}.onehand10k:OneHand10K", ("*/label_joint.txt",)),
    "cmu": Layout(
        f"{_HERE}.cmu:CmuHands",
        ("hand_labels*", "hand143_panopticdb", "manual_*", "synth1", "hands_v143_14817.json"),
    ),
    "session": Layout(f"{_HERE}.sessions:SessionHands", ("run.toml",)),
    "webdataset": Layout(f"{_HERE}.webdataset:WebDataset", ("*.tar",), "*.tar"),
    "coco-wholebody": Layout(f"{_HERE}.coco:CocoHands", ("annotations/*.json", "*.json"), "*.json"),
    "halpe": Layout(f"{_HERE}.coco:CocoHands"),
    "coco": Layout(f"{_HERE}.coco:CocoHands"),
}
"""Every layout, in the order in which a folder is held against them."""


def open_dataset(
    path: str | Path, layout: str | None = None, split: str | None = None, **options: Any
) -> DataSet:
    """A data set in its official layout.

    Args:
        path: its folder, or the one file it is.
        layout: one of :data:`LAYOUTS`; guessed from the files by default.
        split: such as ``"training"``; the layout's first by default.
        options: of the layout's reader, such as FreiHAND's ``versions``.

    Raises:
        DataSetError: if there is no such folder or layout, no layout fits, or a file is missing or malformed.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise DataSetError(f"There is no {path}.", "Give the folder of a data set.")
    if layout is None:
        layout = guess_layout(path)
    if layout not in LAYOUTS:
        raise DataSetError(
            f"There is no reader of the layout {layout!r}.", f"Known are {', '.join(LAYOUTS)}."
        )
    module, _, name = LAYOUTS[layout].reader.partition(":")
    dataset: DataSet = getattr(importlib.import_module(module), name)(path, split, **options)
    return dataset


def guess_layout(path: Path) -> str:
    """The layout of a folder, by its files.

    Raises:
        DataSetError: naming what was looked for, if no layout fits.
    """
    for name, layout in LAYOUTS.items():
        if path.is_file() and layout.file and path.match(layout.file):
            return name
        if any(next(path.glob(sign), None) is not None for sign in layout.signs):
            return name
    wanted = "; ".join(f"{' or '.join(kind.signs)} ({name})" for name, kind in LAYOUTS.items() if kind.signs)
    raise DataSetError(
        f"{path} is not of a known layout: there is none of {wanted}.",
        "Give the folder that holds one of these, or name the layout.",
    )
