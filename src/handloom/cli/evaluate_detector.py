"""``handloom evaluate --data … --detector …``: a hand detector by ColorHandPose3D's protocol."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from handloom.evaluation.published import Row


def evaluate_detector(
    data: Path, detector: str, weights: Path | None, protocol: str, split: str | None, out: Path
) -> None:
    """Read, measure, print and write; see :func:`handloom.cli.evaluate.evaluate`."""
    from handloom.cli.progress import TerminalProgress
    from handloom.datasets.registry import open_dataset
    from handloom.detection.choice import hand_detector
    from handloom.detection.colorhandpose import find_weights
    from handloom.errors import HandloomError
    from handloom.evaluation import evaluate as run
    from handloom.evaluation.detectors import WHOLE, run_detector
    from handloom.evaluation.published import DATA_SETS, beside_published, what_differs
    from handloom.evaluation.report import write_json
    from handloom.evaluation.submissions import write_predictions
    from handloom.session.files import make_folder, whole_file
    from handloom.view.evaluation_report import write_evaluation_report

    if protocol not in DATA_SETS:
        raise HandloomError(
            f"Detectors are evaluated by the protocols {' and '.join(DATA_SETS)}, not by {protocol!r}.",
            "Add --protocol rhd or --protocol stb.",
        )
    console = Console()
    dataset = open_dataset(data, None, split or "evaluation")
    make = hand_detector(detector, weights=weights)
    variant = find_weights(weights).load("posenet").metadata.get("variant") if detector == "chp3d" else None
    ran = run_detector(dataset, make(), TerminalProgress(console))
    rows = beside_published(ran, protocol)
    differs = what_differs(protocol, detector, len(ran.truth), variant)
    make_folder(out)
    for way, found in ran.predictions.items():
        name = way.replace(" ", "_")
        result = run(protocol, found, ran.truth)
        write_json(result, out / f"{name}.json")
        write_predictions(found, out / f"{name}.npz", {"method": detector, "way": way})
        if way == WHOLE:
            report = out / "report.html"
            write_evaluation_report(result, report, name=detector, data=data.name, dataset=dataset)
            console.print(f"report   {report}")
    content = {
        "data": data.name,
        "protocol": protocol,
        "detector": detector,
        "rows": [
            {
                "way": row.way,
                "figure": row.name,
                "ours": row.ours if math.isfinite(row.ours) else None,
                "published": dict(row.published),
            }
            for row in rows
        ],
        "differs": list(differs),
    }
    with whole_file(out / "comparison.json") as temporary:
        temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")
    console.print(_table(rows, f"{detector} on {data.name}, beside ColorHandPose3D as published"))
    for sentence in differs:
        console.print(f"– {sentence}", style="dim", highlight=False)


def _table(rows: Sequence[Row], title: str) -> Table:
    table = Table(title=title, title_justify="left")
    for column in ("way", "figure"):
        table.add_column(column)
    for column in ("ours", "paper", "public weights"):
        table.add_column(column, justify="right")
    way = ""
    for row in rows:
        published = (
            f"{row.published[who]:.4g}" if who in row.published else "–" for who in ("paper", "public")
        )
        ours = f"{row.ours:.4g}" if math.isfinite(row.ours) else "–"
        table.add_row("" if row.way == way else row.way, row.name, ours, *published)
        way = row.way
    return table
