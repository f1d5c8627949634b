"""Time the training of reconstructors on scalp EEG, and their prediction.

Seconds of training until the channels of withheld regions of subjects held out are
predicted with r = 0.75: ``architecture="transformer"``, as published, over ``"mixed"``.
The transformer is scored after every epoch and stopped after a number of minutes; if
it does not get there, its time and the ratio are lower bounds. Ours is the whole of
``fit``: identities, the search for the number of epochs, the training, the prior of
adaptation, and the transformer of what the linear path leaves.

Run ``python benchmarks/bench_reconstructor.py``; all threads that torch finds are used.
"""

import argparse
import os
import sys
import time
from pathlib import Path

import mne
import torch
from sklearn.model_selection import GroupKFold
from skorch.callbacks import Callback

import mne_funcmap as mf

GOAL = 0.75


class StopAtGoal(Callback):
    """Stop the training when what is held out is predicted, or time is over."""

    def __init__(self, seconds):
        self.seconds = seconds

    def on_train_begin(self, net, **kwargs):
        """Start the clock."""
        self.start = time.perf_counter()

    def on_epoch_end(self, net, **kwargs):
        """Stop, if it is time to."""
        elapsed = time.perf_counter() - self.start
        r = net.history[-1, "valid_r"]
        sys.stdout.write(f"  {elapsed:.0f} s: r = {r:.3f}\n")
        sys.stdout.flush()
        if r >= GOAL or elapsed > self.seconds:
            raise KeyboardInterrupt


def time_fit(model, X):
    """Return the fitted model and the seconds it took."""
    start = time.perf_counter()
    model.fit(X)
    return model, time.perf_counter() - start


def main():
    """Time both architectures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limit", type=float, default=30.0, help="minutes")
    default = os.environ.get("MNE_FUNCMAP_DATA", "")
    parser.add_argument("--data", type=Path, default=Path(default))
    args = parser.parse_args()
    mne.set_log_level("WARNING")
    X = mf.read_recordings_bids(
        args.data / "eeg-rest", region_column="region", tasks="rest", preload=True
    )
    preprocess = mf.RecordingPreprocessor(l_freq=0.5, h_freq=45, sfreq=100)
    X = preprocess.fit_transform(X)
    train, test = next(GroupKFold(4).split(X, groups=mf.get_subjects(X)))
    train, test = [X[i] for i in train], [X[i] for i in test]

    ours, seconds = time_fit(mf.MaskedRegionReconstructor("anatomical"), train)
    start = time.perf_counter()
    r = ours.score(test)
    elapsed = time.perf_counter() - start
    n_windows = sum(len(raw.times) for raw in test) / ours.n_times_ * 2 * 5
    sys.stdout.write(
        f"mixed: {seconds:.1f} s to r = {r:.3f} on subjects held out; scores "
        f"{n_windows / elapsed:.0f} windows a second\n"
    )
    if r < GOAL:
        raise SystemExit(f"r is below {GOAL}: there is nothing to compare.")
    stop = StopAtGoal(60 * args.limit)
    transformer = mf.MaskedRegionReconstructor(
        "anatomical", architecture="transformer", batch_size=32, callbacks=[stop]
    )
    transformer, _ = time_fit(transformer, train)
    theirs = time.perf_counter() - stop.start
    reached = transformer.valid_r_["transformer"] >= GOAL
    start = time.perf_counter()
    transformer.score(test[:1])
    elapsed = time.perf_counter() - start
    n_windows = len(test[0].times) / ours.n_times_ * 2 * 5
    sys.stdout.write(
        f"transformer: {theirs:.0f} s to r = {transformer.valid_r_['transformer']:.3f} "
        f"on windows held out; scores {n_windows / elapsed:.0f} windows a second\n"
        f"ratio of training: {'' if reached else 'at least '}{theirs / seconds:.0f}\n"
        f"{torch.get_num_threads()} threads\n"
    )


if __name__ == "__main__":
    main()
