"""Mistakes that predictions show in their numbers: units, orders, axes, mirrors, frames (§9.7).

A finding compares the error as it is with the error under a hypothesis; it says both. What cannot be told
from numbers is said by the protocols' cautions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from handloom.datasets.orders import ORDERS, palm_of
from handloom.evaluation.alignment import is_reflected, procrustes_aligned, root_aligned
from handloom.evaluation.hands import Coverage, Hands
from handloom.evaluation.joints import distances, mean
from handloom.evaluation.protocols import Protocol
from handloom.skeleton import HAND

Array = NDArray[np.float64]

_MOST = 1500
"""A mistake in all hands shows in so many of them."""
_CLEARLY = 2.0
"""Times that an error must fall before a hypothesis is believed."""
_MM = 1000.0
_OPENGL = np.array([1.0, -1.0, -1.0])
_UNITS = (("millimetres", 1e3), ("centimetres", 1e2))
_LIKE_ITSELF = (0.7, 1.4)
"""Predicted over true size of hands that are in the same unit."""
_FAULTS_OF_ROOT = 2.5
_FEWEST, _GOOD_M = 20, 0.02
"""Hands, and their aligned error, from which small differences can be told."""
_ALIKE_M = 0.0005
_SYSTEMATIC_M = 0.004
_SIDES_DIFFER = 1.8
_CROP_GAIN = 4.0
_FITS = 0.2
"""Error in shares of a hand's size up to which hands in pictures are the same."""
_TIPS = HAND.indices(joint for joint in HAND.joints if joint.endswith("_tip"))


@dataclass(frozen=True)
class Finding:
    """Something that looks like a mistake.

    Attributes:
        trap: its name, such as ``"joint order"``.
        says: a sentence with the numbers.
        remedy: what to do if it is one.
    """

    trap: str
    says: str
    remedy: str


def diagnose(
    protocol: Protocol,
    predictions: Hands,
    truth: Hands,
    coverage: Coverage,
    training: Hands | None = None,
) -> list[Finding]:
    """All that looks wrong with predictions in the rows of the truth; nothing is changed."""
    findings = [*_coverage(coverage), *_subjects(truth, training), *_pixels(predictions, truth)]
    whole = np.isfinite(predictions.xyz).all(axis=(1, 2)) & np.isfinite(truth.xyz).all(axis=(1, 2))
    rows = np.flatnonzero(whole)
    if not len(rows):
        return findings
    rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), _MOST)).astype(int)]
    ours, theirs = predictions.xyz[rows], truth.xyz[rows]
    if (np.ptp(ours, axis=1).max(axis=1) <= 0.0).mean() > 0.5:
        says = "Most predicted hands are one point: all joints coincide."
        return [*findings, Finding("no prediction", says, "Check what the method wrote.")]
    ours = ours / _factor(ours, theirs)
    sides = np.array([truth.sides[row] for row in rows])
    if len(rows) >= _FEWEST and (alike := _pa(ours, np.broadcast_to(ours[0], ours.shape))) < _ALIKE_M:
        says = f"All predicted hands have one form: aligned, they are {_MM * alike:.2f} mm from the first."
        findings.append(Finding("constant", says, "Check that the method looks at the picture."))
        return findings
    gross = [
        *_unit(predictions.xyz[rows], theirs),
        *_order(ours, theirs),
        *_axes(ours, theirs),
        *_mirror(ours, theirs, protocol),
        *_root(ours, theirs, truth.root),
    ]
    findings += [*gross, *_place(ours, theirs)]
    if not gross and len(rows) >= _FEWEST and _pa(ours, theirs) < _GOOD_M:
        # What is fine shows only in many hands, where nothing gross covers it.
        findings += [
            *_crop_axes(ours, theirs),
            *_convention(ours, theirs, sides),
            *_side(ours, theirs, sides),
        ]
    return findings


def _coverage(coverage: Coverage) -> Iterator[Finding]:
    if coverage.found < coverage.hands:
        lost = coverage.hands - coverage.found
        yield Finding(
            "coverage",
            f"{lost} of {coverage.hands} hands ({100 * (1 - coverage.share):.1f} %) have no prediction; they "
            "count as zeros in the figures, and are left out only in the column that says so.",
            "Compare methods on the figures with failures, or on hands that all of them found.",
        )


