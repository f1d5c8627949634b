import numpy as np
import pytest

import mne_funcmap as mf
from mne_funcmap.baselines import SupervisedNetwork
from mne_funcmap.recordings.context import pool, share_power, weigh_near


@pytest.fixture
def segments():
    generator = np.random.default_rng(0)
    signal, other = generator.standard_normal((2, 2, 200))
    # two channels with one signal, and another
    data = np.float32([*signal, *-2 * signal, *other])
    return data, np.array([0, 0, 1, 1, 2, 2]), np.array([0.0, 1, 0, 1, 0, 1])


def test_near_channels_share_their_signal(segments):
    near = weigh_near(share_power(*segments))
    np.testing.assert_allclose(near.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(near[0, 1] / near[0, 0], 30, rtol=1e-5)
    assert near[0, 2] < near[0, 0]


def test_channels_without_common_time_are_not_near(segments):
    data, channel, onset = segments
    near = weigh_near(share_power(data, channel, onset + 10 * (channel == 2)))
    np.testing.assert_array_equal(near[2], [0, 0, 1])


def test_pool(segments):
    _, channel, _ = segments
    features = np.arange(6, dtype=np.float32)[:, None]
    shared = share_power(*segments)
    np.testing.assert_allclose(pool(features, channel)[:, 0], [0.5, 2.5, 4.5])
    joined = pool(features, channel, channel, shared).numpy()
    near = weigh_near(shared) @ [0.5, 2.5, 4.5]
    np.testing.assert_allclose(joined[:, 0], ([0.5, 2.5, 4.5] + near) / 2, rtol=1e-6)
    np.testing.assert_allclose(joined[:, 1], 2.5, rtol=1e-6)
    np.testing.assert_allclose(joined[:, 2], 3 / 8, rtol=1e-6)
    single = pool(features, np.arange(6), channel, shared).numpy()
    assert single.shape == (6, 3)
    np.testing.assert_allclose((single[0] + single[1]) / 2, joined[0], rtol=1e-6)


def test_what_cannot_take_a_context_says_so():
    X = mf.simulate_recordings(n_subjects=2, n_sessions=1, duration=10.0, sfreq=400.0)
    for params in ({"loss": "pairwise"}, {"encoder": "cnn"}, {"positives": "both"}):
        emb = mf.FunctionalEmbedder(context=True, max_epochs=1, **params)
        with pytest.raises(ValueError, match="context=True needs encoder='spectral'"):
            emb.fit(X)


def test_supervised_network_with_context():
    X = mf.simulate_recordings(n_subjects=3, n_sessions=1, duration=20.0, sfreq=400.0)
    network = SupervisedNetwork(mf.SegmentEmbedder(weight_decay=1.0), context=True).fit(
        X[:2]
    )
    whole = np.concatenate(network.predict_proba(X[2:]))
    alone = np.concatenate(network.predict_proba([X[2].copy().pick(["VO1", "VIM1"])]))
    assert whole.argmax(axis=1).shape == (20,)
    rows = [X[2].ch_names.index(name) for name in ("VO1", "VIM1")]
    assert np.abs(whole[rows] - alone).max() > 1e-3
