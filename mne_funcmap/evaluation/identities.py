"""Scores over subjects of models that predict withheld regions from the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from mne.io import BaseRaw
from mne.utils import logger
from sklearn.base import clone

from ..progress import log_level, tell
from ..recordings.advice import advise_rate, warn_spellings
from ..recordings.channels import crop_copy
from ..regions import get_regions
from ..subjects import get_subject
from ..training.parts import as_part
from .comparison import compare_models
from .default_models import (
    list_reconstruction_baselines,
    make_reconstruction_baselines,
    make_reconstructors,
)
from .folds import check_models, make_folds
from .intervals import describe, pool_subjects

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from numpy.typing import ArrayLike

    from ..hints import Bands, Memory, Models, Seed, Splits, Verbose

ADAPTED = "adapted"
SECONDS = 10.0  # of each recording held out that tell what its channels are


@log_level
def compare_identities(
    X: Sequence[BaseRaw],
    identities: Sequence[str] | Mapping[str, Any] | None = None,
    *,
    models: Models | None = None,
    groups: ArrayLike | None = None,
    cv: Splits | None = None,
    seconds: float = SECONDS,
    bands: Bands | None = None,
    baselines: Sequence[str] | None = None,
    memory: Memory = None,
    n_jobs: int | None = None,
    n_resamples: int = 2000,
    random_state: Seed = 0,
    verbose: Verbose = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compare identities of channels, and plain baselines, in reconstruction.

    Every region of every recording held out is withheld in turn, and predicted from
    the others. All models know the same of it: its first seconds, which are not
    scored. One that can adapt to these seconds is also scored after it has.

    Parameters
    ----------
    X : list of mne.io.Raw
        The recordings, with regions; filtered and resampled to what is to be
        predicted, as by `RecordingPreprocessor`.
    identities : None | list of str | dict of str to object
        Identities of :class:`~mne_funcmap.MaskedRegionReconstructor`: strings, or names
        and what its ``identity`` may be, or unfitted reconstructors. None stands for
        functional (also asked for by region), anatomical, random and none.
    models : None | dict of str to estimator
        Further unfitted models with ``fit`` and ``evaluate``. None stands for the
        plain baselines: ridge regressions, fitted to the recording itself or pooled
        over subjects, a Gaussian process, the nearest channel and splines over
        positions, and the mean.
    groups : None | sequence of str, shape (n_recordings,)
        What is held out as a whole; None stands for the subjects.
    cv : None | cross-validation generator | list of tuple
        The folds, the same for all models; None stands for ``GroupKFold(5)``.
    seconds : float
        How many seconds of a recording held out are known.
    bands : None | dict of str to tuple of float
        Bands in Hz, in which envelopes and coherence are also compared, as in
        ``evaluate``.
    baselines : None | sequence of str
        The models among which the best is what all are compared to; None stands for
        the plain ones.
    memory : None | str | joblib.Memory
        Folder in which scores are kept. A call that was cut off goes on from there.
    n_jobs : int | None
        Number of folds and models that are computed in parallel.
    n_resamples : int
        Number of times that subjects are drawn with replacement.
    random_state : int | RandomState | None
        Seed of the draws, and of the reconstructors.
    verbose : bool | str | int | None
        Log level, as in MNE-Python; False hides the progress bar too.

    Returns
    -------
    frame : pandas.DataFrame
        One row for each model and withheld channel: what
        :meth:`~mne_funcmap.MaskedRegionReconstructor.evaluate` gives, with model and
        fold. Default models that do not apply, such as anatomy without positions, are
        not in it; ``frame.attrs["left_out"]`` tells why.
    summary : pandas.DataFrame
        One row for each model, as by
        :func:`~mne_funcmap.evaluation.summarize_reconstruction`;
        ``summary.attrs["baselines"]`` names the baselines.

    Raises
    ------
    TypeError
        If an identity or a model is something else.
    ValueError
        If a model that was asked for does not apply, or a recording is too short.

    See Also
    --------
    compare_embedders : The same for telling regions apart.

    Examples
    --------
    >>> import mne_funcmap as mf
    >>> from sklearn.model_selection import GroupKFold
    >>> from mne_funcmap.baselines import MeanPrediction, RecordingRidge
    >>> X = mf.simulate_recordings(
    ...     n_subjects=4, n_sessions=1, duration=20.0, sfreq=400.0, coupling=0.8
    ... )
    >>> X = mf.RecordingPreprocessor(h_freq=45.0, sfreq=100.0).fit_transform(X)
    >>> models = {"ridge": RecordingRidge(), "mean": MeanPrediction()}
    >>> frame, summary = mf.compare_identities(X, [], models=models, cv=GroupKFold(2))
    >>> summary[["model", "baseline"]]
       model baseline
    0  ridge    ridge
    1   mean    ridge
    """
    asked = make_reconstructors(identities, random_state)
    if models is not None:
        check_models(models, "evaluate")
    asked |= make_reconstruction_baselines() if models is None else models
    optional = [] if identities is not None else list(make_reconstructors())
    optional += list(make_reconstruction_baselines()) if models is None else []
    frame = cross_val_reconstruct(
        asked,
        X,
        groups=groups,
        cv=cv,
        seconds=seconds,
        bands=bands,
        optional=optional,
        memory=memory,
        n_jobs=n_jobs,
        verbose=verbose,
    )
    if baselines is None:
        found = set(frame["model"])
        plain = list_reconstruction_baselines(asked)
        baselines = [name for name in plain if name in found]
    summary = summarize_reconstruction(
        frame, baselines=baselines, n_resamples=n_resamples, random_state=random_state
    )
    summary.attrs["baselines"] = list(baselines)
    return frame, summary


