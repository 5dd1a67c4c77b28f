"""The traps of algorithms.md §9.7, one test each: seen in the numbers, or kept from mattering."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_hands import CENTRE_PX, FOCAL_PX, made, noisy
from scipy.spatial.transform import Rotation

from handloom.datasets.orders import ORDERS, palm_of
from handloom.evaluation import PROTOCOLS, Hands, Result, evaluate, mean_pose
from handloom.evaluation.submissions import read_submission, write_submission
from handloom.skeleton import HAND

TIPS = HAND.indices(j for j in HAND.joints if j.endswith("_tip"))


@pytest.fixture(scope="module")
def truth() -> Hands:
    return made(120)


@pytest.fixture(scope="module")
def both_sides() -> Hands:
    return made(120, seed=1, both=True)


def _traps(result: Result) -> set[str]:
    return {finding.trap for finding in result.findings}


def _says(result: Result, trap: str) -> str:
    (finding,) = [finding for finding in result.findings if finding.trap == trap]
    return finding.says


def test_good_predictions_raise_no_suspicion(truth: Hands, both_sides: Hands) -> None:
    for hands in (truth, both_sides):
        for name in PROTOCOLS:
            assert _traps(evaluate(name, noisy(hands), hands)) == set()


@pytest.mark.parametrize("kind", ["15 mm", "50 mm", "other hands", "one hand", "depth"])
def test_bad_but_honest_predictions_raise_no_suspicion(both_sides: Hands, kind: str) -> None:
    truth = both_sides
    depth = np.random.default_rng(0).normal(1.0, 0.1, (len(truth), 1, 1))
    predictions, truth = {
        "15 mm": (noisy(truth, 0.015), truth),
        "50 mm": (noisy(truth, 0.05), truth),
        "other hands": (replace(made(len(truth), seed=7, both=True), keys=truth.keys), truth),
        "one hand": (noisy(truth).take([0]), truth.take([0])),
        "depth": (replace(noisy(truth), xyz=depth * noisy(truth).xyz), truth),
    }[kind]
    for name in ("freihand", "rhd"):
        assert _traps(evaluate(name, predictions, truth)) == set()


def test_one_answer_to_all_pictures(both_sides: Hands) -> None:
    constant = mean_pose(both_sides, "").for_hands(both_sides)
    assert _traps(evaluate("freihand", constant, both_sides)) == {"constant"}


@pytest.mark.parametrize(("factor", "word"), [(1000.0, "millimetres"), (100.0, "centimetres")])
def test_trap_1_units(truth: Hands, factor: float, word: str) -> None:
    result = evaluate("freihand", replace(noisy(truth), xyz=factor * noisy(truth).xyz), truth)
    assert word in _says(result, "unit")
    assert _traps(result) == {"unit"}


def test_trap_1_unit_of_a_bone(truth: Hands) -> None:
    result = evaluate("freihand", replace(truth, xyz=(truth.xyz - truth.xyz[:, :1]) / 0.03), truth)
    assert "scale" in _traps(result)


@pytest.mark.parametrize("name", ["rhd", "interhand", "ho3d", "boukhayma"])
def test_trap_2_joint_order(truth: Hands, name: str) -> None:
    wrong = replace(noisy(truth), xyz=np.asarray(ORDERS[name].from_hand(noisy(truth).xyz)))
    result = evaluate("freihand", wrong, truth)
    assert "falls" in _says(result, "joint order")
    assert ("tip→base" in _says(result, "joint order")) == (name == "rhd")


def test_trap_3_palm_for_wrist(truth: Hands) -> None:
    palm = replace(noisy(truth), xyz=palm_of(noisy(truth).xyz))
    assert "palm's centre where the truth has the wrist" in _says(
        evaluate("freihand", palm, truth), "palm or wrist"
    )
    result = evaluate("stb", noisy(truth), replace(truth, xyz=palm_of(truth.xyz), root="palm"))
    assert result.figures["root MPJPE, mm"] < 10.0


def test_trap_3_wrist_for_palm(truth: Hands) -> None:
    labelled = replace(truth, xyz=palm_of(truth.xyz), root="palm")
    claimed = replace(noisy(truth), root="palm")
    assert "wrist where the truth has the palm" in _says(evaluate("stb", claimed, labelled), "palm or wrist")


def test_trap_4_roots_and_scales_of_papers_differ(truth: Hands) -> None:
    predictions = replace(noisy(truth), xyz=1.1 * noisy(truth).xyz)
    first = {name: next(iter(evaluate(name, predictions, truth).figures.values())) for name in PROTOCOLS}
    assert len({round(value, 3) for value in first.values()}) >= 4
    for protocol in PROTOCOLS.values():
        assert all(len(one.describe()) > 20 for one in protocol.measures)


def test_trap_5_mirrored_predictions(both_sides: Hands) -> None:
    left = np.array([side == "left" for side in both_sides.sides])[:, None, None]
    # A network of right hands sees the mirrored crop, and nobody turns its answer back.
    wrong = np.where(left, noisy(both_sides).xyz * [-1.0, 1.0, 1.0], noisy(both_sides).xyz)
    result = evaluate("freihand", replace(noisy(both_sides), xyz=wrong), both_sides)
    assert _says(result, "mirrored").startswith("50 %")


def test_trap_6_reflection_forgives_in_the_official_figure_only(truth: Hands) -> None:
    result = evaluate("freihand", replace(truth, xyz=truth.xyz * [-1.0, 1.0, 1.0]), truth)
    assert result.figures["PA-MPJPE, mm"] < 1e-9
    assert result.figures["PA-MPJPE unmirrored, mm"] > 5.0
    assert "forgive" in _says(result, "mirrored")


def test_trap_7_both_averages_stand_side_by_side(truth: Hands) -> None:
    xyz = truth.xyz.copy()
    xyz[:100, TIPS] = np.nan
    predictions = noisy(truth)
    predictions.xyz[:, TIPS] += 0.02
    figures = evaluate("freihand", predictions, replace(truth, xyz=xyz)).figures
    assert figures["root MPJPE, mm"] > figures["root MPJPE pooled, mm"] + 1.0


def test_trap_8_thresholds_are_stated(truth: Hands) -> None:
    figures = evaluate("chp3d", noisy(truth), truth).figures
    assert {"scaled MPJPE AUC 0–50 mm", "scaled MPJPE AUC 21.05–50 mm", "2D EPE AUC 0–30 px"} <= set(figures)
    assert PROTOCOLS["freihand"].thresholds.values == pytest.approx(np.linspace(0, 0.05, 100))


def test_trap_9_mean_and_median_stand_side_by_side(truth: Hands) -> None:
    predictions = noisy(truth)
    predictions.xyz[:5] += 1.0
    figures = evaluate("freihand", predictions, truth).figures
    assert figures["MPJPE, mm"] > 3 * figures["MPJPE median, mm"]


def test_trap_10_joints_that_are_not_seen(truth: Hands) -> None:
    visible = truth.visible.copy()
    visible[:, TIPS] = False
    predictions = noisy(truth)
    predictions.xyz[:, TIPS] += 0.1
    hidden = replace(truth, visible=visible)
    assert evaluate("rhd", predictions, hidden).figures["root MPJPE, mm"] < 10.0
    assert evaluate("freihand", predictions, hidden).figures["root MPJPE, mm"] > 20.0


@pytest.mark.parametrize("kind", ["crop", "shares", "exchanged"])
def test_trap_11_pixels_of_a_crop(truth: Hands, kind: str) -> None:
    xy = noisy(truth).xy
    wrong = {
        "crop": (xy - xy.min(axis=1, keepdims=True)) * 2.0 + 10.0,
        "shares": xy / 224.0,
        "exchanged": xy[..., ::-1],
    }[kind]
    says = _says(evaluate("rhd", replace(noisy(truth), xy=wrong), truth), "pixels")
    assert {"crop": "crop", "shares": "shares", "exchanged": "exchanged"}[kind] in says


def test_trap_12_perspective_of_the_crop(truth: Hands) -> None:
    rng = np.random.default_rng(0)
    offset = rng.uniform(-0.35, 0.35, (len(truth), 1, 2)) * truth.xyz[:, :1, 2:]
    aside = truth.xyz + np.concatenate([offset, np.zeros((len(truth), 1, 1))], axis=2)
    xy = FOCAL_PX * aside[..., :2] / aside[..., 2:] + CENTRE_PX
    labelled = replace(truth, xyz=aside, xy=xy)
    seen = []
    for points in aside:
        ray = points[9] / np.linalg.norm(points[9])
        turn, _ = Rotation.align_vectors([[0.0, 0.0, 1.0]], [ray])
        seen.append(turn.apply(points - points[0]) + points[0])
    result = evaluate("freihand", noisy(replace(labelled, xyz=np.stack(seen))), labelled)
    assert "axes of the crop" in _traps(result)


def test_trap_13_joints_and_vertices_are_different_figures() -> None:
    hands = made(6, mesh=True)
    predictions = noisy(hands, 0.002)
    assert predictions.vertices is not None
    predictions.vertices[:] += 0.01
    figures = evaluate("freihand", predictions, hands).figures
    assert figures["MPVPE, mm"] > 3 * figures["MPJPE, mm"]
    assert figures["PA-MPVPE, mm"] < 5.0
    assert figures["F@15 aligned"] > figures["F@5"]


def test_trap_14_tips_from_other_vertices(truth: Hands) -> None:
    xyz = noisy(truth, 0.001).xyz
    before = [
        HAND.index(HAND.joints[tip].replace("tip", "ip" if "thumb" in HAND.joints[tip] else "dip"))
        for tip in TIPS
    ]
    bone = truth.xyz[:, TIPS] - truth.xyz[:, before]
    xyz[:, TIPS] += 0.5 * bone
    assert "tips from other vertices" in _says(
        evaluate("freihand", replace(truth, xyz=xyz), truth), "joint definition"
    )


def test_trap_15_flat_mean_for_the_mean_pose() -> None:
    hands, bent = made(80, seed=3), made(80, seed=3, bend=0.35)
    assert "mean pose" in _says(evaluate("freihand", noisy(bent, 0.001), hands), "joint definition")


def test_trap_16_opengl_axes(truth: Hands, tmp_path) -> None:
    opengl = replace(noisy(truth), xyz=noisy(truth).xyz * [1.0, -1.0, -1.0])
    assert "OpenGL" in _says(evaluate("freihand", opengl, truth), "axes")
    path = write_submission(noisy(truth), tmp_path / "pred.json", "ho3d")
    result = evaluate("ho3d", read_submission(path, truth.keys, "ho3d"), truth)
    assert result.figures["MPJPE, mm"] < 10.0
    wrongly_read = read_submission(path, truth.keys, "freihand")
    assert {"joint order"} <= _traps(evaluate("ho3d", wrongly_read, truth))


def test_trap_17_left_hand_of_another_shape(both_sides: Hands) -> None:
    left = np.array([side == "left" for side in both_sides.sides])
    xyz = noisy(both_sides, 0.002).xyz
    rng = np.random.default_rng(0)
    xyz[left] += rng.normal(0, 0.008, xyz[left].shape)
    assert "left hand" in next(
        f.remedy
        for f in evaluate("freihand", replace(both_sides, xyz=xyz), both_sides).findings
        if f.trap == "left and right"
    )


def test_trap_18_fits_against_fits_is_said() -> None:
    assert any("5 mm" in note for note in PROTOCOLS["interhand"].caution)


def test_trap_19_subjects_of_the_training_data(truth: Hands) -> None:
    people = tuple({"subject": f"person {n % 3}"} for n in range(len(truth)))
    test = replace(truth, conditions=people)
    others = replace(made(10, seed=5), keys=tuple(f"train {n}" for n in range(10)), conditions=people[:10])
    result = evaluate("freihand", noisy(test), test, training=others)
    assert "3 of 3 people" in _says(result, "training subjects")
    assert "training data" in result.mean_pose_of
    strangers = replace(others, conditions=tuple({"subject": "nobody"} for _ in range(10)))
    assert _traps(evaluate("freihand", noisy(test), test, training=strangers)) == set()


@pytest.mark.parametrize("name", ["intershape", "chp3d", "rhd", "stb"])
def test_trap_20_the_true_size_is_oracle_information(truth: Hands, name: str) -> None:
    centre = truth.xyz[:, :1]
    result = evaluate(name, replace(truth, xyz=1.2 * (truth.xyz - centre) + centre), truth)
    assert result.figures["scaled MPJPE, mm"] < 1e-6
    assert result.figures["root MPJPE, mm"] > 5.0
    assert any("true size" in note for note in result.notes)


def test_trap_21_failures_count(truth: Hands) -> None:
    some = noisy(truth).take(list(range(0, len(truth), 2)))
    whole, half = evaluate("freihand", noisy(truth), truth), evaluate("freihand", some, truth)
    assert half.coverage.share == pytest.approx(0.5)
    assert "60 of 120 hands (50.0 %)" in _says(half, "coverage")
    for name in ("PA-MPJPE, mm", "MPJPE, mm"):
        zero = half.baselines["zero"][name]
        assert half.figures[name] > whole.figures[name]
        assert half.found[name] == pytest.approx(whole.figures[name], rel=0.1)
        assert half.figures[name] == pytest.approx((half.found[name] + zero) / 2, rel=0.1)
    assert half.missing.sum() == 60
    assert len(half.coverage.missing) == 60
