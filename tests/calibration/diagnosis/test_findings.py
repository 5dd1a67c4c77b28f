"""Every finding gets a scene made on purpose, and good scenes get none."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from plain_grid import PlainGrid

from handloom.calibration.boards import parse_board
from handloom.calibration.collect.facts import CameraFacts, Facts
from handloom.calibration.diagnosis import Evidence, diagnose
from handloom.calibration.findings import Finding, Name, Severity
from handloom.calibration.pipeline import CalibrateOptions, NotCalibrated, calibrate_sightings
from handloom.calibration.sightings import Sightings
from handloom.synthesis import board_faults
from handloom.synthesis.board_scene import BoardScene, make_board_scene

BOARD = PlainGrid()


@pytest.fixture(scope="module")
def good() -> BoardScene:
    return make_board_scene(BOARD, 4, 100, seed=1)


def _known(scene: BoardScene) -> CalibrateOptions:
    return CalibrateOptions(known_lenses={camera.name: camera for camera in scene.rig})


def _judged(
    scene: BoardScene, name: Name, options: CalibrateOptions | None = None, facts: Facts | None = None
) -> Finding:
    """The finding of that name; no other error may be there, and no warning of another kind."""
    found = calibrate_sightings(scene.sightings, options, facts).findings
    own = [finding for finding in found if finding.name is name]
    assert own, [str(finding) for finding in found]
    others = {f.name for f in found if f.severity is not Severity.note} - {name}
    assert not others, [str(finding) for finding in found]
    assert own[0].problem.endswith(".")
    assert own[0].remedy.endswith(".")
    return own[0]


def _broken(scene: BoardScene, name: Name, known: bool = True) -> Finding:
    faulty = board_faults.FAULTS[name](scene)
    return _judged(faulty, name, _known(faulty) if known else None)


@pytest.mark.parametrize(("cameras", "seed"), [(2, 0), (2, 5), (4, 1), (4, 7), (8, 2), (16, 3)])
def test_good_scenes_have_no_errors_and_no_warnings(cameras: int, seed: int) -> None:
    scene = make_board_scene(BOARD, cameras, 100, outliers=0.1, seed=seed)
    result = calibrate_sightings(scene.sightings, _known(scene) if cameras > 4 else None)
    assert not [str(f) for f in result.findings if f.severity is not Severity.note]
    assert result.trusted


def test_unlinked_camera(good: BoardScene) -> None:
    finding = _broken(good, Name.unlinked_camera)
    assert finding.severity is Severity.error
    assert finding.cameras == ("cam2",)
    assert finding.numbers["moments_shared"] == 0
    assert finding.numbers["moments_seen"] > 20


def test_unlinked_camera_whose_views_disagree(good: BoardScene) -> None:
    rng = np.random.default_rng(0)
    shuffled = board_faults.late(good, 2, rng.uniform(-40, 40, 100))  # its pictures are in no order
    finding = _judged(shuffled, Name.unlinked_camera, _known(good))
    assert finding.numbers["moments_shared"] > 20
    assert finding.numbers["moments_agreeing"] < 0.5 * finding.numbers["moments_shared"]


def test_separate_groups(good: BoardScene) -> None:
    finding = _broken(good, Name.separate_groups)
    assert finding.cameras == ("cam2", "cam3")
    assert finding.severity is Severity.error


def test_mirrored_video_of_a_chessboard(good: BoardScene) -> None:
    finding = _broken(good, Name.mirrored_video)
    assert finding.cameras == ("cam1",)
    assert finding.numbers["agreeing_share"] > 0.9


def test_no_tilt(good: BoardScene) -> None:
    finding = _broken(good, Name.no_tilt, known=False)
    assert finding.severity is Severity.error
    assert finding.numbers["tilt_deg"] < 2
    assert finding.numbers["focal_std_percent"] > 2


def test_a_pair_whose_board_is_tilted_has_nothing_to_be_told() -> None:
    pair = board_faults.parallel_pair(BOARD, 60, 0.2, tilt=True)
    found = calibrate_sightings(pair.sightings).findings
    assert not [str(f) for f in found if f.severity is not Severity.note]


def test_narrow_baseline(good: BoardScene) -> None:
    finding = _broken(good, Name.narrow_baseline)
    assert finding.severity is Severity.warning
    assert finding.numbers["angle_deg"] == pytest.approx(1.9, abs=0.3)
    assert 2 < finding.numbers["depth_std_mm"] < 20


def test_centre_only(good: BoardScene) -> None:
    faulty = board_faults.FAULTS["centre-only"](good)
    found = calibrate_sightings(faulty.sightings).findings
    told = [f for f in found if f.name is Name.centre_only and f.severity is Severity.warning]
    assert len(told) == 4
    assert told[0].numbers["radius_reached"] < 0.2


def test_too_few_views(good: BoardScene) -> None:
    finding = _broken(good, Name.too_few_views, known=False)
    assert finding.cameras == ("cam2",)
    assert finding.severity is Severity.error
    assert finding.numbers["views"] == 2


def test_nothing_found(good: BoardScene) -> None:
    finding = _broken(good, Name.nothing_found)
    assert finding.cameras == ("cam2",)
    assert finding.severity is Severity.error


def test_nothing_found_by_any_camera(good: BoardScene) -> None:
    nothing = good.sightings.where(np.zeros(len(good.sightings), dtype=bool))
    with pytest.raises(NotCalibrated) as raised:
        calibrate_sightings(nothing)
    assert [finding.name for finding in raised.value.findings] == [Name.nothing_found]


def test_unsynchronised(good: BoardScene) -> None:
    finding = _broken(good, Name.unsynchronised)
    assert finding.cameras == ("cam2",)
    assert finding.severity is Severity.error
    assert finding.numbers["offset_frames"] == pytest.approx(-1.0, abs=0.05)
    assert "--offset cam2=-0.033" in finding.remedy


def test_unsynchronised_by_many_pictures_so_that_nothing_is_linked() -> None:
    pair = make_board_scene(BOARD, 2, 100)
    finding = _judged(board_faults.late(pair, 1, 12.0), Name.unsynchronised, _known(pair))
    assert finding.numbers["offset_frames"] == pytest.approx(-12.0, abs=0.5)


def test_dropped_frames(good: BoardScene) -> None:
    finding = _broken(good, Name.dropped_frames)
    assert finding.cameras == ("cam1",)
    assert abs(finding.numbers["jump_frames"]) == pytest.approx(2.0, abs=0.2)
    assert finding.numbers["moment"] == pytest.approx(50, abs=10)


def test_dropped_frames_that_the_times_tell(good: BoardScene) -> None:
    facts = _facts(good.sightings, dropped=7)
    finding = _judged(good, Name.dropped_frames, _known(good), facts)
    assert finding.numbers["dropped"] == 7


def test_resolution_mismatch(good: BoardScene) -> None:
    options = _known(good)
    cropped = replace(good.rig[1], image_size=(1280, 960))
    evidence = Evidence(good.sightings, given=dict(options.known_lenses) | {"cam1": cropped})
    (finding,) = (f for f in diagnose(evidence) if f.severity is not Severity.note)
    assert finding.name is Name.resolution_mismatch
    assert finding.severity is Severity.error
    halved = Evidence(good.sightings, given={"cam1": good.rig[1].scaled(640, 360)})
    notes = [f for f in diagnose(halved) if f.name is Name.resolution_mismatch]
    assert notes[0].severity is Severity.note
    assert notes[0].numbers["factor_x"] == 2.0


def test_moved_camera(good: BoardScene) -> None:
    finding = _broken(good, Name.moved_camera)
    assert finding.cameras == ("cam1",)
    assert finding.severity is Severity.error
    assert finding.numbers["degrees"] == pytest.approx(1.0, abs=0.15)
    assert finding.numbers["mm"] == pytest.approx(10.0, abs=4.0)
    assert finding.numbers["moment"] == pytest.approx(50, abs=13)


def test_moved_camera_of_two_may_be_either() -> None:
    pair = make_board_scene(BOARD, 2, 100)
    finding = _judged(board_faults.moved(pair, 1, 50, 1.0, 0.01), Name.moved_camera, _known(pair))
    assert finding.cameras == ("cam0", "cam1")


def test_motion_blur(good: BoardScene) -> None:
    finding = _broken(good, Name.motion_blur)
    assert finding.cameras == ("cam1",)
    assert finding.numbers["along_px"] > 3 * finding.numbers["across_px"]


def test_motion_blur_that_the_edges_tell(good: BoardScene) -> None:
    blur = np.where(good.sightings.counts > 0, 0.8, np.nan)
    blur[::2, 3] *= 6.0
    finding = _judged(
        replace(good, sightings=replace(good.sightings, blur_px=blur)), Name.motion_blur, _known(good)
    )
    assert finding.cameras == ("cam3",)
    assert finding.numbers["blurred_share"] == pytest.approx(0.5, abs=0.1)


def test_rolling_shutter(good: BoardScene) -> None:
    finding = _broken(good, Name.rolling_shutter)
    assert finding.cameras == ("cam1",)
    assert finding.numbers["readout_ms"] == pytest.approx(25, abs=10)


def test_bent_board(good: BoardScene) -> None:
    finding = _broken(good, Name.bent_board)
    assert finding.numbers["bend_mm"] == pytest.approx(4.0, abs=0.6)


def test_wrong_square_where_width_and_height_differ(good: BoardScene) -> None:
    assert _broken(good, Name.wrong_square).numbers["stretch_percent"] > 0.5


def test_wrong_square_that_a_measured_distance_contradicts(good: BoardScene) -> None:
    measured = 1.25 * float(np.linalg.norm(good.rig[0].center - good.rig[1].center))
    options = replace(_known(good), distances_m={("cam0", "cam1"): measured})
    finding = _judged(good, Name.wrong_square, options)
    assert finding.numbers["square_needed_mm"] == pytest.approx(50.0, abs=0.2)


def test_large_residual(good: BoardScene) -> None:
    finding = _broken(good, Name.large_residual)
    assert finding.cameras == ("cam2",)
    assert finding.numbers["rms_px"] == pytest.approx(2.8, abs=0.4)


def test_scale_unknown(good: BoardScene) -> None:
    result = calibrate_sightings(good.sightings, _known(good))
    unknown = replace(result, rig=replace(result.rig, unit="unknown"), findings=())
    evidence = Evidence(good.sightings, given=_known(good).known_lenses, calibration=unknown)
    assert [f.name for f in diagnose(evidence)] == [Name.scale_unknown]


def test_wrong_board_and_mirrored_video_of_marker_boards() -> None:
    told, filmed = parse_board("charuco:5x7:40mm"), parse_board("charuco:5x7:40mm:dict=5X5_50")
    nothing = Sightings.build(told, ("cam0",), [(900, 1200)], np.arange(4.0), [], [], [], np.zeros((0, 2)))
    other = diagnose(Evidence(nothing, _facts(nothing, examples=(_picture(filmed),))))
    assert [finding.name for finding in other] == [Name.wrong_board]
    assert "5X5" in other[0].problem
    flipped = diagnose(Evidence(nothing, _facts(nothing, examples=(_picture(told)[:, ::-1].copy(),))))
    assert [finding.name for finding in flipped] == [Name.mirrored_video]


def _picture(board: object) -> np.ndarray:
    drawn = np.asarray(board.draw(3000.0), dtype=np.uint8)  # type: ignore[attr-defined]
    grey = drawn if drawn.ndim == 2 else drawn[..., 0]
    picture = np.full((1200, 900), 255, dtype=np.uint8)
    scale = min(1000 / grey.shape[0], 700 / grey.shape[1])
    small = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    picture[100 : 100 + small.shape[0], 100 : 100 + small.shape[1]] = small
    return picture


def _facts(sightings: Sightings, dropped: int = 0, examples: tuple[np.ndarray, ...] = ()) -> Facts:
    seen = (sightings.counts > 0).sum(axis=0)
    return Facts(
        tuple(
            CameraFacts(
                name,
                (f"{name}.mp4",),
                tuple(sightings.image_sizes[number].tolist()),
                30.0,
                len(sightings.times_s),
                len(sightings.times_s),
                int(seen[number]),
                dropped if number == 0 else 0,
                examples=examples,
            )
            for number, name in enumerate(sightings.cameras)
        )
    )


def test_the_recording_of_four_cameras_has_no_error(data: object) -> None:
    from handloom.calibration.collect import collect

    folder = data / "caliscope/sessions/4_cam_recording/calibration/extrinsic"  # type: ignore[operator]
    board = parse_board("charuco:4x5:54mm:dict=4X4_1000:inverted:two-sided")
    found = collect([folder], board, max_moments=60)
    result = calibrate_sightings(found.sightings, facts=found.facts)
    assert len(result.rig) == 4
    assert result.trusted, [str(finding) for finding in result.findings]
