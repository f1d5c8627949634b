import re
from dataclasses import replace

import mne
import numpy as np
import pandas as pd
import pytest
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GroupKFold

import mne_funcmap as mf
from mne_funcmap import cli
from mne_funcmap.baselines import SpectralClassifier
from mne_funcmap.embedding.training import BalancedBatches
from mne_funcmap.reconstruction.adaptation import learn_prior
from mne_funcmap.report import findings as report_findings
from mne_funcmap.report import methods_text, tables
from mne_funcmap.report import probes as report_probes
from mne_funcmap.report.findings import collect_findings
from mne_funcmap.report.html import write_report
from mne_funcmap.report.naming import make_anonymous
from mne_funcmap.report.probes import PROBES, answer_probes
from mne_funcmap.subjects import hide_names

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def recordings(make_coupled):
    """Four subjects, one with a short recording more, and one with a bad channel."""
    X = [make_coupled(f"sub-{i}", "ABC", duration=24.0) for i in range(4)]
    X[0].info["bads"] = ["C2"]
    return [*X, make_coupled("sub-3", "ABC", duration=12.0, seed=9)]


def make_small():
    return mf.MaskedRegionReconstructor(
        "region", identity_duration=2.0, max_epochs=1, n_latents=4
    )


@pytest.fixture(scope="module", autouse=True)
def few_steps():
    """What a report says of a model does not depend on how well it is trained."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BalancedBatches, "MIN_BATCHES", 2)
        patch.setitem(learn_prior.__kwdefaults__, "n_steps", 2)
        yield


@pytest.fixture(scope="module")
def findings(recordings):
    models = {
        "embedding <32>": mf.FunctionalEmbedder(max_epochs=2),
        "spectrum-lda": SpectralClassifier(classifier="lda"),
        "majority": SpectralClassifier(classifier="majority"),
    }
    return collect_findings(
        recordings,
        models=models,
        identities={"region": make_small()},
        n_permutations=2,
        probes={"How many": lambda X: pd.DataFrame({"recordings": [len(X)]})},
    )


@pytest.fixture(scope="module")
def page(findings, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(findings, title="Mine").save(path, open_browser=False, verbose=False)
    return path.read_text()


def read_text(page):
    """Return what a reader sees."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def test_every_number_is_that_of_the_tables(findings, page):
    text = read_text(page)
    for row in findings.summary.itertuples():
        assert f"{row.balanced_accuracy:.3f} [{row.low:.3f}, {row.high:.3f}]" in text
    for row in findings.reconstruction.summary.itertuples():
        assert f"{row.r:.3f} [{row.low:.3f}, {row.high:.3f}]" in text
        assert f"{row.coherence_beta:.3f} [" in text
    assert f"p = {findings.permutation['p_value']:.3f}" in text
    assert "Mine" in text


def test_what_was_left_out_is_told(findings, page):
    text = read_text(page)
    assert "1 channels, counted in each recording, are bad" in text
    assert "Not reconstructed: recording 4: " in text
    assert "Gaussian process does not apply: " in text
    assert "has no positions" in text
    assert set(findings.reconstruction.frame["recording"]) == {0, 1, 2, 3}


def test_report_needs_no_other_file(page):
    assert not re.findall(r'(?:src|href)="(?!data:|#)[^"]+\.(?:js|css|png)', page)


def test_subjects_are_named_only_if_asked_for(findings, tmp_path):
    kept = {"memory": "/home/somebody", "max_epochs": 2}
    models = findings.models | {"more": mf.FunctionalEmbedder(**kept)}
    found = replace(findings, models=models)
    texts = []
    for names in (False, True):
        report = write_report(found, names=names)
        path = tmp_path / f"{names}.html"
        report.save(path, open_browser=False, verbose=False)
        texts.append(read_text(path.read_text()))
    anonymous, named = texts
    for secret in ("sub-0", "sub-3", "/home"):
        assert secret not in anonymous
        assert secret in named
    assert "subject 1" in anonymous
    assert "max_epochs=2" in anonymous
    assert findings.frame["subject"].iloc[0].startswith("sub-")  # as it was


def test_what_others_are_told_has_no_names(findings):
    """Also where names are parts of names, in messages, and of sessions."""
    names = {f"sub-{i}": name for i, name in enumerate(["1", "11", "5", "x-11"])}
    recordings = findings.recordings.replace({"subject": names})
    probe = pd.DataFrame(
        {"train": ["ses-20170710"], "model": ["recording 0 (subject '11') is short"]}
    )
    found = findings.reconstruction
    found = replace(found, example=found.example | {"subject": "11"})
    told = make_anonymous(
        replace(
            findings,
            recordings=recordings.assign(session="ses-20170710"),
            reconstruction=found,
            probes={"probe": probe},
        )
    )
    assert told.reconstruction.example["subject"] == "subject 2"
    assert told.probes["probe"].values.tolist() == [
        ["session 1", "recording 0 is short"]
    ]
    assert told.recordings["session"].tolist() == ["session 1"] * 5


