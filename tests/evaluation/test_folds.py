import os
import signal
from pathlib import Path

import joblib
import mne
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GroupKFold, KFold, LeaveOneGroupOut

import mne_funcmap as mf
from mne_funcmap.evaluation import cross_val_regions
from mne_funcmap.evaluation import folds as folds_module
from mne_funcmap.evaluation.folds import make_folds, split_recordings
from mne_funcmap.evaluation.identities import cross_val_reconstruct
from mne_funcmap.evaluation.permutation import permutation_test
from mne_funcmap.recordings.keeping import fingerprint, fingerprint_signals

FITS = []  # one for each training, in this process


class Counting(BaseEstimator):
    """Says everywhere what it was told, and counts how often it is trained."""

    def __init__(self, answer="A"):
        self.answer = answer

    def fit(self, X, y=None):
        FITS.append(mf.get_subjects(X).tolist())
        self.is_fitted_ = True
        return self

    def predict(self, X):
        n_good = [len(raw.ch_names) - len(raw.info["bads"]) for raw in X]
        return [np.array([self.answer] * n) for n in n_good]

    def evaluate(self, X, reference=None, bands=None):
        rows = [
            {"recording": i, "ch_name": name, "r": float(np.mean(raw.get_data()))}
            for i, raw in enumerate(X)
            for name in raw.ch_names
        ]
        return pd.DataFrame(rows).assign(bands=str(bands))

    def __sklearn_is_fitted__(self):
        return hasattr(self, "is_fitted_")


class Chatty(Counting):
    """Holds an estimator that has a log level."""

    def __init__(self, inner=None, answer="A"):
        self.inner = inner
        self.answer = answer


@pytest.fixture(autouse=True)
def no_fits():
    FITS.clear()


@pytest.fixture
def folder(tmp_path):
    return str(tmp_path)


def make_recordings(n_subjects=4, seed=0):
    rng = np.random.default_rng(seed)
    X = []
    for index in range(n_subjects):
        info = mne.create_info(["A1", "A2", "B1"], 50.0, "seeg")
        info["subject_info"] = {"his_id": f"sub-{index}"}
        raw = mne.io.RawArray(rng.standard_normal((3, 200)), info, verbose="error")
        raw.annotations.append(1.0, 0.5, "BAD_twitch")
        X.append(mf.set_regions(raw, {"A1": "A", "A2": "A", "B1": "B"}))
    return X


def count_fits(X, memory, estimator=None, **params):
    """Return how many trainings a comparison of one model takes."""
    FITS.clear()
    params = {"cv": GroupKFold(4)} | params
    models = {"counting": estimator or Counting()}
    cross_val_regions(models, X, memory=memory, **params)
    return len(FITS)


# What is kept


def test_nothing_is_trained_twice(folder):
    X = make_recordings()
    models = {"a": Counting("A"), "b": Counting("B")}
    frames = [
        cross_val_regions(models, X, cv=GroupKFold(4), memory=folder) for _ in range(2)
    ]
    assert len(FITS) == 8
    pd.testing.assert_frame_equal(*frames)
    # the recordings may be others, if they are the same
    again = cross_val_regions(
        models, make_recordings(), cv=GroupKFold(4), memory=joblib.Memory(folder)
    )
    assert len(FITS) == 8
    pd.testing.assert_frame_equal(frames[0], again)


def test_a_further_model_alone_is_trained(folder):
    X = make_recordings()
    assert count_fits(X, folder, Counting("A")) == 4
    assert count_fits(X, folder, Counting("B")) == 4
    assert count_fits(X, folder, Counting("A")) == 0


def test_what_changes_no_result_trains_nothing(folder):
    X = make_recordings()
    numbers = [
        count_fits(X, folder, Chatty(mf.FunctionalEmbedder(n, verbose=verbose)))
        for n in (1, 2)
        for verbose in (None, True, False)
    ]
    assert numbers == [4, 0, 0] * 2


@pytest.mark.parametrize("changed", [Counting, BaseEstimator])
def test_a_class_that_changed_is_trained_again(folder, monkeypatch, changed):
    """Also one that it comes from; that of another package has its version."""
    X = make_recordings()
    assert count_fits(X, folder) == 4
    monkeypatch.setattr(changed, "more", 1, raising=False)
    n_again = 4 if changed is Counting else 0
    assert count_fits(X, folder) == n_again
    assert count_fits(X, folder) == 0


def test_frozen_models_are_told_apart(folder):
    X = make_recordings()
    frames = [
        cross_val_regions(
            {"frozen": FrozenEstimator(Counting(answer).fit(X))},
            X,
            cv=GroupKFold(4),
            memory=folder,
        )
        for answer in ("A", "B")
    ]
    assert [set(frame["predicted"]) for frame in frames] == [{"A"}, {"B"}]


