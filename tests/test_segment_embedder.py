import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks
from skorch.callbacks import Callback
from torch import nn

from mne_funcmap import SegmentEmbedder, simulate_recordings
from mne_funcmap.embedding.metrics import balanced_accuracy, participation_ratio
from mne_funcmap.embedding.readout import BalancedNeighbors
from mne_funcmap.nets.encoders import ENCODERS
from mne_funcmap.nets.losses import PairwiseContrastiveLoss
from mne_funcmap.recordings.segments import cut_segments

N_TIMES = 200
FREQUENCIES = (4, 11, 30)  # cycles per segment
REGIONS = np.array(["GPi", "STN", "VO"])


@pytest.mark.filterwarnings("ignore:The embedding has collapsed")
@parametrize_with_checks([SegmentEmbedder(max_epochs=2)])
def test_estimator_checks(estimator, check):
    check(estimator)


def make_segments(n_groups=6, n_each=8, seed=0):
    """Draw noisy sines, of one frequency in a region and of one gain in a group."""
    rng = np.random.default_rng(seed)
    y = np.tile(np.repeat(np.arange(3), n_each), n_groups)
    groups = np.repeat(np.arange(n_groups), 3 * n_each)
    phase = rng.uniform(0, 2 * np.pi, (len(y), 1))
    time = np.arange(N_TIMES) / N_TIMES
    X = np.sin(2 * np.pi * np.array(FREQUENCIES)[y, None] * time + phase)
    X += 0.5 * rng.standard_normal(X.shape)
    X *= 5e-5 * rng.uniform(0.5, 2, n_groups)[groups, None]
    return X.astype(np.float32), REGIONS[y], groups


def make_embedder(**params):
    return SegmentEmbedder(**{"max_epochs": 3, "random_state": 0} | params)


@pytest.fixture(scope="module")
def data():
    return make_segments()


@pytest.fixture(scope="module")
def fitted(data):
    return make_embedder(max_epochs=10).fit(*data)


def test_training_that_diverges(data):
    with pytest.raises(RuntimeError, match="training diverged: the loss of epoch"):
        make_embedder(lr=1e30).fit(*data)


class Interrupt(Callback):
    def on_batch_end(self, net, **kwargs):
        raise KeyboardInterrupt


def test_interrupted_training(data):
    with pytest.raises(KeyboardInterrupt, match="interrupted in its first epoch"):
        make_embedder(callbacks=[("interrupt", Interrupt())]).fit(*data)


def read_out(embedder, seed=1):
    """Share of the segments of new groups that their neighbours read right."""
    X, y, _ = make_segments()
    queries, truth, _ = make_segments(seed=seed)
    neighbors = KNeighborsClassifier(5).fit(embedder.transform(X), y)
    return neighbors.score(embedder.transform(queries), truth)


