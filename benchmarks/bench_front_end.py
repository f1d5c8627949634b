"""Time the front end of the spectral encoder against a bare Fourier transform.

Two comparisons on random float32 segments, for several lengths:

* ``SpectralFeatures``, at its best chunk size, over ``scipy.fft.rfft`` of the same
  segments with as many workers as torch has threads: how many times longer it takes.
* ``SegmentEmbedder.transform``, whole, over the network inside it on the same chunks:
  what checks and copies add.

Both sides are timed in turns, and the least of several times counts. Run
``python benchmarks/bench_front_end.py``.
"""

import argparse
import time

import numpy as np
import scipy.fft
import torch

import mne_funcmap as mf
from mne_funcmap.nets.spectra import SpectralFeatures
from mne_funcmap.training.runtime import apply_in_chunks

LENGTHS = (2000, 2500, 10_000)
CHUNKS = (32, 64, 128, 256)
N_NUMBERS = 2_500_000  # in all segments together


def time_in_turns(functions, n_repeats):
    """Return the least seconds that each of several functions takes.

    Parameters
    ----------
    functions : dict of callable
        What to time.
    n_repeats : int
        How often; all of them take turns.

    Returns
    -------
    seconds : dict of float
        By the same names.
    """
    seconds = dict.fromkeys(functions, np.inf)
    for _ in range(n_repeats):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            seconds[name] = min(seconds[name], time.perf_counter() - start)
    return seconds


def measure(n_times, n_threads, *, n_repeats=9):
    """Time both comparisons.

    Parameters
    ----------
    n_times : int
        Number of samples of a segment.
    n_threads : int
        Number of threads of both sides.
    n_repeats : int
        How often each side is timed.

    Returns
    -------
    result : dict
        ``front_end``, the ratio at the best chunk size, ``chunk``, and ``transform``,
        the other ratio; ``microseconds`` of a segment, of everything timed.
    """
    X = np.random.default_rng(0).standard_normal((N_NUMBERS // n_times, n_times))
    X = X.astype("float32")
    embedder = mf.SegmentEmbedder(device="cpu", max_epochs=1)
    embedder.fit(X[:64], np.arange(64) % 2)
    module, front_end = embedder.net_.module_.eval(), SpectralFeatures(n_times)

    def embed(function, chunk):
        return lambda: apply_in_chunks(function, X, device="cpu", chunk=chunk)

    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    functions = {
        "rfft": lambda: scipy.fft.rfft(X, workers=n_threads),
        **{chunk: embed(front_end, chunk) for chunk in CHUNKS},
        "network": embed(module.embed, module.chunk),
        "transform": lambda: embedder.transform(X),
    }
    seconds = time_in_turns(functions, n_repeats)
    torch.set_num_threads(before)
    chunk = min(CHUNKS, key=seconds.get)
    return {
        "front_end": seconds[chunk] / seconds["rfft"],
        "chunk": chunk,
        "transform": seconds["transform"] / seconds["network"],
        "microseconds": {name: 1e6 * s / len(X) for name, s in seconds.items()},
    }


def measure_all(n_repeats=9):
    """Measure all lengths, with one thread and with all.

    Parameters
    ----------
    n_repeats : int
        How often each side is timed.

    Returns
    -------
    found : list of dict
        As by `measure`, with ``n_times`` and ``n_threads``.
    """
    return [
        {"n_times": n_times, "n_threads": n_threads}
        | measure(n_times, n_threads, n_repeats=n_repeats)
        for n_threads in sorted({1, torch.get_num_threads()})
        for n_times in LENGTHS
    ]


def format_front_end(found):
    """Return the lines of a table."""
    return [
        "samples threads  front end / rfft  (chunk)  transform / network",
        *(
            f"{one['n_times']:7d}{one['n_threads']:8d}{one['front_end']:18.2f}"
            f"{one['chunk']:9d}{one['transform']:21.2f}"
            for one in found
        ),
    ]


def main():
    """Measure everything and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=9)
    args = parser.parse_args()
    print("\n".join(format_front_end(measure_all(args.repeats))))


if __name__ == "__main__":
    main()
