"""What the views of the board leave open about a lens: too few, never tilted, only in the middle."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from handloom.calibration.diagnosis.evidence import Evidence
from handloom.calibration.findings import Finding, Name, Severity

Array = NDArray[np.float64]

_FEWEST_PLACES, _FEW_PLACES = 3, 8
_TILT_DEG = 12.0  # that one view in ten should exceed; cosines tell nothing below
_SURE_FOCAL, _UNSURE_FOCAL = 0.003, 0.02  # standard deviation relative to the focal length
_SMALL_RADIUS, _TINY_RADIUS = 0.4, 0.25  # of half the diagonal: within it lens distortion hardly shows
_CELLS = (6, 8)


def findings(evidence: Evidence) -> Iterator[Finding]:
    """``too-few-views``, ``no-tilt`` and ``centre-only`` of every camera whose lens was estimated."""
    for camera, name in enumerate(evidence.names):
        if name in evidence.given or not evidence.views[:, camera].any():
            continue
        few = _too_few(evidence, camera)
        if few is not None:
            yield few
        if few is None or few.severity is not Severity.error:
            yield from _no_tilt(evidence, camera)
            yield from _centre_only(evidence, camera)


def focal_deviation(evidence: Evidence, camera: int) -> float:
    """Standard deviation of the focal length relative to it; NaN where it is not known."""
    own = evidence.lens_cameras[camera]
    spread = None if evidence.calibration is None else evidence.calibration.uncertainty[camera]
    return float("nan") if own is None or spread is None else float(spread.focal_px[0] / own.K[0, 0])


def _too_few(evidence: Evidence, camera: int) -> Finding | None:
    places, views = evidence.places(camera), int(evidence.views[:, camera].sum())
    if places >= _FEW_PLACES:
        return None
    name = evidence.names[camera]
    return Finding(
        Name.too_few_views,
        Severity.error if places < _FEWEST_PLACES else Severity.warning,
        f"{name} saw the board in only {places} different {'place' if places == 1 else 'places'} ({views}"
        f" {'picture' if views == 1 else 'pictures'}).",
        f"Record at least 15 views of the board with {name}, at various places, distances and tilts, over the"
        " whole picture; or pass a lens that is known.",
        (name,),
        {"places": float(places), "views": float(views)},
    )


def _no_tilt(evidence: Evidence, camera: int) -> Iterator[Finding]:
    tilts = _tilts_deg(evidence, camera)
    if len(tilts) < _FEWEST_PLACES:
        return
    reached = float(np.quantile(tilts, 0.9))
    deviation = focal_deviation(evidence, camera)
    if reached >= _TILT_DEG or deviation <= _SURE_FOCAL:
        return
    name = evidence.names[camera]
    known = np.isfinite(deviation)
    usable = known and deviation <= _UNSURE_FOCAL and reached > _TILT_DEG / 2
    yield Finding(
        Name.no_tilt,
        Severity.warning if usable else Severity.error,
        f"The board was always nearly parallel to the picture of {name} (nine views in ten tilted by less"
        " than"
        f" {reached:.0f}°), so its focal length cannot be told from its distance"
        + (f" (standard deviation {100 * deviation:.1f} %)." if known else "."),
        f"Record {name} again with the board tilted by 30 to 45° about both of its axes in every second"
        " view, or"
        " state the focal length.",
        (name,),
        {"tilt_deg": reached, "focal_std_percent": 100 * deviation},
    )


def _centre_only(evidence: Evidence, camera: int) -> Iterator[Finding]:
    sightings = evidence.sightings
    pixels = sightings.pixels[sightings.camera == camera]
    size = sightings.image_sizes[camera].astype(np.float64)
    radius = np.linalg.norm(pixels - (size - 1) / 2, axis=-1) / np.linalg.norm(size / 2)
    reached = float(np.quantile(radius, 0.95))
    if reached >= _SMALL_RADIUS:
        return
    rows, columns = _CELLS
    cells = np.floor((pixels + 0.5) / size * [columns, rows]).astype(int).clip(0, [columns - 1, rows - 1])
    share = len(np.unique(cells, axis=0)) / (rows * columns)
    name = evidence.names[camera]
    yield Finding(
        Name.centre_only,
        Severity.warning if reached < _TINY_RADIUS else Severity.note,
        f"{name} saw the board only in the middle of its picture: 95 % of the corners lie within"
        f" {100 * reached:.0f} % of the way to the picture's corners, in {100 * share:.0f} % of its area;"
        " lens"
        " distortion farther out is a guess.",
        f"Record {name} again with the board close to every edge and corner of the picture, partly out of"
        " it if"
        " the board has markers.",
        (name,),
        {"radius_reached": reached, "area_share": share},
    )


def _tilts_deg(evidence: Evidence, camera: int) -> Array:
    """(V,) angles between the board and the picture."""
    calibration = evidence.calibration
    own = evidence.cameras[camera]
    if calibration is not None and own is not None:
        boards = own.T_camera_world @ calibration.T_world_board[evidence.views[:, camera]]
    elif evidence.links is not None:
        poses = evidence.links.poses
        boards = poses.T_camera_middle[poses.found & (poses.camera == camera), 0]
    else:
        return np.zeros(0)
    cosine = np.abs(boards[:, 2, 2])
    return np.degrees(np.arccos(np.clip(cosine[np.isfinite(cosine)], 0.0, 1.0)))
