"""Tar shards: all of a sample comes back, bytes repeat, and damage is named."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import replace

import numpy as np
import pytest
from made_samples import made_sample, made_samples

from handloom.datasets.maps import decoded_depth, encoded_depth
from handloom.datasets.webdataset import WebDataset
from handloom.datasets.webdataset_writer import WebDatasetWriter
from handloom.errors import DataSetError


def shards(folder, samples, **options):
    writer = WebDatasetWriter(folder, **options)
    half = (len(samples) + 1) // 2
    writer.write_part(1, half, samples[half:])
    writer.write_part(0, 0, samples[:half])
    writer.finish(2)
    return WebDataset(folder)


def test_all_of_a_sample_comes_back(tmp_path):
    samples = made_samples(3, ("left", "right"), mano=True)
    read = shards(tmp_path / "set", samples, jpg_quality=None)
    assert list(read.keys) == [sample.key for sample in samples]
    assert read.lacks == ()
    for n in (2, 0, 1):
        found, truth = read[n], samples[n]
        assert found.key == truth.key
        assert found.camera.allclose(truth.camera, 0.0)
        for what in ("moment", "frame", "conditions"):
            assert getattr(found, what) == getattr(truth, what)
        np.testing.assert_array_equal(found.image, truth.image)
        np.testing.assert_array_equal(found.parts, truth.parts)
        np.testing.assert_allclose(found.depth, truth.depth, atol=5.1e-5)
        np.testing.assert_allclose(found.normals, truth.normals, atol=2e-5)
        assert found.normals.dtype == found.depth.dtype == np.float32
        for hand, expected in zip(found.hands, truth.hands, strict=True):
            assert (hand.side, hand.root) == (expected.side, "wrist")
            for what in ("xy", "xyz", "visible", "box", "faces"):
                np.testing.assert_array_equal(getattr(hand, what), getattr(expected, what))
            np.testing.assert_allclose(hand.vertices, expected.vertices, atol=1e-7)
            for what in ("pose", "shape", "translation", "flat_hand_mean"):
                np.testing.assert_array_equal(getattr(hand.mano, what), getattr(expected.mano, what))
            for what in ("angles", "shape", "T_camera_wrist"):
                np.testing.assert_array_equal(
                    getattr(hand.parameters, what), getattr(expected.parameters, what)
                )


def test_what_a_sample_lacks_stays_missing(tmp_path):
    bare = made_sample(0)
    hand = replace(bare.hands[0], visible=None, box=None, vertices=None, faces=None, parameters=None)
    hand.xyz[3] = np.nan
    nothing = dict.fromkeys(("parts", "depth", "normals", "camera", "moment", "frame"))
    bare = replace(bare, hands=(hand,), **nothing)
    read = shards(tmp_path / "set", [bare])
    assert {*nothing, "visible", "box", "mano"} <= set(read.lacks)
    found = read[0]
    assert np.isnan(found.hands[0].xyz[3]).all()
    assert found.camera is None
    assert found.depth is None
    assert read.labels(0).image is None


def test_same_samples_give_the_same_bytes_and_no_dates_or_owners(tmp_path):
    for name in "ab":
        shards(tmp_path / name, made_samples(2))
    one, other = ((tmp_path / name / "part-000000.tar").read_bytes() for name in "ab")
    assert one == other
    with tarfile.open(tmp_path / "a/part-000000.tar") as tar:
        members = tar.getmembers()
    assert {(m.mtime, m.uid, m.gid, m.uname) for m in members} == {(0, 0, 0, "")}
    assert [m.name for m in members] == sorted(m.name for m in members)


def test_shards_without_maps_or_meshes_are_smaller(tmp_path):
    plain = shards(tmp_path / "plain", made_samples(1), maps=False, vertices=False)
    assert plain[0].parts is None
    assert plain[0].hands[0].vertices is None
    assert not list((tmp_path / "plain").glob("faces-*"))


def test_maps_may_be_left_unread(tmp_path):
    shards(tmp_path / "set", made_samples(1))
    read = WebDataset(tmp_path / "set", maps=False)
    assert read[0].image is not None
    assert read[0].depth is None
    assert {"parts", "depth", "normals"} <= set(read.lacks)


def test_a_part_that_fails_leaves_nothing(tmp_path):
    def broken():
        yield made_sample(0)
        raise RuntimeError("the renderer stopped")

    writer = WebDatasetWriter(tmp_path / "set")
    with pytest.raises(RuntimeError):
        writer.write_part(0, 0, broken())
    assert not writer.done(0)
    assert not list((tmp_path / "set").glob("*.tar"))
    with pytest.raises(DataSetError, match="1 of 1 parts"):
        writer.finish(1)


def test_depth_beyond_16_bits_is_unknown():
    depth = np.array([[0.5, 6.5535, 7.0, np.nan, 0.0]], np.float32)
    found = decoded_depth(encoded_depth(depth))
    np.testing.assert_allclose(found, [[0.5, 6.5535, np.nan, np.nan, np.nan]], atol=5e-5)


def test_damaged_shards_are_named(tmp_path):
    shards(tmp_path / "set", made_samples(2))
    shard = tmp_path / "set/part-000001.tar"
    whole = shard.read_bytes()
    shard.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataSetError, match=r"part-000001\.tar is damaged"):
        WebDataset(tmp_path / "set")
    shard.write_bytes(b"not a tar at all" * 100)
    with pytest.raises(DataSetError, match=r"part-000001\.tar is damaged or no tar"):
        WebDataset(tmp_path / "set")


def test_shards_with_other_labels_are_refused(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name, data in {"x/0.json": json.dumps({"label": 3}).encode(), "x/0.cls": b"3"}.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    with pytest.raises(DataSetError, match=r"x/0\.json in .*a\.tar is malformed: its schema"):
        WebDataset(tmp_path)


def test_shards_without_labels_and_twofold_keys_are_refused(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("0.jpg"))
    with pytest.raises(DataSetError, match=r"has no 0\.json"):
        WebDataset(tmp_path)
    writer = WebDatasetWriter(tmp_path / "set")
    for part in (0, 1):
        writer.write_part(part, part, [made_sample(0)])
    with pytest.raises(DataSetError, match="Two samples"):
        WebDataset(tmp_path / "set")


def test_missing_triangles_and_empty_folders_are_named(tmp_path):
    shards(tmp_path / "set", made_samples(1))
    next((tmp_path / "set").glob("faces-*")).unlink()
    with pytest.raises(DataSetError, match="triangles"):
        WebDataset(tmp_path / "set")
    with pytest.raises(DataSetError, match=r"holds no \*\.tar"):
        WebDataset(tmp_path)
