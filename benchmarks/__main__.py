"""Measure everything on this machine, one after the other.

Run ``python -m benchmarks`` with nothing else running; ``make bench`` does so, and
writes ``doc/benchmarks.json``, of which the documentation makes its picture. What needs
real recordings looks for their folder in the variable ``MNE_FUNCMAP_DATA``, and is left
out without it. It takes an hour, most of it for what is compared with: ``--limit`` says
after how many minutes of training that is given up.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))

import bench_atlas
import bench_embedder
import bench_front_end
import bench_gpu
import bench_io
import bench_machine
import bench_reconstructor
import bench_scale
import bench_statistics
import bench_transformer

import mne_funcmap as mf


def list_sections(data, limit):
    """Return what is measured: title, function, and how it is written, by name.

    Parameters
    ----------
    data : Path | None
        Folder of real recordings.
    limit : float
        Minutes of training after which what is compared with is given up.

    Returns
    -------
    sections : dict of tuple
        The sections.
    """
    sections = {
        "machine": (bench_machine.measure, bench_machine.format_machine),
        "io": (bench_io.measure, bench_io.format_io),
        "front_end": (bench_front_end.measure_all, bench_front_end.format_front_end),
        "embedder": (
            lambda: bench_embedder.measure(limit=60 * limit),
            bench_embedder.format_embedder,
        ),
        "transformer": (
            bench_transformer.measure_all,
            bench_transformer.format_transformer,
        ),
        "scale": (_measure_scale, bench_scale.format_scale),
        "statistics": (bench_statistics.measure, bench_statistics.format_statistics),
    }
    if torch.cuda.is_available():
        sections["gpu"] = (bench_gpu.measure, bench_gpu.format_gpu)
    if data is not None:
        sections["atlas"] = (
            lambda: bench_atlas.measure(data, n_jobs=2),
            bench_atlas.format_atlas,
        )
        sections["reconstructor"] = (
            lambda: bench_reconstructor.measure(data, limit),
            bench_reconstructor.format_reconstructor,
        )
    return sections


def _measure_scale():
    with tempfile.TemporaryDirectory() as folder:
        bench_scale.write_recordings(Path(folder), max(bench_scale.COUNTS))
        return bench_scale.measure(Path(folder))


def main():
    """Measure, print, and write the numbers to a file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="file to write the numbers to")
    parser.add_argument("--limit", type=float, default=10.0, help="minutes")
    parser.add_argument("--only", nargs="+", help="sections, by name")
    args = parser.parse_args()
    data = os.environ.get("MNE_FUNCMAP_DATA")
    sections = list_sections(Path(data) if data else None, args.limit)
    kept = args.json is not None and args.json.exists()
    found = json.loads(args.json.read_text()) if kept else {}
    found["versions"] = {
        "mne_funcmap": mf.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "threads": torch.get_num_threads(),
    }
    for name in args.only or sections:
        measure, write = sections[name]
        found[name] = measure()
        print(f"\n{name}\n{chr(10).join(write(found[name]))}", flush=True)
        if args.json is not None:
            args.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
