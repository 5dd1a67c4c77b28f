"""``handloom evaluate``: predictions against a labelled data set, by a paper's protocol."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from handloom.cli.detectors import DETECTOR_HELP, WEIGHTS_HELP, HandDetectorName

if TYPE_CHECKING:
    from handloom.evaluation import Result


class Method(StrEnum):
    """What can predict by itself."""

    handloom = "handloom"


def evaluate(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[PREDICTIONS] DATASET",
            help="pred.json, a zip with it, or our .npz; the data set's folder (alone with --method).",
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Folder for evaluation.json and report.html.")
    ] = Path("evaluation"),
    protocol: Annotated[
        str, typer.Option(help="freihand, ho3d, interhand, intershape, chp3d, rhd or stb.")
    ] = "freihand",
    method: Annotated[
        Method | None, typer.Option(help="Predict with our own picture pipeline instead of reading a file.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Data set on which --detector is run, by the protocol rhd or stb.")
    ] = None,
    detector: Annotated[HandDetectorName, typer.Option(help=DETECTOR_HELP)] = HandDetectorName.chp3d,
    weights: Annotated[Path | None, typer.Option(help=WEIGHTS_HELP)] = None,
    layout: Annotated[
        str | None, typer.Option(help="Of the data set [default: guessed from its files].")
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(help="Of the data set [default: the layout's first; evaluation with --data]."),
    ] = None,
    training: Annotated[
        Path | None,
        typer.Option(help="Data set the method was trained on: gives the mean pose, shows shared subjects."),
    ] = None,
    training_split: Annotated[str | None, typer.Option(help="Of the training data.")] = None,
) -> None:
    """Measure predictions exactly as the papers do, beside baselines that need no picture."""
    from handloom.cli.evaluate_detector import evaluate_detector
    from handloom.cli.progress import TerminalProgress
    from handloom.datasets.registry import open_dataset
    from handloom.errors import HandloomError
    from handloom.evaluation import evaluate as run
    from handloom.evaluation import hands_in, protocol_named
    from handloom.evaluation.method import predict
    from handloom.evaluation.report import write_json
    from handloom.evaluation.submissions import read, write_predictions
    from handloom.session.files import make_folder
    from handloom.view.evaluation_report import write_evaluation_report

    if data is not None:
        if paths or method is not None or training is not None:
            raise HandloomError(
                "--data runs a detector: predictions, --method and --training do not go with it.",
                "Give --data, --detector, --weights, --protocol and --split only.",
            )
        evaluate_detector(data, detector.value, weights, protocol, split, out)
        return
    paths = paths or []
    console = Console()
    progress = TerminalProgress(console)
    rules = protocol_named(protocol)
    expected = 1 if method is not None else 2
    if len(paths) != expected:
        raise HandloomError(
            f"{len(paths)} paths were given, {expected} are needed.",
            "Give the predictions and the data set, --method and the data set, or --data.",
        )
    dataset = open_dataset(paths[-1], layout, split)
    truth = hands_in(dataset, progress)
    known = None if training is None else hands_in(open_dataset(training, None, training_split), progress)
    if method is None:
        predictions = read(paths[0], dataset.keys, protocol)
    make_folder(out)
    if method is not None:
        predictions = predict(dataset, method.value, progress)
        write_predictions(predictions, out / "predictions.npz", {"method": method.value})
    result = run(rules, predictions, truth, training=known)
    write_json(result, out / "evaluation.json")
    name = method.value if method is not None else paths[0].name
    report = write_evaluation_report(
        result, out / "report.html", name=name, data=paths[-1].name, dataset=dataset
    )
    console.print(_table(result))
    for finding in result.findings:
        console.print(f"[yellow]{escape(finding.trap)}[/]  {escape(finding.says)}")
    console.print(f"report   {report}")


def _table(result: Result) -> Table:
    covered = f"{result.coverage.found} of {result.coverage.hands} hands predicted"
    table = Table(title=f"{result.protocol.name}: {covered}", title_justify="left")
    table.add_column("figure")
    for column in ("predictions", "found only", *result.baselines):
        table.add_column(column, justify="right")
    for name, value in result.figures.items():
        others = (result.found.get(name), *(base.get(name) for base in result.baselines.values()))
        table.add_row(name, f"{value:.4g}", *("–" if v is None else f"{v:.4g}" for v in others))
    return table
