"""Opening a folder: its layout is guessed, and what was looked for is said."""

from __future__ import annotations

import importlib

import pytest
from made_samples import made_samples

from handloom.datasets import LAYOUTS, WRITERS, get_writer, open_dataset
from handloom.errors import DataSetError, HandloomError

SIGNS = {
    "freihand": "training_K.json",
    "rhd": "evaluation/anno_evaluation.pickle",
    "stb": "labels/B1Counting_BB.mat",
    "interhand": "annotations/test/InterHand2.6M_test_data.json",
    "ho3d": "train/ABF10/meta/0000.pkl",
    "dexycb": "20200709-subject-01/20200709_141754/meta.yml",
    "onehand10k": "Train/label_joint.txt",
    "cmu": "hand_labels/manual_train/a.json",
    "session": "run.toml",
    "webdataset": "part-000000.tar",
    "coco-wholebody": "annotations/coco_wholebody_val_v1.0.json",
}


@pytest.mark.parametrize("layout", SIGNS)
def test_layout_is_guessed_from_the_files(tmp_path, layout, monkeypatch):
    opened = {}
    module, _, name = LAYOUTS[layout].reader.partition(":")
    reader = importlib.import_module(module)
    monkeypatch.setattr(reader, name, lambda path, split: opened.update(path=path, split=split))
    (tmp_path / SIGNS[layout]).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / SIGNS[layout]).write_bytes(b"")
    open_dataset(tmp_path, split="some")
    assert opened == {"path": tmp_path, "split": "some"}


@pytest.mark.parametrize("layout", [*LAYOUTS, *WRITERS])
def test_every_reader_and_writer_is_there(layout):
    for place in (LAYOUTS[layout].reader, WRITERS.get(layout, LAYOUTS[layout].reader)):
        module, _, name = place.partition(":")
        assert callable(getattr(importlib.import_module(module), name))


def test_folders_of_no_layout_say_what_was_looked_for(tmp_path):
    with pytest.raises(DataSetError, match=r"training_K\.json .*anno_training\.pickle .*\*\.tar"):
        open_dataset(tmp_path)
    with pytest.raises(DataSetError, match=r"There is no .*elsewhere"):
        open_dataset(tmp_path / "elsewhere")
    with pytest.raises(DataSetError, match="no reader of the layout 'nyu'"):
        open_dataset(tmp_path, "nyu")


def test_a_file_may_be_a_whole_set(tmp_path):
    writer = get_writer("webdataset", tmp_path / "set")
    writer.write_part(0, 0, made_samples(2))
    assert len(open_dataset(tmp_path / "set/part-000000.tar")) == 2


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_wrong_layout_is_a_problem_with_a_remedy(tmp_path, layout):
    (tmp_path / "notes.txt").write_text("nothing of the kind")
    with pytest.raises(HandloomError) as caught:
        open_dataset(tmp_path, layout)
    assert caught.value.remedy
