"""Correlation of withheld regions with their prediction, table by table.

* ``simulation``: coupled recordings (coupling 0.8), each subject held out in one of
  five folds: r over the exact optimum.
* ``mislocalized``: the same with 30 % of the contacts 20 mm from where their
  coordinates say, functional against anatomical identity.
* ``eeg-rest``: scalp EEG at rest, 0.5 to 45 Hz, GroupKFold(4) by subject: mean over
  regions of r, with all channels, and without 30 % of them, drawn anew for each
  recording. The first 10 s of recordings held out are known, and not scored.
* ``ieeg-atlas``: intracranial EEG, wake, below 45 Hz. All patients together, the last
  15 s of each held out in time: by a model that learns these channels by heart
  (``validation="time"``), and by one that does not and is adapted to all before. And
  GroupKFold(4) by patient, adapted to 10, 20 and 40 s before these 15 s, beside a
  ridge on the same seconds; without adaptation, also absolute r and r of the envelopes
  of bands, since the polarity of a bipolar channel is arbitrary.

Run ``python benchmarks/bench_reconstruction.py simulation``; the real recordings are
found through ``--data`` or the variable ``MNE_FUNCMAP_DATA``.
"""

import argparse
import os
import sys
from pathlib import Path

import mne
import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy.signal import butter, hilbert, sosfiltfilt
from scipy.stats import wilcoxon
from sklearn.base import clone
from sklearn.model_selection import GroupKFold

import mne_funcmap as mf
from mne_funcmap.baselines import PooledRidge, RecordingRidge
from mne_funcmap.evaluation.identities import cross_val_reconstruct

SIMULATION = {
    "n_subjects": 10,
    "n_sessions": 1,
    "duration": 60.0,
    "sfreq": 400.0,
    "coupling": 0.8,
}
H_FREQ, SFREQ = 45.0, 100.0
MISLOCALIZED = (0.3, 20.0)
REMOVED = 0.3
HELD_OUT = 15  # seconds
BANDS = {"theta": (4, 8), "alpha": (8, 13), "beta": (13, 30)}  # Hz
FUNCTIONAL_ANATOMICAL = mf.IdentityUnion(["functional", "anatomical"])
IDENTITIES = {
    "functional": "functional",
    "functional, pairwise": mf.FunctionalEmbedder(loss="pairwise"),
    "anatomical": "anatomical",
    "functional + anatomical": FUNCTIONAL_ANATOMICAL,
    "region": "region",
    "channel": "channel",
    "random": "random",
    "none": "none",
}