def _subjects(truth: Hands, training: Hands | None) -> Iterator[Finding]:
    if training is None:
        return
    people = [{str(c["subject"]) for c in hands.conditions if "subject" in c} for hands in (truth, training)]
    both = sorted(people[0] & people[1])
    if both:
        yield Finding(
            "training subjects",
            f"{len(both)} of {len(people[0])} people of the test data are in the training data: "
            f"{', '.join(both[:5])}.",
            "Say so, or test on people that the method has not seen.",
        )
    shared = set(truth.keys) & set(training.keys)
    if shared:
        yield Finding(
            "training samples",
            f"{len(shared)} samples are in the training data, such as {sorted(shared)[0]!r}.",
            "Use the split that the data set's authors made.",
        )


def _unit(ours: Array, theirs: Array) -> Iterator[Finding]:
    ratio = _ratio(ours, theirs)
    for name, factor in _UNITS:
        if _LIKE_ITSELF[0] < ratio / factor < _LIKE_ITSELF[1]:
            says = (
                f"Predictions look like {name}: their hands are {ratio:.4g} times as large as the true ones."
            )
            yield Finding("unit", says, "Give metres.")
            return
        if _LIKE_ITSELF[0] < ratio * factor < _LIKE_ITSELF[1]:
            says = f"The truth looks like {name}: predicted hands have {ratio:.4g} of its size."
            yield Finding("unit", says, "Give both in metres.")
            return
    # Noise makes hands larger too: only those that fit once they are scaled are called so.
    if not _LIKE_ITSELF[0] < ratio < _LIKE_ITSELF[1] and _pa(ours, theirs) < _GOOD_M:
        says = (
            f"Predicted hands are {ratio:.3g} times as large as the true ones: relative to a bone, perhaps."
        )
        yield Finding("scale", says, "Give metres; figures that are not scaled mean nothing as they are.")


def _order(ours: Array, theirs: Array) -> Iterator[Finding]:
    now = _pa(ours, theirs)
    best, name = now, ""
    for candidate in ("rhd", "interhand", "mano16+tips", "stb", "boukhayma"):
        error = _pa(_reordered(ours, candidate), theirs)
        if error < best:
            best, name = error, candidate
    if name and now > _CLEARLY * best:
        known = {"rhd": "every finger tip→base (RHD)", "mano16+tips": "MANO's with tips at the end (HO-3D)"}
        says = (
            f"The aligned error falls {now / best:.1f} times, from {_MM * now:.1f} to {_MM * best:.1f} mm, "
            f"when the joints' order is taken for {known.get(name, name)}."
        )
        yield Finding("joint order", says, "Convert with handloom.datasets.orders.")


def _axes(ours: Array, theirs: Array) -> Iterator[Finding]:
    now = _rooted(ours, theirs)
    flips = {
        "y and z negated (OpenGL axes)": _OPENGL,
        "x and y negated": np.array([-1.0, -1.0, 1.0]),
        "x and z negated": np.array([-1.0, 1.0, -1.0]),
    }
    name, best = min(((n, _rooted(ours * flip, theirs)) for n, flip in flips.items()), key=lambda x: x[1])
    behind = float((ours[:, 0, 2] < 0).mean())
    if now > _CLEARLY * best:
        says = (
            f"The error with the wrists on each other falls {now / best:.1f} times, from {_MM * now:.1f} to "
            f"{_MM * best:.1f} mm, with {name}."
        )
        yield Finding("axes", says, "Give the camera's OpenCV axes: x right, y down, z forward.")
    elif behind > 0.5 and float(np.median(np.abs(ours[:, 0, 2]))) > 0.05:
        says = f"{100 * behind:.0f} % of the predicted wrists lie behind the camera."
        yield Finding("axes", says, "Give the camera's OpenCV axes: x right, y down, z forward.")


def _place(ours: Array, theirs: Array) -> Iterator[Finding]:
    for joint in ("wrist", "middle_mcp"):
        at = np.linalg.norm(ours[:, HAND.index(joint)], axis=1)
        if float(np.median(at)) < 1e-6 and float(np.median(np.linalg.norm(theirs[:, 0], axis=1))) > 0.05:
            root = joint.replace("_", " ")
            says = f"Predictions are relative to the {root}, the truth is in the camera's axes."
            yield Finding("root", says, "Figures without alignment, and MRRPE, mean nothing for these.")


