"""What is held out must not reach what is trained, nor what is predicted of others."""

import mne
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    cross_val_predict,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

import mne_funcmap as mf
from mne_funcmap.baselines import (
    RecordingRidge,
    SpectralClassifier,
    SupervisedNetwork,
)
from mne_funcmap.embedding.metrics import balanced_accuracy
from mne_funcmap.evaluation import cross_val_regions, summarize
from mne_funcmap.evaluation.identities import cross_val_reconstruct, split_begin
from mne_funcmap.recordings.segments import cut_segments

SFREQ = 100.0
SECONDS = 2.0  # of a segment; and of a recording, that tell what channels are
N_CHANNELS = 4  # of each of two regions
COHORT = {"n_subjects": 20, "duration": 5.0, "seed": 1}


def make_noise(*, own_rhythms=False, n_subjects=6, duration=9.0, seed=0):
    """Make noise in two sessions, to which the regions are given at random.

    With own rhythms, every channel of every subject has a spectrum of its own.
    """
    rng = np.random.default_rng(seed)
    X = []
    for subject in range(n_subjects):
        labels = rng.permutation(["A", "B"] * N_CHANNELS)
        rhythms = rng.uniform(3, 40, (2 * N_CHANNELS, 1))
        for session in range(2):
            times = np.arange(round(duration * SFREQ)) / SFREQ
            data = rng.standard_normal((2 * N_CHANNELS, len(times)))
            if own_rhythms:
                phases = rng.uniform(0, 2 * np.pi, rhythms.shape)
                data += 2 * np.sin(2 * np.pi * rhythms * times + phases)
            info = mne.create_info([f"ch{i}" for i in range(len(data))], SFREQ, "seeg")
            info["subject_info"] = {"his_id": f"sub-{subject}"}
            info["description"] = f"ses-{session}"
            raw = mne.io.RawArray(1e-5 * data, info, verbose="error")
            X.append(mf.set_regions(raw, dict(zip(raw.ch_names, labels, strict=True))))
    return X


def make_models():
    return {
        "embedding": mf.FunctionalEmbedder(8, max_epochs=1, duration=SECONDS),
        "lda": SpectralClassifier(classifier="lda", duration=SECONDS),
    }


def split(X, how):
    """Return recordings or parts of them, and what is held out."""
    if how == "blocks":
        return *mf.cut_blocks(X, 2, gap=1.0), LeaveOneGroupOut()
    if how == "channels":
        return *mf.cut_channels(X, 2), LeaveOneGroupOut()
    if how == "sessions":
        return X, mf.get_sessions(X), LeaveOneGroupOut()
    return X, mf.get_subjects(X), GroupKFold(3)


def compare(X, how, models):
    parts, groups, cv = split(X, how)
    frame = cross_val_regions(models, parts, groups=groups, cv=cv)
    return summarize(frame, n_resamples=1000)


# Chance

pytestmark = pytest.mark.filterwarnings("ignore:The embedding has collapsed")


@pytest.mark.parametrize("how", ["subjects", "blocks", "channels", "sessions"])
def test_noise_is_at_chance(how):
    # of another cohort in twenty, the interval may miss it
    summary = compare(make_noise(**COHORT), how, make_models())
    assert (summary["low"] <= 0.5).all()
    assert (summary["high"] >= 0.5).all()


@pytest.mark.parametrize("how", ["subjects", "channels"])
def test_spectra_of_channels_tell_nothing_of_other_channels(how):
    X = make_noise(own_rhythms=True, **COHORT)
    summary = compare(X, how, make_models())
    assert (summary["low"] <= 0.5).all()
    assert (summary["high"] >= 0.5).all()


@pytest.mark.parametrize("how", ["blocks", "sessions"])
def test_spectra_of_channels_tell_them_at_other_times(how):
    """That is no leak, but no region either: what the permutation test is for."""
    X = make_noise(own_rhythms=True, duration=15.0)
    summary = compare(X, how, {"lda": make_models()["lda"]})
    assert summary["low"][0] > 0.5


def test_segments_that_are_shuffled_leak():
    """These tests would see a leak: here is one."""
    X = make_noise(own_rhythms=True, duration=30.0)
    segments = cut_segments(X, duration=SECONDS)
    spectra = np.log(np.abs(np.fft.rfft(segments.data))[:, 1:])
    regions = segments.channels.region[segments.channel].astype(str)
    channel = segments.channels.ch_name[segments.channel]
    subject = segments.channels.subject[segments.channel]
    of_channel = np.char.add(np.char.add(subject, " "), channel)
    scores = {}
    shuffled = KFold(3, shuffle=True, random_state=0).split(spectra)
    apart = GroupKFold(3).split(spectra, groups=of_channel)
    for name, cv in {"shuffled": shuffled, "apart": apart}.items():
        predicted = cross_val_predict(
            KNeighborsClassifier(), spectra, regions, cv=list(cv)
        )
        scores[name] = balanced_accuracy(regions, predicted)
    assert scores["shuffled"] > 0.75
    assert abs(scores["apart"] - 0.5) < 0.12


