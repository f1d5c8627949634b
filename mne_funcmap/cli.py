"""The command line: from recordings to a table of scores and figures."""

import argparse
import sys
from collections import Counter
from pathlib import Path

import mne

from .subjects import get_subjects

MODELS = (
    "embedding",
    "supervised",
    "untrained",
    "spectrum-lda",
    "spectrum-logistic",
    "spectrum-neighbors",
    "rich-lda",
    "rich-logistic",
    "rich-neighbors",
    "majority",
)
SLOW_MODELS = ("embedding-cnn", "supervised-cnn")
SIMULATED = {"n_subjects": 10, "n_sessions": 2, "duration": 60.0, "sfreq": 500.0}
SEED = 0


def main(argv=None):
    """Run the command line.

    Parameters
    ----------
    argv : list of str | None
        The arguments; None stands for those of the process.

    Returns
    -------
    status : int
        0, or 2 if the input cannot be used.
    """
    args = _make_parser().parse_args(argv)
    try:
        return args.run(args)
    except (ImportError, OSError, TypeError, ValueError) as error:
        sys.stderr.write(f"mne_funcmap: error: {error}\n")
        return 2


def run_demo(args):
    """Compare models on subjects held out, and write tables and figures.

    Parameters
    ----------
    args : argparse.Namespace
        The arguments of the command ``demo``.

    Returns
    -------
    status : int
        0.
    """
    from sklearn.model_selection import GroupKFold

    from .evaluation import cross_val_regions, summarize

    models = {name: make_model(name) for name in args.models}
    with mne.utils.use_log_level("WARNING"):
        recordings = _read(args)
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    _say(describe_recordings(recordings))
    with mne.utils.use_log_level("INFO"):
        cv = GroupKFold(max(2, min(5, len(set(get_subjects(recordings))))))
        predictions = cross_val_regions(models, recordings, cv=cv, n_jobs=args.n_jobs)
    baselines = [name for name in models if name.startswith(("spectrum", "rich"))]
    summary = summarize(predictions, baselines=baselines, random_state=SEED)
    _say(format_summary(summary, predictions))
    predictions.to_csv(out / "predictions.csv", index=False)
    summary.to_csv(out / "scores.csv", index=False)
    embeddings = _embed_held_out(recordings, predictions)
    embeddings.to_csv(out / "embeddings.csv", index=False)
    _draw_figures(out, predictions, summary, embeddings)
    if not args.no_reconstruction:
        from .demo_reconstruction import run_reconstruction

        real = None if args.bids is None else recordings
        run_reconstruction(real, out, seed=SEED, n_jobs=args.n_jobs, say=_say)
    _say(f"Tables and figures are in {out.resolve()}")
    return 0


def make_model(name):
    """Make an unfitted model of the demo.

    Parameters
    ----------
    name : str
        One of ``MODELS`` or ``SLOW_MODELS``.

    Returns
    -------
    model : estimator
        Recordings in, regions out.
    """
    from .baselines import SpectralClassifier, SupervisedNetwork, UntrainedEmbedder
    from .embedder import FunctionalEmbedder
    from .segment_embedder import SegmentEmbedder

    kind, _, option = name.partition("-")
    network = {"encoder": option or "spectral", "random_state": SEED}
    if kind == "embedding":
        return FunctionalEmbedder(**network)
    if kind == "supervised":
        return SupervisedNetwork(SegmentEmbedder(**network))
    if kind == "untrained":
        return UntrainedEmbedder(**network)
    if kind == "majority":
        return SpectralClassifier(classifier="majority")
    return SpectralClassifier(kind, classifier=option)


def describe_recordings(recordings):
    """Describe what takes part in the comparison, and what does not.

    Parameters
    ----------
    recordings : list of mne.io.Raw
        The recordings.

    Returns
    -------
    text : str
        A few lines.
    """
    from .recordings import list_channels

    channels = list_channels(recordings)
    known = channels.has_region
    subjects = {
        region: len(set(channels.subject[channels.region == region]))
        for region in sorted(set(channels.region[known]))
    }
    counts = Counter(channels.region[known])
    lengths = [raw.times[-1] + 1 / raw.info["sfreq"] for raw in recordings]
    n_all = sum(len(raw.ch_names) for raw in recordings)
    lines = [
        f"{len(set(channels.subject))} subjects, {len(recordings)} recordings of "
        f"{min(lengths):.0f} to {max(lengths):.0f} s, {known.sum()} channels in "
        f"{len(counts)} regions.",
        f"Left out: {n_all - len(known)} channels that are bad or of another type, "
        f"{(~known).sum()} without a region.",
        f"{'region':<28} {'channels':>8} {'subjects':>8}",
    ]
    for region, n_channels in sorted(counts.items()):
        lines.append(f"{region:<28} {n_channels:>8} {subjects[region]:>8}")
    return "\n".join(lines) + "\n"


