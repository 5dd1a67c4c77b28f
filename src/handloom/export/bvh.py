"""BVH: ``<track>.bvh``, a moving skeleton per hand and body, +Y up.

Bones have the median of their estimated lengths and point, at rest, as in a person who stands with level
arms and flat hands, facing +Z. A joint with one bone turns it by the shortest rotation. Where several bones
leave a joint (the palm, the hips, the neck), the joint takes the rotation that fits them best (Kabsch 1976)
and each bone has a helper joint of no length, ``<joint>_base``, for the rest; so forward kinematics gives
the tracked joints wherever the bones have their median length. What is missing holds its last pose,
relative to its parent.

A hand that was fitted has the bones of its model and the fitted rotations instead; its tips do not turn.

Lengths are in centimetres, as animation programs expect; a rig that is not metric keeps its own unit. The
format has a constant rate: other timelines are sampled at their most common step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from handloom.errors import SessionError
from handloom.export.axes import scale_to, world_to_y_up
from handloom.export.fitted_pose import fitted_tree
from handloom.export.pose import Node, kabsch, pose_tree, shortest_rotation
from handloom.export.timeline import constant_rate, sampled
from handloom.keypoints import Array, Track
from handloom.session import Session
from handloom.session.files import whole_file

_CHANNELS = "Zrotation Xrotation Yrotation"


def write(session: Session, folder: Path, tracks: Sequence[Track]) -> list[Path]:
    """Write the session, see the module; called by :func:`handloom.export.export`."""
    scale, _ = scale_to("cm", session.rig)
    turn = world_to_y_up(session.rig)
    rate, index = constant_rate(session.times_s)
    hands = session.hands()
    paths = []
    for track in tracks:
        if track in hands and hands[track].fitted.any():
            root, turns = fitted_tree(hands[track], turn, scale)
            motion = _fitted_motion(root, turns, index)
        else:
            found = pose_tree(track, session.positions(track) @ turn.T * scale)
            if found is None:
                continue
            root = found
            motion = _motion(root, index)
        path = folder / f"{track.name}.bvh"
        with whole_file(path) as temporary, temporary.open("w", encoding="ascii", newline="\n") as file:
            file.write("HIERARCHY\n")
            file.writelines(_hierarchy(root))
            file.write(f"MOTION\nFrames: {len(motion)}\nFrame Time: {1.0 / rate:.9g}\n")
            for row in motion:
                file.write(" ".join(f"{value:.6f}" for value in row) + "\n")
        paths.append(path)
    if not paths:
        raise SessionError(
            f"The session in {session.folder} has no hand or body in 3D with bones to build a skeleton from.",
            "Look at its report: every view may have missed it.",
        )
    return paths


def _hierarchy(node: Node, depth: int = 0) -> Iterator[str]:
    indent, inner = "\t" * depth, "\t" * (depth + 1)
    offset = "OFFSET " + " ".join(f"{value:.6f}" for value in node.offset)
    yield f"{indent}{'JOINT' if depth else 'ROOT'} {node.name}\n{indent}{{\n{inner}{offset}\n"
    yield f"{inner}CHANNELS {'3' if depth else '6 Xposition Yposition Zposition'} {_CHANNELS}\n"
    for child in node.children:
        yield from _hierarchy(child, depth + 1)
    if not node.children:
        # A tip: it needs an end of its own, which is the tip itself.
        yield f"{inner}End Site\n{inner}{{\n{inner}\tOFFSET 0.000000 0.000000 0.000000\n{inner}}}\n"
    yield f"{indent}}}\n"


def _motion(root: Node, index: np.ndarray) -> Array:
    """(N, channels) position of the root and Euler angles, degrees, of every node in the file's order."""
    position = _held(sampled(root.position, index))
    angles = list(_angles(root, np.broadcast_to(np.eye(3), (len(index), 3, 3)), index))
    return np.concatenate([position, *angles], axis=1)


def _angles(node: Node, parent: Array, index: np.ndarray) -> Iterator[Array]:
    """Depth first, as the channels stand; ``parent`` (N, 3, 3) is the parent's rotation in the world."""
    origin = sampled(node.position, index)
    offsets = np.array([child.rest for child in node.children]).reshape(-1, 3)
    seen = [sampled(child.target, index) - origin for child in node.children]
    # What the parent frame sees: world vectors times the rotation are vectors in its frame.
    local = [np.einsum("ti,tij->tj", bone, parent) for bone in seen]
    if not node.children:
        turn = np.broadcast_to(np.eye(3), (len(index), 3, 3))
    elif len(node.children) == 1:
        turn = shortest_rotation(offsets[0], local[0])
    else:
        turn = kabsch(offsets, np.stack(local, axis=1))
    turn = _held(turn, first=np.eye(3))
    yield _euler(turn)
    world = parent @ turn
    for child in node.children:
        yield from _angles(child, world, index)


def _fitted_motion(root: Node, turns: Mapping[str, Array], index: np.ndarray) -> Array:
    """As :func:`_motion`, of rotations that are known; joints without one do not turn."""
    still = np.broadcast_to(np.eye(3), (len(index), 3, 3))

    def angles(node: Node) -> Iterator[Array]:
        yield _euler(_held(sampled(turns[node.name], index)) if node.name in turns else still)
        for child in node.children:
            yield from angles(child)

    return np.concatenate([_held(sampled(root.position, index)), *angles(root)], axis=1)


def _euler(turn: Array) -> Array:
    """(N, 3) degrees in the order of the channels, without jumps of a whole turn."""
    euler = Rotation.from_matrix(turn).as_euler("ZXY", degrees=True, suppress_warnings=True)
    return np.unwrap(euler, period=360.0, axis=0)


def _held(values: Array, first: Array | None = None) -> Array:
    """Fill rows with a NaN from the last row without, those before the first from the first.

    ``first`` stands where no row is whole.
    """
    whole = np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if not whole.any():
        return np.broadcast_to(np.zeros(values.shape[1:]) if first is None else first, values.shape)
    last = np.maximum.accumulate(np.where(whole, np.arange(len(values)), -1))
    return values[np.where(last < 0, int(np.argmax(whole)), last)]
