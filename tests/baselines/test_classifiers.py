import pickle

import mne
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GroupKFold, cross_val_score

import mne_funcmap as mf
from mne_funcmap.baselines.classifiers import (
    CLASSIFIERS,
    PENALTIES,
    SpectralClassifier,
    SupervisedNetwork,
    UntrainedEmbedder,
    _LinearCrossEntropy,
    _make_classifier,
)
from mne_funcmap.baselines.spectra import (
    COARSE,
    FINE,
    FLOOR,
    make_bands,
    read_spectra,
)
from mne_funcmap.recordings.segments import cut_segments, open_segments

SFREQ = 100.0
NETWORK = mf.SegmentEmbedder(max_epochs=3, batch_size=64, random_state=0)
MODELS = {
    "spectral": SpectralClassifier(classifier="lda", duration=4.0),
    "supervised": SupervisedNetwork(NETWORK, duration=4.0),
    "untrained": UntrainedEmbedder(duration=4.0, random_state=0),
}


def make_recordings(n_subjects=4, *, regions=("A", "A", "B", "B"), gain=1e-5, seed=0):
    """Noise with a rhythm around 10 Hz in A and around 20 Hz in B."""
    rng = np.random.default_rng(seed)
    n_times = round(12 * SFREQ)
    frequencies = np.fft.rfftfreq(n_times, 1 / SFREQ)
    recordings = []
    for subject in range(n_subjects):
        centres = np.array([{"A": 10, "B": 20}[region] for region in regions])
        shape = 1 + 6 * np.exp(-(((frequencies - centres[:, None]) / 2) ** 2))
        white = rng.standard_normal((len(regions), n_times))
        data = np.fft.irfft(shape * np.fft.rfft(white), n_times)
        ch_names = [f"{region}{i}" for i, region in enumerate(regions)]
        info = mne.create_info(ch_names, SFREQ, "seeg")
        info["subject_info"] = {"his_id": f"sub-{subject}"}
        raw = mne.io.RawArray(data * gain, info, verbose=False)
        mf.set_regions(raw, dict(zip(ch_names, regions, strict=True)))
        recordings.append(raw)
    return recordings


def compute_spectrum(recordings, features="spectrum", **options):
    return read_spectra(open_segments(recordings, **options), features).values


def test_spectrum_is_mean_power_of_hann_frames():
    segments = cut_segments(make_recordings(1), duration=4.0)
    demeaned = segments.data - segments.data.mean(axis=1, keepdims=True)
    window = np.hanning(len(demeaned[0]) + 1)[:-1]
    frames = demeaned * window
    power = np.abs(np.fft.rfft(frames)) ** 2 * 2 / (SFREQ * np.sum(window**2))
    channel = segments.channel == 2
    variance = segments.data[channel].var(axis=1).mean()
    frequencies = np.fft.rfftfreq(segments.data.shape[1], 1 / SFREQ)
    inside = (frequencies >= 0.5) & (frequencies <= 40)
    bands = make_bands(frequencies[inside], FINE["step"])
    expected = np.log(bands @ power[channel].mean(0)[inside] / variance + FLOOR)
    spectrum = compute_spectrum(make_recordings(1), duration=4.0)
    np.testing.assert_allclose(spectrum[2], expected, rtol=1e-4)


def test_bands_are_proportional_and_complete():
    frequencies = np.arange(2, 161) / 4
    bands = make_bands(frequencies, 0.05)
    np.testing.assert_allclose(bands.sum(axis=1), 1)
    assert ((bands > 0).sum(axis=0) == 1).all()
    for band in bands:
        inside = frequencies[band > 0]
        assert inside[-1] < inside[0] * 1.05


