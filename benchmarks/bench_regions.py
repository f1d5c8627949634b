"""Balanced accuracy of regions on the MNI Open iEEG Atlas, table by table.

* ``stages``: each sleep stage by itself, patients held out (GroupKFold(5)).
* ``splits``: what is held out: patients, sleep stages, channels (every fourth of a
  region) or halves of the time (2 s between them), of all stages together.
* ``folds``: wake, the mean over several ways to part the patients into five folds, on
  each of which scores move by some hundredths.
* ``permutation``: the embedding against regions permuted over the channels of each
  patient, trained anew each time.

Run ``python benchmarks/bench_regions.py stages --column lobe``; the recordings are
found through ``--data`` or the variable ``MNE_FUNCMAP_DATA``.
"""

import argparse
import os
import sys
from pathlib import Path

import mne
import pandas as pd
from sklearn.model_selection import GroupKFold, LeaveOneGroupOut

import mne_funcmap as mf
from mne_funcmap.evaluation import cross_val_regions, summarize
from mne_funcmap.evaluation.default_models import list_baselines, make_embedders
from mne_funcmap.evaluation.permutation import permutation_test
from mne_funcmap.report.tables import accuracy_table, format_table

STAGES = ("wake", "n2", "n3", "rem")
FEW = (
    "embedding",
    "embedding-context",
    "supervised",
    "supervised-context",
    "rich-lda",
    "rich-logistic",
)
N_PERMUTATIONS = 99
SEEDS = (None, 0, 1, 2)


def read(args, tasks):
    """Return recordings."""
    root = Path(args.data) / "ieeg-atlas"
    return mf.read_recordings_bids(root, region_column=args.column, tasks=tasks)


def compare(args, title, X, **options):
    """Print one table."""
    names = args.models or FEW
    _, summary = mf.compare_embedders(
        X,
        make_embedders(names=names),
        memory=args.memory,
        n_jobs=args.n_jobs,
        **options,
    )
    sys.stdout.write(f"{title}\n{format_table(accuracy_table(summary))}\n")
    sys.stdout.flush()


def run_stages(args):
    """Print a table for each sleep stage."""
    for stage in STAGES:
        compare(args, f"{stage}, patients held out", read(args, [stage]))


def run_splits(args):
    """Print a table for each kind of split."""
    X = read(args, list(STAGES))
    compare(args, "Patients held out", X)
    compare(
        args,
        "Sleep stages held out, patients known",
        X,
        groups=mf.get_sessions(X),
        cv=LeaveOneGroupOut(),
    )
    parts, groups = mf.cut_channels(X, 4)
    cv = GroupKFold(4)
    compare(args, "Channels held out, patients known", parts, groups=groups, cv=cv)
    # of a minute with some gaps, and segments are 10 s
    parts, groups = mf.cut_blocks(X, 2, gap=2.0)
    cv = LeaveOneGroupOut()
    compare(args, "Times held out, channels known", parts, groups=groups, cv=cv)


def run_folds(args):
    """Print a table of scores averaged over several divisions into folds."""
    X, models = read(args, ["wake"]), make_embedders(names=args.models or FEW)
    frames = []
    for seed in SEEDS:
        cv = GroupKFold(5, shuffle=seed is not None, random_state=seed)
        options = {"cv": cv, "memory": args.memory, "n_jobs": args.n_jobs}
        frames.append(cross_val_regions(models, X, **options))
        scores = summarize(frames[-1], n_resamples=0).set_index("model")
        found = scores["balanced_accuracy"].round(3).to_dict()
        sys.stdout.write(f"seed {seed}: {found}\n")
    # each channel counts as often in each, so that all together give the mean
    summary = summarize(pd.concat(frames), baselines=list_baselines(models))
    sys.stdout.write(f"{format_table(accuracy_table(summary))}\n")


def run_permutation(args):
    """Print the test of the embedding against chance."""
    score, permuted, p_value = permutation_test(
        mf.FunctionalEmbedder(),
        read(args, ["wake"]),
        n_permutations=N_PERMUTATIONS,
        memory=args.memory,
        n_jobs=args.n_jobs,
    )
    sys.stdout.write(
        f"wake: {score:.3f}; permuted {permuted.mean():.3f}, at most "
        f"{permuted.max():.3f} of {len(permuted)}; p = {p_value:.3f}\n"
    )


def main():
    """Run one table."""
    tables = {
        "stages": run_stages,
        "splits": run_splits,
        "folds": run_folds,
        "permutation": run_permutation,
    }
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", choices=tables)
    parser.add_argument("--column", default="lobe", choices=("lobe", "region"))
    parser.add_argument("--models", nargs="+")
    parser.add_argument("--memory", help="folder in which trained models are kept")
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--data", default=os.environ.get("MNE_FUNCMAP_DATA"))
    args = parser.parse_args()
    if args.data is None:
        parser.error("give --data, or set MNE_FUNCMAP_DATA")
    mne.set_log_level("ERROR")
    tables[args.table](args)


if __name__ == "__main__":
    main()
