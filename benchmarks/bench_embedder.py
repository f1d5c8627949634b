"""Time the training and the embedding against the recipe of the paper.

Two comparisons on simulated recordings:

* Seconds of training until the regions of a subject that was held out are told apart
  with a balanced accuracy of 0.75, segment by segment: the recipe of Javadzadeh et al.
  (arXiv:2510.27090) over ``SegmentEmbedder("spectral")``. The recipe is written here
  in plain torch: 100,000 drawn pairs, half of them of one region, balanced over
  regions and pairs of regions; the small convolutional encoder; the pairwise loss;
  1,024 pairs in a batch; 20 epochs. It is scored every few batches and stops when it
  gets there; scoring is not counted. If it does not get there, its time and the ratio
  are lower bounds. Ours is the whole of ``fit``: features, the search for the number
  of epochs, and the training.
* Segments embedded per second: the spectral encoder over the convolutional one, each
  at its best chunk size.

Run ``python benchmarks/bench_embedder.py``; all threads that torch finds are used.
"""

import argparse
import json
import sys
import time

import numpy as np
import torch
from torch import nn

import mne_funcmap as mf
from mne_funcmap.baselines import SpectralClassifier
from mne_funcmap.embedding.metrics import balanced_accuracy
from mne_funcmap.embedding.readout import BalancedNeighbors
from mne_funcmap.nets.embedding import Embedding
from mne_funcmap.nets.encoders import ENCODERS
from mne_funcmap.recordings.segments import cut_segments
from mne_funcmap.training.runtime import apply_in_chunks

GOAL = 0.75
N_PAIRS, BATCH_SIZE, N_EPOCHS = 100_000, 1024, 20
LR, MARGIN, DROPOUT = 1e-2, 0.5, 0.5
CHUNKS = (16, 32, 64, 128, 256, 512)


class Data:
    """Training segments, and those of the last subject, which is held out."""

    def __init__(self, recordings, *, normalize=False):
        segments = cut_segments(recordings, normalize=normalize)
        subject = segments.channels.subject[segments.channel]
        region = segments.channels.region[segments.channel].astype(str)
        held_out = subject == subject[-1]
        self.X, self.X_test = segments.data[~held_out], segments.data[held_out]
        self.y, self.y_test = region[~held_out], region[held_out]
        self.subject = subject[~held_out]

    def score(self, embed):
        """Return the accuracy of the read-out of a function from X to embeddings."""
        readout = BalancedNeighbors(random_state=0).fit(embed(self.X), self.y)
        return balanced_accuracy(self.y_test, readout.predict(embed(self.X_test)))


class PaperEncoder(nn.Sequential):
    """The small encoder as published, 117,504 parameters."""

    def __init__(self, n_filters=64, n_components=32):
        layers = [nn.Unflatten(1, (1, -1))]
        for n_in, kernel, stride in ((1, 15, 4), (64, 11, 2), (64, 7, 2), (64, 5, 2)):
            layers += [
                nn.Conv1d(n_in, n_filters, kernel, stride),
                nn.BatchNorm1d(n_filters),
                nn.GELU(),
                nn.MaxPool1d(3, 2),
                nn.Dropout(DROPOUT),
            ]
        super().__init__(
            *layers,
            nn.AdaptiveAvgPool1d(10),
            nn.Flatten(),
            nn.Linear(10 * n_filters, n_components),
            nn.Dropout(DROPOUT),
            nn.Linear(n_components, n_components),
        )


