import zlib

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.model_selection import GroupKFold

import mne_funcmap as mf
from mne_funcmap.probes.sessions import probe_session_similarity, probe_sessions
from mne_funcmap.probes.similarity import (
    Rows,
    compare_rows,
    normalize,
    summarize_pairs,
)
from mne_funcmap.probes.stability import (
    cut_pieces,
    find_runs,
    probe_duration,
    probe_stability,
)

CV = GroupKFold(2)


def draw(*names):
    """Draw a vector that depends on names alone."""
    return np.random.default_rng(zlib.crc32(repr(names).encode())).standard_normal(8)


class Drifting(BaseEstimator):
    """Embeddings of channels that drift in time, or not, or tell only the region."""

    def __init__(self, drift=0.0, channel=1.0):
        self.drift = drift
        self.channel = channel

    def fit(self, X, y=None):
        self.seen_ = set(mf.get_subjects(X))
        return self

    def embed_segments(self, X):
        assert not self.seen_ & set(mf.get_subjects(X))
        rows = []
        for index, raw in enumerate(X):
            subject = raw.info["subject_info"]["his_id"]
            for name, region in mf.get_regions(raw).items():
                for onset in np.arange(0, raw.times[-1] - 1, 2.0):
                    values = draw(region) + self.channel * draw(subject, name)
                    values += self.drift * onset * draw(subject, name, "drift")
                    values += 0.01 * draw(subject, name, onset)
                    components = {f"c{i}": value for i, value in enumerate(values)}
                    rows.append(
                        {"recording": index, "ch_name": name, "onset": onset}
                        | components
                    )
        return pd.DataFrame(rows)

    def transform(self, X):
        return [np.array([self.embed(raw, name) for name in raw.ch_names]) for raw in X]

    def embed(self, raw, name):
        subject = raw.info["subject_info"]["his_id"]
        session = self.drift * draw(subject, name, raw.info["description"])
        return (
            draw(mf.get_regions(raw)[name])
            + self.channel * draw(subject, name)
            + session
        )


class Knows(BaseEstimator):
    """Reads the sessions that it was trained on, and long recordings, right."""

    def __init__(self, shortest=0.0):
        self.shortest = shortest

    def fit(self, X, y=None):
        self.seen_ = {raw.info["description"] for raw in X}
        self.subjects_ = set(mf.get_subjects(X))
        return self

    def predict(self, X):
        assert not self.subjects_ & set(mf.get_subjects(X))
        return [self.read(raw) for raw in X]

    def read(self, raw):
        known = raw.info["description"] in self.seen_
        known &= raw.times[-1] + 0.1 > self.shortest
        return np.array(
            [mf.get_regions(raw)[n] if known else "A" for n in raw.ch_names]
        )


@pytest.fixture(scope="module")
def recordings(make_coupled):
    found = []
    for i in range(4):
        for session in ("ses-1", "ses-2"):
            raw = make_coupled(f"sub-{i}", "AB", n_channels=3, duration=12.0)
            raw.info["description"] = session
            found.append(raw)
    return found


def test_similarity_falls_as_channels_drift(recordings):
    frame = probe_stability(
        recordings,
        {"still": Drifting(), "drifting": Drifting(drift=0.5)},
        lags=[2, 4, 6, 8],
        cv=CV,
        n_resamples=100,
    ).set_index("model")
    assert frame.loc["still", "lag_from"].tolist() == [2, 4, 6]
    assert frame.loc["still", "lag_to"].tolist() == [4, 6, 8]
    np.testing.assert_allclose(frame.loc["still", "similarity_channel"], 1, atol=0.01)
    np.testing.assert_allclose(frame.loc["still", "retrieval"], 1)
    drifting = frame.loc["drifting"]
    assert (np.diff(drifting["similarity_channel"]) < 0).all()
    assert (drifting["retrieval"].to_numpy() <= 1).all()
    np.testing.assert_allclose(frame["chance"], 1 / 6)
    assert set(frame["n_subjects"]) == {4}
    same = frame["similarity_channel"]
    assert (frame["similarity_channel_low"] <= same).all()
    assert (same <= frame["similarity_channel_high"]).all()


