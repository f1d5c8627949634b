"""What a training that was killed, or interrupted, leaves."""

import io
import os
import pickle
import signal
import subprocess
import sys
from copy import deepcopy
from functools import partial
from hashlib import sha256
from pathlib import Path
from threading import Lock

import numpy as np
import pytest
import skorch
import torch
from numpy.testing import assert_array_equal
from sklearn.model_selection import GroupKFold
from skorch.callbacks import Callback, EarlyStopping, GradientNormClipping

import mne_funcmap as mf
from mne_funcmap.embedding.training import BalancedBatches, ReadOutScore
from mne_funcmap.reconstruction import networks
from mne_funcmap.training import checkpoints
from mne_funcmap.training.parts import as_part

pytestmark = pytest.mark.filterwarnings("ignore:The embedding has collapsed")


class At(Callback):
    """Do something at the end of an epoch, counted over all trainings."""

    n = 0

    def __init__(self, epoch, act):
        self.epoch, self.act = epoch, act

    def __reduce__(self):
        """All of these are one callback to a checkpoint."""
        return str, ("at",)

    def on_epoch_end(self, net, **kwargs):
        self.n += 1
        if self.n == self.epoch:
            self.act()


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)
    raise AssertionError("the signal comes first")


def make_segments():
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(3), 40)
    time = np.arange(100) / 100
    X = np.sin(2 * np.pi * (5 + 4 * y[:, None]) * time)
    X += rng.standard_normal(X.shape)
    return X, y, np.tile(np.arange(8), 15)


def fit_segments(callbacks=None, **params):
    X, y, groups = make_segments()
    params = {"encoder": "cnn", "max_epochs": 3, "n_components": 4} | params
    params |= {"net_params": {"module__dropout": 0.2}, "callbacks": callbacks}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BalancedBatches, "MIN_BATCHES", 3)
        return mf.SegmentEmbedder(**params).fit(X, y, groups)


def fit_reconstructor(X, callbacks=None, identity="region", **params):
    params = {"max_epochs": 4, "n_latents": 4, "identity_duration": 2.0} | params
    return mf.MaskedRegionReconstructor(identity, callbacks=callbacks, **params).fit(X)


def read_state(net):
    return {
        name: value.numpy().copy() for name, value in net.module_.state_dict().items()
    }


def check_same(found, expected):
    for name, values in read_state(expected).items():
        assert_array_equal(read_state(found)[name], values)
    columns = ["epoch", "train_loss"]
    assert found.history[:, columns] == expected.history[:, columns]


@pytest.fixture
def always(monkeypatch):
    """A checkpoint after every epoch."""
    monkeypatch.setattr(checkpoints, "INTERVAL", 0.0)


def fail():
    raise RuntimeError("the power has gone")


@pytest.fixture(scope="module")
def whole():
    """What comes of a training that nothing stops, of three epochs and three more."""
    whole = fit_segments()
    assert whole.n_epochs_ == 3
    return whole


@pytest.mark.parametrize("epoch", [1, 2, 3, 5])
def test_a_fit_goes_on_where_it_stopped(tmp_path, always, epoch, whole):
    with pytest.raises(RuntimeError, match="power"):
        fit_segments([("at", At(epoch, fail))], checkpoint_dir=tmp_path)
    counted = At(99, fail)
    resumed = fit_segments([("at", counted)], checkpoint_dir=tmp_path)
    check_same(resumed.net_, whole.net_)
    assert (
        resumed.search_history_[:, "valid_balanced_accuracy"]
        == (whole.search_history_[:, "valid_balanced_accuracy"])
    )
    # the callback fails before the checkpoint of its epoch is written
    assert counted.n == 6 - (epoch - 1)
    # once more, nothing is trained
    counted = At(1, fail)
    again = fit_segments([("at", counted)], checkpoint_dir=tmp_path)
    check_same(again.net_, whole.net_)
    assert counted.n == 0


def test_another_fit_begins_anew(tmp_path, always):
    fit_segments(checkpoint_dir=tmp_path)
    n_files = len(list(tmp_path.iterdir()))
    assert n_files == 2
    for change in ({"random_state": 1}, {"lr": 1e-4}, {"max_epochs": 2}):
        other = fit_segments(checkpoint_dir=tmp_path, **change)
        check_same(other.net_, fit_segments(**change).net_)
        assert len(list(tmp_path.iterdir())) > n_files
        n_files = len(list(tmp_path.iterdir()))