@log_level
def cross_val_reconstruct(
    estimators: Models,
    X: Sequence[BaseRaw],
    *,
    groups: ArrayLike | None = None,
    cv: Splits | None = None,
    seconds: float = SECONDS,
    bands: Bands | None = None,
    optional: Sequence[str] = (),
    memory: Memory = None,
    n_jobs: int | None = None,
    verbose: Verbose = None,
) -> pd.DataFrame:
    """Reconstruct every region of recordings that were not trained on.

    All models know the same: the first seconds of each recording held out, as
    ``reference``; and they are scored on the rest. One that can be adapted is also
    scored after it has adapted to these seconds.

    Parameters
    ----------
    estimators : dict of str to estimator
        Name and unfitted reconstructor.
    X : list of mne.io.Raw
        The recordings, with regions.
    groups, cv, seconds, bands : object
        As for :func:`~mne_funcmap.compare_identities`. Without subject ids, groups
        count as subjects.
    optional : sequence of str
        Models that are left out if they do not apply.
    memory, n_jobs : object
        As for :func:`~mne_funcmap.compare_identities`.
    verbose : bool | str | int | None
        Log level, as in MNE-Python; False hides the progress bar too.

    Returns
    -------
    frame : pandas.DataFrame
        For every estimator one row for each channel of a recording with two regions
        at least: model, fold, and what ``evaluate`` tells.

    Raises
    ------
    ValueError
        If no model applies, or one does not that is not optional.
    """
    check_models(estimators, "evaluate")
    if not estimators:
        raise ValueError("There is no model to score: identities and models are empty.")
    folds = make_folds(X, groups=groups, cv=cv, memory=memory)
    names = [name for name in estimators for _ in folds.splits]
    tasks = [
        (name, estimators[name], *split, seconds, bands, name in optional)
        for name in estimators
        for split in folds.splits
    ]
    advise_rate(folds.recordings)
    warn_spellings(
        region
        for recording in folds.recordings
        for ch_name, region in get_regions(recording).items()
        if ch_name not in recording.info["bads"]
    )
    tell(folds.describe(len(estimators)), verbose)
    results = folds.run(_score_fold, tasks, n_jobs=n_jobs, title="models x folds")
    left_out = {
        name: found
        for name, found in zip(names, results, strict=True)
        if isinstance(found, str)
    }
    for name, reason in left_out.items():
        logger.info(f"{name} does not apply and is left out: {reason}")
    if len(left_out) == len(estimators):
        raise ValueError(f"No model applies. {next(iter(left_out.values()))}")
    subjects = _find_subjects(folds.recordings, groups)
    frames = []
    for at, (name, result) in enumerate(zip(names, results, strict=True)):
        if name in left_out:
            continue
        fold = at % len(folds.splits)
        for frame in result:
            recording = folds.splits[fold][1][frame["recording"]]
            frame = frame.assign(recording=recording, subject=subjects[recording])
            frames.append(frame.assign(fold=fold))
    frame = pd.concat(frames, ignore_index=True)
    frame = frame[["model", "fold", *frame.columns.drop(["model", "fold"])]]
    frame.attrs["left_out"] = left_out
    return frame


def summarize_reconstruction(
    scores: pd.DataFrame,
    *,
    baselines: Sequence[str] = (),
    n_resamples: int = 2000,
    random_state: Seed = 0,
) -> pd.DataFrame:
    """Average scores over subjects, with intervals and differences to a baseline.

    Parameters
    ----------
    scores : pandas.DataFrame
        As by `cross_val_reconstruct`.
    baselines : sequence of str
        The models among which the best is what all are compared to; if empty, there
        are no differences.
    n_resamples : int
        Number of times that subjects are drawn with replacement.
    random_state : int | RandomState | None
        Seed of the draws.

    Returns
    -------
    summary : pandas.DataFrame
        One row for each model: model, r (mean over channels), low and high (its 95 %
        interval); difference, diff_low and diff_high (the same for r minus that of
        the best baseline on the same channels), baseline (which that is), p_value and
        p_holm (of that difference: Wilcoxon's signed rank test over subjects, and
        corrected by Holm for the number of models); nmse (median over channels, since
        a few can be far off), and nrmse, r_envelope_<band> and coherence_<band> (means
        over channels that have one), each with the ends of its interval, ``nmse_low``,
        ``nmse_high`` and so on.
    """
    models = list(dict.fromkeys(scores["model"]))
    drawn = {"n_resamples": n_resamples, "random_state": random_state}
    sums, counts = _sum_by_subject(scores, "r", models)
    if not (counts == counts[0]).all():
        raise ValueError("Models were not scored on the same channels.")
    table = compare_models(
        models,
        pool_subjects(sums, counts),
        baselines,
        "r",
        by_subject=sums / counts,
        bounds=(-1, 1),
        **drawn,
    )
    if "nmse" in scores:
        table |= _describe_medians(scores, "nmse", models, drawn)
    for name in scores:
        if name == "nrmse" or name.startswith(("r_envelope_", "coherence_")):
            found = pool_subjects(*_sum_by_subject(scores, name, models))
            table |= describe(found, name, f"{name}_low", f"{name}_high", **drawn)
    return pd.DataFrame(table)


