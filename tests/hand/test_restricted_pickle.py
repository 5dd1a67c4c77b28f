"""Model pickles: arrays come out, and nothing that a hostile file asks for happens."""

from __future__ import annotations

import builtins
import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from mano_files import mano_content, python2_pickle, write_mano
from scipy.sparse import csc_matrix

from handloom.errors import DataSetError, ModelError
from handloom.hand.restricted_pickle import read_model_pickle, read_pickle


class Runs:
    """Pickles as the call of a function."""

    def __init__(self, function, *arguments):
        self._call = function, arguments

    def __reduce__(self):
        return self._call


def marker(folder: Path) -> Path:
    return folder / "it-ran"


def system(folder):
    return Runs(os.system, f"touch {marker(folder)}")


def evaluate(folder):
    return Runs(builtins.eval, f"open({str(marker(folder))!r}, 'w')")


HOSTILE = {
    "os.system": lambda folder: system(folder),
    "builtins.eval": lambda folder: evaluate(folder),
    "in a dictionary": lambda folder: {"v_template": np.zeros((3, 3)), "f": system(folder)},
    "deep inside": lambda folder: {"a": [({"b": (evaluate(folder),)},)]},
    "as a key": lambda folder: {system(folder): 1},
    "builtins.getattr": lambda folder: {"f": Runs(getattr, "word", "upper")},
    "numpy.load": lambda folder: {"f": Runs(np.load, "x.npy")},
    "numpy's own eval": lambda folder: {"f": Runs(np.testing.assert_equal, 1, 2)},
    "an array of objects": lambda folder: {"f": np.array([system(folder), None], dtype=object)},
}


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_pickles_are_refused_before_anything_runs(tmp_path, kind, protocol):
    path = tmp_path / "MANO_RIGHT.pkl"
    path.write_bytes(pickle.dumps(HOSTILE[kind](tmp_path), protocol))
    with pytest.raises(ModelError, match=r"was not loaded: it asks for|holds something other than numbers"):
        read_model_pickle(path)
    assert not marker(tmp_path).exists()


def test_the_hostile_pickle_of_these_tests_would_run(tmp_path):
    pickle.loads(pickle.dumps(evaluate(tmp_path)))
    assert marker(tmp_path).exists()


def test_objects_in_an_array_are_refused_even_when_harmless(tmp_path):
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps({"f": np.array([1, "a"], dtype=object)}, 2))
    with pytest.raises(ModelError, match="other than numbers"):
        read_model_pickle(path)


def _call(name: bytes, arguments: bytes) -> bytes:
    return b"\x80\x02}U\x01fc" + name + b"\n" + arguments + b"Rs."


HUGE = struct.pack("<q", 10**12)
VAST = {
    "an array by its constructor": _call(b"numpy\nndarray", b"(\x8a\x08" + HUGE + b"\x85t"),
    "an array by reconstruction": _call(
        b"numpy.core.multiarray\n_reconstruct", b"(cnumpy\nndarray\n\x8a\x08" + HUGE + b"\x85U\x01bt"
    ),
    "a note with a huge number": b"\x80\x02}r\xff\xff\xff\x7f.",
    "a string longer than the file": b"\x80\x02T" + struct.pack("<i", 2**31 - 1) + b"abc.",
    "an unknown extension": b"\x80\x02\x82\x01.",
    "an object outside the file": b"\x80\x02U\x01aQ.",
}


@pytest.mark.parametrize("kind", VAST)
def test_vast_claims_are_refused(tmp_path, kind):
    import resource

    path = tmp_path / "a.pkl"
    path.write_bytes(VAST[kind])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelError):
        read_model_pickle(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


def test_an_array_cannot_claim_more_than_its_bytes(tmp_path):
    data = pickle.dumps({"f": np.arange(3.0)}, 2).replace(b"K\x03\x85", b"J\x00\x00\x00\x40\x85")
    (tmp_path / "a.pkl").write_bytes(data)
    with pytest.raises(ModelError, match="claims a size"):
        read_model_pickle(tmp_path / "a.pkl")


def test_a_sparse_matrix_cannot_claim_the_memory(tmp_path):
    (tmp_path / "a.pkl").write_bytes(python2_pickle({"f": csc_matrix((10**6, 10**5))}))
    with pytest.raises(ModelError, match="larger than any hand"):
        read_model_pickle(tmp_path / "a.pkl")


@pytest.mark.parametrize("state", [{"_function": 1}, (None, {"__defaults__": (1,)})])
@pytest.mark.parametrize("name", [b"copy_reg\n_reconstructor", b"numpy\nndarray", b"chumpy.ch\nCh"])
def test_what_answers_cannot_be_tampered_with(tmp_path, name, state):
    program = b"\x80\x02c" + name + b"\n" + pickle.dumps(state, 2)[2:-1] + b"b."
    (tmp_path / "a.pkl").write_bytes(program)
    with pytest.raises(ModelError, match=r"tampers|damaged"):
        read_model_pickle(tmp_path / "a.pkl")


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_come_out_as_they_went_in(tmp_path, protocol):
    content = {
        "doubles": np.arange(6.0).reshape(2, 3),
        "columns first": np.asfortranarray(np.arange(6, dtype=np.uint32).reshape(2, 3)),
        "big-endian": np.arange(3, dtype=">i4"),
        "empty": np.zeros((0, 3)),
        "number": np.float64(3.5),
    }
    path = tmp_path / "a.pkl"
    others = {"sparse": csc_matrix(np.diag([1.0, 2.0])), "word": "lbs"}
    path.write_bytes(pickle.dumps(content | others, protocol))
    read = read_model_pickle(path)
    for name, value in content.items():
        np.testing.assert_array_equal(read[name], value, err_msg=name)
        assert read[name].shape == value.shape
    np.testing.assert_array_equal(read["sparse"], np.diag([1.0, 2.0]))
    assert read["word"] == "lbs"


def test_python_2_files_with_chumpy_are_read(tmp_path):
    content = mano_content("right")
    read = read_model_pickle(write_mano(tmp_path / "a.pkl", content))
    for name in ("v_template", "shapedirs", "weights", "kintree_table", "f"):
        np.testing.assert_array_equal(read[name], content[name], err_msg=name)
    np.testing.assert_array_equal(read["J_regressor"], content["J_regressor"].toarray())
    assert read["bs_style"] == "lbs"


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.999])
def test_truncated_files_say_so(tmp_path, share):
    path = write_mano(tmp_path / "MANO_RIGHT.pkl", mano_content("right"))
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(ModelError, match=r"ends too early|is no pickle") as caught:
        read_model_pickle(path)
    assert caught.value.remedy


