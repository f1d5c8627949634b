import mne
import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr, rankdata, spearmanr
from sklearn.base import BaseEstimator
from sklearn.model_selection import GroupKFold

import mne_funcmap as mf
from mne_funcmap.baselines import UntrainedEmbedder
from mne_funcmap.probes.connectivity import connect, connect_recording
from mne_funcmap.probes.distances import _draw_orders, probe_distances
from mne_funcmap.probes.mantel import correlate_pairs, draw_orders, mantel_test
from mne_funcmap.probes.region_matrix import probe_region_matrix
from mne_funcmap.recordings.channels import list_channels

BETA = {"beta": (13.0, 30.0)}
N_CHANNELS = 8
PLACES = {"A": 0.0, "B": 0.01, "C": 0.04, "D": 0.09, "E": 0.15}  # m


class Known(BaseEstimator):
    """Embed channels by where they are, or by chance; remember who was trained on."""

    def __init__(self, by="position"):
        self.by = by

    def fit(self, X, y=None):
        self.seen_ = set(mf.get_subjects(X))
        return self

    def transform(self, X):
        assert not self.seen_ & set(mf.get_subjects(X))
        return [self._embed(raw) for raw in X]

    def _embed(self, raw):
        if self.by == "constant":
            return np.zeros((len(raw.ch_names), 2))
        positions = np.array([*raw.get_montage().get_positions()["ch_pos"].values()])
        if self.by == "position":
            return positions
        # whole subjects differ, which must not count
        seed = sum(map(ord, mf.get_subjects([raw])[0]))
        return np.random.default_rng(seed).standard_normal(positions.shape) + seed


def make_raw(subject, order=range(N_CHANNELS), n_seconds=8):
    """Simulate channels on a line, each noise of its own and its neighbour's."""
    rng = np.random.default_rng(int(subject))
    noise = rng.standard_normal((N_CHANNELS + 1, n_seconds * 100))
    data = 1e-5 * (noise[1:] + noise[:-1])
    names = np.array([f"ch{i}" for i in range(N_CHANNELS)])
    regions = np.repeat(list("ABCD"), 2)
    place = np.array([PLACES[region] for region in regions]) + np.tile([0, 0.003], 4)
    place += rng.uniform(0, 0.001, N_CHANNELS)
    order = list(order)
    raw = mne.io.RawArray(
        data[order], mne.create_info([*names[order]], 100.0, "seeg"), verbose="error"
    )
    points = {
        name: [x, 0.01, 0.01]
        for name, x in zip(names[order], place[order], strict=True)
    }
    montage = mne.channels.make_dig_montage(points, coord_frame="mni_tal")
    raw.set_montage(montage, verbose="error")
    raw.info["subject_info"] = {"his_id": subject}
    regions = dict(zip(names[order].tolist(), regions[order].tolist(), strict=True))
    return mf.set_regions(raw, regions)


@pytest.fixture(scope="module")
def recordings():
    return [make_raw(str(i)) for i in range(1, 5)]


def make_matrices(n=7, seed=0):
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((2, n, n))
    return a + a.T, b + b.T


def test_mantel_is_spearman_of_the_pairs():
    a, b = make_matrices()
    rows = np.triu_indices(7, 1)
    rho, permuted, p = mantel_test(a, b, n_permutations=99)
    assert rho == pytest.approx(spearmanr(a[rows], b[rows]).statistic)
    assert permuted.shape == (99,)
    assert p == (1 + np.sum(np.abs(permuted) >= abs(rho))) / 100


def test_mantel_of_few_items_is_exact():
    a, b = make_matrices(5)
    rho, permuted, p = mantel_test(a, b)
    assert len(permuted) == 119
    again = mantel_test(a, b, random_state=1)
    assert again[2] == p
    rows = np.triu_indices(5, 1)
    order = [4, 2, 0, 1, 3]
    expected = spearmanr(a[order][:, order][rows], b[rows]).statistic
    assert np.isclose(permuted, expected).any()
    # symmetric matrices of items on a line: only the two directions fit perfectly
    line = np.abs(np.subtract.outer([0, 1, 3, 7, 15.0], [0, 1, 3, 7, 15.0]))
    assert mantel_test(line, np.sqrt(line))[2] == 1 / 120


def test_mantel_p_values_are_uniform_by_chance():
    p = [
        mantel_test(*make_matrices(6, seed), n_permutations=99)[2] for seed in range(99)
    ]
    assert 0.4 < np.mean(p) < 0.6
    assert np.mean(np.array(p) <= 0.1) < 0.2


