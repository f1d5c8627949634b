import zlib

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import GroupKFold

import mne_funcmap as mf
from mne_funcmap.baselines.spectra import read_spectra
from mne_funcmap.evaluation.folds import make_folds
from mne_funcmap.identity import RegionIdentity
from mne_funcmap.probes.embeddings import embed_held_out
from mne_funcmap.probes.features import SpectrumTransformer
from mne_funcmap.probes.subject import centre_regions, predict_parts, probe_subject
from mne_funcmap.recordings.channels import list_channels
from mne_funcmap.recordings.segments import open_segments
from mne_funcmap.splits import number_parts

CV = GroupKFold(2)


def draw(*names):
    """Draw a vector that depends on names alone."""
    return np.random.default_rng(zlib.crc32(repr(names).encode())).standard_normal(6)


class Mixed(BaseEstimator):
    """Embeddings that tell regions, subjects and recordings as strongly as asked."""

    def __init__(self, subject=0.0, session=0.0):
        self.subject = subject
        self.session = session

    def fit(self, X, y=None):
        self.seen_ = set(mf.get_subjects(X))
        return self

    def transform(self, X):
        assert not self.seen_ & set(mf.get_subjects(X))
        return [np.array([self.embed(raw, name) for name in raw.ch_names]) for raw in X]

    def embed(self, raw, name):
        subject, session = raw.info["subject_info"]["his_id"], raw.info["description"]
        return (
            draw(mf.get_regions(raw)[name])
            + self.subject * draw(subject)
            + self.session * draw(subject, session)
            + 0.1 * draw(subject, session, name)
        )


@pytest.fixture(scope="module")
def recordings(make_coupled):
    found = []
    for i in range(6):
        for session in ("ses-1", "ses-2"):
            raw = make_coupled(f"sub-{i}", "ABC", n_channels=4, duration=12.0)
            raw.info["description"] = session
            found.append(raw)
    return found


def probe(recordings, models, **params):
    frame = probe_subject(recordings, models, cv=CV, n_resamples=200, **params)
    return frame.set_index(["model", "centred"])


def test_subject_is_read_where_it_is_told(recordings):
    models = {"nothing": Mixed(), "all": Mixed(subject=2.0), "region": RegionIdentity()}
    frame = probe(recordings, models)
    assert list(frame.index) == [(name, c) for c in (False, True) for name in models]
    score = frame["balanced_accuracy"]
    for centred in (False, True):
        assert score["all", centred] == pytest.approx(1)
        assert abs(score["nothing", centred] - 1 / 3) < 0.15
        # the same regions in all subjects tell none of them from the others
        assert score["region", centred] == pytest.approx(1 / 3)
    assert set(frame["chance"]) == {1 / 3}
    assert set(frame["n_subjects"]) == {6}
    assert set(frame["baseline"]) == {"region"}
    assert (frame["low"] <= score).all()
    assert (score <= frame["high"]).all()


def test_which_regions_were_implanted_tells_the_subject(recordings):
    """Taken off, they tell nothing: the control is at chance then."""
    some = [
        raw.copy().pick([name for name in raw.ch_names if name[0] in implanted])
        for raw, implanted in zip(
            recordings, np.repeat(["A", "B", "AB"] * 2, 2), strict=True
        )
    ]
    groups = np.repeat([0, 0, 0, 1, 1, 1], 2)
    frame = probe(some, {"region": RegionIdentity(), "none": Mixed()}, groups=groups)
    score = frame["balanced_accuracy"]
    assert score["region", False] > 0.5
    assert score["none", False] > 0.5
    assert score["region", True] == pytest.approx(1 / 3)


def test_recording_is_read_where_it_is_told(recordings):
    models = {"nothing": Mixed(subject=2.0), "all": Mixed(session=2.0)}
    frame = probe(recordings, models, target="recording")
    score = frame["balanced_accuracy"]
    assert (score["all"] > 0.95).all()
    assert (abs(score["nothing"] - 0.5) < 0.15).all()
    assert set(frame["chance"]) == {0.5}
    assert "difference" not in frame


def test_channels_of_some_recordings_do_not_count(recordings):
    some = [raw.copy() for raw in recordings]
    for raw in some[::2]:
        raw.drop_channels(["A1", "B2"])
    for raw in some[:2]:
        raw.pick(["A2", "C1"] if raw is some[0] else ["A2", "B1"])
    frame = probe(some, {"all": Mixed(session=2.0)}, target="recording")
    assert set(frame["n_subjects"]) == {5}