def test_other_data_begin_anew(tmp_path):
    X, y, groups = make_segments()
    embedder = mf.SegmentEmbedder(4, max_epochs=1, checkpoint_dir=tmp_path)
    embedder.fit(X, y, groups)
    assert len(list(tmp_path.iterdir())) == 2
    X[0, 0] += 1.0
    embedder.fit(X, y, groups)
    assert len(list(tmp_path.iterdir())) == 4
    embedder.fit(X, y)  # without a search
    assert len(list(tmp_path.iterdir())) == 5
    embedder.fit(X, y, np.arange(len(y)))
    assert len(list(tmp_path.iterdir())) == 7
    clip = ("clip", GradientNormClipping(1e-4))
    embedder.set_params(callbacks=[clip]).fit(X, y)
    assert len(list(tmp_path.iterdir())) == 8


def test_other_subjects_begin_anew(tmp_path, X):
    """They tell what is held out."""
    fit_reconstructor(X, checkpoint_dir=tmp_path, max_epochs=1)
    n_files = len(list(tmp_path.iterdir()))
    X[3].info["subject_info"]["his_id"] = "sub-2"
    fit_reconstructor(X, checkpoint_dir=tmp_path, max_epochs=1)
    assert len(list(tmp_path.iterdir())) == 2 * n_files


@pytest.mark.parametrize("value", [At, At(1, None), partial(At, epoch=1)])
def test_a_class_that_changed_begins_anew(tmp_path, monkeypatch, value):
    keys = []
    for factor in (1, 1, 2):
        monkeypatch.setattr(At, "factor", factor, raising=False)
        keys.append(checkpoints.open_checkpoints(tmp_path, {"encoder": value}).key)
    assert keys[0] == keys[1] != keys[2]
    with pytest.raises(ValueError, match="checkpoint_dir needs parameters"):
        checkpoints.open_checkpoints(tmp_path, {"net_params": {"lock": Lock()}})


def make_loss(factor):
    class Loss(torch.nn.Module):
        def forward(self, embeddings, labels):
            return factor * embeddings.square().sum()

    return Loss


@pytest.mark.parametrize("value", [make_loss(1.0), lambda: None])
def test_what_is_made_in_a_function_is_refused(tmp_path, value):
    """Two of one source may compute other things."""
    with pytest.raises(ValueError, match="at its top level .*<l"):
        checkpoints.open_checkpoints(tmp_path, {"net_params": {"criterion": value}})


def test_numbers_of_numpy_can_be_read_again(tmp_path, whole):
    params = {"lr": np.float64(3e-3), "checkpoint_dir": tmp_path}
    fit_segments(**params)
    check_same(fit_segments([], **params).net_, whole.net_)


def cut_off(file):
    file.write_bytes(file.read_bytes()[:1000])


def change_bit(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 3] ^= 16
    file.write_bytes(content)


@pytest.mark.parametrize("damage", [cut_off, change_bit])
def test_a_damaged_checkpoint_is_not_used(tmp_path, whole, damage):
    fit_segments(checkpoint_dir=tmp_path)
    for file in tmp_path.iterdir():
        damage(file)
    with pytest.warns(RuntimeWarning, match="checkpoint .* is damaged, and not used"):
        check_same(fit_segments(checkpoint_dir=tmp_path).net_, whole.net_)


class Evil:
    def __reduce__(self):
        return os.mkdir, ("evil",)


def test_nothing_in_a_checkpoint_is_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    saved = io.BytesIO()
    torch.save({"history": Evil()}, saved)
    for data in (pickle.dumps(Evil(), protocol=2), saved.getvalue()):
        (tmp_path / "file.pt").write_bytes(sha256(data).digest() + data)
        with pytest.warns(RuntimeWarning, match="damaged"):
            assert checkpoints.read_checkpoint(tmp_path / "file.pt") is None
    assert not Path("evil").exists()


def test_a_folder_that_vanishes_does_not_end_a_training(tmp_path, always, whole):
    folder = tmp_path / "checkpoints"

    def remove():
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()

    with pytest.warns(RuntimeWarning, match="goes on without a new checkpoint"):
        found = fit_segments([("at", At(2, remove))], checkpoint_dir=folder)
    check_same(found.net_, whole.net_)


