"""``handloom synth``: a labelled data set of pictures that the project makes itself."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

if TYPE_CHECKING:
    from handloom.synthesis.generation import Drawing, Executor


class Layout(StrEnum):
    """How a set is written."""

    webdataset = "webdataset"
    freihand = "freihand"
    rhd = "rhd"
    interhand = "interhand"
    coco_wholebody = "coco-wholebody"


class Hands(StrEnum):
    """What the pictures show."""

    one = "one"
    two = "two"
    interacting = "interacting"
    mixed = "mixed"


def synth(
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Folder of the data set.")] = None,
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many pictures.")] = 1000,
    layout: Annotated[Layout, typer.Option(help="How the set is written.")] = Layout.webdataset,
    seed: Annotated[int, typer.Option(min=0, help="Decides everything; another seed is another set.")] = 0,
    size: Annotated[str | None, typer.Option(help="Of a picture: pixels, or WIDTHxHEIGHT [256].")] = None,
    hands: Annotated[
        Hands | None, typer.Option(help="In a picture [default: mixed; one with freihand].")
    ] = None,
    cameras: Annotated[int | None, typer.Option(min=1, help="Around the hands, at once [1].")] = None,
    frames: Annotated[int | None, typer.Option(min=1, help="Of a scene; above 1 the hands move [1].")] = None,
    backgrounds: Annotated[
        Path | None, typer.Option(help="Folder of photographs without hands, for half of the pictures.")
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="TOML file of all options, or the synth.toml of another set.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes here [default: one per core].")
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            help="Work on a Ray cluster instead: its address, 'auto', or 'local'.", metavar="ADDRESS"
        ),
    ] = None,
    part_size: Annotated[
        int | None, typer.Option(min=1, help="Pictures in a shard, or done between two stops.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the set in the folder, or make it longer.")
    ] = False,
    sheet: Annotated[
        Path | None,
        typer.Option(help="Contact sheet of the first pictures, .png or .jpg; alone it is all that is made."),
    ] = None,
    sheet_pictures: Annotated[int, typer.Option(min=1, help="On the contact sheet.")] = 24,
) -> None:
    """Make pictures of hands with everything true of them: keypoints, visibility, masks, depth, meshes."""
    from handloom.cli.progress import TerminalProgress
    from handloom.errors import HandloomError
    from handloom.synthesis.generation import generate
    from handloom.synthesis.generation.hand_pictures import for_layout, hand_pictures, read_recipe, recipe_of

    if out is None and sheet is None:
        raise HandloomError(
            "Neither a data set nor a contact sheet was asked for.", "Add -o FOLDER, or --sheet sheet.png."
        )
    asked = _asked(size, hands, cameras, frames, backgrounds)
    options = {**(read_recipe(recipe) if recipe is not None else {}), **asked}
    drawing = hand_pictures(recipe_of(for_layout(options, layout.value)))
    console = Console(highlight=False)
    progress = TerminalProgress(console)
    if sheet is not None:
        _write_sheet(drawing, seed, sheet_pictures, sheet)
        console.print(f"[bold]sheet[/]    {sheet}", soft_wrap=True)
    if out is None:
        console.print("[bold]next[/]     the same with -o FOLDER makes the set")
        return
    made = generate(
        drawing,
        count,
        out,
        layout.value,
        seed=seed,
        part_size=part_size,
        executor=_executor(workers, ray),
        resume=resume,
        progress=progress,
    )
    new = f"{made.made} of them new" if made.made < made.pictures else f"in {made.parts} parts"
    console.print(f"[bold]set[/]      {out}  {made.pictures} pictures ({made.layout}), {new}", soft_wrap=True)
    console.print(f"[bold]next[/]     handloom datasets check {out}", soft_wrap=True)


def _asked(
    size: str | None, hands: Hands | None, cameras: int | None, frames: int | None, backgrounds: Path | None
) -> dict[str, Any]:
    """Options of the recipe that were named."""
    from handloom.synthesis.pictures import Recipe

    usual = Recipe()
    asked: dict[str, Any] = {}
    if size is not None:
        asked["image_size"] = _size(size)
    if hands is not None:
        asked["hands"] = dict(usual.hands) if hands is Hands.mixed else {hands.value: 1.0}
    if cameras is not None:
        asked["cameras"] = cameras
    if frames is not None:
        asked["frames"] = frames
    if backgrounds is not None:
        asked["photographs"] = backgrounds
        asked["backgrounds"] = {**usual.backgrounds, "photograph": sum(usual.backgrounds.values())}
    return asked


def _size(text: str) -> tuple[int, int]:
    from handloom.errors import HandloomError

    sides = text.lower().replace("×", "x").split("x")
    if len(sides) > 2 or not all(side.strip().isdecimal() for side in sides):
        raise HandloomError(f"--size {text!r} is no size.", "Write for example 256 or 320x240.")
    return int(sides[0]), int(sides[-1])


def _executor(workers: int | None, ray: str | None) -> Executor | int:
    from handloom.detection.pool import usable_cores
    from handloom.errors import HandloomError

    if ray is None:
        return workers or usable_cores()
    if workers is not None:
        raise HandloomError("--workers and --ray cannot be had together.", "Ray itself knows its cores.")
    from handloom.synthesis.generation.cluster import RayCluster

    return RayCluster(ray)


def _write_sheet(drawing: Drawing, seed: int, pictures: int, path: Path) -> None:
    """Every picture as it is, and beside it with its labels."""
    from dataclasses import replace

    from handloom.datasets.pictures import as_jpg, as_png
    from handloom.errors import HandloomError
    from handloom.session.files import whole_file
    from handloom.view.sample_sheet import sample_sheet

    if path.suffix.lower() not in (".png", ".jpg"):
        raise HandloomError(f"A sheet cannot be written as {path.name}.", "Name it .png or .jpg.")
    indices = range(-(-pictures // drawing.samples_per_index))
    samples = [sample for index in indices for sample in drawing.draw(seed, index)][:pictures]
    pairs = [shown for sample in samples for shown in (replace(sample, hands=()), sample)]
    image = sample_sheet(pairs, columns=8)
    with whole_file(path) as temporary:
        temporary.write_bytes(as_png(image) if path.suffix.lower() == ".png" else as_jpg(image))