def test_channel_is_in_one_part(recordings):
    channels = list_channels(recordings)
    part = number_parts(channels, 4)
    keys = list(zip(channels.subject, channels.ch_name, strict=True))
    of_channel = {}
    for key, one in zip(keys, part, strict=True):
        assert of_channel.setdefault(key, one) == one
    for subject in np.unique(channels.subject):
        assert set(part[channels.subject == subject]) == {0, 1, 2, 3}


def test_parts_are_predicted_by_the_others():
    rng = np.random.default_rng(0)
    values = rng.standard_normal((40, 5))
    labels, part = rng.choice(["a", "b", "c"], 40), rng.integers(0, 3, 40)
    found = predict_parts(values, labels, part)
    for one in range(3):
        model = LinearDiscriminantAnalysis(
            "lsqr", shrinkage="auto", priors=[1 / 3, 1 / 3, 1 / 3]
        ).fit(values[part != one], labels[part != one])
        expected = model.predict(values[part == one])
        np.testing.assert_array_equal(found[part == one], expected)


def test_centred_regions_have_mean_zero():
    rng = np.random.default_rng(0)
    values, region = rng.standard_normal((30, 4)), rng.choice(["A", "B"], 30)
    centred = centre_regions(values, region)
    for name in "AB":
        rows = region == name
        np.testing.assert_allclose(centred[rows].mean(axis=0), 0, atol=1e-12)
        np.testing.assert_allclose(
            centred[rows] - centred[rows][0], values[rows] - values[rows][0]
        )


def test_y_instead_of_annotations(recordings):
    y = [dict.fromkeys(raw.ch_names, "A") | {"B1": "B"} for raw in recordings]
    frame = probe(recordings, {"region": RegionIdentity()}, y=y)
    expected = probe(recordings, {"region": RegionIdentity()})
    assert mf.get_regions(recordings[0])["C1"] == "C"
    assert set(frame["n_subjects"]) == set(expected["n_subjects"])


def test_spectra_are_those_of_the_baseline(recordings):
    fitted = SpectrumTransformer().fit(recordings[:2])
    source = open_segments(recordings[:2])
    features = read_spectra(source, "spectrum").values
    found = np.concatenate(fitted.transform(recordings[:2]))
    scale = features.std(axis=0)
    np.testing.assert_allclose(
        found, (features - features.mean(axis=0)) / scale, atol=1e-4
    )
    frame = fitted.embed_segments(recordings[:2])
    assert len(frame) == len(source.join().channel)


def test_segments_belong_to_their_channels(recordings):
    folds = make_folds(recordings, cv=CV)
    channels = list_channels(recordings)
    models = {"spectrum": SpectrumTransformer()}
    whole, pieces = (
        embed_held_out(models, folds, channels, by=by) for by in ("channel", "segment")
    )
    for one, of_segments in zip(whole, pieces, strict=True):
        assert set(one.row) == set(of_segments.row)
        # 12 s: two segments of 10 s that overlap, alike in all that is slow
        mean = np.array(
            [of_segments.values[of_segments.row == r].mean(0) for r in one.row]
        )
        r = [np.corrcoef(a, b)[0, 1] for a, b in zip(mean, one.values, strict=True)]
        assert np.mean(r) > 0.9


def test_refuses(recordings):
    model = {"nothing": Mixed()}
    with pytest.raises(ValueError, match="target must be one of"):
        probe_subject(recordings, model, target="session")
    with pytest.raises(ValueError, match=r"holds out 1 subject\(s\)"):
        probe_subject(recordings, model, cv=GroupKFold(6))
    with pytest.raises(ValueError, match="No subject has two recordings"):
        probe_subject(recordings[::2], model, cv=CV, target="recording")
    with pytest.raises(ValueError, match="Give the picks of the model"):
        probe_subject(recordings, model, cv=CV, picks=["A1", "A2", "B1"])


def test_real_recordings_tell_the_subject(data_dir):
    X = mf.read_recordings_bids(
        data_dir / "ieeg-atlas",
        region_column="lobe",
        subjects=[f"{i:03d}" for i in range(1, 9)],
        tasks="wake",
        preload=True,
    )
    models = {"spectrum": SpectrumTransformer(), "region": RegionIdentity()}
    score = probe(X, models)["balanced_accuracy"]
    assert score["spectrum", True] > score["region", True] + 0.1