def say(text):
    """Write a line."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def make(identity, **params):
    """Return an unfitted reconstructor."""
    return mf.MaskedRegionReconstructor(identity, **params)


def cross_validate(model, X, n_splits):
    """Return the scores of all recordings, each held out in one fold."""

    def score(train, test):
        fitted = clone(model).fit([X[i] for i in train])
        frame = fitted.evaluate([X[i] for i in test])
        return frame.assign(recording=test[frame["recording"]])

    groups = mf.get_subjects(X)
    splits = GroupKFold(n_splits).split(X, groups=groups)
    frames = Parallel(n_jobs=2)(delayed(score)(*split) for split in splits)
    return pd.concat(frames, ignore_index=True)


def run_simulation(args):
    """Print r over the optimum."""
    preprocess = mf.RecordingPreprocessor(h_freq=H_FREQ, sfreq=SFREQ)
    X = preprocess.fit_transform(mf.simulate_recordings(**SIMULATION))
    optimum = mf.simulation_optimum(**SIMULATION, h_freq=H_FREQ, new_sfreq=SFREQ)
    best = optimum["r"].mean()
    say(f"optimum: r = {best:.3f}")
    models = {name: make(IDENTITIES[name]) for name in args.identities}
    models |= {
        f"{name}, by region": make(IDENTITIES[name], query="region")
        for name in args.identities
        if name == "functional"
    }
    for name, model in models.items():
        scores = cross_validate(model, X, 5)
        of_subject = scores.groupby("subject")["r"].mean() / best
        r = scores["r"].mean()
        say(f"{name:<28} r {r:.3f}   over the optimum {r / best:.3f}, worst subject "
            f"{of_subject.min():.3f}")  # fmt: skip


def run_mislocalized(args):
    """Print what wrong coordinates do."""
    preprocess = mf.RecordingPreprocessor(h_freq=H_FREQ, sfreq=SFREQ)
    X = preprocess.fit_transform(
        mf.simulate_recordings(**SIMULATION, localization_error=MISLOCALIZED)
    )
    found = {
        name: cross_validate(make(name), X, 5).groupby("subject")["r"].mean()
        for name in ("functional", "anatomical")
    }
    difference = found["functional"] - found["anatomical"]
    p = wilcoxon(difference).pvalue
    say(
        f"{MISLOCALIZED[0]:.0%} of contacts {MISLOCALIZED[1]:g} mm off: functional "
        f"{found['functional'].mean():.3f}, anatomical {found['anatomical'].mean():.3f}"
        f", better in {np.sum(difference > 0)} of {len(difference)}, p = {p:.4f}"
    )


def run_eeg(args):
    """Print the mean over regions of r on scalp EEG."""
    X = mf.read_recordings_bids(
        args.data / "eeg-rest", region_column="region", tasks="rest", preload=True
    )
    preprocess = mf.RecordingPreprocessor(l_freq=0.5, h_freq=H_FREQ, sfreq=SFREQ)
    X = preprocess.fit_transform(X)
    models = {name: make(IDENTITIES[name]) for name in args.identities}
    ridge = {"ridge of the recording": RecordingRidge()}
    pooled = {
        "pooled ridge": PooledRidge(),
        "pooled ridge, lags to 20 ms": PooledRidge(lags=0.02),
    }
    say("All channels")
    say_eeg(models | pooled | ridge, X)
    rng = np.random.default_rng(0)
    for raw in X:
        n_removed = round(REMOVED * len(raw.ch_names))
        raw.drop_channels(rng.permutation(raw.ch_names)[:n_removed].tolist())
    say(f"Without {REMOVED:.0%} of the channels of each recording")
    say_eeg(models | ridge, X)


def say_eeg(models, X):
    """Print the mean over recordings and regions."""
    for name, model in models.items():
        scores = cross_val_reconstruct({name: model}, X, cv=GroupKFold(4), n_jobs=2)
        for variant, of_one in scores.groupby("model"):
            r = of_one.groupby(["recording", "region"])["r"].mean().mean()
            say(f"{variant:<32} r {r:.3f} over regions, {of_one['r'].mean():.3f} over "
                "channels")  # fmt: skip


def split_back(raw, seconds):
    """Return the time after which so many usable seconds are left."""
    usable = np.ones(len(raw.times), dtype=bool)
    for onset, duration, description in zip(
        raw.annotations.onset,
        raw.annotations.duration,
        raw.annotations.description,
        strict=True,
    ):
        if description.lower().startswith("bad"):
            span = (np.array([onset, onset + duration]) * raw.info["sfreq"]).astype(int)
            usable[span[0] : span[1] + 1] = False
    left = usable[::-1].cumsum()[::-1]
    wanted = min(seconds * raw.info["sfreq"], left[0])
    return np.flatnonzero(left >= wanted)[-1] / raw.info["sfreq"]


def cut(raw, before, after):
    """Return what is between so many and so many usable seconds before the end."""
    start = 0 if before is None else split_back(raw, before)
    stop = raw.times[-1] if after == 0 else split_back(raw, after) - 0.01
    return raw.copy().crop(start, stop)


def run_ieeg(args):
    """Print r for later times of known patients, and for new ones."""
    X = mf.read_recordings_bids(
        args.data / "ieeg-atlas", region_column="region", tasks="wake", preload=True
    )
    X = mf.RecordingPreprocessor(h_freq=H_FREQ, sfreq=SFREQ).fit_transform(X)
    before = [cut(raw, None, HELD_OUT) for raw in X]
    after = [cut(raw, HELD_OUT, 0) for raw in X]
    say(f"The last {HELD_OUT} s held out")
    with mne.utils.use_log_level("ERROR"):
        ridge = RecordingRidge().fit(before).evaluate(after, reference=before)
        say(f"{'ridge of the recording':<28} r {ridge['r'].mean():.3f}")
        scores = Parallel(n_jobs=2)(
            delayed(score_later)(IDENTITIES[name], before, after)
            for name in args.identities
        )
        plain, adapted = (
            pd.DataFrame({"subject": ridge["subject"], "ridge": ridge["r"]}).assign(
                **{
                    name: frame[kind]
                    for name, frame in zip(args.identities, scores, strict=True)
                }
            )
            for kind in ("plain", "adapted")
        )
        for name in args.identities:
            say(
                f"{name:<24} by heart {compare_to(plain, name, 'random')}   adapted "
                f"{compare_to(adapted, name, 'ridge')}"
            )
        for name in args.adapt:
            say_new_patients(name, X)


def compare_to(scores, name, other):
    """Return mean r, and the p of a paired test over subjects, as text."""
    text = f"{scores[name].mean():.3f}"
    if name == other or other not in scores:
        return text
    of_subject = scores.groupby("subject").mean()
    p = wilcoxon(of_subject[name] - of_subject[other]).pvalue
    return f"{text} (against {other} p = {p:.4f})"


def score_later(identity, before, after):
    """Return r of later times: of channels learned by heart, and adapted to."""
    mne.set_log_level("ERROR")
    model = make(identity, validation="time").fit(before)
    frame = model.evaluate(after, reference=before).rename(columns={"r": "plain"})
    model = make(identity).fit(before).adapt(before)
    return frame.assign(adapted=model.evaluate(after)["r"])


def say_new_patients(name, X):
    """Print r for patients that are held out."""
    scores = Parallel(n_jobs=2)(
        delayed(adapt_fold)(make(IDENTITIES[name]), X, *split)
        for split in GroupKFold(4).split(X, groups=mf.get_subjects(X))
    )
    scores = pd.concat(scores)
    say(f"New patients, {name}, adapted to the seconds before")
    for seconds, of_one in scores.groupby("seconds"):
        of_subject = of_one.groupby("subject")[["adapted", "ridge"]].mean()
        p = wilcoxon(of_subject["adapted"] - of_subject["ridge"]).pvalue
        say(f"  {seconds} s: r {of_one['adapted'].mean():.3f}, ridge "
            f"{of_one['ridge'].mean():.3f} (p = {p:.4f})")  # fmt: skip
    plain = scores[scores["seconds"] == 40]
    say("  not adapted, polarity unknown, and by chance (shifted by half the time):")
    for measure in (
        "r",
        "absolute r",
        *(f"r of the {band} envelope" for band in BANDS),
    ):
        say(f"    {measure:<24} {plain[measure].mean():6.3f} "
            f"{plain[f'{measure}, shifted'].mean():6.3f}")  # fmt: skip


def adapt_fold(model, X, train, test):
    """Return the scores of new patients, adapted and by ridge."""
    mne.set_log_level("ERROR")
    model = model.fit([X[i] for i in train])
    after = [cut(X[i], HELD_OUT, 0) for i in test]
    rows = []
    for seconds in (10, 20, 40):
        begin = [cut(X[i], HELD_OUT + seconds, HELD_OUT) for i in test]
        frame = model.adapt(begin).evaluate(after).rename(columns={"r": "adapted"})
        ridge = RecordingRidge().fit(begin).evaluate(after, reference=begin)
        rows.append(frame.assign(ridge=ridge["r"], seconds=seconds))
    predicted = model.predict(after, reference=begin)
    plain = [
        compare(true, found, ch_name)
        for index, (true, found) in enumerate(zip(after, predicted, strict=True))
        for ch_name in rows[-1].loc[rows[-1]["recording"] == index, "ch_name"]
    ]
    rows[-1] = pd.concat([rows[-1], pd.DataFrame(plain)], axis=1)
    return pd.concat(rows)


def compare(true, predicted, ch_name):
    """Return correlations that know nothing of polarity, and what chance gives."""
    signals = np.concatenate([raw.get_data(ch_name) for raw in (true, predicted)])
    found = {}
    for band in (None, *BANDS):
        pair = signals if band is None else take_envelope(signals, BANDS[band])
        r, shifted = (
            np.corrcoef(pair[0], np.roll(pair[1], shift))[0, 1]
            for shift in (0, pair.shape[1] // 2)
        )
        name = "r" if band is None else f"r of the {band} envelope"
        found |= {name: r, f"{name}, shifted": shifted}
    return found | {
        "absolute r": abs(found["r"]),
        "absolute r, shifted": abs(found["r, shifted"]),
    }


def take_envelope(signals, band):
    """Return the amplitude of signals in a band."""
    sos = butter(3, band, "bandpass", fs=SFREQ, output="sos")
    return np.abs(hilbert(sosfiltfilt(sos, signals), axis=1))


def main():
    """Run one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    tables = {
        "simulation": run_simulation,
        "mislocalized": run_mislocalized,
        "eeg-rest": run_eeg,
        "ieeg-atlas": run_ieeg,
    }
    parser.add_argument("table", choices=tables)
    parser.add_argument("--identities", nargs="+", choices=IDENTITIES, default=[])
    parser.add_argument(
        "--adapt", nargs="*", choices=IDENTITIES, default=["functional + anatomical"]
    )
    default = os.environ.get("MNE_FUNCMAP_DATA", "")
    parser.add_argument("--data", type=Path, default=Path(default))
    args = parser.parse_args()
    args.identities = args.identities or list(IDENTITIES)
    with mne.utils.use_log_level("WARNING"):
        tables[args.table](args)


if __name__ == "__main__":
    main()
