from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.exceptions import NotFittedError
from skorch.history import History

import mne_funcmap as mf


@pytest.fixture
def curve():
    sizes = [2.0, 4.0, np.nan]
    scores = {"balanced_accuracy": [0.3, 0.4, 0.5], "low": [0.2, 0.3, 0.4]}
    scores |= {"high": [0.4, 0.5, 0.6], "chance": 0.25}
    table = pd.DataFrame({"model": "a", "of": "subjects", "size": sizes} | scores)
    other = table.assign(model="b", balanced_accuracy=table["balanced_accuracy"] + 0.1)
    return pd.concat([table, other], ignore_index=True)


def test_learning_curve(curve, list_legend):
    fig = mf.viz.plot_learning_curve(curve, show=False)
    (ax,) = fig.axes
    assert list_legend(fig) == ["a", "b", "chance"]
    for model, intervals, line in zip(
        "ab", ax.collections, ax.lines[:4:2], strict=True
    ):
        rows = curve[curve["model"] == model]
        ends = [path.vertices[:, 1] for path in intervals.get_paths()]
        assert_allclose(ends, rows[["low", "high"]])
        assert_allclose(line.get_ydata(), rows["balanced_accuracy"][:2])
    assert [label.get_text() for label in ax.get_xticklabels()] == ["2", "4", "all"]
    assert ax.lines[-1].get_ydata()[0] == 0.25
    assert ax.get_xlabel() == "Subjects trained on"


def test_all_there_is_alone(curve):
    fig = mf.viz.plot_learning_curve(curve[curve["size"].isna()], show=False)
    labels = [label.get_text() for label in fig.axes[0].get_xticklabels()]
    assert labels == ["all"]


def test_sizes_of_one_thing(curve):
    curve.loc[0, "of"] = "channels"
    with pytest.raises(ValueError, match="expected one"):
        mf.viz.plot_learning_curve(curve, show=False)


def make_history(**columns):
    history = History()
    for epoch in range(len(next(iter(columns.values()), []))):
        history.new_epoch()
        history.record("epoch", epoch + 1)
        for name, values in columns.items():
            history.record(name, values[epoch])
    return history


def make_embedder(history, search=None, n_epochs=2):
    embedder = mf.FunctionalEmbedder()
    inner = embedder.segment_embedder_ = mf.SegmentEmbedder()
    inner.history_, inner.search_history_ = history, search
    inner.n_epochs_ = n_epochs
    return embedder


@pytest.fixture
def embedder():
    losses, scores = [4.0, 3.0, 2.0], [0.3, 0.6, 0.4]
    search = make_history(train_loss=losses, valid_balanced_accuracy=scores)
    return make_embedder(make_history(train_loss=[5.0, 4.0]), search)


def test_history_of_an_embedder(embedder, list_legend):
    fig = mf.viz.plot_history(embedder, show=False)
    loss, score = fig.axes
    drawn = [line.get_ydata().tolist() for line in loss.lines]
    assert drawn == [[4, 3, 2], [3], [5, 4]]
    drawn = [(*line.get_xdata(), *line.get_ydata()) for line in score.lines]
    assert drawn == [(1, 2, 3, 0.3, 0.6, 0.4), (2, 0.6)]
    assert score.get_ylabel() == "Balanced accuracy, held out"
    assert list_legend(fig) == [
        "search, part held out",
        "all training data",
        "epoch that was kept",
    ]
    inner = mf.viz.plot_history(embedder.segment_embedder_, show=False)
    assert len(inner.axes) == 2


def test_history_without_a_search(list_legend):
    embedder = make_embedder(make_history(train_loss=[5.0, 4.0]))
    fig = mf.viz.plot_history(embedder, show=False)
    assert len(fig.axes) == 1
    assert list_legend(fig) == ["training"]


def make_reconstructor(history, search=None, residual=None):
    rec = mf.MaskedRegionReconstructor()
    rec.is_fitted_ = True
    rec.net_ = SimpleNamespace(history=history)
    rec.search_history_, rec.n_epochs_ = search, len(history)
    rec.residual_net_ = residual and SimpleNamespace(history=residual)
    return rec


def test_history_of_a_linear_path():
    search = make_history(train_loss=[3.0, 2.0, 1.0], valid_r=[0.1, 0.3, 0.2])
    rec = make_reconstructor(make_history(train_loss=[3.0, 2.0]), search)
    _, score = mf.viz.plot_history(rec, show=False).axes
    assert score.get_ylabel() == "Pearson r, held out"
    assert score.lines[0].get_ydata().tolist() == [0.1, 0.3, 0.2]
    assert score.lines[1].get_data() == ([2], [0.3])


@pytest.mark.parametrize("beside", [False, True])
def test_history_of_a_transformer(list_legend, beside):
    columns = {"valid_r": [0.1, 0.2, 0.3], "valid_nmse": [0.9, 0.7, 0.8]}
    history = make_history(train_loss=[3.0, 2.0, 1.0], **columns)
    linear = make_history(train_loss=[3.0, 2.0])
    rec = make_reconstructor(*((linear, None, history) if beside else (history,)))
    fig = mf.viz.plot_history(rec, show=False)
    assert fig.axes[1].lines[1].get_data() == ([2], [0.2])  # of the smallest error
    assert ("transformer beside it" in list_legend(fig)) == beside


def test_given_axes_are_used(embedder, plt):
    fig, axes = plt.subplots(1, 2)
    assert mf.viz.plot_history(embedder, axes=axes, show=False) is fig
    assert all(ax.lines for ax in axes)


def test_no_training_curve():
    with pytest.raises(ValueError, match="FunctionalEmbedder has no training curve"):
        mf.viz.plot_history(make_embedder(make_history()), show=False)
    with pytest.raises(NotFittedError):
        mf.viz.plot_history(mf.SegmentEmbedder(), show=False)
