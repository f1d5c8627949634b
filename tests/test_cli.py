import pandas as pd
import pytest

from mne_funcmap import cli
from mne_funcmap.embedding.training import BalancedBatches
from mne_funcmap.evaluation import default_models

MODELS = ["embedding", "spectrum-lda", "majority"]


@pytest.fixture
def small_simulation(monkeypatch):
    small = {"n_subjects": 3, "n_sessions": 1, "duration": 10.0, "sfreq": 400.0}
    monkeypatch.setattr(cli, "SIMULATED", small | {"n_channels": 2})


def test_demo(small_simulation, tmp_path, capsys, monkeypatch):
    pytest.importorskip("matplotlib")
    out = tmp_path / "new" / "results"
    arguments = ["--models", *MODELS, "--out", str(out), "--n-jobs", "1"]
    arguments += ["--no-reconstruction", "--n-permutations", "1"]
    arguments += ["--probes", "duration"]
    monkeypatch.setattr(cli, "COUPLED", None)  # is not simulated for nothing
    monkeypatch.setattr(BalancedBatches, "MIN_BATCHES", 2)
    assert cli.main(["demo", *arguments]) == 0
    text = capsys.readouterr().out
    assert "3 subjects, 3 recordings, 5 regions, 30 labelled channels" in text
    assert "chance is 0.200" in text
    assert "in 1 trainings" in text
    assert "Seconds of a new subject that are read\n" in text
    assert str(out) in text
    scores = pd.read_csv(out / "scores.csv")
    assert list(scores["model"]) == MODELS
    assert set(scores["baseline"]) == {"spectrum-lda"}
    page = (out / "report.html").read_text()
    for row in scores.itertuples():
        score = f"{row.balanced_accuracy:.3f} [{row.low:.3f}, {row.high:.3f}]"
        assert score in text
        assert score in page
    assert len(pd.read_csv(out / "predictions.csv")) == 3 * 30
    for name in ("scores", "confusion", "embedding_pca"):
        assert (out / f"{name}.png").stat().st_size > 1000


@pytest.mark.parametrize("command", [["report"], ["demo", "--bids"]])
def test_report_of_real_recordings(command, data_dir, tmp_path, capsys):
    pytest.importorskip("mne_bids")
    path = tmp_path / "new" / "report.html"
    if command[0] == "demo":
        path = path.parent / "demo" / "report.html"
    out = path if command[0] == "report" else path.parent
    arguments = [*command, str(data_dir / "ieeg-atlas"), "--region-column", "lobe"]
    arguments += [
        "--task",
        "wake",
        "--out",
        str(out),
        "--models",
        "spectrum-lda",
        "--probes",
    ]
    arguments += ["--subjects", "001", "002", "003", "004", "--no-reconstruction"]
    arguments += ["--probes"]
    assert cli.main([*arguments, "--n-jobs", "1"]) == 0
    assert "4 subjects, 4 recordings" in path.read_text()
    assert str(out) in capsys.readouterr().out


@pytest.mark.parametrize(
    "name", default_models.EMBEDDERS + default_models.SLOW_EMBEDDERS
)
def test_every_model_can_be_made(name):
    (model,) = default_models.make_embedders(names=[name]).values()
    assert hasattr(model, "fit")
    assert hasattr(model, "predict")


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["demo", "--bids", "no-such-folder"], "no-such-folder"),
        (["demo", "--sfreq", "-1"], "sfreq"),
        (["report", "no-such-folder"], "no-such-folder"),
    ],
)
def test_unusable_input_is_one_line(
    arguments, match, small_simulation, tmp_path, capsys
):
    out = tmp_path / "results.html"
    assert cli.main([*arguments, "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("mne_funcmap: error: ")
    assert match in error
    assert error.count("\n") == 1
    assert not out.exists()


def test_report_is_html(capsys):
    assert cli.main(["report", "anything", "-o", "report.pdf"]) == 2
    assert "expected a name.html, got 'report.pdf'" in capsys.readouterr().err


def test_unknown_column_of_bids(data_dir, tmp_path, capsys):
    arguments = ["--bids", str(data_dir / "dbs-ecog"), "--region-column", "nucleus"]
    assert cli.main(["demo", *arguments, "--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "nucleus" in error
    assert error.endswith("Name the column with regions by --region-column.\n")
    assert "region_column" not in error


def test_unknown_model(capsys):
    with pytest.raises(SystemExit) as exit_info:
        cli.main(["demo", "--models", "oracle"])
    assert exit_info.value.code == 2
    assert "oracle" in capsys.readouterr().err
