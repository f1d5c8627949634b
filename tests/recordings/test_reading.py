import mne
import numpy as np
import pytest

import mne_funcmap as mf
from mne_funcmap.recordings.channels import check_recordings, load_copy
from mne_funcmap.recordings.keeping import fingerprint_signals
from mne_funcmap.recordings.reading import check_not_empty
from mne_funcmap.recordings.signals import read_signals


@pytest.fixture
def unloaded(make_coupled, tmp_path):
    raw = make_coupled(duration=30.0)
    raw.save(tmp_path / "one_raw.fif", fmt="double", verbose="error")
    return mne.io.read_raw_fif(tmp_path / "one_raw.fif", verbose="error")


def test_files_that_are_gone(unloaded, make_coupled):
    unloaded.filenames[0].unlink()
    X = [make_coupled(), unloaded]
    for function in (check_recordings, mf.cut_blocks, mf.cut_channels):
        with pytest.raises(RuntimeError, match="recording 1 .*file is gone: .*one_raw"):
            function(X)


def read_all(raw):
    return read_signals(raw, np.arange(len(raw.ch_names)), 100)


@pytest.mark.parametrize("function", [load_copy, fingerprint_signals, read_all])
def test_files_that_were_cut_off(unloaded, function):
    file = unloaded.filenames[0]
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 3])
    with pytest.raises(RuntimeError, match="one_raw.fif.*not loaded.*cannot be read"):
        function(unloaded)


def test_what_users_put_there_becomes_what_mne_has(make_coupled):
    raw = make_coupled()
    expected = np.round(raw._data * 1e6)
    for given in (expected.astype(np.int16), expected.astype(">f4")):
        given.flags.writeable = False
        raw._data = given
        copy = load_copy(raw)
        assert raw._data is given
        assert copy._data.dtype == np.float64
        copy._data *= 0.5
        np.testing.assert_array_equal(copy._data, expected / 2)
        data = read_signals(raw, np.array([1, 0]), 100).data
        np.testing.assert_array_equal(data, expected[[1, 0]])


@pytest.mark.filterwarnings("ignore:.*dropped")
def test_nothing_left(make_coupled):
    epochs = mne.make_fixed_length_epochs(
        make_coupled(), 1.0, preload=True, verbose="error"
    )
    check_not_empty(epochs, "it")
    for function in (mf.cut_channels, mf.RecordingPreprocessor(h_freq=9).transform):
        with pytest.raises(ValueError, match="recording 0 .*has no epochs"):
            function([epochs[:0]])
    rec = mf.MaskedRegionReconstructor("region")
    epochs.annotations.delete([0])  # so that some have no region
    with pytest.raises(ValueError, match="recording 1 .*has no epochs"):
        rec.fit([epochs, epochs[:0]])
