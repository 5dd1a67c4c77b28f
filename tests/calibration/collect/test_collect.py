"""From recordings to sightings: what belongs together, what is passed over, and what is said about it."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from frames import SIZE, Lamp, film, lit, photograph

from handloom.calibration.boards import parse_board
from handloom.calibration.collect import collect, write_sightings
from handloom.calibration.sightings import Sightings
from handloom.errors import CalibrationError, VideoError

LAMP = Lamp()


def lefts(sightings: Sightings) -> dict[tuple[int, str], int]:
    """Place of the lamp by moment and camera."""
    first = sightings.corner == 0
    return {
        (int(moment), sightings.cameras[camera]): round(x / 4)
        for moment, camera, x in zip(
            sightings.moment[first], sightings.camera[first], sightings.pixels[first, 0], strict=True
        )
    }


def test_videos_are_paired_by_time(tmp_path: Path) -> None:
    film(tmp_path / "a.mp4", [0, 1, 2, 3, 4, 5], fps=30)
    film(tmp_path / "b.mp4", [10, 12, 14], fps=15)
    sightings = collect([tmp_path], LAMP).sightings
    assert np.allclose(sightings.times_s, [0, 2 / 30, 4 / 30], atol=1e-6)
    assert lefts(sightings) == {
        (0, "a"): 0, (0, "b"): 10, (1, "a"): 2, (1, "b"): 12, (2, "a"): 4, (2, "b"): 14,
    }  # fmt: skip
    assert sightings.image_sizes.tolist() == [list(SIZE)] * 2
    assert (sightings.blur_px == 1.0).all()


@pytest.mark.parametrize("offsets", [{"b": 2 / 30}, [0.0, 2 / 30]])
def test_offsets_shift_the_pairs(tmp_path: Path, offsets: dict[str, float] | list[float]) -> None:
    a = film(tmp_path / "a.mp4", [0, 1, 2, 3])
    b = film(tmp_path / "b.mp4", [10, 11, 12, 13])
    seen = lefts(collect([a, b], LAMP, offsets_s=offsets).sightings)
    assert [seen[2, "a"], seen[2, "b"], seen[3, "b"], seen[5, "b"]] == [2, 10, 11, 13]


def test_moments_at_which_no_camera_saw_the_board_do_not_count(tmp_path: Path) -> None:
    film(tmp_path / "a.mp4", [None, 1, None, 3])
    sightings = collect([tmp_path], LAMP).sightings
    assert np.allclose(sightings.times_s, [1 / 30, 3 / 30], atol=1e-6)


def test_pictures_are_paired_by_number(tmp_path: Path) -> None:
    for camera, numbers in (("left", (1, 2, 5, 10)), ("right", (2, 5, 6))):
        for number in numbers:
            photograph(tmp_path / f"{camera}{number}.png", number)
    sightings = collect([tmp_path], LAMP).sightings
    assert sightings.counts.astype(bool).tolist() == [[1, 0], [1, 1], [1, 1], [0, 1], [1, 0]]
    assert np.isnan(sightings.times_s).all()


def test_pictures_that_are_not_synchronous_share_no_moment(tmp_path: Path) -> None:
    for camera in ("left", "right"):
        for number in (1, 2, 3):
            photograph(tmp_path / f"{camera}{number}.png", number)
    counts = collect([tmp_path], LAMP, synchronous=False).sightings.counts
    assert counts.shape == (6, 2)
    assert ((counts > 0).sum(axis=1) == 1).all()


def test_videos_and_pictures_in_one_call(tmp_path: Path) -> None:
    film(tmp_path / "films" / "a.mp4", [1, 2, 3])
    for camera in ("left", "right"):
        photograph(tmp_path / "stereo" / f"{camera}7.png", 7)
        photograph(tmp_path / "stereo" / f"{camera}9.png", 9)
    collected = collect([tmp_path / "films", tmp_path / "stereo"], LAMP)
    assert collected.sightings.cameras == ("a", "left", "right")
    seen = collected.sightings.counts.astype(bool)
    assert seen.tolist() == [[1, 0, 0]] * 3 + [[0, 1, 1]] * 2
    assert any("left share no moment with the videos" in note for note in collected.facts.notes)


def test_pictures_that_are_the_frames_of_a_video_run_beside_the_videos(tmp_path: Path) -> None:
    film(tmp_path / "a.mp4", range(10))
    for number in range(10):
        photograph(tmp_path / "b" / f"{number + 1:04}.png", number + 3)
    collected = collect([tmp_path / "a.mp4", tmp_path / "b"], LAMP)
    seen = lefts(collected.sightings)
    assert all(seen[t, "b"] == seen[t, "a"] + 3 for t in range(10))


def test_pictures_for_a_lens_are_moments_that_no_other_camera_saw(tmp_path: Path) -> None:
    film(tmp_path / "a.mp4", [1, 2])
    film(tmp_path / "b.mp4", [1, 2])
    lens = film(tmp_path / "lens" / "clip.mp4", [3, 4, 5])
    photograph(tmp_path / "lens" / "still.png", 6)
    sightings = collect(
        [tmp_path / "a.mp4", tmp_path / "b.mp4"], LAMP, lens_recordings={"b": lens.parent}
    ).sightings
    assert sightings.counts.astype(bool).tolist() == [[1, 1]] * 2 + [[0, 1]] * 4
    assert np.isnan(sightings.times_s[2:]).all()


def test_a_camera_may_have_nothing_but_pictures_for_its_lens(tmp_path: Path) -> None:
    photograph(tmp_path / "1.png", 1)
    collected = collect([], LAMP, lens_recordings={"front": tmp_path})
    assert collected.sightings.cameras == ("front",)


def test_pictures_for_a_lens_of_another_size_are_passed_over_and_counted(tmp_path: Path) -> None:
    film(tmp_path / "a.mp4", [1, 2])
    photograph(tmp_path / "lens" / "1.png", 3, size=(192, 128))
    collected = collect([tmp_path / "a.mp4"], LAMP, lens_recordings={"a": tmp_path / "lens"})
    assert len(collected.sightings.times_s) == 2
    assert collected.facts["a"].image_size == SIZE
    assert collected.facts["a"].other_sizes == {(192, 128): 1}


def test_a_damaged_picture_costs_itself_alone(tmp_path: Path) -> None:
    for camera in ("left", "right"):
        for number in range(4):
            photograph(tmp_path / f"{camera}{number}.png", number)
    (tmp_path / "right2.png").write_bytes(b"not a picture")
    collected = collect([tmp_path], LAMP)
    assert collected.sightings.counts.astype(bool).tolist() == [[1, 1], [1, 1], [1, 0], [1, 1]]
    assert len(collected.facts["right"].damage) == 1
    assert "right2.png" in collected.facts["right"].damage[0]
    assert collected.facts["left"].damage == ()


def test_a_camera_of_which_no_picture_can_be_read(tmp_path: Path) -> None:
    for number in range(3):
        photograph(tmp_path / f"left{number}.png", number)
        (tmp_path / f"right{number}.png").write_bytes(b"")
    with pytest.raises(CalibrationError, match="None of the pictures of camera right can be read"):
        collect([tmp_path], LAMP)


def test_a_truncated_video_gives_what_is_readable_and_the_others_go_on(tmp_path: Path) -> None:
    for name in "ab":
        film(tmp_path / f"{name}.mp4", [n % 20 for n in range(60)])
    whole = (tmp_path / "b.mp4").read_bytes()
    (tmp_path / "b.mp4").write_bytes(whole[: len(whole) * 2 // 3])
    collected = collect([tmp_path], LAMP)
    seen = (collected.sightings.counts > 0).sum(axis=0)
    assert seen[0] == 60
    assert 0 < seen[1] < 60
    assert "truncated" in collected.facts["b"].damage[0]


def test_a_missing_video(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="There is no video"):
        collect([tmp_path / "a.mp4"], LAMP)


def test_a_video_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video")
    with pytest.raises(VideoError, match="not a video"):
        collect([tmp_path], LAMP)


def test_an_offset_for_no_camera(tmp_path: Path) -> None:
    film(tmp_path / "a.mp4", [1])
    with pytest.raises(CalibrationError, match="offset for b, but no such camera"):
        collect([tmp_path], LAMP, offsets_s={"b": 1.0})


def test_offsets_of_another_number_than_the_cameras(tmp_path: Path) -> None:
    film(tmp_path / "a.mp4", [1])
    with pytest.raises(CalibrationError, match="2 offsets for 1 cameras"):
        collect([tmp_path], LAMP, offsets_s=[0.0, 1.0])


def test_nothing_found_is_no_failure_and_leaves_examples(tmp_path: Path) -> None:
    film(tmp_path / "a.mp4", [None] * 40)
    film(tmp_path / "b.mp4", [5] * 40)
    collected = collect([tmp_path], LAMP)
    facts = collected.facts["a"]
    assert (facts.searched, facts.found) == (40, 0)
    assert 2 <= len(facts.examples) <= 4
    assert np.abs(facts.examples[0].astype(int) - lit(None)).max() < 12
    assert collected.facts["b"].examples == ()


def test_frames_missing_from_a_video_are_counted(tmp_path: Path) -> None:
    path = film(tmp_path / "b.mp4", [n % 20 for n in range(30)])
    with av.open(str(path)) as source, av.open(str(tmp_path / "a.mkv"), "w") as target:
        stream = target.add_stream("mpeg4", rate=30)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        for i, picture in enumerate(source.decode(video=0)):
            if i in (10, 11, 20):
                continue
            for packet in stream.encode(picture):
                target.mux(packet)
        for packet in stream.encode(None):
            target.mux(packet)
    facts = collect([tmp_path], LAMP).facts
    assert facts["a"].dropped == 3
    assert (facts["b"].dropped, facts["b"].frame_count) == (0, 30)


def test_a_long_video_is_searched_on_a_grid_with_bursts(tmp_path: Path) -> None:
    film(tmp_path / "a.mp4", [n // 8 % 80 for n in range(800)])
    film(tmp_path / "b.mp4", [n // 8 % 80 for n in range(800)])
    collected = collect([tmp_path], LAMP, max_moments=100)
    assert collected.facts.ticks == 800
    assert 90 <= len(collected.sightings.times_s) < 300
    steps = np.diff(np.rint(collected.sightings.times_s * 30).astype(int))
    assert (steps == 1).sum() >= 10  # some in a row, to tell motion
    assert steps.max() <= 20


def test_every_frame_of_a_long_video_on_request(tmp_path: Path) -> None:
    film(tmp_path / "a.mp4", [n // 40 for n in range(600)])
    assert len(collect([tmp_path], LAMP, max_moments=None).sightings.times_s) == 600


def test_the_search_goes_on_where_two_cameras_saw_the_board_together_only_briefly(tmp_path: Path) -> None:
    count = 1200
    together = range(605, 640)
    film(tmp_path / "a.mp4", [n % 80 if n < together.stop else None for n in range(count)])
    film(tmp_path / "b.mp4", [n % 79 if n >= together.start else None for n in range(count)])
    coarse = collect([tmp_path], LAMP, max_moments=60)
    shared = (coarse.sightings.counts > 0).all(axis=1).sum()
    assert shared >= 10
    assert coarse.facts.ticks_searched < 500


def test_a_board_that_stands_still_is_not_searched_for_again_and_again(tmp_path: Path) -> None:
    film(tmp_path / "a.mp4", [5] * 1000)
    collected = collect([tmp_path], LAMP, max_moments=50)
    assert collected.facts.ticks_searched <= 60


def test_neither_the_order_of_arguments_nor_the_number_of_workers_matters(tmp_path: Path) -> None:
    places = [film(tmp_path / f"{name}.mp4", [n % 17 + i for n in range(90)]) for i, name in enumerate("abc")]
    results = []
    for order, workers in ((places, 1), (places[::-1], 3)):
        sightings = collect(order, LAMP, workers=workers, max_moments=30).sightings
        results.append([sightings.cameras, sightings.times_s.tobytes(), sightings.moment.tobytes()])
        results[-1] += [sightings.camera.tobytes(), sightings.pixels.tobytes(), sightings.blur_px.tobytes()]
    assert results[0] == results[1]


def test_real_stereo_pictures(data: Path) -> None:
    sightings = collect([data / "opencv_samples"], parse_board("chessboard:9x6:25mm")).sightings
    assert sightings.cameras == ("left", "right")
    assert len(sightings.times_s) == 13
    assert (sightings.counts > 0).sum(axis=0).min() >= 11
    assert (sightings.image_sizes == (640, 480)).all()


def test_real_videos_give_the_same_bytes_in_any_order(data: Path, tmp_path: Path) -> None:
    folder = data / "caliscope/sessions/4_cam_recording/calibration/extrinsic"
    board = parse_board("charuco:4x5:54mm:marker=40.5mm:dict=4X4_1000:inverted:two-sided")
    videos = sorted(folder.glob("*.mp4"), reverse=True)
    for name, recordings in (("folder", [folder]), ("videos", videos)):
        collected = collect(recordings, board)
        assert ((collected.sightings.counts > 0).sum(axis=0) >= 20).all()
        assert len(collected.sightings.times_s) == 48
        write_sightings(collected.sightings, tmp_path / f"{name}.parquet")
    assert (tmp_path / "folder.parquet").read_bytes() == (tmp_path / "videos.parquet").read_bytes()


def test_real_videos_without_a_board(data: Path) -> None:
    collected = collect([data / "caliscope/sessions/h264_extrinsic"], parse_board("charuco:4x5:54mm"))
    assert len(collected.sightings) == 0
    assert [facts.found for facts in collected.facts.cameras] == [0, 0]
    assert all(facts.examples for facts in collected.facts.cameras)
