import pandas as pd
import pytest

from mne_funcmap import cli

MODELS = ["embedding", "spectrum-lda", "majority"]


@pytest.fixture
def small_simulation(monkeypatch):
    small = {"n_subjects": 3, "n_sessions": 1, "duration": 10.0, "sfreq": 400.0}
    monkeypatch.setattr(cli, "SIMULATED", small | {"n_channels": 2})


def test_demo(small_simulation, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    out = tmp_path / "new" / "results"
    arguments = ["--models", *MODELS, "--out", str(out), "--n-jobs", "1"]
    arguments += ["--no-reconstruction"]
    assert cli.main(["demo", *arguments]) == 0
    text = capsys.readouterr().out
    assert "3 subjects, 3 recordings of 10 to 10 s, 30 channels in 5 regions" in text
    assert "chance 0.200" in text
    assert str(out) in text
    scores = pd.read_csv(out / "scores.csv")
    assert list(scores["model"]) == MODELS
    assert set(scores["baseline"]) == {"spectrum-lda"}
    for row in scores.itertuples():
        assert f"{row.balanced_accuracy:.3f} [{row.low:.3f}, {row.high:.3f}]" in text
    assert len(pd.read_csv(out / "predictions.csv")) == 3 * 30
    embeddings = pd.read_csv(out / "embeddings.csv")
    assert embeddings.groupby("subjects")["subject"].nunique().to_dict() == {
        "held out": 1,
        "training": 2,
    }
    for name in ("scores", "confusion", "embedding_pca"):
        assert (out / f"{name}.png").stat().st_size > 1000


@pytest.mark.parametrize("name", cli.MODELS + cli.SLOW_MODELS)
def test_every_model_can_be_made(name):
    model = cli.make_model(name)
    assert hasattr(model, "fit")
    assert hasattr(model, "predict")


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["--bids", "no-such-folder"], "no-such-folder"),
        (["--sfreq", "-1"], "sfreq"),
    ],
)
def test_unusable_input_is_one_line(
    arguments, match, small_simulation, tmp_path, capsys
):
    out = tmp_path / "results"
    assert cli.main(["demo", "--out", str(out), *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("mne_funcmap: error: ")
    assert match in error
    assert error.count("\n") == 1
    assert not out.exists()


def test_unknown_column_of_bids(data_dir, tmp_path, capsys):
    arguments = ["--bids", str(data_dir / "dbs-ecog"), "--region-column", "nucleus"]
    assert cli.main(["demo", *arguments, "--out", str(tmp_path)]) == 2
    assert "nucleus" in capsys.readouterr().err


def test_unknown_model(capsys):
    with pytest.raises(SystemExit) as exit_info:
        cli.main(["demo", "--models", "oracle"])
    assert exit_info.value.code == 2
    assert "oracle" in capsys.readouterr().err