def test_places_of_nested_models_are_not_told(findings):
    emb = mf.FunctionalEmbedder(memory="/data/anna", checkpoint_dir="/data/anna")
    models = {
        "frozen": mf.MaskedRegionReconstructor(FrozenEstimator(emb)),
        "union": mf.MaskedRegionReconstructor(mf.IdentityUnion([emb, "region"])),
    }
    told = make_anonymous(replace(findings, models=models))
    assert "anna" not in repr(told.models)
    assert "anna" in repr(models)


def test_sessions_in_messages_have_numbers(findings):
    recordings = findings.recordings.assign(session="ses-20170710")
    text = "All recordings are of the session 'ses-20170710': give others."
    probes = {"sessions": pd.DataFrame({"no answer": [text]})}
    told = make_anonymous(replace(findings, recordings=recordings, probes=probes))
    found = told.probes["sessions"].loc[0, "no answer"]
    assert found == "All recordings are of the session 'session 1': give others."


def test_messages_without_names():
    name = "recording 2 (subject \"o'hara\", file '/data/o-hara/x_raw.fif')"
    text = f"{name}: flat. Use other channels (such as 'A1')."
    assert hide_names(text) == "recording 2: flat. Use other channels (such as 'A1')."
    both = 'o\'hara "x"'
    assert hide_names(f"recording 2 (subject {both!r}): flat") == "recording 2: flat"


def test_images_have_alternative_texts(findings, page):
    texts = re.findall(r'<img class="figure-img[^>]*alt="([^"]*)"', page)
    assert len(texts) == 5
    assert all(len(text) > 40 for text in texts)
    for row in findings.summary.itertuples():
        assert f"{row.balanced_accuracy:.3f} ({row.low:.3f} to" in texts[0]


def test_names_are_escaped(page):
    assert "<32>" not in page
    assert "embedding &lt;32&gt;" in page


def test_probes_and_parameters(page):
    text = read_text(page)
    assert "How many" in text
    assert "FunctionalEmbedder(max_epochs=2)" in text
    assert f"torch : {__import__('torch').__version__}".split("+")[0] in text


def test_overview_is_counted(findings, recordings):
    table = findings.recordings
    assert table["seconds"].tolist() == [24.0] * 4 + [12.0]
    assert table["channels"].tolist() == [5, 6, 6, 6, 6]
    assert table["left_out"].tolist() == [1, 0, 0, 0, 0]
    assert set(table["regions"]) == {3}
    by_subject = tables.by_subject(findings).set_index("subject")
    assert by_subject.loc["sub-3", ["recordings", "seconds"]].tolist() == [2, 36.0]
    channels = findings.regions.set_index("region")["channels"].to_dict()
    assert channels == {"A": 10, "B": 10, "C": 9}


def test_epochs_are_not_reconstructed(recordings):
    X = [mne.make_fixed_length_epochs(raw, 4.0, verbose="error") for raw in recordings]
    model = {"lda": SpectralClassifier(classifier="lda")}
    found = collect_findings(X, models=model, probes=[]).reconstruction
    assert found.startswith("Too few subjects (0) with Raw recordings")


def test_five_answers(findings):
    answers = methods_text.answer(findings)
    assert len(answers) == 5
    assert "4 subjects" in answers["What was split?"]
    assert "0.333 (one over 3 regions)" in answers["What is chance?"]
    assert "permuted 2 times" in answers["What is chance?"]
    assert "Wilcoxon" in answers["What are the tests?"]


@pytest.mark.parametrize(
    ("low", "high", "p", "verdict"),
    [
        (0.1, 0.3, 0.01, "better"),
        (-0.3, -0.1, 0.01, "worse"),
        (-0.1, 0.1, 0.01, "not beyond doubt"),
        (0.1, 0.3, 0.06, "not beyond doubt"),
    ],
)
def test_verdict_needs_interval_and_test(findings, low, high, p, verdict):
    summary = findings.summary.assign(
        diff_low=low, diff_high=high, p_value=p / 2, p_holm=p
    )
    text = methods_text.summarize(replace(findings, summary=summary))[1]
    assert f": {verdict} (p = " in text