def test_no_folder_can_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        fit_segments(checkpoint_dir=tmp_path / "file" / "folder")


def test_a_seed_is_needed(tmp_path, X):
    with pytest.raises(ValueError, match="checkpoint_dir needs a random_state"):
        fit_segments(checkpoint_dir=tmp_path, random_state=None)
    with pytest.raises(ValueError, match="checkpoint_dir needs a random_state"):
        fit_reconstructor(X, checkpoint_dir=tmp_path, random_state=None)
    identity = mf.FunctionalEmbedder(4, duration=2.0, random_state=None)
    with pytest.raises(ValueError, match="also of an identity"):
        fit_reconstructor(X, identity=identity, checkpoint_dir=tmp_path)


@pytest.mark.parametrize("architecture", ["mixed", "transformer"])
def test_a_reconstructor_goes_on(tmp_path, always, X, architecture, monkeypatch):
    monkeypatch.setattr(networks, "MIN_GAIN", -1.0)
    small = {"n_dim": 8, "n_heads": 2, "n_layers": 1, "n_forward": 16}
    params = {"architecture": architecture, "max_epochs": 2}
    if architecture == "transformer":
        params["net_params"] = {f"module__{k}": value for k, value in small.items()}
    whole = fit_reconstructor(X, **params)
    kept = params | {"checkpoint_dir": tmp_path}
    with pytest.raises(RuntimeError, match="power"):
        fit_reconstructor(X, [("at", At(2, fail))], **kept)
    resumed = fit_reconstructor(X, [("at", At(99, fail))], **kept)
    check_same(resumed.net_, whole.net_)
    if architecture == "mixed":
        check_same(resumed.residual_net_, whole.residual_net_)
    assert resumed.valid_r_ == whole.valid_r_
    again = fit_reconstructor(X, [("at", At(1, fail))], **kept)
    check_same(again.net_, whole.net_)


def test_identities_go_on_too(tmp_path, X):
    identity = mf.FunctionalEmbedder(4, duration=2.0, max_epochs=1)
    rec = fit_reconstructor(X, identity=identity, checkpoint_dir=tmp_path, max_epochs=1)
    assert len(list(tmp_path.glob("*-embedder.pt"))) == 5  # on all, and for four folds
    plain = fit_reconstructor(X, identity=identity, max_epochs=1)
    check_same(rec.net_, plain.net_)
    again = fit_reconstructor(
        X, identity=identity, checkpoint_dir=tmp_path, max_epochs=1
    )
    check_same(again.net_, plain.net_)


KILLED = """
import sys
import torch
sys.path.insert(0, {root!r})
from mne_funcmap.training import checkpoints
from {module} import At, die, fit_segments
torch.set_num_threads(int(sys.argv[3]))
checkpoints.INTERVAL = 0.0
fit_segments([("at", At(int(sys.argv[2]), die))], checkpoint_dir=sys.argv[1])
"""


