"""What embeddings of new patients tell beside the region, table by table.

Models are trained on four fifths of the patients of ``ieeg-atlas`` and asked about the
others (``GroupKFold(5)``); regions are the lobes.

* ``subject``: how well patients are told from each other (wake).
* ``recording``: the same for the sleep stages of a patient.
* ``trait``: how well the sex of a patient is told, and whether channels cluster by it
  (wake).
* ``lags``: how alike embeddings of 10 s of a channel are, by the time between them
  (wake).
* ``seconds``: how well regions are read from pieces of a recording (wake).
* ``stages``: regions read in one sleep stage by what was trained on another.
* ``similarity``: how alike embeddings of a channel are in two sleep stages.
* ``across``: patients told from each other, and regions read, with positives of other
  patients only, and with context, on the folds of ``--seeds`` (wake).
* ``simulation``: patients and sessions of the simulation.

Run ``python benchmarks/bench_probes_subject.py subject``; the real recordings are found
through ``--data`` or the variable ``MNE_FUNCMAP_DATA``. ``--memory`` names a folder in
which trained models are kept.
"""

import argparse
import os
import sys
from pathlib import Path

import mne
from sklearn.model_selection import GroupKFold

import mne_funcmap as mf
from mne_funcmap.probes.sessions import probe_session_similarity, probe_sessions
from mne_funcmap.probes.stability import probe_duration, probe_stability
from mne_funcmap.probes.subject import probe_subject
from mne_funcmap.probes.traits import probe_trait, read_trait


def say(frame):
    """Write a table."""
    sys.stdout.write(frame.round(3).to_string(index=False) + "\n")
    sys.stdout.flush()


def read(args, tasks=None):
    """Read the recordings of sleep stages, or all."""
    return mf.read_recordings_bids(
        args.data / "ieeg-atlas", region_column="lobe", tasks=tasks, preload=True
    )


def run_subject(args):
    """Print how well patients are told from each other."""
    say(probe_subject(read(args, "wake"), memory=args.memory))


def run_recording(args):
    """Print how well the sleep stages of a patient are told from each other."""
    say(probe_subject(read(args), target="recording", memory=args.memory))


def run_trait(args):
    """Print how well sex is told."""
    sex = read_trait(args.data / "ieeg-atlas", "sex")
    say(probe_trait(read(args, "wake"), sex, memory=args.memory))


def run_lags(args):
    """Print how alike embeddings of a channel are over time."""
    say(probe_stability(read(args, "wake"), memory=args.memory))


def run_seconds(args):
    """Print how well regions are read from pieces."""
    say(probe_duration(read(args, "wake"), memory=args.memory))


def run_stages(args):
    """Print regions read in one sleep stage by what was trained on another."""
    frame = probe_sessions(read(args), memory=args.memory)
    say(frame)
    for model, of_one in frame.groupby("model", sort=False):
        sys.stdout.write(f"{model}\n")
        table = of_one.pivot_table("balanced_accuracy", "train", "test", sort=False)
        say(table.reset_index())


def run_similarity(args):
    """Print how alike embeddings of a channel are in two sleep stages."""
    say(probe_session_similarity(read(args), memory=args.memory))


def run_across(args):
    """Print what positives of other patients, and context, change."""
    X = read(args, "wake")
    models = {
        "embedding": mf.FunctionalEmbedder(),
        "across subjects": mf.FunctionalEmbedder(across_subjects=True),
        "with context": mf.FunctionalEmbedder(context=True),
    }
    for seed in args.seeds:
        cv = GroupKFold(5, shuffle=True, random_state=seed)
        sys.stdout.write(f"folds of seed {seed}\n")
        _, summary = mf.compare_embedders(X, models, cv=cv, memory=args.memory)
        say(summary[["model", "balanced_accuracy", "low", "high", "silhouette"]])
        say(probe_subject(X, models, cv=cv, memory=args.memory))


def run_simulation(args):
    """Print how well subjects and sessions of the simulation are told."""
    X = mf.simulate_recordings(n_subjects=10, n_sessions=2, duration=50.0, sfreq=400.0)
    for target in ("subject", "recording"):
        say(probe_subject(X, target=target, memory=args.memory))


def main():
    """Run tables."""
    tables = {
        "subject": run_subject,
        "recording": run_recording,
        "trait": run_trait,
        "lags": run_lags,
        "seconds": run_seconds,
        "stages": run_stages,
        "similarity": run_similarity,
        "across": run_across,
        "simulation": run_simulation,
    }
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", choices=tables, nargs="+")
    default = os.environ.get("MNE_FUNCMAP_DATA", "")
    parser.add_argument("--data", type=Path, default=Path(default))
    parser.add_argument("--memory")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    args = parser.parse_args()
    with mne.utils.use_log_level("ERROR"):
        for name in args.tables:
            sys.stdout.write(f"\n{name}\n")
            tables[name](args)


if __name__ == "__main__":
    main()
