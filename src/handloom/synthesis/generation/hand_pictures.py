"""Pictures of hands as what a data set is made of, and their recipe as a file."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

from handloom.errors import SynthesisError
from handloom.session.files import explained
from handloom.synthesis.generation.drawing import Drawing
from handloom.synthesis.pictures import Recipe, draw_sample

SOURCE = "hand pictures"

_FINGERPRINT = "photographs_sha256"


def hand_pictures(recipe: Recipe) -> Drawing:
    """The drawing of a recipe: a picture from every camera for every index.

    The fingerprint of a folder of photographs is part of its options: other photographs are another set.
    """
    options = {field.name: getattr(recipe, field.name) for field in fields(recipe)}
    if recipe.photographs is not None:
        options[_FINGERPRINT] = _fingerprint(Path(recipe.photographs))
    return Drawing(SOURCE, partial(draw_sample, recipe), recipe.cameras, options)


def read_recipe(path: Path) -> dict[str, Any]:
    """Options of :class:`~handloom.synthesis.pictures.Recipe` from a TOML file, ``synth.toml`` among them.

    They stand at its top, or in a table ``[recipe]``.

    Raises:
        SynthesisError: if it is no TOML.
        SessionError: if it cannot be read.
    """
    with explained(path):
        if not path.is_file():
            raise SynthesisError(f"There is no recipe {path}.", "Name a TOML file with options.")
        content = path.read_bytes()
    try:
        tables = tomllib.loads(content.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SynthesisError(f"The recipe {path} is no TOML: {error}.", "Mend it.") from error
    options = tables.get("recipe", tables)
    return {name: value for name, value in options.items() if name != _FINGERPRINT}


def recipe_of(options: Mapping[str, Any]) -> Recipe:
    """The recipe of options as a file holds them.

    Raises:
        SynthesisError: naming an option that there is not, or that cannot be what it is.
    """
    known = {field.name: field.default for field in fields(Recipe)}
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise SynthesisError(
            f"A recipe has no option {', '.join(unknown)}.", f"Its options are {', '.join(known)}."
        )
    plain: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in options.items()
    }
    if plain.get("photographs") is not None:
        plain["photographs"] = Path(plain["photographs"]).expanduser().resolve()
    try:
        return Recipe(**plain)
    except (TypeError, ValueError, AttributeError) as error:
        raise SynthesisError(
            f"An option of the recipe is malformed: {error}.", "Compare it with docs/synthesis.md."
        ) from error


def for_layout(options: Mapping[str, Any], layout: str) -> dict[str, Any]:
    """The options, with what a layout asks for: FreiHAND wants one right hand in every picture.

    Raises:
        SynthesisError: if others were asked for.
    """
    if layout != "freihand":
        return dict(options)
    asked = {"hands": {"one": 1.0}, "right_hands": 1.0, **options}
    if any(share for kind, share in asked["hands"].items() if kind != "one") or asked["right_hands"] != 1.0:
        raise SynthesisError(
            "FreiHAND holds one right hand in every picture, but others were asked for.",
            "Ask for one right hand (--hands one), or choose another layout.",
        )
    return asked


def _fingerprint(folder: Path) -> str:
    """Of the names and sizes of the files in a folder."""
    with explained(folder):
        files = sorted((path.name, path.stat().st_size) for path in folder.iterdir() if path.is_file())
    return hashlib.sha256(repr(files).encode()).hexdigest()