@pytest.mark.parametrize(
    "data",
    [b"solid hand\nfacet normal 0 0 1\n", b"\x89PNG\r\n", b"glTF\x02\x00\x00\x00", b"# Wavefront\nv 0 0 0\n"],
)
def test_files_of_other_kinds_say_so(tmp_path, data):
    (tmp_path / "hand.obj").write_bytes(data)
    with pytest.raises(ModelError, match=r"is no pickle, or no hand model|uses the instruction"):
        read_model_pickle(tmp_path / "hand.obj")


def test_a_pickle_without_a_dictionary_says_so(tmp_path):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(np.zeros(3), 2))
    with pytest.raises(ModelError, match="does not hold a dictionary"):
        read_model_pickle(tmp_path / "a.pkl")


def test_a_folder_is_no_pickle(tmp_path):
    with pytest.raises(ModelError, match="cannot be read"):
        read_model_pickle(tmp_path)


def test_damaged_bytes_never_end_in_anything_but_a_message(tmp_path):
    rng = np.random.default_rng(7)
    content = {"f": np.arange(6.0), "J": csc_matrix(np.eye(2)), "word": "lbs", "n": [1, (2, 3)]}
    content |= {"v_template": np.eye(3), "weights": np.eye(2), "shapedirs": np.ones((2, 3, 2))}
    whole = write_mano(tmp_path / "a.pkl", content).read_bytes()
    refused = 0
    for _ in range(400):
        data = bytearray(whole)
        for at in rng.integers(len(data), size=int(rng.integers(1, 5))):
            data[at] = rng.integers(256)
        (tmp_path / "b.pkl").write_bytes(data)
        try:
            read_model_pickle(tmp_path / "b.pkl")
        except ModelError:
            refused += 1
    assert refused > 50


def test_containers_within_containers_are_read(tmp_path):
    path = tmp_path / "annotations.pickle"
    content = {0: {"K": np.eye(3), "names": ["a", ("b", np.int64(4))]}, np.int64(7): {"K": np.ones((3, 3))}}
    path.write_bytes(pickle.dumps(content, 2))
    read = read_pickle(path, "annotation file", DataSetError, "Fetch it again.")
    np.testing.assert_array_equal(read[0]["K"], np.eye(3))
    assert read[0]["names"] == ["a", ("b", 4)]
    np.testing.assert_array_equal(read[7]["K"], np.ones((3, 3)))


def test_what_the_file_should_be_is_said(tmp_path):
    path = tmp_path / "annotations.pickle"
    path.write_bytes(pickle.dumps({0: {"K": system(tmp_path)}}, 2))
    with pytest.raises(DataSetError, match="Such a file holds arrays"):
        read_pickle(path, "annotation file", DataSetError, "Fetch it again.")
    assert not marker(tmp_path).exists()
    path.write_bytes(pickle.dumps({0: {"K": np.eye(3)}}, 2)[:-20])
    with pytest.raises(DataSetError, match=r"ends too early or is damaged .*Fetch it again"):
        read_pickle(path, "annotation file", DataSetError, "Fetch it again.")


def test_endless_nesting_is_refused(tmp_path):
    content: list = []
    content.append(content)
    path = tmp_path / "loop.pickle"
    path.write_bytes(pickle.dumps(content, 2))
    with pytest.raises(DataSetError, match="nests containers without end"):
        read_pickle(path, "annotation file", DataSetError, "")
