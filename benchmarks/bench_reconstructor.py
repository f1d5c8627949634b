"""Time the training of reconstructors on scalp EEG, and their prediction.

Seconds of ``fit`` until the channels of withheld regions of subjects held out in
training are predicted with r = 0.75: ``architecture="transformer"``, as published, over
``"mixed"``, identities and moments included. The transformer is scored after every
epoch and stopped after a number of minutes; if it does not get there, its time and the
ratio are lower bounds. Ours is also given until its end, and scored on a fold of
subjects that it has never seen.

Run ``python benchmarks/bench_reconstructor.py``; all threads that torch finds are used.
With ``--training``, it gives the seconds of ``fit`` with functional identity on all
recordings of three data sets instead, and what the transformer beside the linear path
adds.
"""

import argparse
import os
import sys
import time
from pathlib import Path

import mne
import numpy as np
import torch
from sklearn.model_selection import GroupKFold
from skorch.callbacks import Callback

import mne_funcmap as mf
from mne_funcmap.baselines import PooledRidge

GOAL = 0.75


class Clock(Callback):
    """Note when what is held out is predicted, and stop when time is over."""

    def __init__(self, minutes=np.inf):
        self.seconds = 60 * minutes
        self.start = time.perf_counter()
        self.best = 0.0
        self.reached = None

    def on_epoch_end(self, net, **kwargs):
        """Look at the score of the epoch, if it has one."""
        elapsed = time.perf_counter() - self.start
        r = net.history[-1].get("valid_r", 0.0)
        self.best = max(self.best, r)
        if r >= GOAL and self.reached is None:
            self.reached = elapsed
        if self.seconds < np.inf:
            sys.stderr.write(f"  {elapsed:.0f} s: r = {r:.3f}\n")
            if self.reached:
                raise KeyboardInterrupt

    def on_batch_end(self, net, **kwargs):
        """Stop when time is over."""
        if time.perf_counter() - self.start > self.seconds:
            raise KeyboardInterrupt


def time_score(model, X):
    """Return r, and the number of windows scored in a second."""
    start = time.perf_counter()
    frame = model.evaluate(X)
    elapsed = time.perf_counter() - start
    n_regions = frame.groupby("recording")["region"].nunique()
    n_windows = sum(
        2 * len(raw.times) / model.n_times_ * n_regions[i] for i, raw in enumerate(X)
    )
    return frame["r"].mean(), n_windows / elapsed


def read_eeg(root):
    """Return the scalp recordings at rest, filtered and resampled."""
    X = mf.read_recordings_bids(
        root / "eeg-rest", region_column="region", tasks="rest", preload=True
    )
    preprocess = mf.RecordingPreprocessor(l_freq=0.5, h_freq=45, sfreq=100)
    return preprocess.fit_transform(X)


def read_ieeg(root):
    """Return the intracranial recordings of the atlas, awake."""
    X = mf.read_recordings_bids(
        root / "ieeg-atlas", region_column="region", tasks="wake", preload=True
    )
    return mf.RecordingPreprocessor(h_freq=45, sfreq=100).fit_transform(X)


def read_dbs(root):
    """Return the recording of subthalamic and cortical leads of one patient."""
    (path,) = (root / "dbs-ecog").rglob("*.vhdr")
    raw = mne.io.read_raw(path, preload=True)
    leads = {"LFP": ("dbs", "STN"), "ECOG": ("ecog", "sensorimotor")}
    known = {
        ch_name: leads[ch_name.split("_")[0]]
        for ch_name in raw.ch_names
        if ch_name.split("_")[0] in leads
    }
    raw.pick(list(known))
    raw.set_channel_types({ch_name: of for ch_name, (of, _) in known.items()})
    mf.set_regions(raw, {ch_name: region for ch_name, (_, region) in known.items()})
    raw.info["subject_info"] = {"his_id": "testsub"}
    return mf.RecordingPreprocessor(l_freq=0.5, h_freq=45, sfreq=100).fit_transform(
        [raw]
    )


