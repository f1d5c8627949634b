"""What a report tells of recordings: all of its tables, each computed once."""

from dataclasses import dataclass, field

import mne
import numpy as np
import pandas as pd
from mne.io import BaseRaw
from sklearn.model_selection import GroupKFold

from ..evaluation.default_models import make_embedders, make_reconstructors
from ..evaluation.embedders import compare_embedders
from ..evaluation.folds import split_recordings
from ..evaluation.identities import ADAPTED, SECONDS, compare_identities, split_begin
from ..evaluation.permutation import permutation_test
from ..preprocessing import RecordingPreprocessor
from ..reconstruction.band_measures import BANDS
from ..recordings.advice import told_before
from ..recordings.channels import check_recordings, find_subjects, list_channels
from ..regions import get_regions
from ..splits import get_sessions
from ..subjects import describe, get_subjects
from ..training.parts import as_part
from .probes import answer_probes

H_FREQ, SFREQ = 45.0, 100.0  # Hz, to which signals to be predicted are brought
N_FOLDS, N_RECONSTRUCTION_FOLDS = 5, 3
MAX_EXAMPLES = 5  # channels of the figure of predicted signals


@dataclass(frozen=True)
class Reconstruction:
    """What was found by withholding regions.

    Attributes
    ----------
    frame, summary : pandas.DataFrame
        As by :func:`~mne_funcmap.compare_identities`.
    example : dict
        What :func:`~mne_funcmap.viz.plot_reconstruction` draws, and of which subject.
    not_scored : list of str
        Recordings that took no part, and why.
    n_folds : int
        Number of folds.
    """

    frame: pd.DataFrame
    summary: pd.DataFrame
    example: dict
    not_scored: list
    n_folds: int


@dataclass(frozen=True)
class Findings:
    """What a report tells.

    Attributes
    ----------
    recordings : pandas.DataFrame
        One row for each recording: subject, session, seconds, sfreq, channels (that
        take part), labelled, regions, left_out (channels that are bad or of another
        type).
    regions : pandas.DataFrame
        One row for each region: region, channels, subjects.
    frame, summary : pandas.DataFrame
        As by :func:`~mne_funcmap.compare_embedders`.
    n_folds : int
        Number of folds.
    permutation : dict | None
        model, score, p_value and permuted scores of the label permutation.
    reconstruction : Reconstruction | str
        The same of reconstruction, or why there is none.
    probes : dict of str to pandas.DataFrame
        Tables of further questions.
    models : dict of str to object
        The unfitted models.
    random_state : int
        Seed of all.
    """

    recordings: pd.DataFrame
    regions: pd.DataFrame
    frame: pd.DataFrame
    summary: pd.DataFrame
    n_folds: int
    permutation: dict | None
    reconstruction: Reconstruction | str
    probes: dict = field(default_factory=dict)
    models: dict = field(default_factory=dict)
    random_state: int = 0


