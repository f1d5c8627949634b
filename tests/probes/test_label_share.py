import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GroupKFold

import mne_funcmap as mf
from mne_funcmap.baselines import SpectralClassifier
from mne_funcmap.probes.changed_training import number_channels
from mne_funcmap.probes.label_share import draw_labels, probe_label_share
from mne_funcmap.recordings.channels import list_channels


@pytest.fixture(scope="module")
def recordings():
    return mf.simulate_recordings(
        n_subjects=4, n_sessions=2, duration=10.0, sfreq=400.0, n_channels=2
    )


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 1.0])
def test_labels_are_a_share_of_channels(recordings, share):
    channels = list_channels(recordings)
    for seed in range(10):
        kept = draw_labels(channels, share, np.random.RandomState(seed))
        assert kept.sum() == 2 * max(2, round(share * 40))
        assert len(set(channels.region[kept])) > 1
        of_channel = pd.Series(kept).groupby(number_channels(channels))
        assert (of_channel.nunique() == 1).all()


def test_more_labels_are_better(recordings):
    models = {name: SpectralClassifier(classifier=name) for name in ("lda", "majority")}
    frame = probe_label_share(
        recordings, models, shares=(0.1, 1), n_draws=3, cv=GroupKFold(2), n_resamples=50
    )
    assert frame["model"].tolist() == ["lda", "majority"] * 2
    assert frame["share"].tolist() == [0.1, 0.1, 1.0, 1.0]
    assert set(frame["baseline"]) == {"lda"}
    lda, majority = (frame[frame["model"] == name] for name in models)
    assert lda["balanced_accuracy"].is_monotonic_increasing
    assert majority["balanced_accuracy"].to_list() == pytest.approx([0.2, 0.2])
    np.testing.assert_allclose(lda["difference"], 0)
    assert (majority["diff_high"] < 0).all()


def test_share_out_of_range(recordings):
    with pytest.raises(ValueError, match="above 0"):
        probe_label_share(recordings, {}, shares=(0, 1))