# Gaps


def test_what_is_in_the_gap_is_never_seen():
    X, other = (make_noise(n_subjects=3) for _ in range(2))
    for raw in other:
        # all between the last sample of a block and the first of the next
        raw._data[:, 400:500] = 1e-2
    models = make_models()
    models["filtered"] = make_pipeline(
        mf.RecordingPreprocessor(l_freq=3.0, h_freq=40.0, sfreq=90.0),
        models["lda"],
    )
    frames = []
    for recordings in (X, other):
        parts, groups, cv = split(recordings, "blocks")
        frames.append(cross_val_regions(models, parts, groups=groups, cv=cv))
    pd.testing.assert_frame_equal(*frames, check_exact=True)


# Recordings that are held out


def change(raw, seconds=0.0, picks=None):
    """Return a copy with other signals from some time on, much larger ones."""
    raw = raw.copy()
    rows = mne.pick_channels(raw.ch_names, picks or raw.ch_names)
    begin = round(seconds * SFREQ)
    shape = (len(rows), raw.n_times - begin)
    noise = np.random.default_rng(9).standard_normal(shape).cumsum(axis=1)
    raw._data[rows, begin:] = 1e-3 * noise
    return raw


def test_one_held_out_does_not_change_another():
    X = make_noise(own_rhythms=True, n_subjects=4)
    other = [change(raw) if i < 2 else raw for i, raw in enumerate(X)]
    supervised = mf.SegmentEmbedder(8, max_epochs=1)
    referenced = mf.RecordingPreprocessor(h_freq=40.0, reference="average")
    models = {
        "embedding": make_models()["embedding"].set_params(normalize=True),
        "supervised": SupervisedNetwork(supervised, duration=SECONDS),
        "referenced": make_pipeline(referenced, make_models()["lda"]),
    }
    one, after = (cross_val_regions(models, Y, cv=GroupKFold(2)) for Y in (X, other))
    fold = one.loc[one["recording"] == 0, "fold"].iloc[0]
    beside = (one["fold"] == fold) & (one["recording"] > 1)
    assert one[beside]["recording"].nunique() == 2
    pd.testing.assert_frame_equal(one[beside], after[beside], check_exact=True)
    # what is trained on it is another model
    trained = (one["fold"] != fold) & (one["model"] == "embedding")
    assert (one[trained]["c0"] != after[trained]["c0"]).all()


@pytest.fixture(scope="module")
def coupled(make_coupled):
    return [
        make_coupled(f"sub-{i}", "ABC", n_channels=1, duration=8.0) for i in range(4)
    ]


def make_reconstructor(identity):
    return mf.MaskedRegionReconstructor(
        identity, identity_duration=SECONDS, n_latents=4, max_epochs=1
    )


def make_identity():
    return mf.FunctionalEmbedder(n_components=8, max_epochs=1, duration=1.0)


def test_a_recording_held_out_does_not_change_scores_of_another(coupled):
    models = {
        "functional": make_reconstructor(make_identity()),
        "ridge": RecordingRidge(window=1.0),
    }
    other = [change(coupled[0], SECONDS), *coupled[1:]]
    one, after = (
        cross_val_reconstruct(models, X, cv=[([2, 3], [0, 1])], seconds=SECONDS)
        for X in (coupled, other)
    )
    assert set(one["model"]) == {"functional", "functional, adapted", "ridge"}
    changed = one["recording"] == 0
    assert set(one[~changed]["recording"]) == {1}
    pd.testing.assert_frame_equal(one[~changed], after[~changed], check_exact=True)
    assert (one[changed]["r"] != after[changed]["r"]).all()


@pytest.mark.parametrize("name", ["functional", "ridge"])
@pytest.mark.parametrize("known_by", ["first seconds", "reference", "adapting"])
def test_scored_samples_of_a_target_do_not_change_its_prediction(
    fitted, coupled, name, known_by
):
    model, found = fitted[name], []
    for raw in (coupled[3], change(coupled[3], SECONDS, ["A1"])):
        begin, rest = split_begin(raw, SECONDS)
        if known_by == "adapting" and name == "functional":
            model = fitted[name].adapt([begin])
        asked, reference = rest, None
        if known_by == "reference":
            reference = [begin]
        elif model is fitted[name]:
            asked = raw
        found.append(
            [
                model.predict([asked], region, reference=reference)[0].get_data()
                for region in "AB"
            ]
        )
    (a, b), (a_after, b_after) = found
    assert_array_equal(a[0], a_after[0])
    # as a source, it matters
    assert (b[1] != b_after[1]).any()


@pytest.fixture(scope="module")
def fitted(coupled):
    """Models of the first three subjects."""
    models = {
        "functional": make_reconstructor(make_identity()),
        "ridge": RecordingRidge(identity_duration=SECONDS),
    }
    return {name: model.fit(coupled[:3]) for name, model in models.items()}
