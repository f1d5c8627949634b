"""Distances of embeddings against MNI distance, connectivity and other regions.

* ``distances``: pairs of channels within each subject.
* ``regions``: pairs of regions, against the distance of their centres.

Intracranial EEG (``ieeg-atlas``), wake, subjects held out in five folds. Run ``python
benchmarks/bench_probes_distances.py distances``; the recordings are found through
``--data`` or the variable ``MNE_FUNCMAP_DATA``. With ``--memory`` trained models are
kept in a folder.
"""

import argparse
import os
import sys
from pathlib import Path

import mne
import numpy as np
import pandas as pd
from scipy.spatial.distance import pdist, squareform

import mne_funcmap as mf
from mne_funcmap.probes.distances import probe_distances
from mne_funcmap.probes.region_matrix import probe_region_matrix


def find_centres(X):
    """Return the distances between the mean positions of regions, in metres."""
    rows = [
        {"region": region, **dict(zip("xyz", positions[name], strict=True))}
        for raw in X
        for positions in [raw.get_montage().get_positions()["ch_pos"]]
        for name, region in mf.get_regions(raw).items()
    ]
    frame = pd.DataFrame(rows)
    # regions are the same in both hemispheres
    centres = frame.assign(x=np.abs(frame["x"])).groupby("region").mean()
    return pd.DataFrame(squareform(pdist(centres)), centres.index, centres.index)


def main():
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", choices=("distances", "regions"))
    default = os.environ.get("MNE_FUNCMAP_DATA", "")
    parser.add_argument("--data", type=Path, default=Path(default))
    parser.add_argument("--region-column", default="region")
    parser.add_argument("--memory")
    args = parser.parse_args()
    with mne.utils.use_log_level("WARNING"):
        X = mf.read_recordings_bids(
            args.data / "ieeg-atlas",
            region_column=args.region_column,
            tasks="wake",
            preload=True,
        )
        if args.table == "distances":
            found = probe_distances(X, memory=args.memory)
        else:
            found = probe_region_matrix(X, find_centres(X), memory=args.memory)
    sys.stdout.write(found.round(4).to_string(index=False) + "\n")


if __name__ == "__main__":
    main()