def test_an_embedding_of_regions_alone_retrieves_by_chance(recordings):
    model = Drifting(channel=0.0)
    frame = probe_stability(recordings, {"m": model}, lags=[2, 12], cv=CV)
    row = frame.iloc[0]
    assert row["similarity_region"] == pytest.approx(
        row["similarity_channel"], abs=0.02
    )
    assert row["similarity_other"] < -0.5
    assert abs(row["retrieval"] - 1 / 3) < 0.2


def test_measures_are_those_of_a_plain_loop():
    rng = np.random.default_rng(0)
    first, second = (
        Rows(
            normalize(rng.standard_normal((n, 3))),
            channel := rng.choice(["a", "b", "c"], n),
            np.where(channel == "c", "Y", "X"),
        )
        for n in (9, 7)
    )
    allowed = rng.random((9, 7)) < 0.7
    kinds = {"channel": [], "region": [], "other": []}
    right, chance = [], []
    for i in range(9):
        partners = np.flatnonzero(allowed[i])
        cosine = second.values @ first.values[i]
        same = second.channel == first.channel[i]
        for j in partners:
            region = "region" if first.region[i] == second.region[j] else "other"
            kinds["channel" if same[j] else region].append(cosine[j])
        if same[partners].any() and not same[partners].all():
            right.append(same[partners[cosine[partners].argmax()]])
            chance.append(same[partners].mean())
    found = compare_rows(first, second, allowed)
    for kind, values in kinds.items():
        assert found[f"similarity_{kind}"] == pytest.approx(np.mean(values))
    assert found["retrieval"] == pytest.approx(np.mean(right))
    assert found["chance"] == pytest.approx(np.mean(chance))


def test_without_a_pair_there_is_no_measure():
    one = Rows(np.eye(2), np.array(["a", "b"]), np.array(["X", "X"]))
    found = compare_rows(one, one, np.eye(2, dtype=bool))
    assert found["similarity_channel"] == 1
    missing = ("similarity_region", "similarity_other", "retrieval", "chance")
    assert all(np.isnan(found[name]) for name in missing)


def test_normalized_rows():
    values = np.random.default_rng(0).standard_normal((20, 4)) + 10
    found = normalize(values)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1)
    np.testing.assert_allclose(normalize(3 * values - 7), found)
    np.testing.assert_allclose(normalize(1e-12 * values), found)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_rows", [1, 3, 7])
def test_rows_that_are_all_the_same_have_no_direction(n_rows, dtype):
    """Whatever rounding makes of the difference to their mean."""
    row = np.array([0.1, 0.7, -0.3], dtype)
    np.testing.assert_array_equal(normalize(np.tile(row, (n_rows, 1))), 0)


def test_subjects_count_equally():
    """However many recordings they have; one without a pair does not count for it."""
    measures = ["similarity_channel", "similarity_region", "similarity_other"]
    values = pd.DataFrame(
        {"model": "m", "lag": 1.0, "subject": ["a", "a", "a", "b"]}
        | {name: [0.0, 0.0, 0.0, 1.0] for name in measures}
        | {"retrieval": [0.5, 0.5, 0.5, np.nan], "chance": 0.25}
    )
    drawn = {"n_resamples": 500, "random_state": 0}
    row = summarize_pairs(values, ["lag"], **drawn).iloc[0]
    assert row["similarity_channel"] == 0.5
    assert -1 <= row["similarity_region_low"] < -0.9
    assert row["retrieval"] == 0.5
    assert np.isnan([row["retrieval_low"], row["retrieval_high"]]).all()
    three = pd.concat([values, values.assign(subject="c", retrieval=0.5)])
    row = summarize_pairs(three, ["lag"], **drawn).iloc[0]
    assert (row["retrieval_low"], row["retrieval_high"]) == (0.5, 0.5)


def test_runs_of_segments():
    onset = np.array([0.0, 2, 4, 6, 10, 12, 13])
    assert find_runs(onset, 2.0, 1).tolist() == onset.tolist()
    assert find_runs(onset, 2.0, 2).tolist() == [0, 4, 10]
    assert find_runs(onset, 2.0, 3).tolist() == [0]
    assert find_runs(onset, 2.0, 5).tolist() == []
    assert find_runs(np.empty(0), 2.0, 1).tolist() == []