def test_embeddings(fitted, data):
    Z = fitted.transform(data[0])
    assert Z.shape == (len(data[0]), 32)
    assert Z.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(Z, axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(fitted.classes_, REGIONS)
    assert fitted.n_features_in_ == N_TIMES
    assert fitted.participation_ratio_ > 1.5


@pytest.mark.parametrize("encoder", ["spectral", "cnn"])
@pytest.mark.parametrize("loss", ["supcon", "pairwise"])
def test_regions_of_new_groups(encoder, loss, data):
    embedder = make_embedder(encoder=encoder, loss=loss, batch_size=48, max_epochs=4)
    assert read_out(embedder.fit(*data)) > 0.9


def test_history(fitted):
    assert fitted.net_.history is fitted.history_
    assert len(fitted.history_) == fitted.n_epochs_
    assert len(fitted.search_history_) >= fitted.n_epochs_
    assert max(fitted.search_history_[:, "valid_balanced_accuracy"]) > 0.9


@pytest.mark.parametrize("loss", ["supcon", "pairwise"])
def test_loss_falls(data, loss):
    embedder = make_embedder(loss=loss, max_epochs=6, temperature=0.2, lr=2e-3)
    embedder.fit(data[0], data[1])
    losses = embedder.history_[:, "train_loss"]
    assert len(losses) == 6
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.filterwarnings("ignore:The embedding has collapsed")
def test_shuffled_labels_are_read_at_chance(data):
    X, y, groups = make_segments(n_each=20)
    shuffled = np.random.default_rng(0).permutation(y)
    embedder = make_embedder(max_epochs=10).fit(X, shuffled, groups)
    queries, _, _ = make_segments(n_each=20, seed=1)
    truth = np.random.default_rng(1).permutation(y)
    neighbors = KNeighborsClassifier(5).fit(embedder.transform(X), shuffled)
    # three standard deviations of a binomial
    assert neighbors.score(embedder.transform(queries), truth) == pytest.approx(
        1 / 3, abs=3 * np.sqrt(2 / 9 / len(truth))
    )


def test_seeds(data):
    first, second, other = (
        make_embedder(random_state=seed, max_epochs=2).fit(*data).transform(data[0])
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, second)
    assert np.abs(first - other).max() > 1e-3


def test_random_state_object(data):
    Z = [
        make_embedder(random_state=np.random.RandomState(7))
        .fit(*data)
        .transform(data[0])
        for _ in range(2)
    ]
    np.testing.assert_array_equal(*Z)


@pytest.mark.parametrize("random_state", [0, None])
def test_global_state_is_left_alone(data, random_state):
    np.random.seed(0)  # noqa: NPY002
    torch.manual_seed(0)
    torch_state = torch.get_rng_state()
    embedder = make_embedder(random_state=random_state).fit(*data)
    embedder.transform(data[0])
    assert (torch.get_rng_state() == torch_state).all()
    if random_state is not None:
        assert np.random.random() == pytest.approx(0.5488135)  # noqa: NPY002
        # nor does it matter
        np.testing.assert_array_equal(
            embedder.transform(data[0]),
            make_embedder(random_state=random_state).fit(*data).transform(data[0]),
        )


def test_segments_do_not_influence_one_another(fitted, data):
    one_by_one = np.concatenate([fitted.transform(x[None]) for x in data[0][:7]])
    np.testing.assert_allclose(fitted.transform(data[0])[:7], one_by_one, atol=1e-5)
    # nor does embedding change the embedder
    np.testing.assert_array_equal(fitted.transform(data[0]), fitted.transform(data[0]))


@pytest.mark.filterwarnings("error")
def test_inputs_are_left_as_they_are(data):
    X, y, groups = (values.copy() for values in data)
    for values in (X, y, groups):
        values.flags.writeable = False
    make_embedder().fit(X, y, groups).transform(X)
    np.testing.assert_array_equal(X, data[0])


@pytest.mark.parametrize(
    "convert", [np.float64, np.asfortranarray, lambda X: X.tolist(), torch.from_numpy]
)
def test_array_likes(fitted, data, convert):
    Z = fitted.transform(convert(data[0]))
    np.testing.assert_allclose(Z, fitted.transform(data[0]), atol=1e-6)
    assert Z.dtype == np.float32


def test_integers(data):
    X = np.round(data[0] * 1e6).astype(int)
    assert np.isfinite(make_embedder().fit(X, data[1]).transform(X)).all()


@pytest.mark.parametrize("scale", [1e-12, 1e17])
def test_scales(data, scale):
    X = data[0] / np.abs(data[0]).max() * scale
    embedder = make_embedder(max_epochs=8).fit(X, data[1], data[2])
    Z = embedder.transform(X)
    neighbors = KNeighborsClassifier(5).fit(Z[::2], data[1][::2])
    assert neighbors.score(Z[1::2], data[1][1::2]) > 0.9


def test_flat_segments_are_embedded(fitted):
    flat = np.array([[0.0], [1.0], [1e17]]) * np.ones(N_TIMES)
    assert np.isfinite(fitted.transform(flat)).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_must_be_finite(fitted, data, value):
    X = data[0].copy()
    X[3, 5] = value
    with pytest.raises(ValueError, match="Input X contains"):
        make_embedder().fit(X, data[1])
    with pytest.raises(ValueError, match="Input X contains"):
        fitted.transform(X)


def test_one_label(data):
    with pytest.raises(ValueError, match="'GPi': 1 class.*two labels"):
        make_embedder().fit(data[0], np.full(len(data[0]), "GPi"))


def test_no_labels(data):
    with pytest.raises(ValueError, match="requires y to be passed"):
        make_embedder().fit(data[0], None)


def test_groups_of_another_length(data):
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        make_embedder().fit(data[0], data[1], data[2][1:])


def test_segments_of_another_length(fitted, data):
    with pytest.raises(ValueError, match="100 features.*expecting 200"):
        fitted.transform(data[0][:, :100])


@pytest.mark.parametrize(
    "params",
    [
        {"encoder": "spectrum"},
        {"encoder": nn.Identity()},
        {"loss": "cross-entropy"},
        {"n_components": 0},
        {"max_epochs": 0},
        {"batch_size": 0},
        {"lr": 0.0},
        {"weight_decay": -1.0},
        {"callbacks": "none"},
        {"net_params": 3},
        {"device": None},
        {"random_state": "seed"},
    ],
)
def test_bad_parameters(data, params):
    name = next(iter(params))
    with pytest.raises(ValueError, match=f"The {name!r} parameter of SegmentEmbedder"):
        make_embedder(**params).fit(*data)


def test_cuda_that_is_not_there(data, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="finds no CUDA device"):
        make_embedder(device="cuda").fit(*data)
    with pytest.raises(ValueError, match="device='gpu' is unknown"):
        make_embedder(device="gpu").fit(*data)


def test_not_fitted(data):
    with pytest.raises(NotFittedError):
        make_embedder().transform(data[0])


class Linear(nn.Module):
    """An encoder with a parameter of its own."""

    def __init__(self, n_times, n_components, gain=1e4):
        super().__init__()
        self.linear = nn.Linear(n_times, n_components)
        self.gain = gain

    def forward(self, segments):
        return self.linear(self.gain * segments).square()


class Constant(nn.Module):
    """An encoder that tells nothing."""

    def __init__(self, n_components):
        super().__init__()
        self.values = nn.Parameter(torch.ones(n_components))

    def forward(self, segments):
        return self.values.expand(len(segments), -1)


def test_encoder_class(data):
    embedder = make_embedder(encoder=Linear, n_components=4, lr=1e-2, max_epochs=20)
    embedder.set_params(net_params={"module__gain": 1e5}).fit(*data)
    assert embedder.transform(data[0]).shape == (len(data[0]), 4)
    assert embedder.net_.module_.encoder.gain == 1e5
    assert read_out(embedder) > 0.6


@pytest.mark.parametrize("loss", ["supcon", "pairwise"])
def test_collapse_is_warned_of(data, loss):
    with pytest.warns(RuntimeWarning, match="has collapsed.*participation ratio is"):
        embedder = make_embedder(encoder=Constant, loss=loss).fit(*data)
    assert embedder.participation_ratio_ == 0.0


def test_participation_ratio():
    rng = np.random.default_rng(0)
    Z = np.zeros((1000, 8))
    Z[:, :3] = np.linalg.qr(rng.standard_normal((1000, 3)))[0]
    Z[:, :3] -= Z[:, :3].mean(axis=0)
    assert participation_ratio(Z) == pytest.approx(3, rel=0.02)
    assert participation_ratio(Z + 100) == pytest.approx(3, rel=0.02)
    assert participation_ratio(np.ones((10, 4))) == 0.0
    assert participation_ratio(np.float32(0.1) * np.ones((10, 4), np.float32)) == 0.0
    assert participation_ratio(np.outer(np.arange(9.0), np.ones(4))) == pytest.approx(1)


class Recorder(Callback):
    """Count the epochs."""

    def on_epoch_end(self, net, **kwargs):
        net.history.record("seen", True)


def test_callbacks_and_net_params_reach_the_net(data):
    embedder = make_embedder(
        callbacks=[Recorder()],
        encoder="cnn",
        net_params={"optimizer__betas": (0.8, 0.9), "module__dropout": 0.125},
    ).fit(*data)
    assert all(embedder.history_[:, "seen"])
    assert embedder.net_.optimizer_.param_groups[0]["betas"] == (0.8, 0.9)
    dropouts = [m for m in embedder.net_.module_.modules() if type(m) is nn.Dropout]
    assert {dropout.p for dropout in dropouts} == {0.125}


def test_groups_are_optional(data):
    embedder = make_embedder().fit(data[0], data[1])
    assert embedder.search_history_ is None
    assert embedder.n_epochs_ == len(embedder.history_) == 3


@pytest.mark.parametrize("n_labels", [2, 60])
def test_few_and_many_labels(n_labels):
    X = make_segments()[0]
    y = np.arange(len(X)) % n_labels
    Z = make_embedder(batch_size=16, max_epochs=2).fit(X, y).transform(X)
    assert np.isfinite(Z).all()


@pytest.mark.filterwarnings("ignore:The embedding has collapsed")
def test_labels_with_one_segment(data):
    y = data[1].astype("U8")
    y[:2] = ["rare", "rarer"]
    embedder = make_embedder().fit(data[0], y, data[2])
    assert len(embedder.classes_) == 5
    assert np.isfinite(embedder.transform(data[0])).all()


def make_units(data):
    """Two units of four segments for each region of a group, and their labels."""
    units = np.arange(len(data[1])) // 4
    return units, data[1][::4], data[2][::4]


@torch.no_grad()
def test_units_average_the_features(data):
    units, y, _ = make_units(data)
    embedder = make_embedder().fit(*data, units=units)
    Z = embedder.transform(data[0], units=units)
    assert Z.shape == (len(y), 32)
    encoder = embedder.net_.module_.eval().encoder
    features = encoder.front_end(torch.from_numpy(data[0]))
    expected = encoder.head(features.reshape(len(y), 4, -1).mean(dim=1))
    expected /= expected.norm(dim=1, keepdim=True)
    np.testing.assert_allclose(Z, expected, atol=1e-4)


def test_units_average_the_embeddings_without_a_front_end(data):
    units, y, _ = make_units(data)
    embedder, other = (
        make_embedder(encoder="cnn", max_epochs=1).fit(*data, units=given)
        for given in (units, None)
    )
    Z = embedder.transform(data[0])
    np.testing.assert_array_equal(Z, other.transform(data[0]))
    means = Z.reshape(len(y), 4, -1).mean(axis=1)
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    np.testing.assert_allclose(
        embedder.transform(data[0], units=units), means, atol=1e-5
    )


def test_units_come_sorted(fitted, data):
    units = make_units(data)[0]
    expected = fitted.transform(data[0], units=units)
    order = np.random.default_rng(0).permutation(len(units))
    names = np.char.mod("unit %03d", units)
    Z = fitted.transform(data[0][order], units=names[order])
    np.testing.assert_allclose(Z, expected, atol=1e-5)


def test_units_of_another_length(fitted, data):
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        make_embedder().fit(*data, units=data[2][1:])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        fitted.transform(data[0], units=data[2][1:])


@pytest.mark.parametrize(
    ("encoder", "loss"), [("spectral", "supcon"), ("spectral", "pairwise")]
)
def test_defaults_are_those_of_the_encoder_and_the_loss(data, encoder, loss):
    embedder = SegmentEmbedder(encoder=encoder, loss=loss).fit(data[0], data[1])
    recipe = dict(ENCODERS[encoder].RECIPE)
    if loss == "pairwise":
        recipe |= ENCODERS[encoder].PAIRWISE_RECIPE
    assert embedder.n_epochs_ == len(embedder.history_) == recipe["max_epochs"]
    assert embedder.net_.lr == recipe["lr"]
    assert embedder.net_.batch_size == recipe["batch_size"]
    if loss == "supcon":
        assert embedder.net_.criterion_.temperature == recipe["temperature"]


def test_parameters_come_before_the_recipe(data):
    params = {"lr": 1e-3, "temperature": 0.3, "max_epochs": 1, "batch_size": 32}
    net = make_embedder(**params).fit(*data).net_
    assert (net.lr, net.criterion_.temperature) == (1e-3, 0.3)
    assert (net.max_epochs, net.batch_size) == (1, 32)
    # and what is given for the net before both
    params["net_params"] = {"criterion__temperature": 0.4}
    assert make_embedder(**params).fit(*data).net_.criterion_.temperature == 0.4


def test_net_params_cannot_hold_what_is_a_parameter(data):
    embedder = make_embedder(net_params={"max_epochs": 3, "lr": 0.1})
    with pytest.raises(ValueError, match="net_params holds lr, max_epochs"):
        embedder.fit(*data)


@pytest.mark.parametrize("batch_size", [4, 64])
def test_learning_rate_falls_to_zero(data, batch_size):
    embedder = make_embedder(batch_size=batch_size, max_epochs=2).fit(*data)
    assert embedder.net_.optimizer_.param_groups[0]["lr"] < 1e-9


@pytest.mark.parametrize(
    ("params", "divisor"),
    [
        ({"temperature": 0.25}, 0.25),
        ({"temperature": 0.25, "loss": "pairwise"}, 1.0),
        ({"temperature": 0.25, "net_params": {"criterion": nn.CrossEntropyLoss}}, 1.0),
    ],
)
def test_penalty_is_counted_in_samples_and_over_the_temperature(data, params, divisor):
    embedder = make_embedder(weight_decay=3.0, **params).fit(data[0], data[1])
    expected = 3.0 / (3.0 + len(data[1]) + 1) / divisor
    found = embedder.net_.optimizer_.param_groups[0]["weight_decay"]
    assert found == pytest.approx(expected)


class MyLoss(PairwiseContrastiveLoss):
    """A contrastive loss of one's own."""


class CrossEntropy(nn.CrossEntropyLoss):
    """A criterion without a temperature."""


def test_criterion_of_ones_own_beside_auxiliary_labels(data):
    X, y = data[:2]
    auxiliary = np.arange(len(y)) % 4 == 0
    y = np.where(auxiliary, [f"one {i // 8}" for i in range(len(y))], y.astype(str))
    embedder = make_embedder(net_params={"criterion": MyLoss})
    embedder.fit(X, y, auxiliary=auxiliary)
    assert isinstance(embedder.net_.criterion_.loss, MyLoss)
    assert isinstance(embedder.net_.criterion_.auxiliary, MyLoss)


def test_criterion_of_ones_own(data):
    embedder = make_embedder(net_params={"criterion": CrossEntropy}).fit(*data)
    assert isinstance(embedder.net_.criterion_, CrossEntropy)


@pytest.fixture(scope="module")
def simulated():
    X = simulate_recordings(n_subjects=4, n_sessions=1, duration=60.0, random_state=0)
    return cut_segments(X, duration=10.0)


def score_new_subject(segments, regions):
    """Balanced accuracy per segment of the last subject, read from the others."""
    subjects = segments.channels.subject[segments.channel]
    train, test = subjects != "sub-04", subjects == "sub-04"
    embedder = SegmentEmbedder(random_state=0)
    embedder.fit(segments.data[train], regions[train], groups=subjects[train])
    Z = embedder.transform(segments.data)
    readout = BalancedNeighbors(metric="cosine").fit(Z[train], regions[train])
    truth = segments.channels.region[segments.channel].astype(str)
    return balanced_accuracy(truth[test], readout.predict(Z[test]))


def test_simulated_regions_of_a_new_subject(simulated):
    regions = simulated.channels.region[simulated.channel].astype(str)
    assert score_new_subject(simulated, regions) >= 0.95


@pytest.mark.filterwarnings("ignore:The embedding has collapsed")
def test_shuffled_simulated_regions_are_read_at_chance(simulated):
    regions = simulated.channels.region[simulated.channel].astype(str)
    scores = [
        score_new_subject(simulated, np.random.default_rng(seed).permutation(regions))
        for seed in range(4)
    ]
    assert np.mean(scores) == pytest.approx(0.2, abs=0.1)


def test_clone_and_pickle(fitted, data):
    restored = pickle.loads(pickle.dumps(fitted))
    Z = fitted.transform(data[0])
    np.testing.assert_array_equal(restored.transform(data[0]), Z)
    assert clone(fitted).get_params() == fitted.get_params()
    assert not hasattr(clone(fitted), "net_")


def test_no_training_data_in_the_pickle(fitted):
    X, y, groups = make_segments(n_groups=20)
    large = make_embedder(max_epochs=1).fit(X, y, groups)
    assert len(pickle.dumps(large)) < len(pickle.dumps(fitted)) + X.nbytes / 20


def test_pipeline_in_cross_validation(data):
    X, y, groups = data
    model = make_pipeline(make_embedder(max_epochs=5), KNeighborsClassifier())
    scores = cross_val_score(model, X, y, groups=groups, cv=GroupKFold(2))
    assert min(scores) > 0.9


def spread_groups(Z, y, groups):
    """Return the distance of groups of a label over that of labels, squared."""
    means = np.array(
        [
            [Z[(y == one) & (groups == g)].mean(axis=0) for g in np.unique(groups)]
            for one in np.unique(y)
        ]
    )
    return means.var(axis=1).sum() / means.mean(axis=1).var(axis=0).sum()


class LinearMap(nn.Linear):
    """An encoder that starts with features of the segments as they are."""

    def __init__(self, n_times, n_components):
        super().__init__(n_times, n_components)


def test_positives_of_other_groups_leave_less_of_the_group():
    rng = np.random.default_rng(0)
    y, groups = np.tile(np.repeat(np.arange(2), 6), 8), np.repeat(np.arange(8), 12)
    X = rng.standard_normal((96, 6)) * 0.3
    X[:, 0] += y
    # in every group the labels also differ by something of its own
    X[:, 1:5] += (2 * y - 1)[:, None] * rng.standard_normal((8, 4))[groups]
    spread = []
    for across in (False, True):
        model = make_embedder(
            encoder=LinearMap, across_groups=across, max_epochs=10, n_components=4
        )
        train = groups < 6
        model.fit(X[train], y[train], groups=groups[train])
        spread.append(
            spread_groups(model.transform(X[~train]), y[~train], groups[~train])
        )
    assert spread[1] < 0.9 * spread[0]


def test_across_groups_needs_a_label_of_two_groups(data):
    X, y, _ = data
    with pytest.raises(ValueError, match="every label is in one group"):
        make_embedder(across_groups=True).fit(X, y, groups=y)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("encoder", ["spectral", "cnn"])
def test_cuda_agrees_with_cpu(data, encoder):
    params = {"encoder": encoder}
    if encoder == "cnn":
        params["net_params"] = {"module__dropout": 0.0}
    on_cpu, on_cuda = (
        make_embedder(device=device, max_epochs=1, lr=1e-4, **params).fit(*data)
        for device in ("cpu", "cuda")
    )
    assert next(on_cuda.net_.module_.parameters()).device.type == "cuda"
    Z = on_cuda.transform(data[0])
    np.testing.assert_allclose(Z, on_cpu.transform(data[0]), atol=1e-3)
    on_cpu.net_.module_.load_state_dict(on_cuda.net_.module_.state_dict())
    np.testing.assert_allclose(Z, on_cpu.transform(data[0]), atol=1e-3)


def test_segments_that_run_backwards(fitted, data):
    X = data[0]
    turned = np.ascontiguousarray(X[::-1, ::-1], np.float32)[::-1, ::-1]
    np.testing.assert_array_equal(fitted.transform(turned), fitted.transform(X))


def test_too_large_for_single_precision(fitted, data):
    X = data[0].astype(float)
    X[3, 5] = 1e39
    with pytest.raises(ValueError, match="too large for dtype"):
        fitted.transform(X)
