"""An evaluation as JSON, for machines; the page for people is made of it in ``view.evaluation_report``."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from handloom.evaluation.evaluate import Result
from handloom.session.files import whole_file
from handloom.session.layout import package_version
from handloom.skeleton import HAND


def as_dict(result: Result) -> dict[str, Any]:
    """Everything the result says in plain numbers, strings, lists and dictionaries; NaN becomes None."""
    protocol = result.protocol
    content = {
        "handloom": package_version("handloom"),
        "protocol": {
            "name": protocol.name,
            "title": protocol.title,
            "measures": {one.name: one.describe() for one in protocol.measures},
            "averaging": protocol.averaging,
            "thresholds_m": asdict(protocol.thresholds),
            "visible_only": protocol.visible_only,
            "root": protocol.root,
        },
        "coverage": {
            "hands": result.coverage.hands,
            "found": result.coverage.found,
            "share": result.coverage.share,
            "extra": result.coverage.extra,
            "missing": list(result.coverage.missing),
        },
        "figures": dict(result.figures),
        "figures_found_only": dict(result.found),
        "baselines": {name: dict(table) for name, table in result.baselines.items()},
        "mean_pose_of": result.mean_pose_of,
        "groups": {name: dict(table) for name, table in result.groups.items()},
        "per_finger": {name: dict(values) for name, values in result.per_finger.items()},
        "per_joint": {
            name: dict(zip(HAND.joints, map(float, values), strict=True))
            for name, values in result.per_joint.items()
        },
        "conditions": [asdict(row) for row in result.conditions],
        "curves": {
            name: {
                "unit": curve.unit,
                "thresholds": curve.thresholds.tolist(),
                "pck": {who: np.asarray(shares).tolist() for who, shares in curve.shares.items()},
            }
            for name, curve in result.curves.items()
        },
        "findings": [asdict(finding) for finding in result.findings],
        "notes": list(result.notes),
        "hands": [
            {"key": key, "side": side, "error": float(error), "found": not bool(gone)}
            for key, side, error, gone in zip(
                result.keys, result.sides, result.errors_mm, result.missing, strict=True
            )
        ],
    }
    plain: dict[str, Any] = _without_nan(content)
    return plain


def write_json(result: Result, path: str | Path) -> Path:
    """Write :func:`as_dict`.

    Raises:
        SessionError: if the file cannot be written.
    """
    path = Path(path)
    with whole_file(path) as temporary:
        temporary.write_text(
            json.dumps(as_dict(result), indent=1, ensure_ascii=False, allow_nan=False) + "\n",
            encoding="utf-8",
        )
    return path


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nan(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(one) for one in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
