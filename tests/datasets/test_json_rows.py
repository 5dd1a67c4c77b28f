"""Rows of long JSON lists: found and read alone, however the file is spaced."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handloom.datasets.json_rows import JsonRows
from handloom.errors import DataSetError

number = st.floats(-1e6, 1e6) | st.integers(-1000, 1000)
rows = st.lists(
    st.lists(st.lists(number, min_size=3, max_size=3), min_size=1, max_size=4), min_size=1, max_size=5
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows, st.sampled_from([None, 0, 2]), st.sampled_from([(", ", ": "), (",", ":")]))
def test_every_row_is_that_of_the_whole_file(tmp_path, content, indent, separators):
    path = tmp_path / "verts.json"
    path.write_text(json.dumps(content, indent=indent, separators=separators))
    read = JsonRows(path, "The meshes", 3, len(content))
    for row in reversed(range(len(content))):
        np.testing.assert_array_equal(read[row], np.array(content[row], dtype=np.float64))


@pytest.mark.parametrize(
    "text", ["", "{}", "[[[1, 2, 3]], [[1, 2", "[[[1, 2, 3]]]", "[[[1, 2]], [[1, 2]]]", "null"]
)
def test_other_files_are_named(tmp_path, text):
    path = tmp_path / "verts.json"
    path.write_text(text)
    with pytest.raises(DataSetError, match=r"The meshes .*verts\.json is malformed"):
        JsonRows(path, "The meshes", 3, 2)[0]
    with pytest.raises(DataSetError, match="is missing"):
        JsonRows(tmp_path / "other.json", "The meshes", 3, 2)