def _mirror(ours: Array, theirs: Array, protocol: Protocol) -> Iterator[Finding]:
    apart = _per_hand(procrustes_aligned(ours, theirs), theirs)
    mirrored = _per_hand(procrustes_aligned(ours, theirs, reflection=True), theirs)
    believed = is_reflected(ours, theirs) & (apart > _CLEARLY * mirrored)
    share = float(believed.mean())
    if share > 0.02:
        before, after = _MM * mean(apart[believed]), _MM * mean(mirrored[believed])
        says = (
            f"{100 * share:.0f} % of the predictions are mirror images of the truth: aligned error "
            f"{before:.1f} mm, {after:.1f} mm if the alignment may mirror."
        )
        if any(one.reflection for one in protocol.measures):
            says += " The protocol's PA figures forgive this."
        yield Finding("mirrored", says, "Turn predictions of mirrored pictures back; check the side.")


def _root(ours: Array, theirs: Array, root: str) -> Iterator[Finding]:
    rest = slice(1, None)
    placed = _onto(ours[:, rest], theirs[:, rest], ours)
    plain = mean(distances(placed[:, 0], theirs[:, 0]))
    others = mean(distances(placed[:, rest], theirs[:, rest]))
    if root == "palm":
        changed = mean(distances(palm_of(placed)[:, 0], theirs[:, 0]))
    else:
        changed = mean(distances(placed[:, 0], palm_of(theirs)[:, 0]))
    if plain > _CLEARLY * changed and plain > _FAULTS_OF_ROOT * others and plain > 0.01:
        given, wanted = ("wrist", "palm's centre") if root == "palm" else ("palm's centre", "wrist")
        says = (
            f"Joint 0 looks like the {given} where the truth has the {wanted}: it is {_MM * plain:.0f} mm "
            f"off, {_MM * changed:.0f} mm if both are the same, all others {_MM * others:.0f} mm."
        )
        yield Finding("palm or wrist", says, "Convert with palm_of or wrist_of of handloom.datasets.orders.")


def _crop_axes(ours: Array, theirs: Array) -> Iterator[Finding]:
    """A network that sees a crop answers in the axes of a camera that looks straight at the hand."""
    now = _rooted(ours, theirs)
    direction = theirs[:, HAND.index("middle_mcp")]
    direction = direction / np.linalg.norm(direction, axis=1, keepdims=True)
    turned = np.einsum("nij,nkj->nki", _towards(direction), ours - ours[:, :1])
    then = _rooted(turned, theirs)
    if now > 1.3 * then and _MM * (now - then) > 1.0:
        says = (
            f"The error with the wrists on each other falls from {_MM * now:.1f} to {_MM * then:.1f} mm when "
            "every prediction is turned from a camera that looks straight at the hand to the picture's own."
        )
        yield Finding(
            "axes of the crop", says, "Turn predictions by the rotation between the crop and the picture."
        )


def _convention(ours: Array, theirs: Array, sides: NDArray[np.str_]) -> Iterator[Finding]:
    """Joints that lie off in the same direction from their bone in every hand: defined otherwise."""
    aligned = procrustes_aligned(ours, theirs)
    off = np.einsum("nkji,nkj->nki", _joint_frames(theirs), aligned - theirs)
    off = np.where((sides == "left")[:, None, None], off * np.array([1.0, 1.0, -1.0]), off)
    common = np.linalg.norm(off.mean(axis=0), axis=1)
    spread = np.sqrt(((off - off.mean(axis=0)) ** 2).sum(axis=2).mean(axis=0))
    clear = np.flatnonzero((common > _SYSTEMATIC_M) & (common > 1.2 * spread))
    if len(clear):
        worst = clear[np.argsort(-common[clear])][:5]
        names = ", ".join(f"{HAND.joints[j].replace('_', ' ')} {_MM * common[j]:.0f} mm" for j in worst)
        what = (
            "tips from other vertices"
            if set(clear) <= set(_TIPS)
            else "joints defined otherwise, or another mean pose"
        )
        says = f"{len(clear)} joints lie off in the same direction from their bone in every hand: {names}. "
        says += f"This looks like {what}."
        yield Finding(
            "joint definition", says, "Compare the joints' definitions; the difference is not the pose."
        )


def _side(ours: Array, theirs: Array, sides: NDArray[np.str_]) -> Iterator[Finding]:
    error = _per_hand(procrustes_aligned(ours, theirs), theirs)
    means = {side: mean(error[sides == side]) for side in ("left", "right") if (sides == side).sum() >= 10}
    if len(means) == 2 and max(means.values()) > _SIDES_DIFFER * min(means.values()):
        worse = max(means, key=lambda side: means[side])
        left, right = (_MM * means[side] for side in ("left", "right"))
        says = f"Aligned errors are {left:.1f} mm of left hands and {right:.1f} mm of right ones."
        remedy = f"Check the {worse} hand's model: MANO's left hand has a shape component of the wrong sign."
        yield Finding("left and right", says, remedy)