def format_summary(summary, predictions):
    """Format the scores of models as a table.

    Parameters
    ----------
    summary : pandas.DataFrame
        As by :func:`mne_funcmap.evaluation.summarize`.
    predictions : pandas.DataFrame
        What it was made from.

    Returns
    -------
    text : str
        The table.
    """
    lines = [
        "",
        f"Balanced accuracy over {predictions['subject'].nunique()} subjects, each "
        f"held out in one of {predictions['fold'].nunique()} folds; chance "
        f"{summary['chance'].iloc[0]:.3f}.",
        "In brackets: 95 % intervals, from resampling subjects.",
    ]
    header = f"{'model':<20} {'score':>6} {'':<15}"
    has_baseline = "baseline" in summary
    if has_baseline:
        header += f"  difference to {summary['baseline'].iloc[0]}"
    lines.append(header)
    for row in summary.itertuples():
        line = f"{row.model:<20} {row.balanced_accuracy:>6.3f} "
        line += f"[{row.low:.3f}, {row.high:.3f}]"
        if has_baseline and row.model != row.baseline:
            line += f"  {row.difference:+.3f} "
            line += f"[{row.diff_low:+.3f}, {row.diff_high:+.3f}]"
        lines.append(line)
    return "\n".join(lines) + "\n"


def _make_parser():
    parser = argparse.ArgumentParser(
        "mne_funcmap", description="Functional embeddings of intracranial recordings."
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    demo = commands.add_parser(
        "demo",
        help="compare models on subjects held out",
        description="Tell brain regions apart, and predict each from the others, on "
        "subjects that were not trained on, beside plain baselines; write tables and "
        "figures.",
    )
    demo.set_defaults(run=run_demo)
    add = demo.add_argument
    add("--bids", metavar="ROOT", help="BIDS folder; without it, simulated recordings")
    add(
        "--region-column",
        default="region",
        help="column of the tables with regions (%(default)s)",
    )
    add("--task", nargs="+", metavar="TASK", help="tasks to read; all by default")
    add("--subjects", nargs="+", metavar="ID", help="subjects to read; all by default")
    add("--sfreq", type=float, metavar="HZ", help="resample to this rate")
    add(
        "--out",
        default="demo_results",
        metavar="FOLDER",
        help="where to write (%(default)s)",
    )
    add(
        "--no-reconstruction",
        action="store_true",
        help="tell regions apart only, which takes a minute",
    )
    add("--n-jobs", type=int, default=2, help="folds in parallel (%(default)s)")
    add(
        "--models",
        nargs="+",
        choices=MODELS + SLOW_MODELS,
        default=list(MODELS),
        metavar="MODEL",
        help=f"what to compare, by default {', '.join(MODELS)}; slow and left out by "
        f"default: {', '.join(SLOW_MODELS)}",
    )
    return parser


def _read(args):
    """Return the recordings that the arguments name."""
    from .bids import read_recordings_bids
    from .preprocessing import RecordingPreprocessor
    from .simulation import simulate_recordings

    if args.bids is None:
        _say("Simulated recordings (--bids ROOT reads real ones).")
        recordings = simulate_recordings(**SIMULATED, random_state=SEED)
    else:
        _say(f"Reading {args.bids}")
        recordings = read_recordings_bids(
            args.bids,
            region_column=args.region_column,
            subjects=args.subjects,
            tasks=args.task,
            preload=True,
        )
    if args.sfreq is None:
        return recordings
    return RecordingPreprocessor(sfreq=args.sfreq).fit_transform(recordings)


def _draw_figures(out, predictions, summary, embeddings):
    """Write the figures of scores, confusions and embeddings."""
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    from .viz import plot_confusion, plot_embedding, plot_scores

    first = summary["model"].iloc[0]
    of_first = predictions[predictions["model"] == first]
    with mpl.rc_context({"backend": "Agg", "savefig.dpi": 150}):
        title = "Regions told apart on subjects held out"
        figures = {"scores": plot_scores(summary, title=title, show=False)}
        title = f"{first}: regions of subjects held out"
        figures["confusion"] = plot_confusion(of_first, title=title, show=False)
        fig = plot_embedding(embeddings, marker="subjects", show=False)
        fig.axes[0].set_title("One embedding, fitted without the subjects held out")
        figures["embedding_pca"] = fig
        for name, fig in figures.items():
            fig.savefig(out / f"{name}.png")
            plt.close(fig)


def _embed_held_out(recordings, predictions):
    """Embed all channels by an embedder that did not see the subjects of one fold."""
    held_out = set(predictions.loc[predictions["fold"] == 0, "recording"])
    train = [raw for i, raw in enumerate(recordings) if i not in held_out]
    frame = make_model("embedding").fit(train).to_frame(recordings)
    part = frame["recording"].isin(held_out).map({True: "held out", False: "training"})
    frame.insert(4, "subjects", part)
    return frame


def _say(text):
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
