from pathlib import Path

import numpy as np
import pytest

from mne_funcmap.recordings.storage import RowFile, StoredRows, join_stored, take_rows


@pytest.fixture
def parts():
    generator = np.random.default_rng(0)
    return [generator.random((n, 3, 2), dtype=np.float32) for n in (4, 1, 0, 6)]


def test_rows_are_what_was_written(parts):
    file = RowFile()
    stored = [file.append(part) for part in parts]
    for part, rows in zip(parts, stored, strict=True):
        assert rows.shape == part.shape
        np.testing.assert_array_equal(rows[:], part)
    whole, joined = np.concatenate(parts), join_stored(stored)
    assert len(joined) == len(whole)
    np.testing.assert_array_equal(joined[2:9], whole[2:9])
    np.testing.assert_array_equal(joined[np.array([10, 0, 5])], whole[[10, 0, 5]])


@pytest.mark.parametrize("rows", [np.array([8, 3, 3]), np.arange(11) % 3 == 0])
def test_taken_rows_are_read_later(parts, rows):
    file, whole = RowFile(), np.concatenate(parts)
    taken = take_rows(join_stored([file.append(part) for part in parts]), rows)
    np.testing.assert_array_equal(taken[:], whole[rows])
    np.testing.assert_array_equal(taken.take([1, 0])[:], whole[rows][[1, 0]])
    np.testing.assert_array_equal(take_rows(whole, rows), whole[rows])


def test_rows_are_copies(parts):
    stored = RowFile().append(parts[0])
    stored[:][:] = 0
    np.testing.assert_array_equal(stored[:], parts[0])


def test_nothing_is_left_behind(parts, tmp_path):
    stored = RowFile(tmp_path).append(parts[0])
    assert list(tmp_path.iterdir()) == []  # no name: a crash leaves nothing either
    np.testing.assert_array_equal(stored[:], parts[0])


def test_no_rows_of_many_are_nothing():
    """Not even memory: the rows that were not taken are not counted."""
    nothing = np.zeros(0, dtype=int)
    whole = (10**12, 10**6)
    many = StoredRows(RowFile(), 0, whole, np.dtype(np.float32), nothing)
    assert many[:].shape == (0, 10**6)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device")
def test_full_disk():
    file = RowFile()
    file.file.close()
    with open("/dev/full", "wb+", buffering=0) as full:
        file.file = full
        with pytest.raises(OSError, match=r"more do not fit .* TMPDIR"):
            file.append(np.zeros((10, 10)))
