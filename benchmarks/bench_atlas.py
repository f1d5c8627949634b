"""Time the whole leave-subjects-out run on real recordings, awake.

All default models, embedders with and without context, networks trained with
cross-entropy, and the plain baselines, are trained on four fifths of the patients and
read the others, five times, with five lobes as regions; reading included. Needs the
folder of real recordings, in the variable ``MNE_FUNCMAP_DATA`` or ``--data``.

Run ``python benchmarks/bench_atlas.py``.
"""

import argparse
import os
import time
from pathlib import Path

import mne

import mne_funcmap as mf


def measure(root, n_jobs=None):
    """Time the run.

    Parameters
    ----------
    root : Path
        Folder of the real recordings.
    n_jobs : int | None
        Number of folds and models at a time.

    Returns
    -------
    result : dict
        ``seconds``, ``n_recordings``, ``n_models``, and ``balanced_accuracy`` of each
        model.
    """
    mne.set_log_level("WARNING")
    start = time.perf_counter()
    X = mf.read_recordings_bids(root / "ieeg-atlas", region_column="lobe", tasks="wake")
    _, summary = mf.compare_embedders(X, n_jobs=n_jobs)
    scores = summary.set_index("model")["balanced_accuracy"]
    return {
        "seconds": time.perf_counter() - start,
        "n_recordings": len(X),
        "n_models": len(summary),
        "balanced_accuracy": scores.to_dict(),
    }


def format_atlas(found):
    """Return the lines of the result."""
    scores = ", ".join(f"{k} {v:.3f}" for k, v in found["balanced_accuracy"].items())
    return [
        f"{found['n_models']} models x 5 folds, {found['n_recordings']} recordings: "
        f"{found['seconds']:.0f} s",
        f"  balanced accuracy: {scores}",
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = os.environ.get("MNE_FUNCMAP_DATA", "")
    parser.add_argument("--data", type=Path, default=Path(default))
    parser.add_argument("--jobs", type=int)
    args = parser.parse_args()
    print("\n".join(format_atlas(measure(args.data, args.jobs))))