class Failing(Counting):
    """Is interrupted, or dies, without the last subject, if there is a file."""

    def __init__(self, flag, how="interrupt", answer="A"):
        self.flag = flag
        self.how = how
        self.answer = answer

    def fit(self, X, y=None):
        if "sub-3" not in mf.get_subjects(X) and os.path.exists(self.flag):
            os.kill(os.getpid(), signal.SIGKILL if self.how == "die" else signal.SIGINT)
        return super().fit(X, y)


@pytest.fixture
def flag(tmp_path):
    path = tmp_path / "flag"
    path.touch()
    return path


def test_a_comparison_goes_on_where_it_was_interrupted(folder, flag):
    X = make_recordings()
    folds = list(LeaveOneGroupOut().split(X, groups=mf.get_subjects(X)))
    failing = Failing(str(flag))
    with pytest.raises(KeyboardInterrupt):
        count_fits(X, folder, failing, cv=folds)
    assert len(FITS) == 3
    flag.unlink()
    assert count_fits(X, folder, failing, cv=folds) == 1
    assert count_fits(X, folder, failing, cv=folds) == 0


def test_epochs_that_are_not_loaded_are_not_shared(tmp_path):
    """Copies read from one place in an open file, and no process can be sent it."""
    X = [mne.make_fixed_length_epochs(raw, 1.0) for raw in make_recordings()]
    for index, epochs in enumerate(X):
        epochs.save(tmp_path / f"{index}-epo.fif")
    X = [mne.read_epochs(path, preload=False) for path in sorted(tmp_path.iterdir())]
    X[0].load_data()
    told = "[Rr]ecording 1 .* not loaded, .* load_data.* n_jobs=1"
    models = {"counting": Counting()}
    options = {"cv": GroupKFold(2), "verbose": False}
    with pytest.raises(ValueError, match=told):
        cross_val_regions(models, X, n_jobs=2, **options)
    preprocessor = mf.RecordingPreprocessor(h_freq=20.0, n_jobs=2)
    with pytest.raises(ValueError, match=told):
        preprocessor.fit_transform(X)
    assert len(preprocessor.set_params(n_jobs=1).fit_transform(X)) == len(X)
    assert len(cross_val_regions(models, X, n_jobs=1, **options))


def test_a_worker_that_dies_is_told(folder, flag):
    X = make_recordings()
    models = {"failing": Failing(str(flag), "die")}
    kept = {"cv": GroupKFold(4), "memory": folder}
    with pytest.raises(RuntimeError, match="worker process .* n_jobs=2 .* memory"):
        cross_val_regions(models, X, n_jobs=2, **kept)
    flag.unlink()
    frame = cross_val_regions(models, X, **kept)
    assert len(FITS) <= 4
    pd.testing.assert_frame_equal(frame, cross_val_regions(models, X, cv=GroupKFold(4)))


def test_a_damaged_result_is_computed_again(folder):
    X = make_recordings()
    assert count_fits(X, folder) == 4
    for path in Path(folder).rglob("output.pkl"):
        path.write_bytes(path.read_bytes()[:20])
    assert count_fits(X, folder) == 4
    assert count_fits(X, folder) == 0


def change_sample(raw):
    raw._data[0, 17] += 1e-9


def change_region(raw):
    mf.set_regions(raw, {"A2": "B"})


def change_annotation(raw):
    raw.annotations.append(2.0, 0.5, "BAD_twitch")


def change_duration(raw):
    raw.annotations.duration[0] += 0.1


def change_bads(raw):
    raw.info["bads"] = ["A2"]


def change_name(raw):
    mf.rename_channels(raw, {"A2": "A3"})


def change_type(raw):
    raw.set_channel_types({"A2": "ecog"}, verbose="error")


def change_line(raw):
    raw.info["line_freq"] = 60.0


def change_position(raw):
    montage = mne.channels.make_dig_montage({"A1": [0.1, 0, 0]}, coord_frame="mni_tal")
    raw.set_montage(montage, on_missing="ignore", verbose="error")


@pytest.mark.parametrize(
    "change",
    [
        *[change_sample, change_region, change_annotation, change_duration],
        *[change_bads, change_name, change_type, change_line, change_position],
    ],
)
def test_what_is_changed_is_trained_on_again(folder, change):
    X = make_recordings()
    assert count_fits(X, folder) == 4
    change(X[0])
    assert count_fits(X, folder) == 3  # the folds that have it in training