def draw_pairs(labels, rng):
    """Draw pairs, half of them of one label, balanced over labels and their pairs.

    Parameters
    ----------
    labels : ndarray of int, shape (n_segments,)
        Labels from 0 on.
    rng : numpy.random.Generator
        Source of the draws.

    Returns
    -------
    pairs : torch.Tensor of int, shape (n_pairs, 2)
        Rows of segments, in random order.
    """
    n_labels = labels.max() + 1
    first = rng.integers(n_labels, size=N_PAIRS)
    shift = rng.integers(1, n_labels, size=N_PAIRS)
    shift[: N_PAIRS // 2] = 0
    rows = [np.flatnonzero(labels == label) for label in range(n_labels)]
    pairs = np.empty((N_PAIRS, 2), dtype=int)
    for side, label in enumerate((first, (first + shift) % n_labels)):
        for code, members in enumerate(rows):
            chosen = label == code
            pairs[chosen, side] = rng.choice(members, chosen.sum())
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    return torch.from_numpy(rng.permutation(pairs))


def train_paper(data, *, limit, score_every):
    """Train by the recipe of the paper until the goal, the end or the limit.

    Parameters
    ----------
    data : Data
        Segments that are z-scored by channel and recording.
    limit : float
        Seconds of training after which to give up.
    score_every : int
        Number of batches after which the held-out subject is scored.

    Returns
    -------
    result : dict
        Seconds of training, number of batches, the last accuracy and the best.
    """
    torch.manual_seed(0)
    X = torch.from_numpy(data.X)
    labels = np.unique(data.y, return_inverse=True)[1]
    encoder = PaperEncoder()
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=LR)
    embed = _make_embed(encoder)
    pairs = draw_pairs(labels, np.random.default_rng(0))
    labels = torch.from_numpy(labels)
    batches = [batch for _ in range(N_EPOCHS) for batch in _shuffle(pairs)]
    seconds, accuracies = 0.0, []
    for n_batches, batch in enumerate(batches, start=1):
        start = time.perf_counter()
        _take_step(encoder.train(), optimizer, X, labels, batch)
        seconds += time.perf_counter() - start
        at_end = n_batches == len(batches) or seconds > limit
        if n_batches % score_every == 0 or at_end:
            accuracies.append(data.score(embed))
            report(f"paper: {n_batches} batches, {seconds:.0f} s, {accuracies[-1]:.3f}")
            if at_end or accuracies[-1] >= GOAL:
                break
    return {
        "seconds": seconds,
        "batches": n_batches,
        "accuracy": accuracies[-1],
        "best_accuracy": max(accuracies),
    }


def report(progress):
    """Show progress, apart from the results."""
    print(progress, file=sys.stderr, flush=True)


def _shuffle(pairs):
    """Return the batches of an epoch."""
    return pairs[torch.randperm(len(pairs))].split(BATCH_SIZE)


def _take_step(encoder, optimizer, X, labels, pairs):
    """Take a step down the pairwise loss (Hadsell et al. 2006)."""
    first, second = encoder(X[pairs.T.flatten()]).chunk(2)
    distance = nn.functional.pairwise_distance(first, second)
    similar = labels[pairs[:, 0]] == labels[pairs[:, 1]]
    shortfall = (MARGIN - distance).clamp(min=0)
    loss = torch.where(similar, distance, shortfall).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def _make_embed(encoder):
    """Return a function from segments to embeddings, as arrays."""
    return lambda X: apply_in_chunks(encoder.eval(), X, device="cpu", chunk=64).numpy()


def train_ours(data, *, n_repeats):
    """Fit ``SegmentEmbedder`` several times.

    Parameters
    ----------
    data : Data
        Segments in volts.
    n_repeats : int
        Number of times.

    Returns
    -------
    result : dict
        Median of the seconds that ``fit`` takes, and the accuracy.
    """
    seconds = []
    for _ in range(n_repeats):
        embedder = mf.SegmentEmbedder(encoder="spectral", device="cpu")
        start = time.perf_counter()
        embedder.fit(data.X, data.y, groups=data.subject)
        seconds.append(time.perf_counter() - start)
    accuracy = data.score(embedder.transform)
    report(f"spectral: {np.median(seconds):.2f} s, {accuracy:.3f}")
    return {"seconds": float(np.median(seconds)), "accuracy": accuracy}


def time_embedding(X, *, n_repeats):
    """Time both encoders at all chunk sizes.

    Parameters
    ----------
    X : ndarray of float32, shape (n_segments, n_times)
        Segments.
    n_repeats : int
        Number of times that all of them are embedded.

    Returns
    -------
    rates : dict of dict
        Segments per second, median over repeats, by encoder and chunk size.
    """
    modules = {
        name: Embedding(encoder, X.shape[1], 32).eval()
        for name, encoder in ENCODERS.items()
    }
    rates = {name: {chunk: [] for chunk in CHUNKS} for name in modules}
    for _ in range(n_repeats):
        for chunk in CHUNKS:
            for name, module in modules.items():
                start = time.perf_counter()
                apply_in_chunks(module.embed, X, device="cpu", chunk=chunk)
                rates[name][chunk].append(len(X) / (time.perf_counter() - start))
    return {
        name: {chunk: float(np.median(rate)) for chunk, rate in by_chunk.items()}
        for name, by_chunk in rates.items()
    }


def format_embedder(found):
    """Return the lines of both comparisons."""
    threads = f"{torch.get_num_threads()} threads, {found['n_segments']} segments"
    training = format_training(found["paper"], found["spectral"], found["baseline"])
    return [threads, *training, *format_embedding(found["segments_per_second"])]


