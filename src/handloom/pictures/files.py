"""The numbers of pictures on the disk: ``hands.json`` to read, ``hands.npz`` to compute with, a GLB each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from handloom.evaluation.joints import by_finger
from handloom.export.posed_glb import posed_glb
from handloom.hand.angles import clinical_angles
from handloom.pictures.result import FoundHand, PictureResult
from handloom.pictures.truth import HandError
from handloom.session.files import make_folder, whole_file
from handloom.session.layout import package_version
from handloom.skeleton import HAND

MESHES = "meshes"


def write_numbers(
    results: Sequence[PictureResult],
    folder: Path,
    errors: Mapping[str, Mapping[int, HandError]] | None = None,
) -> list[Path]:
    """Write ``hands.json``, ``hands.npz`` and ``meshes/<picture>.glb`` into an existing folder.

    Args:
        results: of a run.
        folder: where to.
        errors: of every picture by name and of every hand in it by number, where a truth is known.

    Returns:
        The files.

    Raises:
        SessionError: if the file system refuses.
    """
    errors = errors or {}
    content = {
        "handloom": package_version("handloom"),
        "frame": "camera: +X right, +Y down, +Z forward; metres, degrees, pixels",
        "joints": list(HAND.joints),
        "pictures": [_picture(result, errors.get(result.name, {})) for result in results],
    }
    written = [folder / "hands.json", folder / "hands.npz"]
    with whole_file(written[0]) as temporary:
        temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")
    with whole_file(written[1]) as temporary:
        np.savez_compressed(temporary, **_arrays(results))
    if any(result.hands for result in results):
        make_folder(folder / MESHES)
    for result in results:
        if result.hands:
            path = folder / MESHES / f"{result.name}.glb"
            hands = [(f"{h.verdict.side}_{k}", h.model, h.vertices) for k, h in enumerate(result.hands)]
            with whole_file(path) as temporary:
                temporary.write_bytes(posed_glb(hands, {"picture": result.path.name}))
            written.append(path)
    return written


def _picture(result: PictureResult, errors: Mapping[int, HandError]) -> dict[str, Any]:
    lens = result.lens
    return {
        "file": result.path.name,
        "name": result.name,
        "size": result.image_size,
        "reason": result.reason or None,
        "lens": None if lens is None else {
            "source": lens.source,
            "K": lens.camera.K.tolist(),
            "distortion": lens.camera.distortion.tolist(),
            "focal_spread": lens.focal_spread,
        },
        "hands": [_hand(hand, errors.get(number)) for number, hand in enumerate(result.hands)],
    }  # fmt: skip


def _hand(hand: FoundHand, error: HandError | None) -> dict[str, Any]:
    fit, reading = hand.verdict.fit, hand.reading
    angles = {name: round(float(value), 1) for name, value in clinical_angles(fit.angles).items()}
    return {
        "side": hand.verdict.side,
        "right_probability": round(reading.right, 4),
        "side_advantage": round(hand.verdict.advantage, 2),
        "presence": round(reading.presence, 4),
        "found_in": hand.where,
        "keypoints_px": reading.xy.round(2).tolist(),
        "keypoints_m": fit.keypoints.round(5).tolist(),
        "distance_m": round(fit.distance_m, 4),
        "distance_sigma_m": round(fit.distance_sigma_m, 4),
        "length_m": round(fit.length_m, 4),
        "reprojection_px": round(fit.reprojection_px, 2),
        "angles_deg": angles,
        "indicators": {k: None if np.isnan(v) else round(v, 4) for k, v in hand.indicators.values.items()},
        "failures": list(hand.indicators.failures),
        "errors": None if error is None else _error(error),
    }


def _error(error: HandError) -> dict[str, Any]:
    def known(values: dict[str, float]) -> dict[str, float | None]:
        return {name: None if np.isnan(value) else round(value, 2) for name, value in values.items()}

    return {
        "px": known(by_finger(error.px)),
        "root_aligned_mm": known(by_finger(error.root_mm)),
        "pa_mm": known(by_finger(error.aligned_mm)),
        "wrist_mm": None if np.isnan(error.place_mm) else round(error.place_mm, 1),
    }


def _arrays(results: Sequence[PictureResult]) -> dict[str, Any]:
    pairs = [(result, hand) for result in results for hand in result.hands]
    fits = [hand.verdict.fit for _, hand in pairs]
    B = len(fits[0].shape) if fits else 0

    def stacked(values: list[Any], *shape: int) -> Any:
        return np.array(values, dtype=np.float64).reshape(len(pairs), *shape)

    return {
        "picture": np.array([result.name for result, _ in pairs], dtype=np.str_),
        "side": np.array([fit.side for fit in fits], dtype=np.str_),
        "keypoints_px": stacked([hand.reading.xy for _, hand in pairs], 21, 2),
        "keypoints_m": stacked([fit.keypoints for fit in fits], 21, 3),
        "keypoint_covariance": stacked([fit.keypoint_covariance for fit in fits], 21, 3, 3),
        "angles": stacked([fit.angles for fit in fits], 15, 3),
        "shape": stacked([fit.shape for fit in fits], B),
        "T_camera_wrist": stacked([fit.T_camera_wrist for fit in fits], 4, 4),
        "K": stacked([result.lens.camera.K for result, _ in pairs if result.lens is not None], 3, 3),
    }
