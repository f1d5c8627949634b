import numpy as np
import pytest
from numpy.testing import assert_allclose

import mne_funcmap as mf


@pytest.fixture
def halved(X):
    """A recording, and a prediction of half the amplitude."""
    predicted = X[0].copy()
    predicted._data *= 0.5
    return X[0], predicted


@pytest.mark.parametrize("picks", [["B1"], ["A1", "B1"]])
def test_reconstruction(halved, picks, list_legend):
    recording, predicted = halved
    fig = mf.viz.plot_reconstruction(
        recording,
        predicted,
        picks=picks,
        start=1.0,
        duration=2.0,
        r={"A1": 0.123, "B1": 0.456},
        title="Withheld",
        show=False,
    )
    assert len(fig.axes) == len(picks)
    for ax, name in zip(fig.axes, picks, strict=True):
        recorded, shown = ax.lines
        expected = 1e6 * recording.get_data(picks=[name])[0, 100:300]
        expected = expected - expected.mean()
        assert_allclose(recorded.get_xdata(), recording.times[100:300])
        assert_allclose(recorded.get_ydata(), expected)
        assert_allclose(shown.get_ydata(), expected / 2)
        assert name in ax.get_ylabel()
    assert "r = 0.46" in fig.axes[-1].get_ylabel()
    assert list_legend(fig) == ["recorded", "predicted"]
    assert fig.axes[0].get_title(loc="left") == "Withheld"


def test_reconstruction_beyond_the_end(X):
    fig = mf.viz.plot_reconstruction(X[0], X[0], picks=["A1"], start=11.0, show=False)
    assert fig.axes[0].lines[0].get_xdata()[-1] == X[0].times[-1]
    assert fig.axes[0].get_ylabel() == "A1"


def test_what_is_asked_for_by_region_is_not_calibrated(halved, list_legend):
    options = {"picks": ["A1"], "show": False}
    fig = mf.viz.plot_reconstruction(*halved, query="region", **options)
    assert list_legend(fig) == ["recorded", "predicted (amplitude not calibrated)"]
    with pytest.raises(ValueError, match="query must be one of .* got 'area'"):
        mf.viz.plot_reconstruction(*halved, query="area", **options)


@pytest.mark.parametrize("picks", [["B1"], ["C1", "A1"]])
def test_spectra(halved, picks, list_legend):
    fig = mf.viz.plot_spectra(*halved, picks=picks, fmin=2.0, fmax=30.0, show=False)
    assert [ax.get_title(loc="left") for ax in fig.axes] == picks
    for ax, name in zip(fig.axes, picks, strict=True):
        recorded, shown = ax.lines
        freqs = recorded.get_xdata()
        assert freqs.min() >= 2 and freqs.max() <= 30  # noqa: PT018
        decibels = recorded.get_ydata()
        assert_allclose(shown.get_ydata(), decibels - 10 * np.log10(4))
        psd = halved[0].compute_psd(
            "welch", picks=[name], fmin=2.0, fmax=30.0, n_fft=200, verbose="error"
        )
        assert_allclose(10 ** (decibels / 10), 1e12 * psd.get_data()[0])
    assert list_legend(fig) == ["recorded", "predicted"]


def test_spectra_end_at_the_low_pass(X):
    raw = X[0].copy().filter(None, 20.0, verbose="error")
    fig = mf.viz.plot_spectra(raw, raw, picks=["A1"], show=False)
    assert fig.axes[0].lines[0].get_xdata()[-1] == 20.0


def test_spectra_of_short_epochs(X):
    import mne

    epochs = mne.make_fixed_length_epochs(X[0], 1.0, preload=True, verbose="error")
    fig = mf.viz.plot_spectra(epochs, epochs, picks=["A1"], show=False)
    freqs = fig.axes[0].lines[0].get_xdata()
    assert_allclose(np.diff(freqs), 1.0)


@pytest.mark.parametrize("plot", ["plot_reconstruction", "plot_spectra"])
def test_given_axes_are_used(halved, plt, plot):
    fig, axes = plt.subplots(2, 2)
    plot = getattr(mf.viz, plot)
    assert plot(*halved, picks=["A1", "B1"], axes=axes[1], show=False) is fig
    assert [len(ax.lines) for ax in axes.flat] == [0, 0, 2, 2]
    with pytest.raises(ValueError, match="1 panels, got 2 axes"):
        plot(*halved, picks=["A1"], axes=axes[1], show=False)


@pytest.mark.parametrize("plot", [mf.viz.plot_reconstruction, mf.viz.plot_spectra])
def test_recordings_must_fit(plot):
    (raw,) = mf.simulate_recordings(n_subjects=1, n_sessions=1, duration=5.0)
    slow = raw.copy().resample(250.0, verbose="error")
    with pytest.raises(ValueError, match="5000 samples at 1000 Hz, .* 1250 .* 250 Hz"):
        plot(raw, slow, picks=["STN1"], show=False)
    with pytest.raises(TypeError, match=r"predicted must be one .* predict\(X\)\[0\]"):
        plot(raw, [raw], picks=["STN1"], show=False)
    with pytest.raises(TypeError, match="picks must be a list"):
        plot(raw, raw, picks="STN1", show=False)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"start": 9.0}, ValueError, "start=9 and duration=3 show nothing of the 5 s"),
        ({"duration": 0.0}, ValueError, "duration=0 show nothing"),
        ({"r": {"GPi1": 0.5}}, ValueError, r"no values for \['STN1'\].*\['GPi1'\]"),
        (
            {"picks": ["ZZ1"]},
            ValueError,
            r"recording has no channels \['ZZ1'\], but GPi1",
        ),
        ({"picks": []}, TypeError, r"list of channel names, got \[\]"),
    ],
)
def test_what_cannot_be_shown(options, error, match):
    (raw,) = mf.simulate_recordings(n_subjects=1, n_sessions=1, duration=5.0)
    with pytest.raises(error, match=match):
        mf.viz.plot_reconstruction(
            raw, raw, **({"picks": ["STN1"], "show": False} | options)
        )
