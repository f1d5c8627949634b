"""What is held out: blocks of time, channels, sessions; recordings cut accordingly.

The parts are recordings, and their groups what scikit-learn's splitters take. Subjects
are held out as a whole without cutting, with `get_subjects` for groups.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
from mne import BaseEpochs

from .recordings.channels import (
    check_all_named,
    check_recordings,
    crop_copy,
    find_subjects,
    list_channels,
    load_copy,
    warn_unknown_subjects,
)
from .recordings.labelled import read_labels
from .recordings.reading import check_not_empty, drop_bad_copy
from .regions import replace_regions
from .subjects import describe, get_file_name, get_subject

if TYPE_CHECKING:
    from .hints import Labels, Picks, Recording, Recordings


def cut_blocks(
    X: Recordings, n_blocks: int = 5, *, gap: float = 2.0
) -> tuple[list[Recording], np.ndarray]:
    """Cut recordings into blocks of time, so that later times can be held out.

    Parameters
    ----------
    X : list of mne.io.Raw | list of mne.Epochs
        The recordings.
    n_blocks : int
        Number of blocks of each recording, equally long.
    gap : float
        Seconds between neighbouring blocks that are in neither, since what is a
        second away is hardly independent. It must also be longer than the response
        of filters that were applied to the whole recording; a `RecordingPreprocessor`
        in the pipeline filters each block by itself.

    Returns
    -------
    parts : list of mne.io.Raw | list of mne.Epochs
        Copies: the blocks of the first recording, then those of the next. Without
        subject ids, the blocks of a recording have one of their own.
    groups : ndarray of int, shape (n_recordings * n_blocks,)
        Number of the block. ``LeaveOneGroupOut`` holds out one at a time;
        ``[(groups < k).nonzero()[0], (groups >= k).nonzero()[0]]`` is a split that
        only predicts later times from earlier ones.

    Raises
    ------
    ValueError
        If a recording is too short, or a block has no epoch.

    Examples
    --------
    >>> import mne_funcmap as mf
    >>> from mne_funcmap.baselines import SpectralClassifier
    >>> from sklearn.model_selection import LeaveOneGroupOut, cross_val_score
    >>> X = mf.simulate_recordings(n_subjects=2, n_sessions=1, duration=60.0)
    >>> parts, groups = mf.cut_blocks(X, 3, gap=2.0)
    >>> [round(part.times[-1]) for part in parts[:3]]
    [19, 18, 19]
    >>> model = SpectralClassifier(classifier="lda")
    >>> cv = LeaveOneGroupOut()
    >>> len(cross_val_score(model, parts, groups=groups, cv=cv))
    3
    """
    recordings = check_recordings(X)
    if n_blocks < 2 or gap < 0:
        raise ValueError(
            f"n_blocks must be 2 at least and gap not negative, got {n_blocks} blocks "
            f"and a gap of {gap:g} s."
        )
    warn_unknown_subjects(recordings)
    subjects = find_subjects(recordings)
    parts = [
        _keep_subject(part, subjects[index])
        for index, recording in enumerate(recordings)
        for part in _cut_one(recording, n_blocks, gap, describe(index, recording))
    ]
    return parts, np.tile(np.arange(n_blocks), len(recordings))


def cut_channels(
    X: Recordings, n_parts: int = 4, *, picks: Picks = None, y: Labels | None = None
) -> tuple[list[Recording], np.ndarray]:
    """Part the channels of each region, so that some can be held out.

    Parameters
    ----------
    X : list of mne.io.Raw | list of mne.Epochs
        The recordings, with regions.
    n_parts : int
        Every ``n_parts``-th channel of a region of a subject is in the same part. A
        channel is in the same part in all recordings of its subject.
    picks : None | str | list of str
        Channel types, or names, that take part; None stands for good sEEG, ECoG, DBS
        and EEG channels. Others are in no part.
    y : None | list of dict | list of sequence
        Regions instead of the annotations, which the parts then have as annotations.

    Returns
    -------
    parts : list of mne.io.Raw | list of mne.Epochs
        Copies with the channels of a part: those of the first recording, then those of
        the next. A part without channels is left out. Without subject ids, the parts
        of a recording have one of their own.
    groups : ndarray of int, shape (n_parts_found,)
        Number of the part, for ``LeaveOneGroupOut`` or ``GroupKFold``.

    Raises
    ------
    ValueError
        If there are fewer than two parts, or a channel may have been renamed without
        its region.

    Notes
    -----
    Neighbouring bipolar channels can share a contact, and all channels of a subject
    share a reference and the state of the brain: accuracy on channels held out is
    that of further channels of the same patients, not of new ones.

    Examples
    --------
    >>> import mne_funcmap as mf
    >>> X = mf.simulate_recordings(n_subjects=1, n_sessions=1, duration=10.0)
    >>> parts, groups = mf.cut_channels(X, 4)
    >>> parts[1].ch_names
    ['GPi2', 'STN2', 'VO2', 'Motor2', 'VIM2']
    """
    recordings = check_recordings(X)
    if n_parts < 2:
        raise ValueError(f"n_parts must be 2 at least, got {n_parts}.")
    warn_unknown_subjects(recordings)
    if y is None:
        check_all_named(recordings, picks)
    channels = list_channels(recordings, picks=picks, y=y)
    part = number_parts(channels, n_parts)
    parts, groups = [], []
    for index, recording in enumerate(recordings):
        labels = read_labels(channels, index)
        of_one = channels.recording == index
        for group in np.unique(part[of_one]):
            rows = of_one & (part == group)
            # MNE picks channels of Epochs only if they are loaded
            is_epochs = isinstance(recording, BaseEpochs)
            check_not_empty(recording, describe(index, recording))
            chosen = load_copy(recording) if is_epochs else recording.copy()
            chosen.pick([*channels.ch_name[rows]], verbose="error")
            # on Epochs, MNE keeps those of channels that are in other parts
            labelled = replace_regions(chosen, labels)
            parts.append(_keep_subject(labelled, channels.subject[rows][0]))
            groups.append(group)
    return parts, np.array(groups)


def get_sessions(recordings: Recordings) -> np.ndarray:
    """Get the sessions of recordings, so that later ones can be held out.

    Parameters
    ----------
    recordings : list of mne.io.Raw | list of mne.Epochs
        The recordings.

    Returns
    -------
    sessions : ndarray of str, shape (n_recordings,)
        ``"ses-01"`` as the file name (BIDS) or ``info["description"]`` has it, else
        ``"task-rest"``. Where there is neither, ``"recording 1"`` for the first
        recording of a subject, and so on.

    Examples
    --------
    >>> import mne_funcmap as mf
    >>> X = mf.simulate_recordings(n_subjects=2, n_sessions=2, duration=1.0)
    >>> mf.get_sessions(X)
    array(['ses-01', 'ses-02', 'ses-01', 'ses-02'], dtype='<U6')
    """
    recordings = check_recordings(recordings)
    unnamed = [one for one in recordings if not _find_session(one)]
    warn_unknown_subjects(unnamed)  # else a recording is always the first
    numbers, sessions = {}, []
    for subject, recording in zip(find_subjects(recordings), recordings, strict=True):
        numbers[subject] = numbers.get(subject, 0) + 1
        found = _find_session(recording)
        sessions.append(found or f"recording {numbers[subject]}")
    return np.array(sessions)


def _keep_subject(part, subject):
    """Return a part that says whose it is: else each part would be a subject."""
    if get_subject(part) is None:
        known = part.info["subject_info"] or {}
        part.info["subject_info"] = {**known, "his_id": str(subject)}
    return part


def _cut_one(recording, n_blocks, gap, name):
    """Return the blocks of a recording."""
    if isinstance(recording, BaseEpochs):
        return _cut_epochs(recording, n_blocks, gap, name)
    return _cut_raw(recording, n_blocks, gap, name)


def _cut_raw(raw, n_blocks, gap, name):
    """Return the blocks of a Raw."""
    sfreq = raw.info["sfreq"]
    edges = np.arange(n_blocks + 1) * raw.n_times / n_blocks
    first = np.ceil(edges[:-1] + _half_gaps(n_blocks, gap)[0] * sfreq).astype(int)
    stop = np.floor(edges[1:] - _half_gaps(n_blocks, gap)[1] * sfreq).astype(int)
    if (stop - first < 2).any():
        raise ValueError(
            f"{name} has {raw.n_times / sfreq:g} s, too few for {n_blocks} blocks and "
            f"{gap:g} s between them. Use fewer blocks, a shorter gap, or leave it out."
        )
    return [
        crop_copy(raw, begin / sfreq, (end - 1) / sfreq)
        for begin, end in zip(first, stop, strict=True)
    ]


def _cut_epochs(epochs, n_blocks, gap, name):
    """Return the blocks of Epochs: those that lie inside as a whole."""
    check_not_empty(epochs, name)
    epochs = drop_bad_copy(epochs)
    # events count samples of the original raw, also after decimating
    begin = epochs.events[:, 0] / epochs._raw_sfreq + epochs.tmin
    end = begin + len(epochs.times) / epochs.info["sfreq"]
    edges = np.linspace(begin.min(), end.max(), n_blocks + 1)
    low = edges[:-1] + _half_gaps(n_blocks, gap)[0]
    high = edges[1:] - _half_gaps(n_blocks, gap)[1]
    tolerance = 1e-6  # of times that are sums of the same seconds
    inside = (begin >= low[:, None] - tolerance) & (end <= high[:, None] + tolerance)
    if not inside.any(axis=1).all():
        raise ValueError(
            f"{name} has {len(epochs)} epochs over {edges[-1] - edges[0]:g} s, too few "
            f"for {n_blocks} blocks and {gap:g} s between them. Use fewer blocks, a "
            "shorter gap, or leave it out."
        )
    return [epochs[rows] for rows in inside]


def _half_gaps(n_blocks, gap):
    """Return what is taken off the begin and off the end of each block, in seconds."""
    begin, end = np.full((2, n_blocks), gap / 2)
    begin[0] = end[-1] = 0
    return begin, end


def number_parts(channels, n_parts):
    """Number the part of each channel, in turn over those of a region of a subject.

    Parameters
    ----------
    channels : Channels
        The channels of all recordings. One of a name and subject is the same in all.
    n_parts : int
        Number of parts.

    Returns
    -------
    part : ndarray of int, shape (n_channels,)
        From 0 on. A subject with two channels at least has two parts at least.
    """
    # channels with a region first: in some recordings it may be missing
    order = np.argsort(~channels.has_region, kind="stable")
    keys = np.stack([channels.subject, channels.ch_name])[:, order]
    _, first, found = np.unique(keys, axis=1, return_index=True, return_inverse=True)
    first = order[first]
    regions = np.array([region or "" for region in channels.region])[first]
    # one count over all, so that the only channel of a region is not always in part 0
    in_turn = np.lexsort((first, regions, channels.subject[first]))
    part = np.empty(len(channels.ch_name), dtype=int)
    part[order] = (np.argsort(in_turn) % n_parts)[found]
    return part


def _find_session(recording):
    """Return what the file name or the description tells of the session, or None."""
    text = f"{get_file_name(recording)} {recording.info['description']}"
    found = re.search(r"ses-[A-Za-z0-9]+", text) or re.search(
        r"task-[A-Za-z0-9]+", text
    )
    return found and found[0]
