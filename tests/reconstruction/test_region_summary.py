import numpy as np
import pytest

from mne_funcmap.reconstruction.region_summary import summarize_regions
from mne_funcmap.reconstruction.studies import Study


def make_study(region, scale):
    rng = np.random.default_rng(len(region))
    return Study(
        subject="s",
        ch_names=np.array([f"{name}{i}" for i, name in enumerate(region)]),
        region=np.array(list(region)),
        identity=rng.standard_normal((len(region), 3)).astype(np.float32),
        mean=np.zeros(len(region)),
        scale=np.array(scale),
    )


@pytest.mark.parametrize("unit", [1e-12, 1.0])
def test_regions_are_known_by_their_means(unit):
    studies = [
        make_study("ABA", np.array([1.0, 2.0, 4.0]) * unit),
        make_study("AB", np.array([8.0, 32.0]) * unit),
    ]
    summary = summarize_regions(studies, ["A", "B"])
    # scales are averaged over their logarithms
    expected = {"A": 32 ** (1 / 3) * unit, "B": 8 * unit}
    assert summary.scales == pytest.approx(expected)
    rows = [studies[0].identity[[0, 2]], studies[1].identity[:1]]
    found = summary.queries["A"]
    np.testing.assert_allclose(found, np.concatenate(rows).mean(axis=0), rtol=1e-6)


def test_region_of_one_channel_is_that_channel():
    study = make_study("AB", [3e-5, 7e-5])
    summary = summarize_regions([study], ["A", "B"])
    assert summary.scales == pytest.approx({"A": 3e-5, "B": 7e-5})
    np.testing.assert_array_equal(summary.queries["B"], study.identity[1])
    of_both = summary.append(study, ["B9"], "B", study.identity[1:])
    assert of_both.region.tolist() == ["A", "B", "B"]
    assert of_both.scale == pytest.approx([3e-5, 7e-5, 7e-5])