def test_pieces_have_no_damaged_time(recordings):
    raw = recordings[0].copy()
    raw.annotations.append(5.0, 1.0, "BAD_gap")
    pieces, owner = cut_pieces([raw, recordings[1]], 4.0, duration=2.0)
    starts = [piece.first_samp / 100 for piece in pieces]
    # what follows the damage begins anew
    assert owner.tolist() == [0, 0, 1, 1, 1]
    assert starts[0] == 0
    assert 6 <= starts[1] <= 6.02
    assert starts[2:] == [0, 4, 8]
    assert {piece.n_times for piece in pieces} == {400}
    assert mf.get_regions(pieces[1]) == mf.get_regions(raw)
    assert raw.n_times == 1200


def test_more_seconds_are_read_better(recordings):
    frame = probe_duration(
        recordings, {"m": Knows(4.0)}, seconds=(2, 4, 12), duration=2.0, cv=CV
    )
    assert frame["seconds"].tolist() == [2, 4, 12]
    assert frame["balanced_accuracy"].tolist() == [0.5, 1, 1]
    assert frame["low"].tolist() == pytest.approx([0.5, *[0.025 ** (1 / 4)] * 2])
    assert set(frame["chance"]) == {0.5}


def test_matrix_of_sessions(recordings):
    frame = probe_sessions(recordings, {"m": Knows()}, cv=CV, n_resamples=50)
    score = frame.set_index(["train", "test"])["balanced_accuracy"]
    assert score.to_dict() == {
        ("ses-1", "ses-1"): 1,
        ("ses-1", "ses-2"): 0.5,
        ("ses-2", "ses-1"): 0.5,
        ("ses-2", "ses-2"): 1,
        ("all", "ses-1"): 1,
        ("all", "ses-2"): 1,
    }
    assert set(frame["n_subjects"]) == {4}


def test_channels_are_recognized_in_another_session(recordings):
    models = {"still": Drifting(), "drifting": Drifting(drift=3.0)}
    frame = probe_session_similarity(recordings, models, cv=CV, n_resamples=50)
    still, drifting = (frame[frame["model"] == name].iloc[0] for name in models)
    assert (still["session"], still["other_session"]) == ("ses-1", "ses-2")
    assert still["retrieval"] == 1
    assert still["similarity_channel"] == pytest.approx(1)
    assert drifting["retrieval"] < 0.7
    assert drifting["similarity_channel"] < 0.5
    assert still["chance"] == pytest.approx(1 / 6)
    assert still["n_subjects"] == 4


def test_sessions_can_be_given(recordings):
    sessions = ["early", "late"] * 4
    frame = probe_sessions(recordings, {"m": Knows()}, sessions=sessions, cv=CV)
    assert frame["test"].tolist() == ["early", "late"] * 3


def test_default_models(recordings):
    """The embedder and the baseline are asked the same."""
    frame = probe_duration(
        recordings, seconds=(4.0,), duration=4.0, cv=CV, n_resamples=20
    )
    assert frame["model"].tolist() == ["embedding", "rich-lda"]
    assert (frame["balanced_accuracy"] > 0.5).all()


def test_refuses(recordings):
    model = {"m": Knows()}
    with pytest.raises(ValueError, match="lags must be two ascending times"):
        probe_stability(recordings, {"m": Drifting()}, lags=[4, 2], cv=CV)
    with pytest.raises(ValueError, match="No two segments .* between 90 and 100 s"):
        probe_stability(recordings, {"m": Drifting()}, lags=[90, 100], cv=CV)
    with pytest.raises(ValueError, match="multiples of the 2 s of a segment, got 3"):
        cut_pieces(recordings, 3.0, duration=2.0)
    with pytest.raises(ValueError, match="All recordings are of the session 'ses-1'"):
        probe_sessions(recordings[::2], model, cv=CV)
    with pytest.raises(ValueError, match="sessions has 1 items for 8 recordings"):
        probe_sessions(recordings, model, sessions=["a"], cv=CV)
    sessions = ["a", "b"] + ["a"] * 6
    with pytest.raises(ValueError, match="no recording of session 'b' to train on"):
        probe_sessions(recordings, model, sessions=sessions, cv=CV)
    sessions = ["a", "a", "b", "b", "a", "a", "b", "b"]
    with pytest.raises(ValueError, match="No subject has recordings of two"):
        probe_session_similarity(
            recordings, {"m": Drifting()}, sessions=sessions, cv=CV
        )