def die():
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal")
@pytest.mark.parametrize("epoch", [2, 5])
def test_a_killed_process_goes_on(tmp_path, epoch, whole):
    code = KILLED.format(root=str(Path(__file__).parents[2]), module=__name__)
    n_threads = torch.get_num_threads()
    call = [sys.executable, "-c", code, str(tmp_path), str(epoch), str(n_threads)]
    ended = subprocess.run(call, check=False, capture_output=True, text=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    counted = At(99, fail)
    resumed = fit_segments([("at", counted)], checkpoint_dir=tmp_path)
    check_same(resumed.net_, whole.net_)
    assert counted.n == 6 - (epoch - 1)


# Ctrl-C


def test_ctrl_c_in_the_search_keeps_the_best(tmp_path):
    with pytest.warns(RuntimeWarning, match="interrupted.*best weights.*interrupted_"):
        found = fit_segments([("at", At(3, interrupt))])
    assert found.interrupted_
    searched = found.search_history_
    assert len(searched) == 2  # whole epochs
    best = int(np.argmax(searched[:, "valid_balanced_accuracy"])) + 1
    assert found.n_epochs_ == best
    assert found.valid_score_ == max(searched[:, "valid_balanced_accuracy"])
    assert found.transform(make_segments()[0]).shape == (120, 4)
    assert repr(found).endswith("interrupted")
    assert pickle.loads(pickle.dumps(found)).interrupted_


class InBatch(At):
    """Do something after the second batch of an epoch."""

    def on_epoch_end(self, net, **kwargs):
        self.weights = {
            **getattr(self, "weights", {}),
            len(net.history): read_state(net),
        }

    def on_batch_end(self, net, **kwargs):
        batches = len(net.history[-1, "batches"])
        if (len(net.history), batches) == (self.epoch, 2):
            self.act()


def test_ctrl_c_after_an_epoch_is_judged_tells_of_its_weights(monkeypatch):
    """The better epoch is whole, though callbacks that come later had no turn."""

    def rise(self, net, **kwargs):
        net.history.record("valid_balanced_accuracy", len(net.history) / 10)

    monkeypatch.setattr(ReadOutScore, "on_epoch_end", rise)
    weights = []

    def remember(net, **kwargs):
        weights.append(read_state(net))
        if len(weights) == 3:
            interrupt()

    callback = Callback()
    callback.on_epoch_end = remember
    with pytest.warns(RuntimeWarning, match="interrupted"):
        found = fit_segments([("at", callback)], max_epochs=5)
    assert (found.n_epochs_, found.valid_score_) == (3, 0.3)
    for name, values in read_state(found.net_).items():
        assert_array_equal(values, weights[2][name])


def test_ctrl_c_while_the_best_weights_are_copied(monkeypatch):
    """The score is that of the new epoch, and the copy still of another."""

    def rise(self, net, **kwargs):
        net.history.record("valid_balanced_accuracy", len(net.history) / 10)

    weights = []

    def copy(state):
        weights.append({name: value.numpy().copy() for name, value in state.items()})
        if len(weights) == 3:
            interrupt()
        return deepcopy(state)

    monkeypatch.setattr(ReadOutScore, "on_epoch_end", rise)
    monkeypatch.setattr(skorch.callbacks.training, "deepcopy", copy)
    with pytest.warns(RuntimeWarning, match="interrupted"):
        found = fit_segments([], max_epochs=5)
    assert (found.n_epochs_, found.valid_score_) == (3, 0.3)
    for name, values in read_state(found.net_).items():
        assert_array_equal(values, weights[2][name])


@pytest.mark.parametrize("epoch", [2, 3])
def test_ctrl_c_in_an_epoch_keeps_the_best_before(epoch):
    callback = InBatch(epoch, interrupt)
    with pytest.warns(RuntimeWarning, match="interrupted"):
        found = fit_segments([("at", callback)])
    assert len(found.search_history_) == epoch - 1
    for name, values in read_state(found.net_).items():
        assert_array_equal(values, callback.weights[found.n_epochs_][name])


def test_ctrl_c_in_an_epoch_without_a_search():
    X, y, _ = make_segments()
    callback = InBatch(2, interrupt)
    emb = mf.SegmentEmbedder(4, max_epochs=3, callbacks=[("at", callback)])
    with pytest.warns(RuntimeWarning, match="interrupted"):
        emb.fit(X, y)
    for name, values in read_state(emb.net_).items():
        assert_array_equal(values, callback.weights[1][name])


def test_ctrl_c_while_a_checkpoint_is_read(tmp_path, monkeypatch):
    fit_segments(checkpoint_dir=tmp_path)
    monkeypatch.setattr(checkpoints, "restore_net", lambda *args: interrupt())
    with pytest.raises(KeyboardInterrupt):
        fit_segments(checkpoint_dir=tmp_path)


def test_callbacks_may_end_a_training():
    stop = EarlyStopping("train_loss", patience=1, threshold=10.0)
    found = fit_segments([("stop", stop)])
    assert not found.interrupted_
    assert len(found.search_history_) == 2


def raise_interrupt(number, frame):
    raise KeyboardInterrupt


def raise_once(number, frame):
    signal.signal(number, signal.SIG_DFL)
    raise KeyboardInterrupt


class Handler:
    def __call__(self, number, frame):
        raise KeyboardInterrupt


HANDLERS = [raise_interrupt, raise_once, Handler(), partial(raise_interrupt)]


@pytest.mark.parametrize("handler", HANDLERS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_handler_in_python_is_as_ctrl_c(number, handler):
    """Such as one that ends the job of a cluster in good order."""
    before = signal.signal(number, handler)
    try:
        with pytest.warns(RuntimeWarning, match="interrupted"):
            found = fit_segments([("at", At(3, lambda: signal.raise_signal(number)))])
    finally:
        signal.signal(number, before)
    assert found.interrupted_
    assert len(found.search_history_) == 2


def test_ctrl_c_later_keeps_what_was_whole():
    with pytest.warns(RuntimeWarning, match="interrupted"):
        found = fit_segments([("at", At(4, interrupt))])
    assert found.interrupted_
    assert found.history_ is found.search_history_
    assert len(found.history_) == 3


def test_ctrl_c_without_a_search():
    X, y, _ = make_segments()
    emb = mf.SegmentEmbedder(4, max_epochs=3, callbacks=[("at", At(2, interrupt))])
    with pytest.warns(RuntimeWarning, match="interrupted"):
        emb.fit(X, y)
    assert emb.interrupted_
    assert emb.n_epochs_ == len(emb.history_) == 1


def test_ctrl_c_in_the_first_epoch_leaves_nothing():
    with pytest.raises(KeyboardInterrupt):
        fit_segments([("at", At(1, interrupt))])


def test_whole_trainings_are_not_marked(X, whole):
    assert whole.interrupted_ is False
    assert fit_reconstructor(X, patience=1).interrupted_ is False


def test_a_stopped_training_is_marked_in_its_file(X, tmp_path):
    emb = mf.FunctionalEmbedder(4, duration=2.0, max_epochs=4)
    emb.set_params(callbacks=[("at", At(2, interrupt))])
    with pytest.warns(RuntimeWarning, match="interrupted"):
        emb.fit(X)
    emb.save(tmp_path / "model")
    assert mf.read_model_info(tmp_path / "model")["training"]["interrupted_"]
    loaded = mf.FunctionalEmbedder.load(tmp_path / "model")
    assert loaded.interrupted_
    assert_array_equal(loaded.transform(X)[0], emb.transform(X)[0])


@pytest.mark.parametrize("epoch", [2, 5])
def test_ctrl_c_in_a_reconstructor(X, tmp_path, epoch):
    """In the search, and in the training on all."""
    with pytest.warns(RuntimeWarning, match="interrupted"):
        rec = fit_reconstructor(X, [("at", At(epoch, interrupt))])
    assert rec.interrupted_
    assert rec.residual_net_ is None
    assert np.isfinite(rec.score(X))
    assert len(pickle.dumps(rec)) < 2 * len(pickle.dumps(fit_reconstructor(X)))
    rec.save(tmp_path / "model")
    assert mf.MaskedRegionReconstructor.load(tmp_path / "model").interrupted_


def test_ctrl_c_beside_the_linear_path(X, monkeypatch):
    whole = fit_reconstructor(X)

    def stop(*args):
        interrupt()

    monkeypatch.setattr(networks, "_train_residual", stop)
    with pytest.warns(RuntimeWarning, match="interrupted"):
        rec = fit_reconstructor(X)
    assert rec.interrupted_
    check_same(rec.net_, whole.net_)


def test_ctrl_c_ends_a_comparison(X):
    """No model that is half trained is scored."""
    emb = mf.FunctionalEmbedder(4, duration=2.0, max_epochs=4)
    emb.set_params(callbacks=[("at", At(3, interrupt))])
    with pytest.raises(KeyboardInterrupt):
        mf.compare_embedders(X, {"own": emb}, cv=GroupKFold(2))


def test_ctrl_c_ends_a_reconstructor_with_its_identity(X):
    identity = mf.FunctionalEmbedder(4, duration=2.0, max_epochs=4)
    identity.set_params(callbacks=[("at", At(3, interrupt))])
    with pytest.raises(KeyboardInterrupt):
        fit_reconstructor(X, identity=identity)


def test_parts_know_that_they_are(tmp_path):
    with as_part(tmp_path), pytest.raises(KeyboardInterrupt):
        fit_segments([("at", At(3, interrupt))])
    assert len(list(tmp_path.iterdir())) == 0
    with as_part(tmp_path):
        fit_segments()
    assert len(list(tmp_path.iterdir())) == 2
