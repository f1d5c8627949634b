"""What embedders need of labels and data, and what of it they forgive, as tables.

* ``noise``: wrong regions of 0 to 50 % of the training channels; accuracy on true ones.
* ``curves``: accuracy against the number of training subjects, labelled channels,
  seconds of training recordings, and seconds of a new subject.
* ``unseen``: eight regions (simulation: two) left out of the training together with
  the subjects; do their channels find each other over subjects?
* ``share``: regions known for few channels, for each ``positives``.

All leave subjects out, by ``GroupKFold(5)``. Run
``python benchmarks/bench_probes_labels.py noise simulation``; instead of
``simulation``, ``ieeg-atlas`` (wake; regions, or ``--column lobe``) is found through
``--data`` or the variable ``MNE_FUNCMAP_DATA``.
"""

import argparse
import os
import sys
from pathlib import Path

import mne
import pandas as pd

import mne_funcmap as mf
from mne_funcmap.evaluation.default_models import make_embedders
from mne_funcmap.probes.features import SpectrumTransformer
from mne_funcmap.probes.label_noise import probe_label_noise
from mne_funcmap.probes.label_share import probe_label_share
from mne_funcmap.probes.learning_curves import probe_learning_curve
from mne_funcmap.probes.unseen_regions import probe_unseen_regions

SIMULATION = {"n_subjects": 10, "n_sessions": 2, "duration": 100.0}
SIZES = {
    "subjects": {"simulation": [1, 2, 4, None], "ieeg-atlas": [5, 10, 20, 40, None]},
    "channels": {"simulation": [2, 5, 10, None], "ieeg-atlas": [2, 5, 20, 50, None]},
    "channels-per-subject": {"simulation": [1, 2, None], "ieeg-atlas": [1, 2, None]},
    "train-seconds": {"simulation": [10, 30, None], "ieeg-atlas": [20, 40, None]},
    "test-seconds": {"simulation": [10, 20, 50, None], "ieeg-atlas": [20, 40, None]},
}


def run_noise(args, X, options):
    """Return accuracy after training with wrong regions."""
    models = make_embedders(names=args.models)
    return probe_label_noise(X, models, shares=args.shares, **options)


def run_curves(args, X, options):
    """Return accuracy against how much there is to learn from."""
    models = make_embedders(names=args.models)
    frames = [
        probe_learning_curve(X, models, SIZES[of][args.source], of=of, **options)
        for of in args.of
    ]
    return pd.concat(frames, ignore_index=True)


def run_unseen(args, X, options):
    """Return how channels of unseen regions find each other."""
    models = {
        "embedding": mf.FunctionalEmbedder(),
        "embedding, label-free": mf.FunctionalEmbedder(positives="channel"),
        "spectrum": SpectrumTransformer("spectrum"),
        "rich": SpectrumTransformer("rich"),
    }
    models = {name: models[name] for name in args.unseen_models or models}
    n_unseen = 2 if args.source == "simulation" else 8
    return probe_unseen_regions(X, models, n_unseen=n_unseen, **options)


def run_share(args, X, options):
    """Return accuracy against the share of labelled channels."""
    models = {
        positives: mf.FunctionalEmbedder(positives=positives)
        for positives in args.positives
    }
    return probe_label_share(X, models, shares=args.shares, **options)


def read(args):
    """Return recordings."""
    if args.source == "simulation":
        return mf.simulate_recordings(**SIMULATION)
    return mf.read_recordings_bids(
        args.data / "ieeg-atlas", region_column=args.column, tasks="wake", preload=True
    )


def main():
    """Run one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    tables = {
        "noise": run_noise,
        "curves": run_curves,
        "unseen": run_unseen,
        "share": run_share,
    }
    parser.add_argument("table", choices=tables)
    parser.add_argument("source", choices=["simulation", "ieeg-atlas"])
    parser.add_argument("--column", default="region")
    parser.add_argument("--models", nargs="+", default=["embedding", "spectrum-lda"])
    parser.add_argument("--unseen-models", nargs="+")
    parser.add_argument("--of", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--positives", nargs="+", default=["region", "both", "channel"])
    parser.add_argument("--shares", nargs="+", type=float)
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--memory", help="folder that keeps trained models")
    parser.add_argument("--jobs", type=int, default=1)
    default = os.environ.get("MNE_FUNCMAP_DATA", "")
    parser.add_argument("--data", type=Path, default=Path(default))
    args = parser.parse_args()
    if args.shares is None:
        noise = args.table == "noise"
        args.shares = [0, 0.1, 0.2, 0.3, 0.5] if noise else [0.05, 0.1, 0.3]
    options = {"n_draws": args.draws, "memory": args.memory, "n_jobs": args.jobs}
    with mne.utils.use_log_level("WARNING"):
        frame = tables[args.table](args, read(args), options)
    sys.stdout.write(frame.round(3).to_string(index=False) + "\n")


if __name__ == "__main__":
    main()