def _sum_by_subject(scores, name, models):
    """Return sums and numbers of the values of subjects, (n_models, n_subjects)."""
    found = scores.groupby(["model", "subject"])[name].agg(["sum", "count"])
    table = found.unstack(fill_value=0).loc[models]
    return table["sum"].to_numpy(float), table["count"].to_numpy(float)


def _describe_medians(scores, name, models, drawn):
    """Return medians over channels and the ends of their intervals (Woodruff 1952).

    Medians jump when a subject is left out. The share of channels that are below the
    median does not: it is 0.5, and the quantiles that the ends of its interval stand
    for are those of the interval of the median.
    """
    scores = scores[scores[name].notna()]
    values = scores[name].groupby(scores["model"])
    median = values.transform("median")
    below = (scores[name] < median) + 0.5 * (scores[name] == median)
    shares = scores[["model", "subject"]].assign(below=below)
    found = describe(
        pool_subjects(*_sum_by_subject(shares, "below", models)),
        "share",
        "low",
        "high",
        bounds=(0, 1),
        **drawn,
    )
    columns = {name: values.median()[models].to_numpy()}
    for end, of_share in (("low", found["high"]), ("high", found["low"])):
        columns[f"{name}_{end}"] = [
            np.nan if np.isnan(share) else values.get_group(model).quantile(1 - share)
            for model, share in zip(models, of_share, strict=True)
        ]
    return columns


def _find_subjects(recordings, groups):
    """Return the subject of each recording; its group where the id is missing."""
    subjects = map(get_subject, recordings)
    groups = [None] * len(recordings) if groups is None else groups
    return np.array(
        [subject or group for subject, group in zip(subjects, groups, strict=True)]
    ).astype(str)


def _score_fold(folds, name, estimator, train, test, seconds, bands, is_optional):
    """Train a model and score it on the recordings held out; or say why not."""
    score = folds.remember(_score_split)
    recordings = (folds.take(train)[0], folds.take(test)[0])
    key = (folds.get_key(train, estimator), folds.get_key(test, estimator))
    try:
        return score(name, estimator, recordings, seconds, bands, key)
    except ValueError as error:
        if is_optional:
            return str(error)
        raise


def _score_split(name, estimator, recordings, seconds, bands, key):
    """Train a model and score it, then adapted; the key is what a memory knows."""
    train, test = recordings
    with as_part():
        fitted = clone(estimator).fit(train)
    begins, rests = map(
        list, zip(*(split_begin(recording, seconds) for recording in test), strict=True)
    )
    options = {"bands": bands} if bands else {}
    scored = {name: fitted.evaluate(rests, reference=begins, **options)}
    if _can_adapt(fitted, begins):
        adapted = fitted.adapt(begins)
        scored[f"{name}, {ADAPTED}"] = adapted.evaluate(rests, **options)
    return [frame.assign(model=model) for model, frame in scored.items()]


def split_begin(recording: BaseRaw, seconds: float) -> tuple[BaseRaw, BaseRaw]:
    """Split a recording in time.

    Parameters
    ----------
    recording : mne.io.Raw
        The recording.
    seconds : float
        Where.

    Returns
    -------
    begin, rest : mne.io.Raw
        Copies of what is before and after.

    Raises
    ------
    ValueError
        If it is not Raw, or too short.
    """
    if not isinstance(recording, BaseRaw) or recording.times[-1] <= seconds:
        raise ValueError(
            f"Expected Raw of more than {seconds:g} s, the first of which tell what "
            f"channels are, got {recording!r}. Leave it out, or set other seconds."
        )
    step = 1 / recording.info["sfreq"]
    begin = crop_copy(recording, 0, seconds - step)
    return begin, crop_copy(recording, seconds)


def _can_adapt(model, recordings):
    """Say whether a fitted model can be adapted to recordings."""
    return (
        hasattr(model, "adapt")
        and (model.query, model.architecture) == ("channel", "mixed")
        and None not in map(get_subject, recordings)
    )
