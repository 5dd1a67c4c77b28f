"""The lens of every camera, from pictures of the board alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from handloom.calibration.calibration import LensChoice, Uncertainty
from handloom.calibration.lenses.choice import choose_lens, folds
from handloom.calibration.lenses.fit import LensFit, Poses, fit_lens, refit
from handloom.calibration.lenses.homography import robust_homographies
from handloom.calibration.lenses.models import (
    ASPECT,
    COEFFICIENTS,
    CX,
    CY,
    FOCAL,
    MODELS,
    OUTER,
    PARAMETERS,
    Belief,
    LensModel,
    believe,
    focal_lengths,
    to_camera,
)
from handloom.calibration.lenses.result import LEAST_CORNERS, LensResult, explain, explain_given
from handloom.calibration.lenses.selection import select
from handloom.calibration.lenses.start import poses_before, righted, starting_lens, starting_poses
from handloom.calibration.lenses.views import BoardViews
from handloom.calibration.sightings import Sightings
from handloom.cameras import Camera
from handloom.errors import CalibrationError

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_MOST_VIEWS = 300
_TRIAL_VIEWS = (25, 100)  # at least and at most so many views are spent on each model
_TRIAL_CORNERS = 2500
_TURNED = 0.01  # change of a rotation matrix that is no refinement
_FIRMER = 4  # times that beliefs about a lens that folds back are made firmer
_AS_WELL = 1.02
_UNDETERMINED = 0.2  # relative standard deviation of a focal length that the views say nothing of
_HELD = 1e-3
_TELLING_REACH = 0.5  # of the way to the picture's corners: nearer to the middle all lenses look alike
_SPARE = 3.0  # corner coordinates beyond the poses', per parameter, that a model needs to be tried


def focal_of_view(angle_rad: float, length_px: float) -> float:
    """Focal length in pixels of a lens without distortion that sees so wide an angle over so many pixels."""
    return length_px / (2.0 * float(np.tan(angle_rad / 2.0)))


def calibrate_lens(
    sightings: Sightings,
    camera: int,
    *,
    known_focal_px: float | None = None,
    focal_std: float = 0.0,
    models: Sequence[str] = tuple(MODELS),
    most_views: int = _MOST_VIEWS,
) -> LensResult:
    """Lens of one camera.

    Pictures are selected by what they cover, corners that no plane explains are set aside, and every model
    is fitted by robust least squares with weak beliefs about lenses in general (Zhang 2000; Kannala & Brandt
    2006 for fisheyes). Held-out views decide between the models.

    Args:
        sightings: corners.
        camera: number of the camera.
        known_focal_px: focal length, if it is known: the geometric mean of fx and fy. See
            :func:`focal_of_view`.
        focal_std: how well it is known, relative (0.02 for 2 %); 0 holds it.
        models: names of the models to try: ``"pinhole"``, ``"radial-2"``, ``"brown-conrady-4"``,
            ``"brown-conrady-5"``, ``"fisheye"``, ``"rational-8"``.
        most_views: pictures to compute the lens from.

    Raises:
        CalibrationError: if the camera has no picture that shows enough of the board.
    """
    focal = None if known_focal_px is None else (known_focal_px, focal_std)
    return _calibrate_group(sightings, [camera], focal, models, most_views)[0]


def calibrate_lenses(
    sightings: Sightings,
    *,
    groups: Sequence[Sequence[int]] | None = None,
    known: Mapping[str, Camera] | None = None,
    known_focal_px: Mapping[str, float] | None = None,
    focal_std: float = 0.0,
    models: Sequence[str] = tuple(MODELS),
    most_views: int = _MOST_VIEWS,
) -> list[LensResult | None]:
    """Lenses of all cameras.

    Args:
        sightings: corners.
        groups: cameras that share one lens, by number; those not named have their own.
        known: cameras whose lens is known, by name; it is taken as it is.
        known_focal_px: known focal lengths, by name of the camera.
        focal_std: how well they are known, relative; 0 holds them.
        models: see :func:`calibrate_lens`.
        most_views: see there; of a group together.

    Returns:
        one result per camera; None for cameras without a picture that shows enough of the board.

    Raises:
        CalibrationError: if cameras are to share a lens but have pictures of different sizes or different
            known focal lengths.
    """
    known, focals = known or {}, known_focal_px or {}
    results: list[LensResult | None] = [None] * len(sightings.cameras)
    for group in _partition(sightings, groups or ()):
        given = [known[sightings.cameras[c]] for c in group if sightings.cameras[c] in known]
        stated = {focals[sightings.cameras[c]] for c in group if sightings.cameras[c] in focals}
        if len(stated) > 1:
            raise CalibrationError(
                f"{_names(sightings, group)} are to share one lens, but different focal lengths are stated:"
                f" {', '.join(f'{f:g}' for f in sorted(stated))} px.",
                "State one focal length, or do not let them share a lens.",
            )
        seeing = [c for c in group if len(BoardViews.of(sightings, [c]))]
        if given:
            for c in seeing:
                own = known.get(sightings.cameras[c], given[0])
                results[c] = explain_given(sightings, c, own)
        elif seeing:
            focal = (stated.pop(), focal_std) if stated else None
            for c, result in zip(
                seeing, _calibrate_group(sightings, seeing, focal, models, most_views), strict=True
            ):
                results[c] = result
    return results


def _calibrate_group(
    sightings: Sightings,
    cameras: Sequence[int],
    focal: tuple[float, float] | None,
    models: Sequence[str],
    most_views: int,
) -> list[LensResult]:
    views = BoardViews.of(sightings, cameras)
    if not len(views):
        raise CalibrationError(
            f"The lens of {_names(sightings, cameras)} cannot be calibrated:"
            " no picture shows enough of the board.",
            "Record pictures in which most of the board is in view and in focus,"
            " or check what kind of board it is.",
        )
    width, height = (int(length) for length in sightings.image_sizes[cameras[0]])
    size = (width, height)
    H, trusted = robust_homographies(views.points, views.pixels, views.valid)
    count = views.valid.sum(axis=1)
    worthy = np.flatnonzero(count >= min(LEAST_CORNERS, count.max()))
    few = int(np.clip(_TRIAL_CORNERS / np.median(count[worthy]), *_TRIAL_VIEWS))
    tried = worthy[select(views.take(worthy), H[worthy], trusted[worthy], size, min(few, most_views))]
    told = views.pixels[tried][trusted[tried]] - (np.array(size) - 1) / 2
    reach = np.percentile(np.linalg.norm(told, axis=-1), 95) / (np.hypot(*size) / 2) if len(told) else 0.0
    wanted = [
        model
        for name, model in MODELS.items()
        if name in models and (reach >= _TELLING_REACH or name not in OUTER or len(models) == 1)
    ]
    fits = _fit_models(views.take(tried), trusted[tried], size, focal, wanted)
    best, errors = choose_lens(views.take(tried), fits, size)
    fit = fits[best]

    own = to_camera("", size, fit.lens, fit.model)
    poses, trusted = poses_before(own, fit.lens, views)
    if len(tried) < min(most_views, len(worthy)):
        tried = worthy[select(views.take(worthy), H[worthy], trusted[worthy], size, most_views)]
        start = Poses(poses.R[tried], poses.t[tried])
        fit = fit_lens(views.take(tried), fit.model, fit.belief, fit.lens, start, trusted[tried])
    fit = _with_likely_focal(views.take(tried), fit)
    choice = LensChoice(fit.model.name, {f.model.name: float(e) for f, e in zip(fits, errors, strict=True)})
    results = []
    for c in cameras:
        own = to_camera(sightings.cameras[c], size, fit.lens, fit.model)
        at = np.flatnonzero(views.camera == c)
        selected = views.moment[tried[views.camera[tried] == c]].astype(np.int32)
        results.append(
            explain(
                sightings,
                own,
                views.take(at),
                Poses(poses.R[at], poses.t[at]),
                trusted[at],
                sigma_px=fit.sigma_px,
                choice=choice,
                uncertainty=_uncertainty(fit),
                selected=selected,
            )
        )
    return results


def _fit_models(
    views: BoardViews,
    trusted: Mask,
    image_size: tuple[int, int],
    focal: tuple[float, float] | None,
    models: Sequence[LensModel],
) -> list[LensFit]:
    """Fits of the models, simple ones first; richer ones start from simpler ones of their family."""
    freedom = 2 * int(trusted.sum()) - 6 * len(views)
    fits: list[LensFit] = []
    for model in models:
        if fits and freedom < _SPARE * (COEFFICIENTS + len(model.free)):
            continue
        kin = [fit for fit in fits if fit.model.camera_model == model.camera_model and fit.model.free]
        if kin:
            starts = [(fit.lens, fit.poses) for fit in (kin[-1], kin[0])[: len(kin)]]
        else:
            rough = believe(model, image_size, focal)
            lens = starting_lens(views, model.camera_model, rough, trusted)
            starts = [(lens, starting_poses(views, model.camera_model, lens, trusted))]
        tries = []
        for lens, poses in starts:
            belief = believe(model, image_size, focal, float(np.exp(lens[FOCAL])))
            tries.append(fit_lens(views, model, belief, lens, poses, trusted))
        fit = min(tries, key=lambda f: f.cost)
        if model.free and not kin:
            turned = righted(views, model.camera_model, fit.lens, fit.poses, fit.used)
            if np.abs(turned.R - fit.poses.R).max() > _TURNED:
                fit = fit_lens(views, model, fit.belief, fit.lens, turned, trusted)
        fits.append(_unfolded(views, fit, image_size))
    return fits


def _with_likely_focal(views: BoardViews, fit: LensFit) -> LensFit:
    """The fit, or one at the focal length that is likeliest beforehand where the views cannot tell.

    Boards that all face the camera fit ever so slightly better to ever shorter lenses, because the noise can
    then hide in their tilts. What the views seem to say of it is left out of the standard deviations.
    """
    if not np.sqrt(fit.covariance[FOCAL, FOCAL]) > _UNDETERMINED:
        return fit
    std, lens, t = fit.belief.std.copy(), fit.lens.copy(), fit.poses.t.copy()
    std[FOCAL], lens[FOCAL] = _HELD, fit.belief.mean[FOCAL]
    t[:, 2] *= np.exp(lens[FOCAL] - fit.lens[FOCAL])
    firm = Belief(fit.belief.mean, std)
    likely = fit_lens(views, fit.model, firm, lens, Poses(fit.poses.R, t), fit.used)
    if likely.sigma_px > _AS_WELL * fit.sigma_px:
        return fit
    information = likely.information.copy()
    at = int(np.flatnonzero(fit.belief.free == FOCAL)[0])
    information[:, at, :] = information[:, :, at] = 0.0
    return replace(likely, belief=fit.belief, information=information)


def _unfolded(views: BoardViews, fit: LensFit, image_size: tuple[int, int]) -> LensFit:
    """A fit whose lens does not fold back inside the picture, if one explains the views as well.

    A polynomial is free to do anything where no corner was seen; firmer beliefs hold it there.
    """
    firmer = fit
    for _ in range(_FIRMER):
        if not folds(firmer, image_size):
            return firmer
        std = firmer.belief.std.copy()
        std[COEFFICIENTS:] /= 2.0
        belief = Belief(fit.belief.mean, std)
        firmer = refit(views, firmer, belief)
        if firmer.sigma_px > _AS_WELL * fit.sigma_px:
            break
    return fit


def _uncertainty(fit: LensFit) -> Uncertainty:
    covariance = fit.covariance
    to_focal = np.zeros((2, PARAMETERS))
    to_focal[:, FOCAL] = 1.0
    to_focal[:, ASPECT] = 0.5, -0.5
    to_focal *= focal_lengths(fit.lens)[:, None]
    deviation = np.sqrt(np.diag(covariance))
    return Uncertainty(
        focal_px=np.sqrt(np.diag(to_focal @ covariance @ to_focal.T)),
        principal_px=deviation[[CX, CY]],
        distortion=deviation[COEFFICIENTS : COEFFICIENTS + fit.model.length],
        rotation_rad=np.zeros(3),
        center_m=np.zeros(3),
    )


def _partition(sightings: Sightings, groups: Sequence[Sequence[int]]) -> list[list[int]]:
    """Every camera in exactly one group."""
    parts = [sorted(set(group)) for group in groups if len(group)]
    named = {c for group in parts for c in group}
    if len(named) != sum(map(len, parts)):
        raise ValueError("a camera is in two groups that share a lens")
    for group in parts:
        sizes = {tuple(int(n) for n in sightings.image_sizes[c]) for c in group}
        if len(sizes) > 1:
            raise CalibrationError(
                f"{_names(sightings, group)} cannot share one lens: their pictures measure"
                f" {' and '.join(f'{w}×{h}' for w, h in sorted(sizes))} pixels.",
                "Record them at one resolution, or calibrate their lenses apart.",
            )
    alone = [[c] for c in range(len(sightings.cameras)) if c not in named]
    return sorted(parts + alone)


def _names(sightings: Sightings, cameras: Sequence[int]) -> str:
    names = [repr(sightings.cameras[c]) for c in cameras]
    return f"camera {names[0]}" if len(names) == 1 else f"cameras {', '.join(names)}"
