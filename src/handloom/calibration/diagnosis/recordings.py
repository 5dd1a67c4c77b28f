"""What can be told from the recordings themselves: nothing found, other picture sizes, gaps in time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from handloom.calibration.diagnosis.evidence import Evidence, listed
from handloom.calibration.findings import Finding, Name, Severity

_SAME_ASPECT = 0.005
_DROPPED_SHARE = 0.01


def findings(evidence: Evidence) -> Iterator[Finding]:
    """``nothing-found``, ``resolution-mismatch`` and, from the pictures' times, ``dropped-frames``."""
    yield from _nothing_found(evidence)
    for camera, name in enumerate(evidence.names):
        yield from _given_size(evidence, camera, name)
        yield from _other_sizes(evidence, name)
        yield from _dropped(evidence, name)


def _nothing_found(evidence: Evidence) -> Iterator[Finding]:
    seen = evidence.sightings.counts.sum(axis=0)
    without = [name for camera, name in enumerate(evidence.names) if not seen[camera]]
    if not without:
        return
    if len(without) == len(evidence.names):
        yield _not_found(evidence, without)
    else:
        for name in without:
            yield _not_found(evidence, [name])


def _not_found(evidence: Evidence, names: list[str]) -> Finding:
    searched = sum(c.searched for c in evidence.facts.cameras if c.name in names) if evidence.facts else 0
    pictures = f"{searched} pictures" if searched else "pictures"
    return Finding(
        Name.nothing_found,
        Severity.error,
        f"The board ({evidence.sightings.board.spec}) was found in none of the {pictures} of"
        f" {listed(names)}.",
        "Check the board's description (kind, columns × rows, dictionary), that the whole board with its"
        " white"
        " margin is in view, lit evenly, sharp and large enough (20 pixels or more per square).",
        tuple(names),
        {"searched": float(searched)},
    )


def _given_size(evidence: Evidence, camera: int, name: str) -> Iterator[Finding]:
    given = evidence.given.get(name)
    if given is None or given.image_size is None:
        return
    width, height = (int(length) for length in evidence.sightings.image_sizes[camera])
    known_width, known_height = given.image_size
    if (width, height) == (known_width, known_height):
        return
    factor = width / known_width
    same = abs(height / known_height / factor - 1.0) <= _SAME_ASPECT
    sizes = f"{known_width}×{known_height}, its pictures are {width}×{height}"
    yield Finding(
        Name.resolution_mismatch,
        Severity.note if same else Severity.error,
        f"The lens given for {name} is for {sizes}"
        + (
            f"; it was scaled by {factor:.4g}, which is right if the camera scales its whole picture."
            if same
            else ": no scaling makes one of the other, the camera must crop."
        ),
        "Make sure that both were recorded in the same mode of the camera; otherwise calibrate the lens from"
        f" {width}×{height} pictures.",
        (name,),
        {"factor_x": factor, "factor_y": height / known_height},
    )


def _other_sizes(evidence: Evidence, name: str) -> Iterator[Finding]:
    facts = evidence.facts[name] if evidence.facts is not None else None
    if facts is None or not facts.other_sizes:
        return
    count = sum(facts.other_sizes.values())
    sizes = listed([f"{width}×{height}" for width, height in sorted(facts.other_sizes)])
    own = "×".join(str(length) for length in facts.image_size)
    yield Finding(
        Name.resolution_mismatch,
        Severity.warning,
        f"{count} pictures of {name} were passed over because they are {sizes}, not {own}.",
        "Record all pictures of a camera in one mode; a lens calibration holds for one picture size.",
        (name,),
        {"pictures": float(count)},
    )


def _dropped(evidence: Evidence, name: str) -> Iterator[Finding]:
    facts = evidence.facts[name] if evidence.facts is not None else None
    if facts is None or not facts.dropped:
        return
    share = facts.dropped / max(facts.dropped + (facts.frame_count or facts.searched), 1)
    yield Finding(
        Name.dropped_frames,
        Severity.warning if share > _DROPPED_SHARE else Severity.note,
        f"The video of {name} lacks {facts.dropped} pictures ({100 * share:.1f} %), as the gaps between its"
        " pictures' times tell.",
        "The times are respected, so nothing is wrong yet; record to a faster disk or at a lower rate to"
        " lose none.",
        (name,),
        {"dropped": float(facts.dropped), "share": float(np.round(share, 6))},
    )
