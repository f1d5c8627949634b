import numpy as np
import pandas as pd
import pytest

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")


@pytest.fixture
def plt():
    import matplotlib.pyplot as plt

    return plt


@pytest.fixture(autouse=True)
def close_figures():
    import matplotlib.pyplot as plt

    yield
    plt.close("all")


@pytest.fixture
def make_frame():
    """Make a table as that of the embedder."""
    return _make_frame


@pytest.fixture
def list_legend():
    """List what a legend says."""
    return _list_legend


def _make_frame(n_rows=40, n_regions=2, n_subjects=3, n_components=5):
    rng = np.random.default_rng(0)
    table = {
        "subject": [f"sub-{i % n_subjects:02}" for i in range(n_rows)],
        "recording": 0,
        "ch_name": [f"ch{i}" for i in range(n_rows)],
        "region": [f"region {i % n_regions:02}" for i in range(n_rows)],
    }
    components = rng.standard_normal((n_components, n_rows))
    return pd.DataFrame(table | {f"c{i}": c for i, c in enumerate(components)})


def _list_legend(fig):
    legends = [ax.get_legend() for ax in fig.axes] + fig.legends
    return [text.get_text() for one in legends if one for text in one.get_texts()]
