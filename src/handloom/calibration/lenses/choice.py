"""Which lens model a camera gets: the simplest that predicts unseen views as well as any."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from handloom.calibration.lenses.fit import LensFit, refine_poses
from handloom.calibration.lenses.models import COEFFICIENTS, CX, CY, focal_lengths, to_camera
from handloom.calibration.lenses.views import BoardViews

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

USUAL = ("brown-conrady-5", "brown-conrady-4")
"""The models that a camera with many views gets before simpler ones: what the field's programs expect. The
second where the first folds back inside the picture."""

_FOLDS = 10
_MARGIN = 1.0  # standard errors by which a richer model must be better
_WORTH = 0.005  # and by at least this share
_ENOUGH = 4  # views that tell a lens with distortion from one without
_MANY = 10  # views that can afford the usual model,
_SIMILAR = 1.05  # unless its errors are more than so many times those of a simpler one
_FOLDED = 0.25  # by which share one that folds back inside the picture must be better
_UNUSUAL = 0.03  # and a fisheye


def choose_lens(views: BoardViews, fits: Sequence[LensFit], image_size: tuple[int, int]) -> tuple[int, Array]:
    """The simplest model that predicts unseen views as well as the best one, but for chance.

    Every model predicts views that took no part: the board's pose in such a view is fitted with the lens
    held. The best is not preferred to a simpler one unless its errors are smaller by more than a standard
    error of the differences between views (Breiman et al. 1984, section 3.4.3). A lens that folds back inside
    the picture has to be better by a lot, and a fisheye by a little. With many views the usual model stands
    in for simpler ones: the rig's adjustment has more views to determine it from than are held against each
    other here.

    Args:
        views: what was seen.
        fits: of models in order of complexity.
        image_size: (width, height) in pixels.

    Returns:
        number of the choice, and (F,) root mean square held-out errors, pixels.
    """
    used = fits[int(np.argmin([fit.cost for fit in fits]))].used
    corners = np.maximum(used.sum(axis=1), 1)
    squares = np.stack([held_out_squares(views, fit, used) for fit in fits])
    errors = np.sqrt(squares.sum(axis=1) / corners.sum())
    by_view = np.sqrt(squares / corners)
    folded = np.array([folds(fit, image_size) for fit in fits])
    unusual = np.array([fit.model.camera_model == "fisheye" for fit in fits])
    best = int(np.argmin(errors * (1.0 + _FOLDED * folded + _UNUSUAL * unusual)))
    for simpler in range(best):
        if folded[simpler]:
            continue
        if not fits[simpler].model.free and len(views) >= _ENOUGH:
            continue  # every lens distorts a little: to claim that it does not takes being the best
        excess = by_view[simpler] - by_view[best]
        noise = np.std(excess, ddof=1) / np.sqrt(len(excess)) if len(excess) > 1 else np.inf
        if excess.mean() <= _MARGIN * noise or errors[simpler] <= (1.0 + _WORTH) * errors[best]:
            best = simpler
            break
    names = [fit.model.name for fit in fits]
    usual = [names.index(name) for name in USUAL if name in names and not folded[names.index(name)]]
    if usual and len(views) >= _MANY and best < usual[0] and errors[usual[0]] <= _SIMILAR * errors[best]:
        best = usual[0]
    return best, errors


def held_out_squares(views: BoardViews, fit: LensFit, used: Mask) -> Array:
    """(V,) sums of squared errors of views predicted by a lens that was fitted without their fold.

    The lens of a fold is one Gauss-Newton step from the lens of all views, with the fold's own share of
    the normal equations taken out.
    """
    free = fit.belief.free
    fold = np.arange(len(views)) % min(_FOLDS, len(views))
    lenses = np.tile(fit.lens, (len(views), 1))
    total = fit.information.sum(axis=0) + np.diag(fit.sigma_px**2 / fit.belief.std[free] ** 2)
    for i in range(int(fold.max(initial=0)) + 1):
        out = fold == i
        left = total - fit.information[out].sum(axis=0)
        size = np.sqrt(np.maximum(np.diag(left), 1e-300))
        step = np.linalg.lstsq(left / size / size[:, None], fit.pull[out].sum(axis=0) / size, rcond=1e-12)[0]
        lenses[np.ix_(out, free)] -= step / size
    _, cost = refine_poses(views, fit.model.camera_model, lenses, fit.poses, used.astype(np.float64), 4)
    return np.where(np.isfinite(cost), cost, 1e12)


def folds(fit: LensFit, image_size: tuple[int, int]) -> bool:
    """Whether the lens draws two directions at one place in some corner of the picture."""
    width, height = image_size
    corners = np.array([[0, 0], [width - 1, 0], [0, height - 1], [width - 1, height - 1]], dtype=np.float64)
    if fit.model.camera_model != "fisheye":
        return not np.isfinite(to_camera("", image_size, fit.lens, fit.model).undistort(corners)).all()
    # A fisheye may well show what lies beyond 90°, which a camera here cannot; that is no fold.
    square = np.linspace(0.0, np.pi / 2, 200) ** 2
    k = fit.lens[COEFFICIENTS : COEFFICIENTS + 4]
    growth = 1.0 + square * (3 * k[0] + square * (5 * k[1] + square * (7 * k[2] + square * 9 * k[3])))
    drawn = np.sqrt(square) * (1.0 + square * (k[0] + square * (k[1] + square * (k[2] + square * k[3]))))
    farthest = np.linalg.norm((corners - fit.lens[[CX, CY]]) / focal_lengths(fit.lens), axis=-1).max()
    turn = np.flatnonzero(growth <= 0)
    return bool(len(turn)) and bool(drawn[turn[0]] < farthest)