def _pixels(predictions: Hands, truth: Hands) -> Iterator[Finding]:
    whole = np.isfinite(predictions.xy).all(axis=(1, 2)) & np.isfinite(truth.xy).all(axis=(1, 2))
    if not whole.any():
        return
    ours, theirs = predictions.xy[whole], truth.xy[whole]
    now = mean(distances(ours, theirs))
    swapped = mean(distances(ours[..., ::-1], theirs))
    if now > _CROP_GAIN * swapped:
        says = f"The error in the picture falls from {now:.1f} to {swapped:.1f} px with x and y exchanged."
        yield Finding("pixels", says, "Give x, then y.")
        return
    if np.quantile(np.abs(ours), 0.9) <= 2.0 and np.ptp(theirs) > 10.0:
        says = "Predicted pixels lie between −2 and 2: they look like shares of a picture's size."
        yield Finding("pixels", says, "Multiply by the picture's size.")
        return
    centred = ours - ours.mean(axis=1, keepdims=True)
    target = theirs - theirs.mean(axis=1, keepdims=True)
    size = (centred * centred).sum(axis=(1, 2))
    scale = (centred * target).sum(axis=(1, 2)) / np.where(size > 0, size, 1.0)
    then = mean(distances(centred * scale[:, None, None], target))
    away = float(np.median(np.abs(scale - 1.0)))
    fits = then < _FITS * mean(np.linalg.norm(target, axis=-1))
    if fits and now > _CROP_GAIN * then and (away > 0.1 or now > 20.0):
        says = (
            f"The error in the picture falls from {now:.1f} to {then:.1f} px when every hand may be moved "
            "and scaled: these look like pixels of a crop."
        )
        yield Finding("pixels", says, "Give pixels of the whole picture.")


def _ratio(ours: Array, theirs: Array) -> float:
    def size(points: Array) -> Array:
        return np.linalg.norm(points - points.mean(axis=1, keepdims=True), axis=(1, 2))

    return float(np.median(size(ours) / size(theirs)))


def _factor(ours: Array, theirs: Array) -> float:
    ratio = _ratio(ours, theirs)
    return 1.0 if _LIKE_ITSELF[0] < ratio < _LIKE_ITSELF[1] else ratio


def _pa(ours: Array, theirs: Array) -> float:
    return mean(_per_hand(procrustes_aligned(ours, theirs, reflection=True), theirs))


def _rooted(ours: Array, theirs: Array) -> float:
    return mean(distances(root_aligned(ours, theirs, 0), theirs))


def _per_hand(ours: Array, theirs: Array) -> Array:
    return np.asarray(distances(ours, theirs).mean(axis=1))


def _reordered(points: Array, name: str) -> Array:
    return np.asarray(ORDERS[name].to_hand(points), dtype=np.float64)


def _onto(points: Array, target: Array, all_points: Array) -> Array:
    """``all_points`` moved as the best similarity moves ``points`` onto the target."""
    carried = np.concatenate([points, all_points], axis=1)
    unknown = np.full((*all_points.shape[:2], 3), np.nan)
    moved = procrustes_aligned(carried, np.concatenate([target, unknown], axis=1))
    return moved[:, points.shape[1] :]


def _towards(direction: Array) -> Array:
    """(N, 3, 3) shortest rotations of the optical axis onto unit directions."""
    x, y, z = direction.T
    c = 1.0 / (1.0 + np.maximum(z, -0.999))
    rows = [[1 - c * x * x, -c * x * y, x], [-c * x * y, 1 - c * y * y, y], [-x, -y, z]]
    return np.moveaxis(np.array(rows), -1, 0)


def _joint_frames(points: Array) -> Array:
    """(N, 21, 3, 3) axes at every joint as columns: along its bone, about across the palm, and out of both.

    The last changes its sign between a hand and its mirror image.
    """
    parents = [0] + [a for a, _ in sorted(HAND.bone_indices, key=lambda bone: bone[1])]
    bones = points - points[:, parents]
    bones[:, 0] = points[:, HAND.index("middle_mcp")] - points[:, 0]
    along = _unit_vectors(bones)
    across = points[:, HAND.index("index_mcp")] - points[:, HAND.index("little_mcp")]
    out = _unit_vectors(np.cross(along, across[:, None]))
    return np.stack([along, np.cross(out, along), out], axis=-1)


def _unit_vectors(vectors: Array) -> Array:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12))
