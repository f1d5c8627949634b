"""Decoding of what a recording is, by learned features and by band power.

* ``eeg-rest``: scalp EEG, rest against mental arithmetic, the first 60 s of each.
* ``ieeg-atlas``: intracranial EEG, wake, N2, N3 and REM sleep, with lobes as regions.

Both below 45 Hz at 100 Hz, subjects held out in folds. Each table is printed for
features as they are, and relative to the subject.

Run ``python benchmarks/bench_probes_decoding.py eeg-rest``; the recordings are found
through ``--data`` or the variable ``MNE_FUNCMAP_DATA``. With ``--memory`` models
that were trained are kept in a folder.
"""

import argparse
import os
import sys
from pathlib import Path

import mne
from sklearn.model_selection import GroupKFold

import mne_funcmap as mf
from mne_funcmap.probes.decoding import make_recording_features, probe_decoding

SECONDS = 60.0
REGIONS = {"eeg-rest": "region", "ieeg-atlas": "lobe"}
H_FREQ, SFREQ = 45.0, 100.0


def read(data, table):
    """Return recordings of equal length, filtered."""
    X = mf.read_recordings_bids(
        data / table, region_column=REGIONS[table], preload=True
    )
    X = [raw.crop(0, min(SECONDS, raw.duration), include_tmax=False) for raw in X]
    return mf.RecordingPreprocessor(h_freq=H_FREQ, sfreq=SFREQ).fit_transform(X)


def main():
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", choices=REGIONS)
    default = os.environ.get("MNE_FUNCMAP_DATA", "")
    parser.add_argument("--data", type=Path, default=Path(default))
    parser.add_argument("--models", nargs="+", choices=make_recording_features())
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--memory")
    args = parser.parse_args()
    with mne.utils.use_log_level("WARNING"):
        X = read(args.data, args.table)
        models = make_recording_features()
        found = probe_decoding(
            X,
            mf.get_sessions(X),
            {name: models[name] for name in args.models or models},
            cv=GroupKFold(args.folds),
            memory=args.memory,
        )
    sys.stdout.write(found.round(4).to_string(index=False) + "\n")


if __name__ == "__main__":
    main()
