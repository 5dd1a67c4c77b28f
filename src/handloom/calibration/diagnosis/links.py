"""Cameras that hang together with no other, groups that were never joined, and why."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from handloom.calibration.diagnosis.evidence import Evidence, listed
from handloom.calibration.diagnosis.motion import unsynchronised
from handloom.calibration.diagnosis.suspicion import Paths, cut_in_two, flipped, shifted
from handloom.calibration.findings import Finding, Name, Severity
from handloom.calibration.linking.extrinsics import Edge

_SHARED = 3  # moments two cameras need for their views to be able to contradict each other


def findings(evidence: Evidence) -> Iterator[Finding]:
    """``unlinked-camera`` and ``separate-groups``, or what explains them: ``mirrored-video``,
    ``unsynchronised``, ``moved-camera``."""
    links = evidence.links
    if links is None or len(evidence.names) < 2:
        return
    main = links.groups[0]
    seeing = set(np.flatnonzero(evidence.views.any(axis=0)).tolist())
    explained: set[int] = set()
    for camera in sorted(seeing - set(main)):
        found = _explained(evidence, camera)
        if found is not None:
            explained.add(camera)
            yield found
    for group in links.groups:
        left = [camera for camera in group if camera in seeing]
        if group is main or not left or explained.intersection(left):
            continue
        if len(left) == 1:
            if len(main) > 1 or left[0] > main[0]:
                yield _unlinked(evidence, left[0])
        else:
            yield _separate(evidence, left)


def _explained(evidence: Evidence, camera: int) -> Finding | None:
    """Why a camera that shared moments with the largest group contradicts it."""
    links = evidence.links
    assert links is not None
    own, name = evidence.lens_cameras[camera], evidence.names[camera]
    others = links.groups[0]
    if own is None or not any(_shared(evidence, camera, other) >= _SHARED for other in others):
        return None
    sightings, boards = links.sightings, links.T_world_board
    rest = listed([evidence.names[c] for c in others])
    mirrored = flipped(sightings, own, camera, boards)
    if mirrored is not None:
        either = f"{rest} or {name}" if len(others) == 1 else name
        return Finding(
            Name.mirrored_video,
            Severity.error,
            f"The pictures of {either} are mirrored: {name} contradicts {rest} as it is, but"
            f" {100 * mirrored.share:.0f} % of {mirrored.moments} shared moments agree once its pictures are"
            " flipped.",
            f"Switch mirroring off in the recording software, or flip the video of {either} left to right"
            " (ffmpeg -vf hflip) before calibrating and before tracking.",
            (name,),
            {"agreeing_share": mirrored.share, "shared_moments": float(mirrored.moments)},
        )
    paths = Paths.of(sightings, own, camera, boards)
    late = shifted(paths)
    if late is not None:
        frame = float(np.median(np.diff(evidence.seconds)))
        effect = abs(late.lag) * _pixels_a_moment(evidence, camera)
        return unsynchronised(evidence, camera, others, late.lag * frame, np.nan, frame, effect)
    pushed = cut_in_two(paths)
    if pushed is not None:
        return Finding(
            Name.moved_camera,
            Severity.error,
            f"{name} moved near {evidence.time_text(pushed.cut)}: before and after, its views agree with"
            f" {rest}"
            f" at {100 * pushed.share:.0f} % of {len(paths.shared)} shared moments, but not with one pose.",
            "Fasten the camera (tripod, tape, no cable that pulls), then record again.",
            (name,),
            {"agreeing_share": pushed.share, "moment": float(pushed.cut)},
        )
    return None


def _unlinked(evidence: Evidence, camera: int) -> Finding:
    name = evidence.names[camera]
    seen = int(evidence.views[:, camera].sum())
    edges = _edges_of(evidence, camera)
    best = max(edges, key=lambda edge: edge.moments, default=None)
    numbers = {"moments_seen": float(seen), "moments_shared": 0.0}
    if best is None or best.moments < _SHARED:
        count = 0 if best is None else best.moments
        partner = evidence.names[_nearest(evidence, camera)]
        numbers["moments_shared"] = float(count)
        problem = (
            f"{name} is linked to no other camera: it saw the board at {seen} moments, and"
            f" {'none of them' if count == 0 else f'only {count} of them'} while another camera saw it too."
        )
        remedy = (
            f"Record the board where {name} and {partner} (or any other camera) see it at the same time, in"
            " at"
            " least ten different places and tilts; check that the recordings overlap in time."
        )
    else:
        other = evidence.names[best.cameras[0] if best.cameras[1] == camera else best.cameras[1]]
        numbers |= {
            "moments_shared": float(best.moments),
            "moments_agreeing": float(best.agreeing),
            "disagreement_px": best.error_px,
        }
        problem = (
            f"{name} is linked to no other camera: it saw the board at {seen} moments, {best.moments} of them"
            f" together with {other}, but only {best.agreeing} of these agree on how the two stand to each"
            " other"
            f" (the views are {best.error_px:.1f} px from having seen one board)."
        )
        remedy = (
            "Check that the videos belong to the same recording, start together (--offset), are not"
            " mirrored and"
            " that no camera moved; then show the board to both cameras in ten or more places and tilts,"
            " holding"
            " it still now and then."
        )
    return Finding(Name.unlinked_camera, Severity.error, problem, remedy, (name,), numbers)


def _separate(evidence: Evidence, group: list[int]) -> Finding:
    links = evidence.links
    assert links is not None
    main = [camera for camera in links.groups[0] if evidence.views[:, camera].any()]
    shared = {(a, b): _shared(evidence, a, b) for a in main for b in group}
    best = max(shared.values())
    views = evidence.views.sum(axis=0)
    a, b = max(sorted(shared), key=lambda pair: (shared[pair], min(views[list(pair)])))
    names = [listed([evidence.names[c] for c in members]) for members in (main, group)]
    return Finding(
        Name.separate_groups,
        Severity.error,
        f"The cameras {names[1]} are linked with each other but not with {names[0]}: no two cameras of the"
        " two"
        f" groups saw the board together often enough (at most {best} moments).",
        f"Record the board where a camera of each group sees it at the same time, for example"
        f" {evidence.names[a]} and {evidence.names[b]}, in at least ten different places and tilts.",
        tuple(evidence.names[c] for c in group),
        {"moments_shared": float(best), "cameras": float(len(group))},
    )


def _edges_of(evidence: Evidence, camera: int) -> list[Edge]:
    assert evidence.links is not None
    return [edge for edge in evidence.links.edges if camera in edge.cameras]


def _shared(evidence: Evidence, a: int, b: int) -> int:
    return int((evidence.views[:, a] & evidence.views[:, b]).sum())


def _nearest(evidence: Evidence, camera: int) -> int:
    """The camera that saw the board most often together with this one, or most often at all."""
    others = [c for c in range(len(evidence.names)) if c != camera]
    views = evidence.views.sum(axis=0)
    return max(others, key=lambda c: (_shared(evidence, camera, c), views[c], -c))


def _pixels_a_moment(evidence: Evidence, camera: int) -> float:
    """How far the board gets in the picture from one moment to the next, median."""
    views = list(evidence.sightings.views_of(camera))
    steps = [
        float(np.linalg.norm(b.pixels.mean(axis=0) - a.pixels.mean(axis=0)))
        for a, b in pairwise(views)
        if b.moment == a.moment + 1
    ]
    return float(np.median(steps)) if steps else 0.0