def test_only_amplitude_sees_the_gain():
    parts = [make_recordings(1, gain=gain) for gain in (1e-5, 3e-5)]
    spectra = [compute_spectrum(part, duration=4.0) for part in parts]
    np.testing.assert_allclose(*spectra, atol=1e-4)
    rich = [compute_spectrum(part, "rich", duration=4.0) for part in parts]
    difference = rich[1] - rich[0]
    amplitude = spectra[0].shape[1]
    np.testing.assert_allclose(difference[:, amplitude], np.log(3), atol=1e-4)
    np.testing.assert_allclose(np.delete(difference, amplitude, 1), 0, atol=1e-3)


def test_bursts_are_seen():
    raw = make_recordings(1)[0]
    line = 1e-4 * np.sin(2 * np.pi * 25 * raw.times)
    lines = [line, line * (raw.times % 4 < 2)]
    parts = [
        [mne.io.RawArray(raw.get_data() + added, raw.info, verbose=False)]
        for added in lines
    ]
    n_spectrum = compute_spectrum(parts[0], duration=12.0).shape[1]
    steady, bursty = (
        compute_spectrum(part, "rich", duration=12.0)[0, n_spectrum + 1 :]
        for part in parts
    )
    n_bands = len(steady) // 2
    frequencies = np.arange(1, 41.0)
    band = make_bands(frequencies, COARSE["step"])[:, 24].argmax()
    assert bursty[band] > steady[band] + 1  # spread
    assert bursty[n_bands + band] < steady[n_bands + band] - 1  # mean log - log mean


@pytest.mark.parametrize("features", ["spectrum", "rich"])
@pytest.mark.parametrize("classifier", sorted(set(CLASSIFIERS) - {"majority"}))
def test_tells_lines_apart_on_new_subjects(features, classifier):
    X = make_recordings()
    model = SpectralClassifier(features, classifier=classifier, duration=4.0)
    model.fit(X[:3])
    assert model.score(X[3:]) == 1
    assert [list(regions) for regions in model.predict(X[2:])] == [list("AABB")] * 2
    (probabilities,) = model.predict_proba(X[3:])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


def test_majority():
    X = make_recordings(2, regions=("A", "B", "B"))
    model = SpectralClassifier(classifier="majority", duration=4.0).fit(X)
    assert set(np.concatenate(model.predict(X))) == {"B"}
    assert model.score(X) == 0.5


def test_penalty_is_chosen_over_subjects():
    X = make_recordings()
    search = SpectralClassifier(duration=4.0).fit(X).classifier_
    assert search.best_params_["logisticregression__C"] in PENALTIES
    subjects = np.repeat(np.arange(4), 4)
    assert len(search.cv) == 4
    for train, test in search.cv:
        assert set(subjects[train]) & set(subjects[test]) == set()


def test_penalty_without_subjects_to_hold_out():
    X = make_recordings(1)
    assert SpectralClassifier(duration=4.0).fit(X).score(X) == 1


@pytest.mark.parametrize("name", MODELS)
def test_interface(name):
    X = make_recordings()
    before = [raw.get_data() for raw in X]
    model = clone(MODELS[name]).fit(X[:3])
    assert list(model.classes_) == ["A", "B"]
    probabilities = model.predict_proba(X)
    assert [p.shape for p in probabilities] == [(4, 2)] * 4
    again = pickle.loads(pickle.dumps(model)).predict_proba(X)
    np.testing.assert_allclose(again, probabilities)
    scores = cross_val_score(
        clone(MODELS[name]), X, groups=mf.get_subjects(X), cv=GroupKFold(2)
    )
    assert np.isfinite(scores).all()
    for raw, data in zip(X, before, strict=True):
        np.testing.assert_array_equal(raw.get_data(), data)


@pytest.mark.parametrize("name", ["spectral", "supervised"])
def test_channel_without_region_is_predicted_but_not_trained_on(name):
    X = make_recordings()
    y = [["A", None, "B", "B"]] * 4
    model = clone(MODELS[name]).fit(X, y)
    assert list(model.classes_) == ["A", "B"]
    assert [len(regions) for regions in model.predict(X)] == [4] * 4


