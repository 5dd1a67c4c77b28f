"""The hand's forms agree: NumPy, numba, torch, and MANO's formulas written plainly; derivatives are right.

python benchmarks/hand_layer.py [--poses 200] [--mano FOLDER]

The open hand and a hand of MANO's schema in random poses within their limits, in random shapes and places:
numba kernel and torch layer (both precisions) against the NumPy model. The MANO file, written as Python 2 and
chumpy wrote the real ones, against a loop over vertices and joints straight from the file; with ``--mano``
(or $MANO_DIR) the user's own files too. Derivatives of the layer against finite differences, at the zero
pose, next to it and far from it.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "hand"))

import numpy as np
import torch
from bench import Scorecard
from mano_files import mano_content, open_tips, write_mano
from plain_mano import plain_mano
from scipy.sparse import csc_matrix

from handloom.hand import HandModel, load_open_hand
from handloom.hand.articulation import keypoints_of, vertices_of
from handloom.hand.kernel import points_with_jacobian
from handloom.hand.kinematics import rigid, rotation_from_vector
from handloom.hand.mano import ManoHand, load_mano
from handloom.hand.mano_file import MANO_PARENTS, read_mano_file
from handloom.networks.hand_layer import HandLayer

SIDES = ("right", "left")
BAR_LAYER_M, BAR_DOUBLE_M, BAR_PLAIN_M = 1e-5, 1e-9, 1e-6


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--poses", type=int, default=200, help="random poses per hand [%(default)s]")
    parser.add_argument("--mano", default=os.environ.get("MANO_DIR"), help="folder of MANO's own files")
    options = parser.parse_args()
    torch.set_num_threads(1)
    met = layer_against_model(options.poses)
    met &= file_against_loop(options.mano)
    met &= derivatives()
    print("all bars met" if met else "NOT all bars met")
    sys.exit(0 if met else 1)


def layer_against_model(poses: int) -> bool:
    card = Scorecard("to NumPy, largest distance in µm", ("numba", "torch float64", "torch float32"))
    with tempfile.TemporaryDirectory() as folder:
        hands: dict[str, HandModel] = {f"open hand, {side}": load_open_hand(side) for side in SIDES}
        for side in SIDES:
            path = write_mano(Path(folder) / f"MANO_{side.upper()}.pkl", mano_content(side))
            hands[f"MANO schema, {side}"] = load_mano(path, side, tips=open_tips(side))
    times = []
    for name, model in hands.items():
        rng = np.random.default_rng(1)
        angles = rng.uniform(model.limits[..., 0], model.limits[..., 1], (poses, 15, 3))
        shape = rng.normal(size=(poses, model.shape_count))
        T = rigid(rotation_from_vector(rng.normal(0, 2, (poses, 3))), rng.uniform(-0.5, 0.5, (poses, 3)))
        begin = time.perf_counter()
        expected = model.pose(angles, shape, T)
        took = {"NumPy": time.perf_counter() - begin}
        worst = {}
        for what, points in (("vertices", vertices_of(model)), ("keypoints", keypoints_of(model))):
            # Few poses: the kernel gives derivatives too, half a gigabyte of them for 200 meshes.
            placed, _ = points_with_jacobian(model, points, angles[:20], shape[:20], T[:20])
            worst[what, "numba"] = np.abs(placed - getattr(expected, what)[:20]).max()
        for dtype in (torch.float64, torch.float32):
            layer = HandLayer(model, dtype)
            inputs = [torch.as_tensor(value, dtype=dtype) for value in (angles, shape, T)]
            with torch.no_grad():
                layer(*inputs)
                begin = time.perf_counter()
                found = layer(*inputs)
            took[str(dtype)] = time.perf_counter() - begin
            for what in ("vertices", "joints", "keypoints"):
                worst[what, dtype] = np.abs(getattr(found, what).numpy() - getattr(expected, what)).max()
        for what in ("vertices", "joints", "keypoints"):
            exact = [worst.get((what, form), 0.0) for form in ("numba", torch.float64)]
            within = max(exact) <= BAR_DOUBLE_M
            card.add(
                f"{name}: {what}",
                *(f"{1e6 * gap:.0e}" if (what, "numba") in worst or i else "" for i, gap in enumerate(exact)),
                1e6 * worst[what, torch.float32] if within else float("nan"),
                at_most=1e6 * BAR_LAYER_M,
            )
        times.append(f"{name}: " + ", ".join(f"{form} {1e3 * s / poses:.2f} ms" for form, s in took.items()))
    met = card.show()
    print(*(f"{line} a pose" for line in times), "", sep="\n")
    return met


def file_against_loop(mano: str | None) -> bool:
    card = Scorecard("file against a plain loop, largest distance in µm", ("handloom",))

    def add(name: str, hand: ManoHand, content: dict, flat_hand_mean: bool) -> None:
        gap = 1e6 * _gap(hand, content, flat_hand_mean)
        start = "flat hand" if flat_hand_mean else "mean pose"
        card.add(f"{name}, {hand.side}, from the {start}", gap, at_most=1e6 * BAR_PLAIN_M, digits=9)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for side in SIDES:
            write_mano(folder / f"MANO_{side.upper()}.pkl", mano_content(side))
        for side in SIDES:
            hand = load_mano(folder, side, tips=open_tips(side))
            for flat in (True, False):
                add("synthetic", hand, mano_content(side, faulty_left=False), flat)
    for side in SIDES if mano else ():
        raw = read_mano_file(str(mano), side)
        content = {
            "v_template": raw.template, "shapedirs": raw.shape_directions, "posedirs": raw.pose_directions,
            "J_regressor": csc_matrix(raw.joint_regressor), "weights": raw.weights,
            "kintree_table": np.array([MANO_PARENTS]), "hands_mean": raw.hands_mean,
        }  # fmt: skip
        add("MANO", load_mano(str(mano), side), content, False)
    if not mano:
        print("MANO's own files: not tested, name their folder with --mano or $MANO_DIR")
    return card.show()


def _gap(hand: ManoHand, content: dict, flat_hand_mean: bool) -> float:
    rng, worst = np.random.default_rng(3), 0.0
    for scale in (0.0, 0.3, 1.0):
        pose, shape = rng.normal(0, scale, 48), rng.normal(0, 2 * scale, hand.shape_count)
        trans = rng.normal(size=3)
        mean = np.zeros(45) if flat_hand_mean else content["hands_mean"]
        vertices, _ = plain_mano(content, pose + np.r_[np.zeros(3), mean], shape, trans)
        rotations, T = hand.from_mano(pose, trans, shape, flat_hand_mean=flat_hand_mean)
        posed = hand.pose(np.zeros((15, 3)), shape, T, rotations=rotations)
        worst = max(worst, float(np.abs(posed.vertices - vertices).max()))
        again, back = hand.to_mano(rotations, T, shape, flat_hand_mean=flat_hand_mean)
        there = hand.from_mano(again, back, shape, flat_hand_mean=flat_hand_mean)
        worst = max(worst, float(np.abs(there[0] - rotations).max()), float(np.abs(there[1] - T).max()))
    return worst


def derivatives() -> bool:
    model, some = load_open_hand(), slice(0, None, 160)
    assert model.pose_directions is not None
    small = replace(
        model,
        template=model.template[some], weights=model.weights[some],
        shape_directions=model.shape_directions[some], pose_directions=model.pose_directions[some],
    )  # fmt: skip
    layer = HandLayer(small, torch.float64)
    card = Scorecard("gradcheck of vertices, joints, keypoints (1: passed)", ("torch layer",))
    rng = np.random.default_rng(5)
    for scale in (0.0, 1e-8, 1e-3, 0.0316, 1.0):
        angles = torch.tensor(scale * rng.normal(size=(15, 3)), requires_grad=True)
        shape = torch.tensor(scale * rng.normal(size=model.shape_count), requires_grad=True)
        place = rigid(rotation_from_vector(rng.normal(size=3)), rng.normal(size=3))
        T = torch.tensor(place, requires_grad=True)
        passed = torch.autograd.gradcheck(
            lambda *inputs: layer(*inputs)[:3], (angles, shape, T), eps=1e-6, atol=1e-7, raise_exception=False
        )
        card.add(f"angles of {scale:g} rad", float(passed), at_least=1.0, digits=0)
    return card.show()


if __name__ == "__main__":
    main()
