"""The page on an evaluation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from made_hands import made, noisy

from handloom.evaluation import PROTOCOLS, evaluate
from handloom.view.evaluation_report import write_evaluation_report
from handloom.view.evaluation_report.tables import figure_table


def _page(tmp_path: Path, protocol: str, **changes: object) -> str:
    truth = made(24, both=True)
    result = evaluate(protocol, replace(noisy(truth), **changes), truth)
    path = write_evaluation_report(result, tmp_path / "r.html", name="<ours>", data="made hands")
    return path.read_text(encoding="utf-8")


def test_every_protocol_has_a_page_that_needs_nothing_else(tmp_path: Path) -> None:
    for name in PROTOCOLS:
        page = _page(tmp_path, name)
        assert PROTOCOLS[name].measures[0].describe() in page
        assert "&lt;ours&gt;" in page
        assert "<ours>" not in page
        assert "http" not in page.replace("http://www.w3.org/2000/svg", "")


def test_pages_without_joints_in_space(tmp_path: Path) -> None:
    page = _page(tmp_path, "rhd", xyz=np.full((24, 21, 3), np.nan))
    assert "no joints in space" in page
    assert "2D EPE" in page


def test_figures_that_need_no_picture_are_marked() -> None:
    truth = made(24)
    good = figure_table(evaluate("freihand", noisy(truth), truth))
    assert not any(beaten for _, _, beaten in good)
    bad = figure_table(evaluate("freihand", noisy(truth, 0.5), truth))
    assert any(beaten for _, _, beaten in bad)