def format_training(paper, ours, baseline):
    """Return the lines of the first comparison, the ratio first."""
    bound = "" if paper["accuracy"] >= GOAL else ">= "
    ratio = f"{bound}{paper['seconds'] / ours['seconds']:.0f}"
    return [
        f"training to {GOAL:g} on a held-out subject: {ratio} times",
        f"  {'':18}{'seconds':>9}{'accuracy':>10}{'batches':>9}",
        f"  {'paper':18}{paper['seconds']:9.1f}{paper['accuracy']:10.3f}"
        f"{paper['batches']:9d}  (best {paper['best_accuracy']:.3f})",
        f"  {'spectral + supcon':18}{ours['seconds']:9.2f}{ours['accuracy']:10.3f}",
        f"  {'spectrum + LDA':18}{baseline['seconds']:9.2f}"
        f"{baseline['accuracy']:10.3f}",
    ]


def format_embedding(rates):
    """Return the lines of the second comparison, the ratio first."""
    best = {name: max(by_chunk.values()) for name, by_chunk in rates.items()}
    lines = [
        "embedding, segments per second, best over best: "
        f"{best['spectral'] / best['cnn']:.1f} times",
        f"  {'chunk':10}" + "".join(f"{chunk:8d}" for chunk in CHUNKS),
    ]
    for name, by_chunk in rates.items():
        lines.append(f"  {name:10}" + "".join(f"{r:8.0f}" for r in by_chunk.values()))
    return lines


def measure(*, n_subjects=5, duration=100.0, n_repeats=5, limit=600.0, score_every=5):
    """Run both comparisons, and fit the plain baseline.

    Parameters
    ----------
    n_subjects : int
        Number of simulated subjects, of two sessions each.
    duration : float
        Seconds of a session.
    n_repeats : int
        How often what is fast is timed.
    limit : float
        Seconds of training after which the recipe of the paper is given up.
    score_every : int
        Number of batches after which it is scored.

    Returns
    -------
    result : dict
        ``paper``, ``spectral`` and ``baseline``, as by `train_paper` and `train_ours`;
        ``segments_per_second`` as by `time_embedding`; ``n_segments`` of training.
    """
    recordings = mf.simulate_recordings(
        n_subjects=n_subjects, n_sessions=2, duration=duration
    )
    data = Data(recordings)
    # what torch and scikit-learn load on first use is not training
    few = slice(None, None, 20)
    mf.SegmentEmbedder(device="cpu").fit(data.X[few], data.y[few], data.subject[few])
    ours = train_ours(data, n_repeats=n_repeats)
    rates = time_embedding(data.X_test, n_repeats=n_repeats)
    report("\n".join(format_embedding(rates)))
    baseline = train_baseline(recordings)
    scored = {"limit": limit, "score_every": score_every}
    paper = train_paper(Data(recordings, normalize=True), **scored)
    return {
        "paper": paper,
        "spectral": ours,
        "baseline": baseline,
        "segments_per_second": rates,
        "n_segments": len(data.X),
    }


def train_baseline(recordings):
    """Fit log power spectra and LDA; from recordings, reading included.

    Parameters
    ----------
    recordings : list of mne.io.Raw
        Recordings, the last subject of which is held out.

    Returns
    -------
    result : dict
        Seconds that ``fit`` takes, and the accuracy, segment by segment.
    """
    subject = mf.get_subjects(recordings)
    train = [
        raw for raw, of in zip(recordings, subject, strict=True) if of != subject[-1]
    ]
    test = [
        raw for raw, of in zip(recordings, subject, strict=True) if of == subject[-1]
    ]
    model = SpectralClassifier(classifier="lda", train_on="segments")
    start = time.perf_counter()
    model.fit(train)
    seconds = time.perf_counter() - start
    frame = model.predict_segments(test)
    accuracy = balanced_accuracy(
        frame["region"].to_numpy(str), frame["predicted"].to_numpy(str)
    )
    return {"seconds": seconds, "accuracy": accuracy}


def main():
    """Run both comparisons and print them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", help="file to write the numbers to")
    parser.add_argument("--limit", type=float, default=600.0, help="seconds")
    parser.add_argument("--score-every", type=int, default=5, help="batches")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--subjects", type=int, default=5)
    parser.add_argument("--duration", type=float, default=100.0, help="seconds")
    args = parser.parse_args()

    found = measure(
        n_subjects=args.subjects,
        duration=args.duration,
        n_repeats=args.repeats,
        limit=args.limit,
        score_every=args.score_every,
    )
    print("\n".join(format_embedder(found)))
    if args.json:
        with open(args.json, "w") as file:
            json.dump(found, file, indent=2)


if __name__ == "__main__":
    main()