def time_training(root):
    """Print the seconds of fit on three data sets."""
    for name, read in (
        ("eeg-rest", read_eeg),
        ("ieeg-atlas", read_ieeg),
        ("dbs-ecog", read_dbs),
    ):
        X = read(root)
        clock = Clock()
        model = mf.MaskedRegionReconstructor("functional").fit(X)
        kept = "dropped" if model.residual_net_ is None else "kept"
        sys.stdout.write(
            f"{name}: {len(X)} recordings, {sum(len(raw.ch_names) for raw in X)} "
            f"channels, fitted in {time.perf_counter() - clock.start:.0f} s; windows "
            f"held out: linear path r = {model.valid_r_['linear']:.3f}, with the "
            f"transformer {model.valid_r_['mixed']:.3f}, which was {kept}\n"
        )
        sys.stdout.flush()


def measure(root, limit):
    """Time both architectures to r = 0.75, and a plain baseline.

    Parameters
    ----------
    root : Path
        Folder of the real recordings.
    limit : float
        Minutes after which the transformer is given up.

    Returns
    -------
    result : dict
        Of ``mixed``: seconds until r = 0.75 was ``reached``, and of the ``whole`` fit;
        of ``transformer``: seconds until then, or until it was given up, and whether it
        was ``reached``; of ``ridge``, seconds of the fit. Of each ``r``, and
        ``windows`` scored in a second.
    """
    X = read_eeg(root)
    train, test = next(GroupKFold(4).split(X, groups=mf.get_subjects(X)))
    train, test = [X[i] for i in train], [X[i] for i in test]
    mf.MaskedRegionReconstructor("anatomical", max_epochs=1).fit(train[:2])

    clock = Clock()
    ours = mf.MaskedRegionReconstructor("anatomical", callbacks=[("clock", clock)])
    ours.fit(train)
    whole = time.perf_counter() - clock.start
    if clock.reached is None:
        raise SystemExit(f"r stayed below {GOAL}: there is nothing to compare.")
    r, windows = time_score(ours, test)
    found = {"reached": clock.reached, "whole": whole, "r": r, "windows": windows}
    ridge = PooledRidge()
    start = time.perf_counter()
    ridge.fit(train)
    plain = {"whole": time.perf_counter() - start}
    plain["r"], plain["windows"] = time_score(ridge, test)
    limited = Clock(limit)
    transformer = mf.MaskedRegionReconstructor(
        "anatomical",
        architecture="transformer",
        batch_size=32,
        callbacks=[("clock", limited)],
    )
    transformer.fit(train)
    theirs = {"reached": limited.reached is not None, "r": limited.best}
    theirs["seconds"] = limited.reached or time.perf_counter() - limited.start
    _, theirs["windows"] = time_score(transformer, test[:1])
    return {"mixed": found, "ridge": plain, "transformer": theirs}


def format_reconstructor(found):
    """Return the lines of the comparison, the ratio first."""
    mixed, theirs, ridge = found["mixed"], found["transformer"], found["ridge"]
    bound = "" if theirs["reached"] else ">= "
    return [
        f"training to r = {GOAL} on subjects held out: "
        f"{bound}{theirs['seconds'] / mixed['reached']:.0f} times; to the end of ours "
        f"{bound}{theirs['seconds'] / mixed['whole']:.0f}",
        f"  mixed: {mixed['reached']:.1f} s to {GOAL}, {mixed['whole']:.1f} s to the "
        f"end, r = {mixed['r']:.3f}; scores {mixed['windows']:.0f} windows a second",
        f"  pooled ridge: {ridge['whole']:.1f} s, r = {ridge['r']:.3f}; scores "
        f"{ridge['windows']:.0f} windows a second",
        f"  transformer of the paper: {theirs['seconds']:.0f} s, r = {theirs['r']:.3f};"
        f" scores {theirs['windows']:.0f} windows a second",
        f"  {torch.get_num_threads()} threads",
    ]


def main():
    """Time training."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limit", type=float, default=30.0, help="minutes")
    parser.add_argument("--training", action="store_true")
    default = os.environ.get("MNE_FUNCMAP_DATA", "")
    parser.add_argument("--data", type=Path, default=Path(default))
    args = parser.parse_args()
    mne.set_log_level("WARNING")
    if args.training:
        time_training(args.data)
    else:
        found = measure(args.data, args.limit)
        sys.stdout.write("\n".join(format_reconstructor(found)) + "\n")


if __name__ == "__main__":
    main()
