"""What this machine can do at best: products of matrices, and copies of memory.

Run ``python benchmarks/bench_machine.py``; all threads that torch finds are used, and
the GPU if there is one.
"""

import time

import torch

SIZE = 4096  # rows and columns, on a GPU; half of it on a CPU
N_BYTES = 2**28


def measure():
    """Measure peaks.

    Returns
    -------
    peaks : dict of dict
        For ``"cpu"`` and perhaps ``"cuda"``: ``float32`` and ``bfloat16``, products in
        floating point operations per second, and ``copy``, bytes read and written per
        second.
    """
    devices = ["cpu", *["cuda"] * torch.cuda.is_available()]
    return {device: _measure_device(device) for device in devices}


def measure_seconds(function, device, n_repeats=7):
    """Return the least seconds that a function takes, after a first time."""
    least = float("inf")
    for _ in range(1 + n_repeats):
        _wait(device)
        start = time.perf_counter()
        function()
        _wait(device)
        least = min(least, time.perf_counter() - start)
    return least


def _measure_device(device):
    peaks = {}
    size = SIZE if device == "cuda" else SIZE // 2
    for dtype in (torch.float32, torch.bfloat16):
        a, b = torch.ones(2, size, size, device=device, dtype=dtype)
        seconds = measure_seconds(lambda a=a, b=b: a @ b, device)
        peaks[str(dtype).removeprefix("torch.")] = 2 * size**3 / seconds
    source, target = torch.zeros(2, N_BYTES, dtype=torch.uint8, device=device)
    seconds = measure_seconds(lambda: target.copy_(source), device)
    return peaks | {"copy": 2 * N_BYTES / seconds}


def _wait(device):
    if device == "cuda":
        torch.cuda.synchronize()


def format_machine(peaks):
    """Return the lines of a table."""
    return [
        f"{device}: products {of_one['float32'] / 1e12:.2f} TFLOP/s in float32, "
        f"{of_one['bfloat16'] / 1e12:.2f} in bfloat16; copies "
        f"{of_one['copy'] / 1e9:.0f} GB/s"
        for device, of_one in peaks.items()
    ]


if __name__ == "__main__":
    print("\n".join(format_machine(measure())))
