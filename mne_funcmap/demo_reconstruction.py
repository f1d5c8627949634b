"""The part of the demo that withholds regions and predicts them from the others."""

import mne
from sklearn.model_selection import GroupKFold

from .baselines import (
    DistanceGaussianProcess,
    MeanPrediction,
    NearestChannel,
    PooledRidge,
    RecordingRidge,
    SplineInterpolation,
)
from .preprocessing import RecordingPreprocessor
from .reconstruction_scores import (
    ADAPTED,
    cross_val_reconstruct,
    split_begin,
    summarize_reconstruction,
)
from .reconstructor import MaskedRegionReconstructor
from .regions import get_regions
from .simulation import simulate_recordings
from .subjects import get_subjects

SIMULATED = {
    "n_subjects": 10,
    "n_sessions": 1,
    "duration": 60.0,
    "sfreq": 400.0,
    "coupling": 0.8,
}
H_FREQ, SFREQ = 45.0, 100.0  # Hz, to which signals are filtered and resampled
SECONDS = 10.0  # of each recording held out that tell what its channels are
N_FOLDS = 3
BASELINES = {
    "ridge of the recording": RecordingRidge(),
    "pooled ridge": PooledRidge(),
    "Gaussian process": DistanceGaussianProcess(),
    "nearest channel": NearestChannel(),
    "spline interpolation": SplineInterpolation(),
    "mean": MeanPrediction(),
}


def make_reconstructors(seed):
    """Return unfitted reconstructors by name.

    Parameters
    ----------
    seed : int
        Their seed.

    Returns
    -------
    models : dict of str to MaskedRegionReconstructor
        The models.
    """
    return {
        "functional": MaskedRegionReconstructor(random_state=seed),
        "functional, by region": MaskedRegionReconstructor(
            query="region", random_state=seed
        ),
        "anatomical": MaskedRegionReconstructor("anatomical", random_state=seed),
        "random": MaskedRegionReconstructor("random", random_state=seed),
    }


def prepare_recordings(recordings, seed):
    """Return the recordings that are reconstructed.

    Parameters
    ----------
    recordings : list of mne.io.Raw | None
        Real recordings; None stands for simulated ones with coupling.
    seed : int
        Seed of the simulation.

    Returns
    -------
    prepared : list of mne.io.Raw
        Filtered and resampled; those long enough, of two regions at least.
    """
    if recordings is None:
        recordings = simulate_recordings(**SIMULATED, random_state=seed)
    usable = [
        raw
        for raw in recordings
        if raw.n_times >= 2 * SECONDS * raw.info["sfreq"]
        and len(set(get_regions(raw).values())) > 1
    ]
    if not usable:
        return []
    return RecordingPreprocessor(h_freq=H_FREQ, sfreq=SFREQ).fit_transform(usable)


def score_reconstruction(recordings, seed, n_jobs, say):
    """Score reconstructors and baselines on subjects held out.

    Parameters
    ----------
    recordings : list of mne.io.Raw
        As by `prepare_recordings`.
    seed : int
        Seed of the models.
    n_jobs : int
        Folds in parallel.
    say : callable
        Takes a line of text.

    Returns
    -------
    scores, summary : pandas.DataFrame
        As by `cross_val_reconstruct` and `summarize_reconstruction`.
    """
    import pandas as pd

    n_subjects = len(set(get_subjects(recordings)))
    cv = GroupKFold(min(N_FOLDS, n_subjects))
    frames = []
    for name, model in (make_reconstructors(seed) | BASELINES).items():
        try:
            frames.append(
                cross_val_reconstruct(
                    {name: model}, recordings, cv=cv, seconds=SECONDS, n_jobs=n_jobs
                )
            )
        except ValueError as error:
            say(f"{name} does not apply: {str(error)[:200]}")
    scores = pd.concat(frames, ignore_index=True)
    baselines = [name for name in BASELINES if name in set(scores["model"])]
    summary = summarize_reconstruction(scores, baselines=baselines, random_state=seed)
    return scores, summary