@pytest.mark.parametrize("train_on", ["channels", "segments"])
def test_predict_segments(train_on):
    X = make_recordings()
    model = SpectralClassifier(classifier="lda", train_on=train_on, duration=4.0)
    frame = model.fit(X[:3]).predict_segments(X[3:])
    assert len(frame) == 4 * 3
    assert set(frame["subject"]) == {"sub-3"}
    assert list(frame["onset"][:3]) == [0, 4, 8]
    assert (frame["predicted"] == frame["region"]).mean() > 0.8


def test_supervised_network_learns():
    X = make_recordings()
    network = mf.SegmentEmbedder(max_epochs=15, batch_size=64, weight_decay=0.0)
    model = SupervisedNetwork(network, duration=4.0).fit(X[:3])
    assert model.score(X[3:]) == 1
    losses = model.network_.history_[:, "train_loss"]
    assert losses[-1] < losses[0] / 2
    assert network.net_params is None


def test_supervised_network_has_a_penalty_of_its_own():
    X = make_recordings()
    for given, expected in ((None, 200.0), (3.0, 3.0)):
        network = mf.SegmentEmbedder(max_epochs=1, weight_decay=given)
        model = SupervisedNetwork(network, duration=4.0).fit(X[:3])
        assert model.network_.weight_decay == expected
        assert network.weight_decay == given


def test_labels_count_equally_in_the_supervised_loss():
    criterion = _LinearCrossEntropy(4, 3)
    embeddings, labels = torch.randn(10, 4), torch.tensor([0] * 7 + [2] * 3)
    losses = -criterion.linear(embeddings).log_softmax(dim=1)
    losses = losses.gather(1, labels[:, None]).flatten()
    expected = (losses[:7].mean() + losses[7:].mean()) / 2
    torch.testing.assert_close(criterion(embeddings, labels), expected)


def test_untrained_embedder_does_not_depend_on_regions():
    X = make_recordings()
    y = [["B", "A", "B", "A"]] * 4
    fits = [clone(MODELS["untrained"]).fit(X, labels) for labels in (None, y)]
    np.testing.assert_array_equal(*(model.transform(X) for model in fits))


def test_errors():
    X = make_recordings(2)
    with pytest.raises(NotFittedError):
        SpectralClassifier().predict(X)
    with pytest.raises(ValueError, match="All channels .*in 'A'.*two regions"):
        SpectralClassifier(duration=4.0).fit(X, [["A"] * 4] * 2)
    with pytest.raises(ValueError, match="classifier"):
        SpectralClassifier(classifier="svm").fit(X)
    with pytest.raises(ValueError, match="no frequency between"):
        SpectralClassifier(duration=0.02).fit(X)
    model = SpectralClassifier(classifier="lda", duration=4.0).fit(X)
    with pytest.raises(ValueError, match="nothing to score"):
        model.score(X, [[None] * 4] * 2)


@pytest.mark.parametrize("name", ["lda", "logistic"])
def test_rare_regions_are_not_told_less_often(name):
    """Half way between two regions, whatever their numbers, either is as likely."""
    rng = np.random.default_rng(0)
    regions = np.repeat(["A", "B"], [180, 20])
    X = rng.standard_normal((200, 1)) + np.where(regions == "A", -1.0, 1.0)[:, None]
    subjects = np.arange(200) % 5
    found = _make_classifier(name, regions, subjects).fit(X, regions)
    middle = [[(X[regions == one].mean()) for one in "AB"]]
    probability = found.predict_proba(np.mean(middle, axis=1, keepdims=True))
    assert probability[0] == pytest.approx([0.5, 0.5], abs=0.1)
    if name == "logistic":
        balanced = cross_val_score(
            found.best_estimator_, X, regions, cv=found.cv, scoring="balanced_accuracy"
        )
        assert found.best_score_ == pytest.approx(balanced.mean())
