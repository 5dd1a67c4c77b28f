"""Pages that carry everything they need, from templates that lie in the folder ``page`` of a package."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


def rendered(package: str, template: str, content: Mapping[str, Any]) -> str:
    """The page a template makes of its content; whatever is not :class:`~markupsafe.Markup` is escaped."""
    environment = Environment(
        loader=PackageLoader(package, "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(content)


def part(package: str, name: str) -> Markup:
    """Text of a file that goes into the page as it is."""
    return Markup(files(package).joinpath("page", name).read_text(encoding="utf-8"))