def collect_findings(
    X,
    *,
    models=None,
    identities=None,
    groups=None,
    cv=None,
    reconstruct=True,
    probes=None,
    n_permutations=0,
    memory=None,
    n_jobs=None,
    random_state=0,
):
    """Compute the tables of a report.

    Parameters
    ----------
    X : list of mne.io.Raw | list of mne.Epochs
        The recordings, with regions and subjects.
    models, groups, cv, memory, n_jobs : object
        As for :func:`~mne_funcmap.compare_embedders`. None for cv stands for five
        folds, and three for reconstruction, or as many as there are subjects.
    identities : object
        As for :func:`~mne_funcmap.compare_identities`.
    reconstruct : bool | list of mne.io.Raw
        Whether regions are also reconstructed; or other recordings, in which they are,
        split by subject.
    probes : None | sequence of str | dict of str to callable
        As for :func:`~mne_funcmap.make_report`.
    n_permutations : int
        How often regions are permuted over channels to test the first model.
    random_state : int
        Seed of all.

    Returns
    -------
    findings : Findings
        The tables.
    """
    recordings = check_recordings(X)
    n_groups = len(np.unique(get_subjects(recordings) if groups is None else groups))
    kept = {"memory": memory, "n_jobs": n_jobs}
    options = kept | {"groups": groups, "cv": _choose_folds(cv, n_groups, N_FOLDS)}
    models = make_embedders(random_state) if models is None else models
    frame, summary = compare_embedders(
        recordings, models, random_state=random_state, **options
    )
    permutation = None
    if n_permutations:
        first = next(iter(models))
        with told_before():
            score, permuted, p_value = permutation_test(
                models[first],
                recordings,
                n_permutations=n_permutations,
                random_state=random_state,
                **options,
            )
        permutation = {"model": first, "score": score, "p_value": p_value}
        permutation["permuted"] = permuted
    reconstruction = "It was not asked for."
    if reconstruct is True:
        reconstruction = _reconstruct(
            recordings, identities, groups, cv, random_state, **kept
        )
    elif reconstruct:
        others = check_recordings(reconstruct)
        reconstruction = _reconstruct(
            others, identities, None, None, random_state, **kept
        )
    channels = list_channels(recordings)
    return Findings(
        recordings=list_recordings(recordings, channels),
        regions=list_regions(channels),
        frame=frame,
        summary=summary,
        n_folds=frame["fold"].nunique(),
        permutation=permutation,
        reconstruction=reconstruction,
        probes=answer_probes(probes, recordings, random_state=random_state, **options),
        models=models,
        random_state=random_state,
    )


def list_recordings(recordings, channels):
    """List recordings, and what of them takes part.

    Parameters
    ----------
    recordings : list of mne.io.Raw | list of mne.Epochs
        The recordings.
    channels : Channels
        The table of them.

    Returns
    -------
    frame : pandas.DataFrame
        As ``recordings`` of `Findings`.
    """
    rows = []
    for index, recording in enumerate(recordings):
        of_one = channels.recording == index
        known = of_one & channels.has_region
        n_samples = len(recording.times)
        if not isinstance(recording, BaseRaw):
            n_samples *= len(recording.events)
        row = {
            "seconds": n_samples / recording.info["sfreq"],
            "sfreq": recording.info["sfreq"],
            "channels": of_one.sum(),
            "labelled": known.sum(),
            "regions": len(set(channels.region[known])),
            "left_out": len(recording.ch_names) - of_one.sum(),
        }
        rows.append(row)
    frame = pd.DataFrame(rows)
    frame.insert(0, "subject", find_subjects(recordings))
    frame.insert(1, "session", get_sessions(recordings))
    return frame


def list_regions(channels):
    """List regions, and how many channels and subjects have them.

    Parameters
    ----------
    channels : Channels
        The channels of all recordings; one that is in several counts in each.

    Returns
    -------
    frame : pandas.DataFrame
        As ``regions`` of `Findings`.
    """
    known = channels.has_region
    table = pd.DataFrame(
        {"region": channels.region[known], "subjects": channels.subject[known]}
    )
    found = table.groupby("region")["subjects"].agg(["size", "nunique"])
    found = found.set_axis(["channels", "subjects"], axis=1)
    return found.reset_index()


def _choose_folds(cv, n_groups, n_folds):
    """Return the folds asked for, or as many as there can be up to a number."""
    return GroupKFold(max(2, min(n_folds, n_groups))) if cv is None else cv


def _split_usable(recordings, usable, ids, cv):
    """Split recordings, and leave out of every fold what cannot be used."""
    if cv is None:
        # as many folds as what can be used has groups
        n_groups = len(np.unique(ids[usable]))
        cv = _choose_folds(None, n_groups, N_RECONSTRUCTION_FOLDS)
        return split_recordings([recordings[i] for i in usable], ids[usable], cv)
    place = {index: at for at, index in enumerate(usable)}
    splits = [
        tuple(np.array([place[i] for i in part if i in place]) for part in split)
        for split in split_recordings(recordings, ids, cv)
    ]
    return [(train, test) for train, test in splits if len(train) and len(test)]