def test_mantel_leaves_out_missing_pairs():
    a, b = make_matrices()
    b[0, 1] = b[1, 0] = np.nan
    rows = tuple(np.array(np.triu_indices(7, 1))[:, 1:])
    rho = mantel_test(a, b, n_permutations=9)[0]
    assert rho == pytest.approx(spearmanr(a[rows], b[rows]).statistic)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda a, b: (a + np.triu(a), b), "a is not symmetric"),
        (lambda a, b: (a, b[:6, :6]), "a is of 7 items and b of 6"),
        (lambda a, b: (a[:3, :3], b[:3, :3]), "square matrix of 4 items"),
        (lambda a, b: (np.where(a == a[0, 1], np.nan, a), b), "a has values .* finite"),
        (lambda a, b: (a, np.ones_like(b)), "nothing to rank"),
    ],
)
def test_mantel_refuses(change, match):
    with pytest.raises(ValueError, match=match):
        mantel_test(*change(*make_matrices()))


def test_partial_correlation_is_that_of_residuals():
    a, b = make_matrices(9)
    c = make_matrices(9, seed=1)[0] + 2 * a
    rows = np.triu_indices(9, 1)
    found = correlate_pairs(a, b[rows][None], rows, draw_orders(9, 9, 0), given=c[rows])
    ranks = [rankdata(matrix[rows]) for matrix in (a, b, c)]
    design = np.stack([np.ones(len(ranks[0])), ranks[2]], axis=1)
    left = [of - design @ np.linalg.lstsq(design, of)[0] for of in ranks[:2]]
    assert found[0, 0] == pytest.approx(pearsonr(*left).statistic)
    assert found.shape == (10, 1)


def test_connectivity_in_closed_form():
    times = np.arange(1000) / 100.0
    slow = 1 + 0.5 * np.sin(2 * np.pi * 0.5 * times)
    other = 1 + 0.5 * np.cos(2 * np.pi * 0.5 * times)
    wave, quadrature = (f(2 * np.pi * 20 * times) for f in (np.sin, np.cos))
    out_of_band = np.sin(2 * np.pi * 3 * times)
    signals = np.array(
        [slow * wave + out_of_band, -2 * slow * wave, slow * quadrature, other * wave]
    )
    correlation, envelope = connect(signals[None], 100.0, (13.0, 30.0))
    assert correlation[0, 1] == pytest.approx(1, abs=1e-2)  # whatever the polarity
    assert correlation[0, 2] == pytest.approx(0, abs=1e-2)
    assert envelope[0, 1:3] == pytest.approx(1, abs=1e-2)
    assert envelope[0, 3] == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize("n_channels", [1, 2])
def test_connectivity_of_few_channels(n_channels):
    windows = np.random.default_rng(0).standard_normal((2, n_channels, 500))
    for found in connect(windows, 100.0, (13.0, 30.0)):
        assert found.shape == (n_channels, n_channels)
        assert found.diagonal() == pytest.approx(1)


@pytest.mark.parametrize("scale", [1e-12, 1e6])
def test_connectivity_has_no_unit(scale):
    windows = np.random.default_rng(0).standard_normal((2, 3, 500))
    expected = connect(windows, 100.0, (13.0, 30.0))
    np.testing.assert_allclose(connect(scale * windows, 100.0, (13.0, 30.0)), expected)


def test_connectivity_needs_seconds_in_which_all_channels_are_usable():
    raw = make_raw("1")
    raw._data[2, ::300] = np.nan
    with pytest.raises(ValueError, match="recording 0 .*has no 5 s.*ch2"):
        connect_recording(raw, 0, np.arange(N_CHANNELS), BETA)


