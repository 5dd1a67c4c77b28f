"""Parts made by Ray, on a cluster of this machine's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_drawing import contents, deadly_drawing, drawing, failing_drawing

from handloom.errors import SynthesisError
from handloom.synthesis.generation import generate
from handloom.synthesis.generation.cluster import RayCluster

pytest.importorskip("ray", reason="handloom[cluster] is not installed")


def test_ray_gives_the_same_bytes_though_a_worker_dies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    mark = tmp_path / "mark"
    mark.write_bytes(b"x")
    made = generate(
        deadly_drawing(13, mark), 24, tmp_path / "ray", part_size=4, executor=RayCluster("local", 2)
    )
    assert (made.made, mark.exists()) == (24, False)
    generate(drawing(), 24, tmp_path / "here", part_size=4)
    assert contents(tmp_path / "ray") == contents(tmp_path / "here")


def test_a_failure_on_the_cluster_arrives_in_its_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    mark = tmp_path / "mark"
    mark.touch()
    failing = failing_drawing(13, mark)
    with pytest.raises(SynthesisError, match="Index 13 of seed 0 cannot be drawn") as caught:
        generate(failing, 24, tmp_path / "ray", part_size=4, executor=RayCluster("local", 2))
    assert "report them" in caught.value.remedy
    mark.unlink()
    generate(failing, 24, tmp_path / "ray", resume=True)
    generate(drawing(), 24, tmp_path / "here", part_size=4)
    assert contents(tmp_path / "ray") == contents(tmp_path / "here")


def test_a_cluster_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SynthesisError, match="no Ray cluster at 'auto'"):
        generate(drawing(), 4, tmp_path / "set", executor=RayCluster("auto"))