def test_changed_parameters_regions_and_folds(folder):
    X = make_recordings()
    y = [["A", "B", "B"]] * 4
    assert count_fits(X, folder) == 4
    assert count_fits(X, folder, y=y) == 4
    assert count_fits(X, folder, y=[["A", "B", None], *y[1:]]) == 3
    assert count_fits(X, folder, y=y) == 0
    assert count_fits(X, folder, cv=GroupKFold(2)) == 2
    other = make_recordings()
    for raw in other:
        raw.info["subject_info"] = {"his_id": f"{raw.info['subject_info']['his_id']}x"}
    assert count_fits(other, folder) == 4


def test_order_of_recordings_matters(folder):
    X = make_recordings()
    assert count_fits(X, folder) == 4
    assert count_fits(X[::-1], folder) == 4


def test_a_run_that_was_cut_off_goes_on(folder):
    X = make_recordings()

    class Full(list):
        def append(self, fit):
            if len(self) == 3:
                raise KeyboardInterrupt
            super().append(fit)

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(globals(), "FITS", Full())
        with pytest.raises(KeyboardInterrupt):
            count_fits(X, folder)
        assert len(FITS) == 3
    assert count_fits(X, folder) == 1


def test_permutations_are_kept(folder):
    X = make_recordings()
    params = {"cv": GroupKFold(4), "n_permutations": 3, "memory": folder}
    first = permutation_test(Counting(), X, **params)
    n_fits = len(FITS)
    again = permutation_test(Counting(), X, **params)
    assert len(FITS) == n_fits <= 16
    assert_array_equal(first[1], again[1])


def test_scores_of_reconstruction_are_kept(folder):
    X = make_recordings()
    params = {"cv": GroupKFold(4), "seconds": 1.0, "memory": folder}
    models = {"counting": Counting()}
    first = cross_val_reconstruct(models, X, **params)
    pd.testing.assert_frame_equal(first, cross_val_reconstruct(models, X, **params))
    assert len(FITS) == 4
    cross_val_reconstruct(models, X, **params | {"seconds": 2.0})
    assert len(FITS) == 8
    cross_val_reconstruct(models, X, bands={"alpha": (8, 13)}, **params)
    assert len(FITS) == 12
    # a score depends on what is held out, so that all folds have changed
    X[0]._data[0, 150] += 1
    changed = cross_val_reconstruct(models, X, **params)
    assert len(FITS) == 16
    differs = (changed["r"] != first["r"]).to_numpy()
    assert_array_equal(differs, first["recording"] == 0)


def test_without_memory_no_model_is_kept(monkeypatch):
    def refuse(recording):
        raise AssertionError("hashed")

    monkeypatch.setattr(folds_module, "fingerprint", refuse)
    X = make_recordings()
    assert count_fits(X, None) == 4
    assert count_fits(X, None) == 4
    assert make_folds(X, cv=GroupKFold(2)).keys == []


# Fingerprints


def test_fingerprint_of_a_loaded_recording_is_of_its_samples():
    raw, other = make_recordings(1)[0], make_recordings(1)[0]
    assert fingerprint(raw) == fingerprint(other)
    other._data[0, 150] += 1
    assert fingerprint(raw) != fingerprint(other)


def test_fingerprint_of_others_is_of_their_files(tmp_path, monkeypatch):
    raw = make_recordings(1)[0]
    path = tmp_path / "a_raw.fif"
    raw.save(path, fmt="double", verbose="error")
    lazy = mne.io.read_raw_fif(path, verbose="error")
    with monkeypatch.context() as patch:
        patch.setattr(mne.io.BaseRaw, "get_data", None)  # nothing is read
        before = fingerprint(lazy)
        assert before == fingerprint(mne.io.read_raw_fif(path, verbose="error"))
        assert before != fingerprint(lazy.copy().crop(0, 2))
        assert not lazy.preload
    changed = raw.copy()
    changed._data[0, 150] += 1
    changed.save(path, fmt="double", overwrite=True, verbose="error")
    assert before != fingerprint(mne.io.read_raw_fif(path, verbose="error"))


def test_fingerprint_tells_how_a_file_was_read(tmp_path):
    path = tmp_path / "a_raw.fif"
    make_recordings(1)[0].save(path, fmt="double", verbose="error")
    volts, others = (mne.io.read_raw_fif(path, verbose="error") for _ in range(2))
    others._cals = 1000 * others._cals  # as readers do with units
    assert fingerprint_signals(volts) != fingerprint_signals(others)