def test_distances_are_plain_spearman(recordings):
    table = probe_distances(
        recordings, {"position": Known()}, cv=GroupKFold(2), bands=BETA
    )
    rows = table.set_index(["measure", "given", "pairs"])
    distance = rows.loc["distance", "", "all"]
    assert distance["rho"] == pytest.approx(1)
    assert distance["p_value"] == pytest.approx(1e-3)
    assert set(table["n_subjects"]) <= {4}
    # neighbours share noise
    assert rows.loc["correlation", "", "all"]["rho"] < -0.3
    # nothing is left of a distance given itself
    assert ("distance", "distance", "all") not in rows.index
    other = rows.loc["other region", "", "all"]["rho"]
    expected = []
    for raw in recordings:
        x = np.array(
            [p[0] for p in raw.get_montage().get_positions()["ch_pos"].values()]
        )
        i, j = np.triu_indices(N_CHANNELS, 1)
        expected.append(spearmanr(np.abs(x[i] - x[j]), i // 2 != j // 2).statistic)
    assert other == pytest.approx(np.mean(expected))


def test_embeddings_by_chance_are_not_related(recordings):
    table = probe_distances(
        recordings, {"chance": Known("chance")}, cv=GroupKFold(2), bands=BETA
    )
    assert (table["p_value"] > 0.01).all()
    assert (table["low"] <= table["rho"]).all()
    assert (table["rho"] <= table["high"]).all()


def test_embeddings_that_are_all_alike(recordings):
    models = {"constant": Known("constant")}
    with pytest.raises(ValueError, match="Model 'constant' .* nothing to rank"):
        probe_distances(recordings, models, cv=GroupKFold(2), bands=BETA)


def test_channels_are_permuted_alike_in_all_recordings_of_a_subject():
    order = [3, 1, 0, 2, 7, 6, 5, 4]
    X = [make_raw("1"), make_raw("1", order)]
    channels = list_channels(X)
    orders = _draw_orders(channels, [0, 1], 5, np.random.RandomState(0))
    for first, second in zip(orders[0], orders[1], strict=True):
        one = dict(zip(X[0].ch_names, np.array(X[0].ch_names)[first], strict=True))
        two = dict(zip(X[1].ch_names, np.array(X[1].ch_names)[second], strict=True))
        assert one == two
    assert sorted(orders[0][1]) == [*range(N_CHANNELS)]
    assert (orders[0][1] != np.arange(N_CHANNELS)).any()


def test_distances_refuse(recordings):
    models = {"position": Known()}
    with pytest.raises(ValueError, match="too low for the band.* gamma"):
        probe_distances(recordings, models, cv=GroupKFold(2))
    few = [raw.copy().pick(raw.ch_names[:3]) for raw in recordings]
    with pytest.raises(ValueError, match="No recording has 4 channels"):
        probe_distances(few, models, cv=GroupKFold(2), bands=BETA)
    with pytest.raises(ValueError, match="'position' embeds 16 .* picks"):
        probe_distances(
            recordings,
            models,
            cv=GroupKFold(2),
            bands=BETA,
            picks=recordings[0].ch_names[:5],
        )


def make_region_matrix(names="ABCD"):
    place = np.array([PLACES[name] for name in names])
    return pd.DataFrame(np.abs(place[:, None] - place), [*names], [*names])


def test_region_matrix(recordings):
    models = {"position": Known(), "chance": Known("chance")}
    matrix = make_region_matrix("ECABD")  # E was not recorded
    table = probe_region_matrix(recordings, matrix, models, cv=GroupKFold(2))
    position, chance = table.itertuples()
    assert position.rho == pytest.approx(1)
    assert position.p_value == pytest.approx(1 / 24)
    assert (position.n_regions, position.n_pairs, position.n_subjects) == (4, 6, 4)
    assert chance.p_value > 1 / 24
    assert chance.low < chance.rho < chance.high


def test_region_means_are_those_of_a_plain_loop(recordings):
    found = probe_region_matrix(
        recordings, make_region_matrix(), {"chance": Known("chance")}, cv=GroupKFold(2)
    )
    distances = []
    for fold in GroupKFold(2).split(recordings, groups=mf.get_subjects(recordings)):
        Z = np.concatenate([Known("chance")._embed(recordings[i]) for i in fold[1]])
        regions = np.tile(np.repeat(list("ABCD"), 2), len(fold[1]))
        means = np.array([Z[regions == region].mean(axis=0) for region in "ABCD"])
        distances.append(np.linalg.norm(means[:, None] - means, axis=2))
    rows = np.triu_indices(4, 1)
    matrix = make_region_matrix().to_numpy()
    expected = spearmanr(np.mean(distances, axis=0)[rows], matrix[rows]).statistic
    assert found["rho"][0] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("matrix", "error", "match"),
    [
        (np.eye(4), TypeError, "must be a pandas.DataFrame"),
        (make_region_matrix().rename(columns={"A": "X"}), ValueError, "same regions"),
        (make_region_matrix("ABE"), ValueError, "2 regions in common"),
        (
            make_region_matrix() + np.triu(np.ones((4, 4)), 1),
            ValueError,
            "matrix is not symmetric",
        ),
        (make_region_matrix().replace(0.01, np.nan), ValueError, "not finite"),
    ],
)
def test_region_matrix_refuses(recordings, matrix, error, match):
    with pytest.raises(error, match=match):
        probe_region_matrix(recordings, matrix, {"p": Known()}, cv=GroupKFold(2))


def test_real_recordings(data_dir):
    X = mf.read_recordings_bids(
        data_dir / "ieeg-atlas", region_column="lobe", tasks="wake"
    )[:10]
    X = [raw.crop(0, 30).load_data() for raw in X]
    table = probe_distances(
        X, {"untrained": UntrainedEmbedder()}, cv=GroupKFold(2), bands=BETA
    )
    rows = table.set_index(["measure", "given", "pairs"])
    assert rows.loc["distance", "", "all"]["rho"] > 0.1
    assert rows.loc["envelope", "", "all"]["rho"] < -0.1