def format_reconstruction(scores, summary):
    """Format scores as tables: over all channels, and region by region.

    Parameters
    ----------
    scores, summary : pandas.DataFrame
        As by `score_reconstruction`.

    Returns
    -------
    text : str
        The tables.
    """
    n_channels = len(scores) // len(summary)
    lines = [
        f"Each region withheld in turn and predicted from the others: mean r over "
        f"{n_channels} channels of {scores['subject'].nunique()} subjects held out, "
        "95 % intervals from resampling subjects.",
        f"All models know the first {SECONDS:g} s of a recording, not scored; "
        "'adapted': fitted to them, as the ridge of the recording is.",
        f"{'model':<30} {'r':>6} {'':<16} {'nmse':>6}  difference to "
        f"{summary['baseline'].iloc[0]}",
    ]
    for row in summary.itertuples():
        line = f"{row.model:<30} {row.r:>6.3f} [{row.low:.3f}, {row.high:.3f}] "
        line += f"{row.nmse:>7.3f}"
        if row.model != row.baseline:
            line += f"  {row.difference:+.3f} "
            line += f"[{row.diff_low:+.3f}, {row.diff_high:+.3f}]"
        lines.append(line)
    by_region = scores.pivot_table(index="region", columns="model", values="r")
    by_region = by_region[list(summary["model"])]
    best = by_region.idxmax(axis=1)
    lines += ["", "Mean r region by region, and the best model of each:"]
    shown = [m for m in by_region if m.startswith(("functional", "ridge", "pooled"))]
    lines.append(f"{'region':<28}" + "".join(f"{name[:22]:>24}" for name in shown))
    for region, row in by_region.iterrows():
        values = "".join(f"{row[name]:>24.3f}" for name in shown)
        lines.append(f"{str(region)[:28]:<28}{values}  {best[region]}")
    return "\n".join(lines) + "\n"


def draw_traces(recordings, scores, seed):
    """Draw withheld channels of a subject held out.

    Parameters
    ----------
    recordings : list of mne.io.Raw
        As by `prepare_recordings`.
    scores : pandas.DataFrame
        As by `score_reconstruction`.
    seed : int
        Seed of the model.

    Returns
    -------
    fig : matplotlib.figure.Figure
        One channel of each region, five at most, by the best reconstructor.
    """
    from .traces import plot_reconstruction

    models = make_reconstructors(seed)
    mean_r = scores.groupby("model")["r"].mean()
    name = max(
        (name for name in models if f"{name}, {ADAPTED}" in mean_r),
        key=lambda name: mean_r[f"{name}, {ADAPTED}"],
    )
    held_out = set(scores.loc[scores["fold"] == 0, "recording"])
    train = [raw for i, raw in enumerate(recordings) if i not in held_out]
    begin, rest = split_begin(recordings[min(held_out)], SECONDS)
    model = models[name].fit(train).adapt([begin])
    predicted, found = model.predict([rest])[0], model.evaluate([rest])
    picks = found.groupby("region")["ch_name"].first().tolist()[:5]
    r = found.set_index("ch_name")["r"].to_dict()
    subject = get_subjects([rest])[0]
    title = f"{subject}, held out: {name} identity, adapted to {SECONDS:g} s"
    return plot_reconstruction(
        rest, predicted, picks=picks, start=2.0, r=r, title=title, show=False
    )


def run_reconstruction(recordings, out, *, seed, n_jobs, say):
    """Reconstruct, print tables, and write them and a figure.

    Parameters
    ----------
    recordings : list of mne.io.Raw | None
        As for `prepare_recordings`.
    out : pathlib.Path
        Where to write.
    seed : int
        Seed.
    n_jobs : int
        Folds in parallel.
    say : callable
        Takes a line of text.
    """
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    with mne.utils.use_log_level("WARNING"):
        prepared = prepare_recordings(recordings, seed)
        if not prepared or len(set(get_subjects(prepared))) < 2:
            say(
                f"Too few subjects with two regions and {2 * SECONDS:g} s: nothing to "
                "reconstruct."
            )
            return
        scores, summary = score_reconstruction(prepared, seed, n_jobs, say)
        say(format_reconstruction(scores, summary))
        scores.to_csv(out / "reconstruction_channels.csv", index=False)
        summary.to_csv(out / "reconstruction_scores.csv", index=False)
        with mpl.rc_context({"backend": "Agg", "savefig.dpi": 150}):
            fig = draw_traces(prepared, scores, seed)
            fig.savefig(out / "reconstruction.png")
            plt.close(fig)