def test_fingerprint_of_projected_recordings_is_of_their_samples(tmp_path):
    raw = make_recordings(1)[0]
    last = raw.n_times - 1
    raw._data[:, [0, last // 2, last]] = 0  # where files are looked into
    path = tmp_path / "a_raw.fif"
    raw.save(path, fmt="double", verbose="error")
    lazy = mne.io.read_raw_fif(path, verbose="error")
    before = fingerprint_signals(lazy)
    lazy.set_eeg_reference("average", projection=True, ch_type="seeg", verbose="error")
    lazy.apply_proj(verbose="error")
    assert not lazy.preload
    assert fingerprint_signals(lazy) != before


def test_fingerprint_of_signals_does_not_see_regions():
    raw, other = make_recordings(1)[0], make_recordings(1)[0]
    mf.set_regions(other, dict.fromkeys(other.ch_names[:1], "elsewhere"))
    assert fingerprint(raw) != fingerprint(other)
    assert fingerprint_signals(raw) == fingerprint_signals(other)
    renamed = other.copy().rename_channels({"A1": "A3"})
    assert fingerprint_signals(raw) != fingerprint_signals(renamed)
    other.annotations.append(1.0, 0.5, "BAD_twitch")
    assert fingerprint_signals(raw) != fingerprint_signals(other)


def test_fingerprint_tells_when_annotations_are():
    """Those of the same seconds cover other samples of a recording that began later."""
    raw = make_recordings(1)[0]
    later = mne.io.RawArray(raw.get_data(), raw.info, first_samp=50, verbose="error")
    for one in (raw, later):
        one.set_annotations(None)
        one.annotations.append(2.0, 0.5, "BAD_twitch")
    assert fingerprint(raw) != fingerprint(later)
    events = mne.make_fixed_length_events(raw, duration=1.0)
    epochs = [
        mne.EpochsArray(
            np.ones((4, 3, 50)), raw.info, events + [shift, 0, 0], verbose="error"
        ).set_annotations(raw.annotations)
        for shift in (0, 0, 25)
    ]
    assert fingerprint(epochs[0]) == fingerprint(epochs[1])
    assert fingerprint(epochs[0]) != fingerprint(epochs[2])


def test_fingerprint_drops_no_epochs():
    raw = make_recordings(1)[0]
    events = mne.make_fixed_length_events(raw, duration=1.0)
    epochs = mne.Epochs(raw, events, tmax=0.5, baseline=None, verbose="error")
    fingerprint(epochs)
    assert not epochs._bad_dropped
    assert len(epochs.events) == 4


# Splits


def test_subjects_are_held_out_unless_told():
    X = make_recordings(6) * 2
    subjects = mf.get_subjects(X)
    splits = split_recordings(X)
    assert len(splits) == 5
    for train, test in splits:
        assert set(subjects[train]).isdisjoint(subjects[test])
    assert sorted(np.concatenate([test for _, test in splits])) == list(range(12))


def test_splits_can_be_given():
    X = make_recordings(4)
    given = [([0, 1], [2, 3]), ([2, 3], [0, 1])]
    masks = [([True, True, False, False], [False, False, True, True])]
    for cv, expected in ((given, given), (masks, given[:1])):
        found = split_recordings(X, cv=cv)
        assert [(list(train), list(test)) for train, test in found] == expected
    scores = cross_val_reconstruct({"counting": Counting()}, X, cv=given, seconds=1.0)
    assert scores["recording"].unique().tolist() == [2, 3, 0, 1]
    assert len(split_recordings(X, [0, 1, 1, 2], LeaveOneGroupOut())) == 3


@pytest.mark.parametrize("cv", [[], [([0, 1], [])], [([0], [1]), ([], [0])]])
def test_empty_folds_are_refused(cv):
    with pytest.raises(ValueError, match="expected one fold at least"):
        split_recordings(make_recordings(2), cv=cv)


def test_splits_refuse():
    X = make_recordings(4)
    with pytest.raises(ValueError, match="3 items for 4 recordings"):
        split_recordings(X, [0, 1, 2])
    with pytest.raises(ValueError, match="too few for 5 folds"):
        split_recordings(X)
    with pytest.raises(ValueError, match=r"of one subject.*cut_blocks\(X, 3"):
        split_recordings(X[:1])
    # scikit-learn takes a number for folds of recordings, whoever they are of
    with pytest.raises(TypeError, match=r"got 2: .* Give GroupKFold\(2\)"):
        split_recordings(X, cv=2)
    with pytest.warns(UserWarning, match="ignored by KFold"):
        split_recordings(X, cv=KFold(2))


def test_models_have_names():
    X = make_recordings(2)
    cv = GroupKFold(2)
    for models in ([Counting()], Counting()):
        with pytest.raises(TypeError, match="models must be a dict of name"):
            mf.compare_embedders(X, models, cv=cv)
        with pytest.raises(TypeError, match="models must be a dict of name"):
            mf.compare_identities(X, [], models=models, cv=cv)
    with pytest.raises(ValueError, match="no model to score"):
        mf.compare_embedders(X, {}, cv=cv)
    with pytest.raises(ValueError, match="no model to score"):
        mf.compare_identities(X, [], models={}, cv=cv)
