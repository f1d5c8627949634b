"""What it costs to go through many recordings on disk: seconds and memory.

Simulated recordings are written to a folder, and read back without loading them by
processes of their own, one for each number of recordings. Printed are, for the fit and
the embedding of ``FunctionalEmbedder`` and for the fit and the scores of
``MaskedRegionReconstructor`` (identities by region):

* seconds for each recording, and how these grow with the number;
* the peak of the memory of the process, how much of it the opened recordings take
  before anything is computed, and how the peak without that grows;
* the same with all recordings in memory, for up to 100, and the ratio of the seconds;
* straight lines through seconds and peaks, extrapolated to 10,000 recordings.

Run ``python benchmarks/bench_scale.py``; it needs 1 GB in the folder for temporary
files, or in ``--folder``.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import mne
import numpy as np

import mne_funcmap as mf

COUNTS = (10, 100, 1000)
MOST_LOADED = 100  # recordings
RECORDING = {"duration": 30.0, "sfreq": 400.0, "n_channels": 2, "n_sessions": 1}
FAR = 10_000  # recordings, for which costs are extrapolated
AT_ONCE = 20  # subjects simulated
TASKS = ("embedder", "reconstructor")


def write_recordings(folder, count):
    """Write recordings of as many subjects, filtered and resampled to 200 Hz."""
    for at in range(0, count, AT_ONCE):
        X = mf.simulate_recordings(
            n_subjects=AT_ONCE, coupling=0.5, random_state=at, **RECORDING
        )
        for place, raw in enumerate(X, start=at):
            raw.info["subject_info"] = {"his_id": f"sub-{place:04d}"}
            raw.resample(200.0, verbose="error")
            raw.save(folder / f"{place:04d}_raw.fif", verbose="error")


def get_peak():
    """Return the largest memory that this process has had, in MB."""
    status = Path("/proc/self/status")
    if status.exists():  # what getrusage tells on Linux is also that of the parent
        (line,) = [li for li in status.read_text().splitlines() if "VmHWM" in li]
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def run_embedder(X):
    """Fit an embedder and embed all channels; return seconds of each."""
    start = time.perf_counter()
    embedder = mf.FunctionalEmbedder().fit(X)
    fitted = time.perf_counter()
    embedder.transform(X)
    return {"fit": fitted - start, "transform": time.perf_counter() - fitted}


def run_reconstructor(X):
    """Fit a reconstructor and score some recordings; return seconds of each."""
    start = time.perf_counter()
    model = mf.MaskedRegionReconstructor("region", max_epochs=2).fit(X)
    fitted = time.perf_counter()
    model.evaluate(X)
    return {"fit": fitted - start, "evaluate": time.perf_counter() - fitted}


def measure_here(task, folder, count, preload):
    """Return seconds and memory of a task in this process."""
    mne.set_log_level("WARNING")
    paths = sorted(Path(folder).glob("*_raw.fif"))[:count]
    few = [mne.io.read_raw_fif(path) for path in paths[:5]]
    run = {"embedder": run_embedder, "reconstructor": run_reconstructor}[task]
    run(few)  # what is loaded on first use is no cost of a recording
    base = get_peak()
    X = [mne.io.read_raw_fif(path, preload=preload) for path in paths]
    opened = get_peak()
    return {
        "task": task,
        "count": count,
        "preload": preload,
        "seconds": run(X),
        "base_mb": base,
        "opened_mb": opened - base,
        "peak_mb": get_peak(),
    }


def measure(folder, counts=COUNTS, tasks=TASKS):
    """Measure tasks in processes of their own.

    Parameters
    ----------
    folder : Path
        Where the recordings are.
    counts : sequence of int
        Numbers of recordings.
    tasks : sequence of str
        What is done with them.

    Returns
    -------
    found : list of dict
        Seconds and memory of each task, number, and way of reading.
    """
    found = []
    for task in tasks:
        for count in counts:
            for preload in (False, True)[: 1 + (count <= MOST_LOADED)]:
                command = [sys.executable, __file__, "--child", task, str(count)]
                command += ["--folder", str(folder)] + ["--preload"] * preload
                done = subprocess.run(command, check=True, capture_output=True)
                found.append(json.loads(done.stdout.splitlines()[-1]))
                sys.stderr.write(f"{found[-1]}\n")
    return found


def format_scale(found):
    """Return the lines of a table, and the ratios below it."""
    lines = [
        f"{'task':14}{'recordings':>11}{'loaded':>8}{'s/recording':>13}{'peak MB':>9}"
        f"{'opened MB':>11}"
    ]
    for one in found:
        seconds = sum(one["seconds"].values()) / one["count"]
        lines.append(
            f"{one['task']:14}{one['count']:11d}{'yes' if one['preload'] else 'no':>8}"
            f"{seconds:13.4f}{one['peak_mb']:9.0f}{one['opened_mb']:11.0f}"
        )
    for task in dict.fromkeys(one["task"] for one in found):
        lines += _format_ratios(task, found)
    return lines


def _format_ratios(task, found):
    """Return what is to be known of a task."""
    of_task = {(o["count"], o["preload"]): o for o in found if o["task"] == task}
    streamed = {n: one for (n, preload), one in of_task.items() if not preload}
    few, many = min(streamed), max(streamed)
    middle = sorted(streamed)[-2]

    def cost(n, preload=False):
        return sum(of_task[n, preload]["seconds"].values()) / n

    def memory(n):
        return streamed[n]["peak_mb"] - streamed[n]["opened_mb"]

    counts = np.array(sorted(streamed))
    lines = {
        "seconds": np.polyfit(counts, [n * cost(n) for n in counts], 1),
        "MB": np.polyfit(counts, [streamed[n]["peak_mb"] for n in counts], 1),
    }
    return [
        f"{task}: seconds for each recording, {many} over {few}: "
        f"{cost(many) / cost(few):.2f}; {many} over {middle}: "
        f"{cost(many) / cost(middle):.2f}",
        f"{task}: peak memory without the opened recordings, {many} over {middle}: "
        f"{memory(many) / memory(middle):.2f}; with them "
        f"{streamed[many]['peak_mb'] / streamed[middle]['peak_mb']:.2f}",
        *(
            f"{task}: seconds from disk over in memory, {n} recordings: "
            f"{cost(n) / cost(n, True):.2f}"
            for n, preload in of_task
            if preload
        ),
        *(
            f"{task}: {unit} = {base:.2f} + {slope:.4f} n; for n = {FAR:,}: "
            f"{base + slope * FAR:.0f}"
            for unit, (slope, base) in lines.items()
        ),
    ]


def main():
    """Write recordings, measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", help="for the recordings; else a temporary one")
    parser.add_argument("--counts", nargs="+", type=int, default=COUNTS)
    parser.add_argument("--json", help="file to write the numbers to")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--preload", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        task, count = args.child
        found = measure_here(task, args.folder, int(count), args.preload)
        sys.stdout.write(json.dumps(found) + "\n")
        return
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        write_recordings(Path(folder), max(args.counts))
        found = measure(Path(folder), args.counts)
    sys.stdout.write("\n".join(format_scale(found)) + "\n")
    if args.json:
        Path(args.json).write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
