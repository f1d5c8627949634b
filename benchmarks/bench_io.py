"""Time what stands before training: importing, reading, cutting, preprocessing.

* Seconds that ``import mne_funcmap`` adds to ``import mne``, and that the first use of
  an annotation adds, each in new processes.
* Cutting recordings on disk into segments over reading them with MNE alone.
* ``RecordingPreprocessor`` over the same steps with MNE alone.

Run ``python benchmarks/bench_io.py``.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import mne
import numpy as np
from bench_front_end import time_in_turns

import mne_funcmap as mf
from mne_funcmap.recordings.segments import open_segments

IMPORTS = """
import time
start = time.perf_counter()
import mne
mne.io.Raw, mne.Epochs
known = time.perf_counter()
import mne_funcmap
imported = time.perf_counter()
mne_funcmap.set_regions
print(known - start, imported - known, time.perf_counter() - imported)
"""
STEPS = {"l_freq": 1.0, "h_freq": 90.0, "sfreq": 200.0}


def time_imports(n_repeats=5):
    """Return the least seconds of ``import mne``, what we add, and the first use."""
    found = [
        subprocess.run(
            [sys.executable, "-c", IMPORTS], check=True, capture_output=True, text=True
        ).stdout.split()
        for _ in range(n_repeats)
    ]
    mne_alone, ours, first_use = np.min(np.array(found, dtype=float), axis=0)
    return {"mne": mne_alone, "added": ours, "first_use": first_use}


def preprocess_plainly(recordings):
    """Do the steps with MNE alone."""
    for raw in recordings:
        copy = raw.copy().load_data()
        copy.filter(STEPS["l_freq"], STEPS["h_freq"]).resample(STEPS["sfreq"])


def measure(n_repeats=3):
    """Time everything.

    Returns
    -------
    result : dict
        ``imports`` as by `time_imports`; ``seconds`` of everything else; and
        ``cutting`` and ``preprocessing``, ratios over MNE alone.
    """
    mne.set_log_level("WARNING")
    with tempfile.TemporaryDirectory() as folder:
        X = mf.simulate_recordings(n_subjects=5, n_sessions=2, duration=60.0)
        paths = [Path(folder) / f"{i}_raw.fif" for i in range(len(X))]
        for raw, path in zip(X, paths, strict=True):
            raw.save(path)
        X = [mne.io.read_raw_fif(path) for path in paths]
        functions = {
            "read": lambda: [raw.get_data() for raw in X],
            "cut": lambda: [None for _ in open_segments(X)],
            "steps": lambda: preprocess_plainly(X),
            "preprocess": lambda: mf.RecordingPreprocessor(**STEPS).transform(X),
        }
        seconds = time_in_turns(functions, n_repeats)
    return {
        "imports": time_imports(),
        "seconds": seconds,
        "cutting": seconds["cut"] / seconds["read"],
        "preprocessing": seconds["preprocess"] / seconds["steps"],
    }


def format_io(found):
    """Return the lines of a table."""
    imports = found["imports"]
    return [
        f"import mne_funcmap: {imports['added']:.3f} s beside {imports['mne']:.2f} s "
        f"of mne; first use of an annotation: {imports['first_use']:.2f} s",
        f"cutting over reading alone: {found['cutting']:.2f}",
        f"preprocessing over MNE alone: {found['preprocessing']:.2f}",
    ]


if __name__ == "__main__":
    print("\n".join(format_io(measure())))
