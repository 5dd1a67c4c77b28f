"""The report of a calibration: its verdict, whole and self-contained, and honest about units."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from calibrations import BOARD, ERROR, WARNING, calibrated
from pages import Page, words

from handloom.calibration.calibration import Calibration
from handloom.calibration.findings import Finding, Name, Severity
from handloom.errors import SessionError
from handloom.view.calibration_report import write_calibration_report, write_findings_report
from handloom.view.calibration_report.evidence import gathered
from handloom.view.calibration_report.maps import Field, covered_share
from handloom.view.calibration_report.squares import measured_squares
from handloom.view.calibration_report.wording import numbers_of, parameter, signed, with_deviation
from handloom.view.units import NO_BREAK, LengthUnit

SECTIONS = ["headline", "space", "coverage", "poses", "shared", "residuals", "squares", "cameras"]


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    return calibrated(findings=[WARNING])


@pytest.fixture(scope="module")
def page(calibration: Calibration, tmp_path_factory: pytest.TempPathFactory) -> str:
    return written(calibration, tmp_path_factory.mktemp("report"))


def written(calibration: Calibration, folder: Path, **options: object) -> str:
    path = write_calibration_report(calibration, folder / "report.html", **options)  # type: ignore[arg-type]
    return path.read_text(encoding="utf-8")


def test_all_sections_are_there_and_every_element_is_closed(page: str) -> None:
    parsed = Page(page)
    assert parsed.sections == SECTIONS
    assert parsed.open == []


def test_nothing_is_loaded_from_elsewhere(page: str) -> None:
    assert Page(page).loads == []
    assert not re.search(r"https?://|url\(|@import|//cdn", page)


def test_same_calibration_gives_the_same_bytes(calibration: Calibration, page: str, tmp_path: Path) -> None:
    assert written(calibration, tmp_path) == page


@pytest.mark.parametrize(
    ("findings", "said"),
    [
        ([], "Trusted: 3 cameras agree with the board to 0.2"),
        ([WARNING], "Usable, with doubts:"),
        ([ERROR, WARNING], "Not to be trusted: one error, listed below."),
    ],
)
def test_verdict_comes_first(
    calibration: Calibration, tmp_path: Path, findings: list[Finding], said: str
) -> None:
    text = words(written(replace(calibration, findings=tuple(findings)), tmp_path)).replace(NO_BREAK, " ")
    assert said in re.sub(r" :", ":", text)
    assert all(finding.problem in text and finding.remedy in text for finding in findings)


def test_findings_come_with_their_numbers() -> None:
    listed = dict(numbers_of(WARNING, LengthUnit.of("m")))
    shown = {label: figure.replace(NO_BREAK, " ") for label, figure in listed.items()}
    assert shown == {"baseline": "42.0 mm", "covered": "31.0 %", "angle": "1.70°"}


def test_squares_are_measured_as_they_are(calibration: Calibration) -> None:
    squares = measured_squares(calibration)
    assert squares is not None
    assert squares.mean == pytest.approx(BOARD.square_m, rel=2e-3)
    assert squares.rms_error < 0.02 * BOARD.square_m
    by_pair = squares.by_pair
    np.testing.assert_array_equal(by_pair, by_pair.T)
    assert np.isnan(np.diag(by_pair)).all()


def test_wrong_scale_shows_in_the_squares(calibration: Calibration) -> None:
    cameras = tuple(
        replace(camera, T_camera_world=_grown(camera.T_camera_world, 1.05)) for camera in calibration.rig
    )
    squares = measured_squares(replace(calibration, rig=replace(calibration.rig, cameras=cameras)))
    assert squares is not None
    assert squares.mean == pytest.approx(1.05 * BOARD.square_m, rel=2e-3)
    assert squares.rms_error == pytest.approx(0.05 * BOARD.square_m, rel=0.1)


def _grown(T: np.ndarray, factor: float) -> np.ndarray:
    T = T.copy()
    T[:3, 3] *= factor
    return T


@pytest.mark.parametrize(("unit", "said"), [("board-square", "board squares"), ("unknown", "units")])
def test_no_mm_for_a_rig_without_metric_scale(tmp_path: Path, unit: str, said: str) -> None:
    text = words(written(calibrated(2, 40, unit=unit), tmp_path)).replace("chessboard:8x6:40mm", "")
    assert not re.search(r"\bmm\b", text)
    assert said in text


def test_camera_that_was_not_linked_is_named(tmp_path: Path) -> None:
    calibration = calibrated(3, 60, not_linked=["cam1"])
    text = words(written(calibration, tmp_path))
    assert "2 of 3" in text
    assert "Not calibrated: cam1." in text
    assert gathered(calibration.sightings, calibration)[1].result is None


def test_rms_by_camera_agrees_with_the_calibration(calibration: Calibration) -> None:
    for number, seen in enumerate(gathered(calibration.sightings, calibration)):
        assert seen.rms_px == pytest.approx(calibration.rms_of(number))


def test_names_are_escaped_everywhere(tmp_path: Path) -> None:
    name = "<script>alert('&\")</script>"
    page = written(calibrated(2, 40, names={"cam1": name}), tmp_path)
    assert "<script>alert" not in page
    parsed = Page(page)
    assert parsed.open == []
    assert parsed.sections == SECTIONS


def test_single_camera_has_no_squares_and_no_pairs(tmp_path: Path) -> None:
    sections = Page(written(calibrated(1, 40), tmp_path)).sections
    assert "squares" not in sections
    assert "shared" not in sections


def test_lenses_alone_stand_nowhere(calibration: Calibration, tmp_path: Path) -> None:
    cameras = tuple(replace(camera, T_camera_world=np.eye(4)) for camera in calibration.rig)
    alone = replace(calibration, rig=replace(calibration.rig, cameras=cameras))
    page = written(alone, tmp_path)
    assert "space" not in Page(page).sections
    assert "where the cameras stand is not known" in words(page)
    assert "Looks along" not in words(page)


def test_lens_that_does_not_fit_shows_in_the_field(calibration: Calibration) -> None:
    seen = gathered(calibration.sightings, calibration)[1]
    assert Field.of(seen).systematic.mean() < 0.05
    centred = seen.pixels - np.array(seen.image_size) / 2
    bent = replace(seen, residuals=seen.residuals + 2e-3 * centred)
    field = Field.of(bent)
    assert field.systematic[np.isfinite(field.rms)].mean() > 0.5


def test_coverage_is_the_share_of_the_picture(calibration: Calibration) -> None:
    seen = gathered(calibration.sightings, calibration)[0]
    left = seen.pixels[:, 0] < seen.image_size[0] / 2
    half = replace(seen, pixels=seen.pixels[left])
    assert 0.0 < covered_share(half) <= 0.5
    assert covered_share(half) <= covered_share(seen)


def test_example_pictures_lie_under_the_coverage(calibration: Calibration, tmp_path: Path) -> None:
    picture = np.full((720, 1280, 3), 90, dtype=np.uint8)
    loads = Page(written(calibration, tmp_path, example_pictures={"cam0": picture})).loads
    assert len(loads) == 1
    assert loads[0].startswith("data:image/jpeg;base64,")


def test_moments_without_times_are_counted(calibration: Calibration, tmp_path: Path) -> None:
    sightings = replace(calibration.sightings, times_s=np.full(len(calibration.sightings.times_s), np.nan))
    assert "(number of the moment)" in words(written(replace(calibration, sightings=sightings), tmp_path))


def test_findings_without_a_rig(calibration: Calibration, tmp_path: Path) -> None:
    path = write_findings_report([ERROR], calibration.sightings, tmp_path / "report.html")
    page = path.read_text(encoding="utf-8")
    assert Page(page).sections == ["coverage", "shared", "cameras"]
    assert ERROR.problem in words(page)
    assert "No calibration" in words(page)


def test_findings_without_a_corner(calibration: Calibration, tmp_path: Path) -> None:
    nothing = Finding(Name.nothing_found, Severity.error, "No picture shows the board.", "Check the board.")
    empty = calibration.sightings.where(np.zeros(len(calibration.sightings), dtype=bool))
    page = write_findings_report([nothing], empty, tmp_path / "report.html").read_text(encoding="utf-8")
    assert Page(page).sections == ["cameras"]
    assert nothing.problem in words(page)


def test_sixteen_cameras_stay_small(tmp_path: Path) -> None:
    assert len(written(calibrated(16, 120), tmp_path)) < 1_000_000


def test_unwritable_place_leaves_nothing(calibration: Calibration, tmp_path: Path) -> None:
    with pytest.raises(SessionError, match="does not exist"):
        write_calibration_report(calibration, tmp_path / "nowhere" / "report.html")


def test_figures_have_the_digits_of_their_deviation() -> None:
    assert with_deviation(912.3456, 0.123).replace(NO_BREAK, " ") == "912.35 ± 0.12"
    assert parameter(-0.28123, 0.0042) == ("−0.2812", "± 0.0042")
    assert parameter(912.34, 0.0) == ("912.3", "held")
    assert parameter(912.34, float("nan")) == ("912.3", "undetermined")
    assert signed("-0.000, -0.5") == "0.000, −0.5"
