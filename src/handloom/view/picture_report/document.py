"""Putting the report on pictures together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from handloom.hand.angles import clinical_angles
from handloom.pictures import FoundHand, HandError, PictureResult
from handloom.pictures.indicators import INDICATORS
from handloom.session.files import whole_file
from handloom.session.layout import package_version
from handloom.skeleton import FINGERS
from handloom.view.page import part, rendered
from handloom.view.picture_report.overlays import around, data_uri, overlay
from handloom.view.picture_report.space import drawings
from handloom.view.picture_report.tables import (
    Errors,
    condition_rows,
    error_unit,
    failure_rows,
    finger_rows,
    main_error,
    number,
)
from handloom.view.pictures import Picture

_GRID_PX, _CROP_PX = 360, 420


def write_picture_report(
    results: Sequence[PictureResult],
    path: str | Path,
    errors: Errors | None = None,
    conditions: Mapping[Path, Mapping[str, str]] | None = None,
) -> Path:
    """Write the HTML report on a run over pictures; it carries everything it shows.

    Args:
        results: of :func:`handloom.pictures.image`.
        path: of the file.
        errors: by the pictures' names and the hands' numbers, where a truth is known.
        conditions: by the pictures' paths.

    Raises:
        SessionError: if the file cannot be written.
    """
    path, errors = Path(path), errors or {}
    hands = [hand for result in results for hand in result.hands]
    content = {
        "style": part("handloom.view.report", "report.css")
        + part("handloom.view.picture_report", "pictures.css"),
        "version": package_version("handloom"),
        "pictures": [_picture(result, errors.get(result.name, {})) for result in results],
        "count": len(results),
        "with_hands": sum(bool(result.hands) for result in results),
        "hands": len(hands),
        "clean": sum(not hand.indicators.failures for hand in hands),
        "lenses": _lenses(results),
        "failures": failure_rows(results, errors),
        "conditions": condition_rows(results, conditions or {}, errors),
        "fingers": finger_rows(errors),
        "has_errors": bool(errors),
    }
    page = rendered("handloom.view.picture_report", "pictures.html.j2", content)
    with whole_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def _picture(result: PictureResult, errors: Mapping[int, HandError]) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "name": result.name, "file": result.path.name, "reason": result.reason, "failed": result.failed,
        "lens": "", "size": "", "overlay": "", "hands": [],
    }  # fmt: skip
    if result.failed or result.lens is None:
        return shown
    picture = result.picture()
    shown["lens"] = f"{result.lens.source}, focal length {result.lens.camera.K[0, 0]:.0f} px"
    shown["size"] = f"{picture.shape[1]} × {picture.shape[0]} px"
    drawn = overlay(picture, result, skeleton=False)
    shown["overlay"] = data_uri(drawn, _GRID_PX)
    flat = overlay(picture, result, mesh=False)
    shown["hands"] = [
        _hand(hand, picture, flat, drawn, errors.get(number)) for number, hand in enumerate(result.hands)
    ]
    return shown


def _hand(
    hand: FoundHand, picture: Picture, flat: Picture, drawn: Picture, error: HandError | None
) -> dict[str, Any]:
    fit, values = hand.verdict.fit, hand.indicators.values
    angles = clinical_angles(fit.angles)
    per_finger = [
        (
            finger,
            [
                (name.removeprefix(f"{finger}_"), f"{float(v):.0f}°")
                for name, v in angles.items()
                if name.startswith(finger)
            ],
        )
        for finger in FINGERS
    ]
    return {
        "side": hand.verdict.side,
        "sure": f"{100 * max(hand.reading.right, 1 - hand.reading.right):.0f} %",
        "where": hand.where,
        "failures": hand.indicators.failures,
        "distance": f"{fit.distance_m:.2f} ± {fit.distance_sigma_m:.2f} m",
        "length": f"{1000 * fit.length_m:.0f} mm",
        "reprojection": f"{fit.reprojection_px:.1f} px",
        "crops": [
            (name, data_uri(np.ascontiguousarray(around(image, hand.reading.xy)), _CROP_PX))
            for name, image in (("picture", picture), ("2D keypoints", flat), ("mesh", drawn))
        ],
        "drawings": drawings(fit.keypoints),
        "angles": per_finger,
        "measures": [
            (
                i.failure,
                i.says,
                f"{number(values.get(i.name, np.nan))} {i.unit}".strip(),
                i.flags(values.get(i.name, np.nan)),
            )
            for i in INDICATORS
        ],
        "error": "" if error is None else f"{number(main_error(error))} {error_unit({'': {0: error}})}",
    }


def _lenses(results: Sequence[PictureResult]) -> str:
    sources = [result.lens.source for result in results if result.lens is not None]
    return ", ".join(f"{sources.count(source)} × {source}" for source in dict.fromkeys(sources)) or "none"
