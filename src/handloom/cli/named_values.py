"""``NAME=VALUE`` on the command line."""

from __future__ import annotations

from collections.abc import Sequence

from handloom.calibration.boards.lengths import parse_length
from handloom.errors import HandloomError


def pairs(texts: Sequence[str], option: str) -> dict[str, str]:
    """The values by name.

    Raises:
        HandloomError: naming the option, if a text is no pair.
    """
    split = [text.split("=", 1) for text in texts]
    for text, parts in zip(texts, split, strict=True):
        if len(parts) != 2 or not all(part.strip() for part in parts):
            raise HandloomError(f"{option} {text!r} is not NAME=VALUE.", f"Write for example {option} left=…")
    return {name.strip(): value.strip() for name, value in split}


def number(text: str, option: str) -> float:
    """A number.

    Raises:
        HandloomError: naming the option, if it is none.
    """
    try:
        return float(text)
    except ValueError as error:
        raise HandloomError(
            f"{option}: {text!r} is not a number.", "Write it with a decimal point."
        ) from error


def for_cameras(text: str | None, cameras: Sequence[str], option: str) -> dict[str, float]:
    """One number for all cameras, one for each in their order, or ``NAME=NUMBER``; separated by commas.

    Raises:
        HandloomError: naming the option, for a camera there is not, or numbers that do not fit the cameras.
    """
    if text is None:
        return {}
    parts = [part.strip() for part in text.split(",")]
    if "=" in text:
        values = {name: number(value, option) for name, value in pairs(parts, option).items()}
    else:
        numbers = [number(part, option) for part in parts]
        if len(numbers) == 1:
            numbers *= len(cameras)
        if len(numbers) != len(cameras):
            raise HandloomError(
                f"{option} has {len(numbers)} numbers for {len(cameras)} cameras ({', '.join(cameras)}).",
                f"Give one for each, or name the camera: {option} {cameras[-1]}={parts[-1]}.",
            )
        values = dict(zip(cameras, numbers, strict=True))
    unknown = [name for name in values if name not in cameras]
    if unknown:
        raise HandloomError(
            f"{option} names {', '.join(unknown)}, but no such camera.",
            f"The cameras are {', '.join(cameras)}.",
        )
    return values


def lengths(texts: Sequence[str], option: str) -> dict[str, float]:
    """Metres by name, of ``NAME=LENGTH``.

    Raises:
        HandloomError: if a text is no pair, or its value no length.
    """
    return {name: parse_length(value) for name, value in pairs(texts, option).items()}


def distances(texts: Sequence[str], option: str) -> dict[tuple[str, str], float]:
    """Metres by the names of two cameras, of ``A,B=LENGTH``.

    Raises:
        HandloomError: if a text names no two cameras, or its value is no length.
    """
    found = {}
    for names, metres in lengths(texts, option).items():
        two = tuple(name.strip() for name in names.split(","))
        if len(two) != 2 or two[0] == two[1]:
            raise HandloomError(
                f"{option} {names!r} does not name two cameras.",
                f"Write for example {option} left,right=0.8m.",
            )
        found[two[0], two[1]] = metres
    return found
