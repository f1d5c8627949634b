"""Score embeddings of segments on the simulation of the paper.

Every subject is held out in turn. Embedders learn from the segments of the others; the
regions of the held-out segments are read from their nearest neighbours among the
embeddings of the training segments. Printed for each model: balanced accuracy of all
segments, that of the worst subject, a 95 % interval over subjects, and
seconds per fold. Label-free means that the labels in training are the channels.

Run ``python benchmarks/bench_simulation.py``; ``--models`` leaves out the slow ones.
"""

import argparse
import json
import sys
import time

import numpy as np
import pandas as pd

import mne_funcmap as mf
from mne_funcmap.baselines import SpectralClassifier, UntrainedEmbedder
from mne_funcmap.embedding.metrics import balanced_accuracy
from mne_funcmap.embedding.readout import BalancedNeighbors
from mne_funcmap.evaluation import summarize
from mne_funcmap.recordings.segments import cut_segments


class Data:
    """Segments of recordings; those of a subject are held out."""

    def __init__(self, recordings):
        self.recordings = recordings
        self.segments = cut_segments(recordings)
        channels, rows = self.segments.channels, self.segments.channel
        self.region = channels.region[rows].astype(str)
        self.subject = channels.subject[rows]
        self.ch_name = channels.ch_name[rows]

    def split(self):
        """Yield the recordings and the segments to train on, and those held out."""
        of_recordings = mf.get_subjects(self.recordings)
        for subject in np.unique(self.subject):
            parts = [], []
            for recording, of_whom in zip(self.recordings, of_recordings, strict=True):
                parts[of_whom == subject].append(recording)
            yield subject, self.subject == subject, parts


def predict_trained(data, test, parts, *, encoder, label_free=False):
    """Train an embedder on segments and read out the regions of the others."""
    labels = data.region
    if label_free:
        labels = np.char.add(data.subject + "/", data.ch_name)
    X = data.segments.data
    embedder = mf.SegmentEmbedder(encoder=encoder)
    embedder.fit(X[~test], labels[~test], groups=data.subject[~test])
    references, queries = embedder.transform(X[~test]), embedder.transform(X[test])
    return _read_out(references, data.region[~test], queries)


def predict_untrained(data, test, parts, *, encoder):
    """Read out the regions from the embeddings of random weights."""
    embedder = UntrainedEmbedder(encoder=encoder).fit(parts[0])
    references, queries = (
        embedder.embed_segments(part).filter(regex=r"^c\d+$").to_numpy()
        for part in parts
    )
    return _read_out(references, data.region[~test], queries)


def predict_spectrum(data, test, parts):
    """Classify the log power spectra of segments by linear discriminants."""
    baseline = SpectralClassifier(classifier="lda", train_on="segments").fit(parts[0])
    return baseline.predict_segments(parts[1])["predicted"].to_numpy()


def _read_out(references, regions, queries):
    readout = BalancedNeighbors(metric="cosine").fit(references, regions)
    return readout.predict(queries)


MODELS = {
    "spectral": (predict_trained, {"encoder": "spectral"}),
    "cnn": (predict_trained, {"encoder": "cnn"}),
    "spectral-label-free": (
        predict_trained,
        {"encoder": "spectral", "label_free": True},
    ),
    "spectral-untrained": (predict_untrained, {"encoder": "spectral"}),
    "cnn-untrained": (predict_untrained, {"encoder": "cnn"}),
    "spectrum-lda": (predict_spectrum, {}),
}


def run_model(name, data, n_folds):
    """Return out-of-fold predictions of segments, and seconds per fold."""
    predict, params = MODELS[name]
    frames, start = [], time.perf_counter()
    for subject, test, parts in list(data.split())[:n_folds]:
        predicted = predict(data, test, parts, **params)
        columns = {"model": name, "subject": subject, "region": data.region[test]}
        frames.append(pd.DataFrame(columns | {"predicted": predicted}))
        score = balanced_accuracy(data.region[test], predicted)
        progress = f"{name}, {subject} held out: {score:.3f}"
        print(progress, file=sys.stderr, flush=True)
    seconds = (time.perf_counter() - start) / len(frames)
    return pd.concat(frames, ignore_index=True), seconds


def tabulate(predictions, seconds):
    """Return one row for each model."""
    by_subject = predictions.groupby(["model", "subject"])[["region", "predicted"]]
    scores = by_subject.apply(
        lambda rows: balanced_accuracy(rows["region"], rows["predicted"])
    )
    table = summarize(predictions)
    worst = scores.groupby("model").min()
    table.insert(2, "worst_subject", worst[table["model"]].to_numpy())
    table["seconds_per_fold"] = [seconds[name] for name in table["model"]]
    return table


def main():
    """Score the models and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--json", help="file to write the table to")
    parser.add_argument("--subjects", type=int, default=10)
    parser.add_argument("--duration", type=float, default=100.0, help="seconds")
    parser.add_argument("--folds", type=int, help="number of subjects to hold out")
    args = parser.parse_args()

    data = Data(
        mf.simulate_recordings(
            n_subjects=args.subjects, n_sessions=2, duration=args.duration
        )
    )
    predictions, seconds = [], {}
    for name in args.models:
        frame, seconds[name] = run_model(name, data, args.folds)
        predictions.append(frame)
    table = tabulate(pd.concat(predictions, ignore_index=True), seconds)
    print(table.round(3).to_string(index=False))
    if args.json:
        with open(args.json, "w") as file:
            json.dump(table.to_dict("records"), file, indent=2)


if __name__ == "__main__":
    main()
