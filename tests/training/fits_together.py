"""Small fits, by one process or several: each writes its numbers to a folder.

accelerate launch --num_processes 2 fits_together.py folder
"""

import pickle
import sys
from pathlib import Path

import numpy as np
import torch

import mne_funcmap as mf
from mne_funcmap.baselines import SupervisedNetwork
from mne_funcmap.nets.reconstruction import MixedTransformer

STEPS = {"optimizer": torch.optim.SGD}  # as long as gradients are
SMALL = {"n_dim": 16, "n_heads": 2, "n_layers": 1, "n_forward": 16}


def fit_alike(device):
    """Return numbers that do not depend on how many processes take part, a dict."""
    MixedTransformer.RECIPE |= {"max_epochs": 1, "max_windows": 16}
    X = _make_recordings()
    return (
        _fit_embedder(X, device)
        | _fit_embedder(X, device, positives="both", across_subjects=True)
        | _fit_supervised(X, device)
        | _fit_reconstructor(X, device, "mixed", batch_size=3)
        | _fit_reconstructor(X, device, "transformer", batch_size=32, **SMALL)
    )


def fit_apart(device):
    """Return numbers that are only the same in all processes, a dict."""
    X = _make_recordings()
    return _fit_embedder(X, device, random_state=None) | _fit_embedder(
        X, device, encoder="cnn"
    )


def fit_again(device, folder):
    """Return numbers of a training that is done, as only the first process knows."""
    X = _make_recordings()
    return [_fit_embedder(X, device, checkpoint_dir=folder) for _ in range(2)]


def _make_recordings():
    """Recordings of which the first has fewer channels of a region."""
    X = mf.simulate_recordings(
        n_subjects=5, n_sessions=1, n_channels=2, duration=12.0, coupling=1.0
    )
    X[0].drop_channels(X[0].ch_names[0])
    return [raw.resample(100.0, verbose="error") for raw in X]


def _fit_embedder(X, device, **params):
    emb = mf.FunctionalEmbedder(
        4, duration=4.0, device=device, max_epochs=2, batch_size=33, lr=1e-3, **params
    )
    emb.set_params(net_params=STEPS)
    emb = pickle.loads(pickle.dumps(emb.fit(X)))
    numbers = {
        "embeddings": np.concatenate(emb.transform(X)),
        "loss": emb.history_[:, "train_loss"],
        "search": emb.segment_embedder_.search_history_[:, "valid_balanced_accuracy"],
    }
    return _name(f"embedder {params}", numbers)


def _fit_supervised(X, device):
    """Train with a loss that has parameters of its own."""
    network = mf.SegmentEmbedder(4, device=device, max_epochs=2, net_params=STEPS)
    model = SupervisedNetwork(network, duration=4.0).fit(X)
    return _name("supervised", {"p": np.concatenate(model.predict_proba(X))})


def _fit_reconstructor(X, device, architecture, batch_size, **params):
    params["dropout"] = 0.0
    rec = mf.MaskedRegionReconstructor(
        identity="region",
        architecture=architecture,
        max_epochs=3,
        batch_size=batch_size,
        window=0.5,
        patience=1,
        net_params={f"module__{name}": value for name, value in params.items()},
        device=device,
    )
    rec = pickle.loads(pickle.dumps(rec.fit(X)))
    numbers = {
        "loss": rec.history_[:, "train_loss"],
        "n_epochs": [rec.n_epochs_],
        "weights": [values.detach().norm() for values in rec.net_.module_.parameters()],
    }
    return _name(architecture, numbers)


def _name(name, numbers):
    return {f"{name} {key}": np.array(values) for key, values in numbers.items()}


if __name__ == "__main__":
    found = fit_alike("accelerate") | fit_apart("accelerate")
    from accelerate import Accelerator

    assert Accelerator().num_processes == 2
    own = Path(sys.argv[1]) / str(Accelerator().process_index)
    first, again = fit_again("accelerate", own)
    np.testing.assert_equal(again, first)
    assert any(own.iterdir()) == Accelerator().is_main_process
    np.savez(own.with_suffix(".npz"), **found)
