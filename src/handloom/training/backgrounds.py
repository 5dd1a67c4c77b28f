"""Pictures without hands, to put behind hands and to cut occluders from."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from handloom.progress import SILENT, Progress
from handloom.session.files import explained, whole_file
from handloom.synthesis.pictures import Recipe
from handloom.synthesis.pictures.backgrounds import draw_background
from handloom.training.bystanders import VERSION, paint_bystanders

Image = NDArray[np.uint8]

SIDE = 256
_THINNED = 16  # of so many pixels one is looked at to tell backgrounds apart
_COLOURS = np.array([0.3, 0.25, 0.2])


def paint_backgrounds(count: int, seed: int, photographs: Path | None = None) -> Image:
    """(count, 256, 256, 3) uint8 RGB pictures: invented places, or from a folder for half of them.

    Raises:
        SynthesisError: if the folder has no pictures, or one cannot be read.
    """
    usual = Recipe(image_size=(SIDE, SIDE))
    shares = dict(usual.backgrounds)
    if photographs is not None:
        shares["photograph"] = sum(shares.values())
    recipe = Recipe(image_size=(SIDE, SIDE), backgrounds=shares, photographs=photographs)
    pictures = np.empty((count, SIDE, SIDE, 3), np.uint8)
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        clothes, skin = rng.uniform(0.02, 0.6, 3), _COLOURS * rng.uniform(0.3, 2.0)
        _, light = draw_background(recipe, clothes, skin, (seed, number), rng)
        exposed = np.clip(light * (0.35 / max(float(light.mean()), 1e-3)) ** 0.5, 0.0, 1.0)
        pictures[number] = np.rint(255.0 * exposed ** (1 / 2.2))
    return pictures


def piece(pictures: Image, size: int, rng: np.random.Generator) -> Image:
    """A (size, size, 3) piece of one of the pictures: moved, enlarged, turned, mirrored."""
    picture = pictures[rng.integers(len(pictures))]
    side = picture.shape[0]
    zoom = rng.uniform(0.45, 1.0) * side / size
    angle = rng.normal(0.0, 0.2)
    c, s = zoom * np.cos(angle), zoom * np.sin(angle)
    flip = -1.0 if rng.random() < 0.5 else 1.0
    half = (size - 1) / 2
    centre = (side - 1) / 2 + (side - zoom * size) / 2 * rng.uniform(-1.0, 1.0, 2)
    A = np.array([[flip * c, -s], [flip * s, c]])
    matrix = np.concatenate([A, (centre - A @ [half, half])[:, None]], axis=1)
    warped = cv2.warpAffine(
        picture, matrix, (size, size), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT_101,
    )  # fmt: skip
    return np.asarray(warped, np.uint8)


def stored_backgrounds(
    store: Path,
    count: int,
    seed: int,
    photographs: Path | None = None,
    progress: Progress = SILENT,
    *,
    bystanders: int = 0,
) -> Image:
    """:func:`paint_backgrounds`, painted once and kept in a folder.

    Args:
        bystanders: so many pictures of people whose hands are not seen are added.
    """
    names = [] if photographs is None else sorted(path.name for path in photographs.rglob("*"))
    painted = (bystanders, VERSION) if bystanders else ()
    identity = repr((count, seed, names, photographs and photographs.resolve(), painted))
    path = store / f"backgrounds-{hashlib.sha256(identity.encode()).hexdigest()[:16]}.npy"
    if not path.exists():
        with progress.task("backgrounds", total=1, unit="sets") as task:
            places = paint_backgrounds(count, seed, photographs)
            people = [
                paint_bystanders(SIDE, np.random.default_rng([seed, 1, number]))
                for number in range(bystanders)
            ]
            pictures = np.concatenate([places, np.reshape(people, (-1, SIDE, SIDE, 3))]).astype(np.uint8)
            task.advance()
        with explained(store):
            store.mkdir(parents=True, exist_ok=True)
        with whole_file(path, rivals=True) as temporary, temporary.open("wb") as file:
            np.save(file, pictures)
    with explained(path):
        return np.asarray(np.load(path, mmap_mode="r"))


def described(data: dict[str, Any], backgrounds: Image) -> dict[str, Any]:
    """What is told of the data of a run, with the pictures put behind them: others make another run."""
    told = hashlib.sha256(backgrounds[:, ::_THINNED, ::_THINNED].tobytes()).hexdigest()
    both = hashlib.sha256(f"{data['fingerprint']} {told}".encode()).hexdigest()
    return {**data, "fingerprint": both, "backgrounds": len(backgrounds), "backgrounds_sha256": told}
