import logging
import threading

import mne
import pytest
from mne.utils import catch_logging, use_log_level
from sklearn.model_selection import GroupKFold, cross_val_score

import mne_funcmap as mf
from mne_funcmap import progress
from mne_funcmap.progress import Progress, log_level, track


@pytest.fixture
def at_once(monkeypatch):
    """Bars appear without delay."""
    monkeypatch.setattr(progress, "DELAY", -1.0)


@pytest.fixture
def bars(monkeypatch, at_once):
    """Titles of the bars that appear."""
    found = []

    class Bar(mne.utils.ProgressBar):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            if not self._tqdm.disable:
                found.append(kwargs["mesg"])

    monkeypatch.setattr(progress, "ProgressBar", Bar)
    return found


def test_bar_counts_and_vanishes(at_once, capsys):
    assert list(track("abc", "letters")) == ["a", "b", "c"]
    shown = capsys.readouterr().err
    assert "letters : 1/3" in shown
    assert shown.endswith("\r")


def test_nothing_is_shown_of_what_is_quick(capsys):
    assert list(track("abc", "letters")) == ["a", "b", "c"]
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("level", [False, "WARNING", "ERROR"])
def test_quiet_at_the_log_level(level, bars):
    with use_log_level(level):
        list(track("abc", "letters"))
    assert bars == []


def test_only_the_outermost_is_shown(bars):
    for _ in track("ab", "outer"):
        list(track("cd", "inner"))
    list(track("ef", "later"))
    assert bars == ["outer", "later"]


def test_an_error_frees_the_place(bars):
    with pytest.raises(ZeroDivisionError):
        [1 / item for item in track([0, 1], "broken")]
    list(track("cd", "later"))
    assert bars == ["later"]


def test_no_bar_in_threads(bars):
    thread = threading.Thread(target=lambda: list(track("ab", "letters")))
    thread.start()
    thread.join()
    assert bars == []


def test_no_bar_in_workers(bars, monkeypatch):
    worker = type("process", (), {"name": "LokyProcess-1"})
    monkeypatch.setattr(progress, "current_process", lambda: worker)
    list(track("ab", "letters"))
    assert bars == []


def test_one_of_several_processes_has_a_bar(bars, monkeypatch):
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        list(track("ab", f"letters of {rank}"))
    assert bars == ["letters of 0"]


def test_parts_of_a_step(at_once, capsys):
    with Progress("epochs", 2) as bar:
        bar.advance(0.5)
    assert " 25%" in capsys.readouterr().err


def test_verbose_is_the_log_level():
    @log_level
    def find_level(*, verbose=None):
        return mne.utils.logger.level

    with use_log_level("ERROR"):
        assert find_level() == logging.ERROR
        assert find_level(verbose=True) == logging.INFO
        assert find_level(verbose=False) == logging.WARNING
        assert mne.utils.logger.level == logging.ERROR


@pytest.fixture
def embedder():
    return mf.FunctionalEmbedder(duration=2.0, max_epochs=1)


def test_cross_validation_is_quiet(X, embedder, capsys):
    cross_val_score(embedder, X, groups=mf.get_subjects(X), cv=GroupKFold(2))
    assert capsys.readouterr() == ("", "")


def test_what_takes_long_has_bars(X, embedder, bars):
    embedder.fit(X)
    assert bars[:2] == ["recordings", "epochs of training, at most"]
    bars.clear()
    embedder.transform(X)
    assert bars == ["recordings"]
    bars.clear()
    mf.RecordingPreprocessor(h_freq=40.0).fit_transform(X)
    assert bars == ["recordings"]
    bars.clear()
    mf.compare_embedders(X, {"embedding": embedder}, cv=GroupKFold(2))
    assert bars == ["recordings", "models x folds"]


def test_reconstructor_has_bars(X, bars):
    X = [raw.crop(0, 6.0) for raw in X[:3]]
    identity = mf.FunctionalEmbedder(duration=2.0, max_epochs=1)
    params = {"max_epochs": 2, "identity_duration": 4.0}
    rec = mf.MaskedRegionReconstructor(identity, **params).fit(X)
    epochs = "epochs of training, at most"
    assert list(dict.fromkeys(bars)) == [
        "identity: recordings",
        f"identity: {epochs}",
        "identity: folds of training subjects",
        "windows of recordings",
        f"linear path: {epochs}",
        "linear path: steps of learning to adapt",
    ]
    bars.clear()
    params["architecture"] = "transformer"
    mf.MaskedRegionReconstructor("region", **params).fit(X)
    assert f"transformer: {epochs}" in bars
    bars.clear()
    rec.evaluate(X)
    assert bars[-1] == "recordings"
    bars.clear()
    rec.set_params(verbose=False).evaluate(X)
    assert bars == []


def test_verbose_tells_what_took_part(X, embedder):
    X[0].info["bads"] = ["A1"]
    with catch_logging(verbose="INFO") as log:
        embedder.set_params(verbose=True).fit(X)
    first, last = log.getvalue().strip().splitlines()
    assert "4 recordings of 4 subjects; 11 channels take part" in first
    assert "1 are left out (1 of all are bad)" in first
    assert (
        "fitted on 4 subjects, 11 channels, 3 regions, 48 s; validation score" in last
    )


def test_verbose_of_filters(X):
    with catch_logging(verbose="INFO") as log:
        mf.RecordingPreprocessor(h_freq=40.0).fit_transform(X[:1])
    assert log.getvalue() == ""
    with catch_logging(verbose="INFO") as log:
        mf.RecordingPreprocessor(h_freq=40.0, verbose=True).fit_transform(X[:1])
    assert "Filtering" in log.getvalue()
