"""What is known of a recording's channels before a region of it is withheld."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from ..recordings.labelled import check_labelled, pick_labelled
from ..recordings.signals import read_signals
from ..recordings.windows import StoredWindows, cut_some
from ..subjects import describe, get_subject, shorten_list
from .moments import (
    StoredMoments,
    compute_moments,
    join_parts,
    keep_moments,
    read_moments,
    rescale_moments,
)

PART_ENDS = (10.0, 20.0, 40.0)  # seconds, of parts of a recording
OF_CHANNELS = ("ch_names", "region", "identity", "mean", "scale")


@dataclass(frozen=True)
class Study:
    """What is known of the channels of a recording.

    Attributes
    ----------
    subject : str | None
        The subject.
    ch_names : ndarray of str, shape (n_channels,)
        The channels that take part.
    region : ndarray of str, shape (n_channels,)
        Their regions.
    identity : ndarray of float32, shape (n_channels, n_components)
        What tells the reconstructor what they are.
    mean, scale : ndarray of float, shape (n_channels,)
        Mean and standard deviation in volts, by which signals are z-scored.
    parts : tuple of (torch.Tensor, float)
        Moments (see `compute_moments`) and seconds of successive parts of the
        recording; empty where they are not needed.
    views : tuple of ndarray of float32, shape (n_channels, n_components)
        Identities told by several parts of a recording, to train with; empty where
        they are not needed.
    """

    subject: str | None
    ch_names: np.ndarray
    region: np.ndarray
    identity: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    parts: tuple = ()
    views: tuple = ()

    def take(self, ch_names):
        """Return the same of some channels, in another order."""
        rows = [list(self.ch_names).index(ch_name) for ch_name in ch_names]
        parts = tuple(
            (read_moments(moments)[rows][:, :, rows], seconds)
            for moments, seconds in self.parts
        )
        views = tuple(view[rows] for view in self.views)
        of_rows = {name: getattr(self, name)[rows] for name in OF_CHANNELS}
        return replace(self, parts=parts, views=views, **of_rows)

    def draw_identity(self, generator):
        """Return one of the views, if there are some, by a random generator."""
        if generator is None or not self.views:
            return self.identity
        return self.views[generator.integers(len(self.views))]

    def mean_identity(self):
        """Return the mean of the views, if there are some."""
        return np.mean(self.views or (self.identity,), axis=0)

    def rescale(self, mean, scale):
        """Return the same with signals z-scored by another mean and scale."""
        ratio = torch.from_numpy(self.scale / scale).float()
        parts = tuple(
            (rescale_moments(moments, ratio), seconds)
            for moments, seconds in self.parts
        )
        return replace(self, mean=mean, scale=scale, parts=parts)

    def normalize(self, signals, out=None):
        """Return signals in volts, (..., n_channels, n_times), z-scored."""
        centred = np.subtract(signals, self.mean[:, None], out=out)
        return np.divide(centred, self.scale[:, None], out=centred)


def study_recording(
    recording, channels, index, identity, *, n_times, bank=None, n_parts=None
):
    """Study the labelled channels of a recording.

    Parameters
    ----------
    recording : mne.io.Raw | mne.Epochs
        The seconds that are studied.
    channels : Channels
        The table of the list of recordings.
    index : int
        Which of them it is.
    identity : ndarray, shape (n_channels, n_components)
        Identities of all channels that take part, labelled or not.
    n_times : int
        Number of samples of a window.
    bank : FilterBank | None
        The filters, if moments are wanted.
    n_parts : int | None
        Of so many parts of equal length, as far as there are windows; None stands for
        parts that end at 10, 20 and 40 s, and the last fifth.

    Returns
    -------
    study : Study
        Of the labelled channels.
    """
    study, signals = _describe_channels(recording, channels, index, identity, n_times)
    if bank is None:
        return study
    name = describe(index, recording)
    windows = cut_some(signals, study, n_times, name, recording.info["sfreq"])
    return _measure_parts(study, windows, bank, n_parts, recording.info["sfreq"])


def study_training(recording, channels, index, identity, *, n_times, bank, store):
    """Study a training recording, and cut it into windows.

    Parameters
    ----------
    recording, channels, index, identity, n_times, bank
        As for `study_recording`.
    store : RowFile | None
        Where moments and windows are, if not in memory.

    Returns
    -------
    study : Study
        Of the labelled channels, with moments.
    windows : torch.Tensor | StoredWindows, shape (n_windows, n_channels, n_times)
        As by `cut_study`.
    """
    study, signals = _describe_channels(recording, channels, index, identity, n_times)
    sfreq, name = recording.info["sfreq"], describe(index, recording)
    windows = cut_some(signals, study, n_times, name, sfreq)
    study = _measure_parts(study, windows, bank, None, sfreq, store)
    if store is not None:
        windows = StoredWindows(store.append(windows.numpy()))
    return study, windows


def join_study(study):
    """Join the parts of a study into one.

    Parameters
    ----------
    study : Study
        With moments.

    Returns
    -------
    joined : Study
        With moments of a single part, in a file if those are.
    """
    moments, seconds = join_parts(study.parts)
    first = study.parts[0][0]
    store = first.rows.store if isinstance(first, StoredMoments) else None
    return replace(study, parts=((keep_moments(moments, store), seconds),))


def _describe_channels(recording, channels, index, identity, n_times):
    """Return a study without moments, and the signals of the channels."""
    name = describe(index, recording)
    rows = pick_labelled(channels, index)
    has_region = channels.has_region[channels.find_rows(index)]
    ch_names = channels.ch_name[rows]
    check_labelled(ch_names, name)
    signals = read_signals(recording, channels.pick[rows], n_times)
    mean, scale = _measure_scale(signals, ch_names, name)
    study = Study(
        subject=get_subject(recording),
        ch_names=ch_names,
        region=channels.region[rows].astype(str),
        identity=identity[has_region].astype(np.float32),
        mean=mean,
        scale=scale,
    )
    return study, signals


def _measure_parts(study, windows, bank, n_parts, sfreq, store=None):
    """Return a study with moments of parts of the windows."""
    length = windows.shape[2] / sfreq
    parts = [
        (keep_moments(compute_moments(part, bank), store), len(part) * length)
        for part in windows.split(_divide(len(windows), length, n_parts))
    ]
    return replace(study, parts=tuple(parts))


def view_study(study, piece, channels, index, views, n_times):
    """Return a study as pieces of the recording tell of it.

    Parameters
    ----------
    study : Study
        Of the whole recording, with moments.
    piece : mne.io.Raw | mne.Epochs
        The seconds that tell how large signals are.
    channels : Channels
        The table of the list of recordings.
    index : int
        Which of them it is.
    views : list of ndarray of float32, shape (n_channels, n_components)
        Identities of all channels that take part, as each of several pieces tells.
    n_times : int
        Number of samples of a window.

    Returns
    -------
    study : Study
        With the scales of the piece, and these views.
    """
    of_piece = study_recording(piece, channels, index, views[0], n_times=n_times)
    labelled = channels.has_region[channels.find_rows(index)]
    study = study.rescale(of_piece.mean, of_piece.scale)
    return replace(
        study,
        identity=of_piece.identity,
        views=tuple(view[labelled] for view in views),
    )


def count_last(n_windows):
    """Count the windows of the last part of a recording, a fifth of it.

    Parameters
    ----------
    n_windows : int
        Windows of the recording.

    Returns
    -------
    n_last : int
        One at least, unless there is no other.
    """
    return max(n_windows // 5, min(1, n_windows - 1))


def _divide(n_windows, length, n_parts=None):
    """Return the numbers of windows of the parts of a recording.

    The last fifth is a part, and before it the parts end at 10, 20 and 40 s; or they
    are of equal length.
    """
    if n_parts is not None:
        n_parts = min(n_parts, n_windows)
        return np.diff(np.arange(n_parts + 1) * n_windows // n_parts).tolist()
    last = n_windows - count_last(n_windows)
    ends = [round(seconds / length) for seconds in PART_ENDS]
    ends = [end for end in ends if 0 < end < last]
    bounds = np.unique([0, *ends, last, n_windows])
    return np.diff(bounds).tolist()


def group_studies(studies):
    """Group studies by subject, leaving out those whose subject is unknown.

    Parameters
    ----------
    studies : iterable of Study
        Studies of recordings.

    Returns
    -------
    by_subject : dict of str to list of Study
        Those of each subject.
    """
    by_subject = {}
    for study in studies:
        if study.subject is not None:
            by_subject.setdefault(study.subject, []).append(study)
    return by_subject


def find_channels(studies, ch_names):
    """Return what studies of one subject tell of channels.

    Parameters
    ----------
    studies : list of Study
        Studies of recordings of the subject.
    ch_names : sequence of str
        The channels.

    Returns
    -------
    study : Study | None
        Identities and scales of those that are known, in this order, averaged over
        recordings; with moments, if these were recorded together. None if none of
        them is known.
    """
    known = {ch_name for study in studies for ch_name in study.ch_names}
    ch_names = [ch_name for ch_name in ch_names if ch_name in known]
    if not ch_names:
        return None
    # moments tell of channels that were recorded together
    whole = [study for study in studies if set(ch_names) <= set(study.ch_names)]
    if whole:
        return _average([study.take(ch_names) for study in whole])
    of_each = [
        _average([one.take([ch_name]) for one in studies if ch_name in one.ch_names])
        for ch_name in ch_names
    ]
    return append_studies([replace(study, parts=()) for study in of_each])


def _average(studies):
    """Return the mean of studies of the same channels, with the parts of all."""
    mean = np.mean([study.mean for study in studies], axis=0)
    power = np.mean([s.scale**2 + (s.mean - mean) ** 2 for s in studies], axis=0)
    identity = np.mean([study.identity for study in studies], axis=0)
    scale = np.sqrt(power)
    parts = [part for study in studies for part in study.rescale(mean, scale).parts]
    return replace(
        studies[0], identity=identity, mean=mean, scale=scale, parts=tuple(parts)
    )


def append_studies(studies):
    """Return one study of the channels of several.

    Parameters
    ----------
    studies : list of Study
        Of different channels, without moments.

    Returns
    -------
    joined : Study
        The first, with the channels of all.
    """
    joined = {
        name: np.concatenate([getattr(study, name) for study in studies])
        for name in OF_CHANNELS
    }
    return replace(studies[0], **joined)


def _measure_scale(signals, ch_names, name):
    """Return mean and standard deviation of each channel where it is usable."""
    counts = signals.usable.sum(axis=1)
    if not counts.all():
        raise ValueError(
            f"{name} has channels without any usable second (not BAD_, finite, not "
            f"flat) to tell what they are: {shorten_list(ch_names[counts == 0])}. Add "
            "damaged channels to info['bads'], or give a reference."
        )
    mean = np.mean(signals.data, axis=1, where=signals.usable)
    return mean, np.std(signals.data, axis=1, where=signals.usable)
