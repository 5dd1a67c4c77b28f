"""Under which conditions pictures were taken: the capture protocol's table."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from handloom.errors import HandloomError

CONDITIONS = ("view", "background", "lighting", "hand", "occlusion", "interaction")
FILE_COLUMNS = ("file", "picture", "image", "filename", "name")


def read_conditions(path: str | Path, pictures: Sequence[Path]) -> dict[Path, dict[str, str]]:
    """Conditions by picture.

    Args:
        path: CSV with a column ``file`` and any of ``view``, ``background``, ``lighting``, ``hand``,
            ``occlusion``, ``interaction``.
        pictures: what it must fit; those it does not name have no conditions.

    Raises:
        HandloomError: if it cannot be read, has no such columns or names none of the pictures.
    """
    path = Path(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise HandloomError(f"{path} cannot be read: {error.strerror}.", "Check the path.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise HandloomError(f"{path} is no CSV table: {error}.", "Save the table as CSV in UTF-8.") from error
    columns = {(name or "").strip().lower(): name for name in (rows[0] if rows else {})}
    key = next((columns[name] for name in FILE_COLUMNS if name in columns), None)
    known = [name for name in CONDITIONS if name in columns]
    if key is None or not known:
        raise HandloomError(
            f"{path} has the columns {', '.join(columns) or '(none)'}.",
            f"Name one 'file', and others of {', '.join(CONDITIONS)}.",
        )
    by_name = {p.name: p for p in pictures} | {p.stem: p for p in pictures}
    found = {}
    for row in rows:
        picture = by_name.get((row[key] or "").strip())
        if picture is not None:
            found[picture] = {name: (row[columns[name]] or "").strip() or "–" for name in known}
    if not found:
        raise HandloomError(
            f"{path} names none of the {len(pictures)} pictures.", f"Its column {key!r} holds their names."
        )
    return found
