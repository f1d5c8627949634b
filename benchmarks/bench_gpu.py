"""What a GPU adds to the training of the transformer, and how busy it is.

Windows per second of training in float32 and bfloat16, and on the CPU; the share of the
peak of products that this is; the share of time in which the GPU computes, as torch's
profiler sees it; and how many windows of one batch fit into its memory.

Run ``python benchmarks/bench_gpu.py``. Without a GPU, ``--device cpu`` gives the first
of these.
"""

import argparse
import time

import torch
from bench_machine import measure as measure_peaks
from bench_machine import measure_seconds
from bench_transformer import N_IDENTITY, count_flops, draw_batch, make_step
from torch.profiler import ProfilerActivity, profile

from mne_funcmap.nets.reconstruction import RegionTransformer

SFREQ, BATCH_SIZE, N_STEPS = 200.0, 128, 20


def make_training(device, precision, batch_size=BATCH_SIZE):
    """Return a function that takes one step of training on a device."""
    module = RegionTransformer(
        n_identity=N_IDENTITY, sfreq=SFREQ, n_times=int(SFREQ), precision=precision
    )
    batch = draw_batch(sfreq=SFREQ, batch_size=batch_size)
    batch = [{name: v.to(device) for name, v in part.items()} for part in batch]
    return make_step(module.to(device), batch)


def measure(device="cuda", batch_size=BATCH_SIZE):
    """Measure the training on a device.

    Parameters
    ----------
    device : str
        The device.
    batch_size : int
        Number of windows in a batch.

    Returns
    -------
    result : dict
        For each precision ``windows`` per second, and ``share`` of the peak of products
        of that precision; on CUDA also ``busy``, the share of time in which the GPU
        computes, and ``most_windows``, those of one batch that fit.
    """
    peaks = measure_peaks()[device]
    found = {}
    for precision in ("float32", "bfloat16"):
        step = make_training(device, precision, batch_size)
        seconds = measure_seconds(step, device)
        share = count_flops(step) / seconds / peaks[precision]
        found[precision] = {"windows": batch_size / seconds, "share": share}
        if device == "cuda":
            found[precision] |= {
                "busy": _measure_busy(step),
                "most_windows": _find_largest(precision),
            }
    return found


def _measure_busy(step):
    """Return the share of time in which the GPU computes."""
    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        start = time.perf_counter()
        for _ in range(N_STEPS):
            step()
        torch.cuda.synchronize()
        elapsed = time.perf_counter() - start
    busy = sum(event.self_device_time_total for event in profiler.key_averages())
    return busy / 1e6 / elapsed


def _find_largest(precision):
    """Return the largest power of two windows that one step can train on."""
    batch_size = BATCH_SIZE
    while True:
        try:
            make_training("cuda", precision, 2 * batch_size)()
        except torch.cuda.OutOfMemoryError:
            return batch_size
        batch_size *= 2
        torch.cuda.empty_cache()


def format_gpu(found):
    """Return the lines of a table."""
    lines = []
    for precision, of_one in found.items():
        line = (
            f"{precision}: {of_one['windows']:.1f} windows per second, "
            f"{100 * of_one['share']:.0f} % of the peak"
        )
        if "busy" in of_one:
            line += (
                f"; busy {100 * of_one['busy']:.0f} % of the time; batches of up to "
                f"{of_one['most_windows']} windows"
            )
        lines.append(line)
    return lines


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--batch-size", type=int, default=BATCH_SIZE)
    args = parser.parse_args()
    print("\n".join(format_gpu(measure(args.device, args.batch_size))))


if __name__ == "__main__":
    main()