def _reconstruct(recordings, identities, groups, cv, random_state, **kept):
    """Withhold regions, or say why that cannot be done."""
    usable, not_scored = _find_usable(recordings)
    subjects = find_subjects(recordings)
    ids = subjects if groups is None else np.asarray(groups)
    n_subjects, splits = len(set(subjects[usable])), []
    if n_subjects > 1:
        splits = _split_usable(recordings, usable, ids, cv)
    if not splits:
        return (
            f"Too few subjects ({n_subjects}) with Raw recordings of two regions and "
            f"{2 * SECONDS:g} s at least."
        )
    chosen = [recordings[index] for index in usable]
    sfreq = min(SFREQ, *(recording.info["sfreq"] for recording in chosen))
    h_freq = min(H_FREQ, H_FREQ / SFREQ * sfreq)
    with mne.utils.use_log_level("WARNING"):
        preprocessor = RecordingPreprocessor(h_freq=h_freq, sfreq=sfreq)
        prepared = preprocessor.fit_transform(chosen)
    bands = {name: band for name, band in BANDS.items() if band[1] <= h_freq}
    frame, summary = compare_identities(
        prepared,
        identities,
        groups=ids[usable],
        cv=splits,
        bands=bands,
        random_state=random_state,
        **kept,
    )
    example = _predict_example(prepared, identities, frame, random_state)
    numbers = np.array(usable)[frame["recording"]]
    return Reconstruction(
        frame.assign(recording=numbers),
        summary,
        example,
        not_scored,
        frame["fold"].nunique(),
    )


def _find_usable(recordings):
    """Find the recordings that can be reconstructed; say why others cannot."""
    usable, not_scored = [], []
    for index, recording in enumerate(recordings):
        name = describe(index, recording)
        if not isinstance(recording, BaseRaw):
            not_scored.append(f"{name}: Epochs, and Raw is needed")
        elif recording.n_times < 2 * SECONDS * recording.info["sfreq"]:
            not_scored.append(f"{name}: shorter than {2 * SECONDS:g} s")
        elif len(set(get_regions(recording).values())) < 2:
            not_scored.append(f"{name}: fewer than two regions")
        else:
            usable.append(index)
    return usable, not_scored


def _predict_example(recordings, identities, frame, random_state):
    """Predict channels of a subject held out, by the best reconstructor."""
    models = make_reconstructors(identities, random_state)
    mean_r = frame.groupby("model")["r"].mean()
    adapted = [name for name in models if f"{name}, {ADAPTED}" in mean_r]
    if not adapted:
        return None
    name = max(adapted, key=lambda name: mean_r[f"{name}, {ADAPTED}"])
    held_out = set(frame.loc[frame["fold"] == 0, "recording"])
    train = [raw for index, raw in enumerate(recordings) if index not in held_out]
    index = min(held_out)
    begin, rest = split_begin(recordings[index], SECONDS)
    scored = frame[(frame["recording"] == index) & (frame["fold"] == 0)]
    scored = scored[scored["model"] == f"{name}, {ADAPTED}"]
    picks = scored.groupby("region")["ch_name"].first().tolist()[:MAX_EXAMPLES]
    with mne.utils.use_log_level("WARNING"):
        with as_part():
            models[name].fit(train)
        predicted = models[name].adapt([begin]).predict([rest])[0]
    return {
        "recording": rest,
        "predicted": predicted,
        "picks": picks,
        "r": scored.set_index("ch_name")["r"].to_dict(),
        "subject": get_subjects([rest])[0],
        "title": f"held out: {name} identity, adapted to {SECONDS:g} s",
    }
