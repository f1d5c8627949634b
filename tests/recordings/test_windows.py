from dataclasses import replace

import numpy as np
import pytest

from mne_funcmap.reconstruction.studies import study_recording
from mne_funcmap.recordings.channels import list_channels
from mne_funcmap.recordings.storage import RowFile
from mne_funcmap.recordings.windows import StoredWindows, cut_study, rescale_windows

N_TIMES = 50


@pytest.fixture
def raw(make_coupled):
    raw = make_coupled("sub-1", "AB", n_channels=1, duration=4.0)
    raw._data += 1e-4  # an offset
    return raw


def test_windows_are_z_scored_as_the_study_says(raw):
    channels = list_channels([raw])
    study = study_recording(raw, channels, 0, np.zeros((2, 1)), n_times=N_TIMES)
    windows = cut_study(raw, channels, 0, study, N_TIMES)
    assert windows.shape == (8, 2, N_TIMES)
    expected = study.normalize(raw.get_data()).reshape(2, 8, N_TIMES).swapaxes(0, 1)
    np.testing.assert_allclose(windows, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("stored", [False, True])
def test_rescaled_windows_are_those_of_the_other_study(raw, stored):
    channels = list_channels([raw])
    study = study_recording(raw, channels, 0, np.zeros((2, 1)), n_times=N_TIMES)
    other = replace(study, mean=study.mean + [2e-5, -3e-5], scale=study.scale * [2, 3])
    windows = cut_study(raw, channels, 0, study, N_TIMES)
    if stored:
        windows = StoredWindows(RowFile().append(windows.numpy()))
    found = rescale_windows(windows, study, other)
    expected = cut_study(raw, channels, 0, other, N_TIMES)
    # a slice, and numbers of what is in it
    np.testing.assert_allclose(
        found[2:6][np.array([1, 3])], expected[[3, 5]], rtol=1e-3, atol=1e-5
    )