def test_intervals_are_written():
    frame = pd.DataFrame({"a": [0.5, np.nan], "b": [0.25, 0], "c": [1, 0]})
    assert tables.with_interval(frame, "a", "b", "c") == ["0.500 [0.250, 1.000]", ""]
    found = tables.with_interval(frame, "a", "b", "c", signed=True)
    assert found[0] == "+0.500 [+0.250, +1.000]"


def test_intervals_are_shortened():
    frame = pd.DataFrame(
        {"r": [0.5], "low": [0.1], "high": [0.9], "difference": [0.2]}
        | {"diff_low": [0.0], "diff_high": [0.4], "n": [3], "a": [1.0]}
        | {"b": [2], "a_low": [0.0], "a_high": [2.0]}
    )
    found = tables.shorten_intervals(frame)
    assert found.iloc[0].to_dict() == {
        "r": "0.500 [0.100, 0.900]",
        "difference": "0.200 [0.000, 0.400]",
        "n": 3,
        "a": "1.000 [0.000, 2.000]",
        "b": 2,
    }
    assert "low" in frame


def test_clusters_are_those_of_models_with_embeddings(findings, page):
    table = tables.cluster_table(findings.summary)
    known = findings.summary.set_index("model").loc[table["model"]]
    assert 0 < len(table) < len(findings.summary)
    assert list(table)[1:] == ["silhouette", "davies bouldin", "calinski harabasz"]
    first = known.iloc[0]
    low, high = first["silhouette_low"], first["silhouette_high"]
    expected = f"{first['silhouette']:.3f} [{low:.3f}, {high:.3f}]"
    assert table["silhouette"].iloc[0] == expected
    assert expected in read_text(page)
    assert not len(tables.cluster_table(findings.summary[["model"]]))


@pytest.mark.parametrize("name", [*PROBES])
def test_probes_by_name(name, recordings, monkeypatch):
    monkeypatch.setattr(report_probes, "COMPARED", ("spectrum-lda",))
    (table,) = answer_probes([name], recordings[:4], cv=GroupKFold(2)).values()
    assert len(table) > 0
    if name in ("recording", "sessions", "distances", "unseen-regions"):
        assert list(table.columns) == ["no answer"]
    else:
        assert {"model", "chance"} <= set(table.columns)


def test_unknown_probe(recordings):
    with pytest.raises(ValueError, match=r"Unknown probes \['gender'\]"):
        answer_probes(["gender"], recordings)


def test_make_report_is_a_report(recordings):
    model = {"lda": SpectralClassifier(classifier="lda")}
    report = mf.make_report(recordings[:4], models=model, reconstruct=False, probes=[])
    assert isinstance(report, mne.Report)
    assert "No reconstruction" in "".join(report.html)


def test_folds_that_are_listed_leave_out_what_is_not_reconstructed(recordings):
    """Numbers in the list are of all recordings, the first of which is too short."""
    X = [recordings[4], *recordings[:4]]
    cv = [([0, 1, 2], [3, 4]), ([3, 4], [1, 2]), ([1, 2, 3, 4], [0])]
    found = collect_findings(
        X,
        models={"lda": SpectralClassifier(classifier="lda")},
        identities={"region": make_small()},
        cv=cv,
        probes=[],
    ).reconstruction
    assert found.n_folds == 2
    folds = found.frame.groupby("fold")["recording"].unique().map(sorted).tolist()
    assert folds == [[3, 4], [1, 2]]
    subjects = mf.get_subjects(X)
    assert (found.frame["subject"] == subjects[found.frame["recording"]]).all()


def test_demo_writes_what_was_reconstructed(findings, tmp_path, capsys, monkeypatch):
    given = {}

    def collect(X, **options):
        given.update(options)
        return findings

    monkeypatch.setattr(report_findings, "collect_findings", collect)
    small = {"n_subjects": 2, "n_sessions": 1, "duration": 5.0, "sfreq": 400.0}
    monkeypatch.setattr(cli, "SIMULATED", small)
    monkeypatch.setattr(cli, "COUPLED", small | {"n_subjects": 3})
    monkeypatch.setattr(cli, "FIGURE_DPI", 20)
    assert cli.main(["demo", "--out", str(tmp_path)]) == 0
    assert len(given["reconstruct"]) == 3
    found, text = findings.reconstruction, capsys.readouterr().out
    for row in found.summary.itertuples():
        assert f"{row.r:.3f} [{row.low:.3f}, {row.high:.3f}]" in text
    scores = pd.read_csv(tmp_path / "reconstruction_scores.csv")
    np.testing.assert_allclose(scores["r"], found.summary["r"])
    channels = pd.read_csv(tmp_path / "reconstruction_channels.csv")
    assert len(channels) == len(found.frame)
    assert (tmp_path / "reconstruction_scores.png").exists()
