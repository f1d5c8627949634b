"""Lists of recordings: checks, and the table of channels that take part."""

import warnings
from collections.abc import Iterable, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, fields, replace
from functools import cached_property
from numbers import Real

import mne
import numpy as np
from mne import BaseEpochs
from mne.io import BaseRaw

from ..regions import DATA_TYPES, check_renamed, get_regions
from ..subjects import describe, get_subject, shorten_list
from .reading import check_files, reading


@dataclass(frozen=True)
class Channels:
    """The channels of a list of recordings that take part, in order.

    Attributes
    ----------
    recording : ndarray of int, shape (n_channels,)
        Index of the recording in the list.
    pick : ndarray of int, shape (n_channels,)
        Index of the channel in its recording.
    ch_name : ndarray of str, shape (n_channels,)
        Name of the channel.
    region : ndarray of object, shape (n_channels,)
        Region of the channel, or None.
    subject : ndarray of str, shape (n_channels,)
        Subject of the recording.
    """

    recording: np.ndarray
    pick: np.ndarray
    ch_name: np.ndarray
    region: np.ndarray
    subject: np.ndarray

    @cached_property
    def has_region(self):
        """Whether the region of each channel is known, shape (n_channels,)."""
        return np.array([region is not None for region in self.region], dtype=bool)

    def find_rows(self, index):
        """Return the rows of a recording, a slice."""
        return slice(*np.searchsorted(self.recording, [index, index + 1]))

    def of_recording(self, index):
        """Return the table of a single recording."""
        rows = self.find_rows(index)
        columns = {f.name: getattr(self, f.name)[rows] for f in fields(self)}
        return replace(self, **columns)


def check_recordings(X):
    """Return X as a list of recordings, or say what it is instead.

    Parameters
    ----------
    X : list of mne.io.Raw | list of mne.Epochs
        The recordings; a single one is a list of one.

    Returns
    -------
    recordings : list of mne.io.Raw | list of mne.Epochs
        The same recordings.

    Raises
    ------
    TypeError
        If X, or an item of it, is something else, or signals are complex.
    ValueError
        If there is no recording, or nothing in one.
    RuntimeError
        If the file of a recording that is not loaded is gone.
    """
    if isinstance(X, BaseRaw | BaseEpochs):
        return [X]
    # never np.asarray: Epochs of one shape would silently become one array
    is_array = isinstance(X, np.ndarray) and X.dtype.kind == "O"
    if not (is_array or isinstance(X, list | tuple)):
        raise TypeError(
            "X must be a list of recordings (mne.io.Raw or mne.Epochs), got "
            + _say_what_it_is(X, " or mne_funcmap.read_recordings_bids")
        )
    recordings = list(X)
    if not recordings:
        raise ValueError("X is an empty list: expected at least one recording.")
    for index, recording in enumerate(recordings):
        if not isinstance(recording, BaseRaw | BaseEpochs):
            raise TypeError(
                f"Item {index} of X must be mne.io.Raw or mne.Epochs, got "
                + _say_what_it_is(recording)
            )
        if recording.preload and np.iscomplexobj(recording._data):
            raise TypeError(
                f"Item {index} of X has complex signals: expected real ones. Take "
                "their amplitude, as by apply_hilbert(envelope=True)."
            )
        name = describe(index, recording)
        check_files(recording, name)
        if not len(recording.times):
            raise ValueError(f"{name} has no samples: leave it out.")
    return recordings


def _say_what_it_is(value, more=""):
    """Describe what is no recording, and what to do."""
    if isinstance(value, np.ndarray):
        return (
            f"an array of shape {value.shape}. Make a recording of each array of "
            "channels, as by mne.io.RawArray (in volts); SegmentEmbedder takes arrays."
        )
    return (
        f"{type(value)}: {str(value)[:80]!r}. Read files first, as by "
        f"mne.io.read_raw{more}."
    )


def crop_copy(raw, tmin, tmax=None):
    """Return a copy of some seconds of a recording; the others are not copied.

    Parameters
    ----------
    raw : mne.io.Raw
        The recording.
    tmin, tmax : float
        First and last time in seconds, as for ``raw.crop``.

    Returns
    -------
    cropped : mne.io.Raw
        The copy.
    """
    # cropping copies what is left, so that the samples need not be copied before
    data = raw._data if raw.preload else None
    return deepcopy(raw, {id(data): data}).crop(tmin, tmax)


def load_copy(recording):
    """Return a copy of a recording with its data in memory, as MNE has them.

    Parameters
    ----------
    recording : mne.io.Raw | mne.Epochs
        The recording.

    Returns
    -------
    copy : mne.io.Raw | mne.Epochs
        The copy.
    """
    with mne.utils.use_log_level("ERROR"), reading(recording):
        copy = recording.copy().load_data()
    # users may have put integers there, or single precision, which MNE does not filter,
    # or an array in a file, to which MNE would append channels
    copy._data = np.require(np.asarray(copy._data), float, "W")
    return copy


def find_subjects(recordings):
    """Find the subject of each recording, each its own where the id is missing.

    Parameters
    ----------
    recordings : list of mne.io.Raw | list of mne.Epochs
        The recordings.

    Returns
    -------
    subjects : ndarray of str, shape (n_recordings,)
        Subject ids.
    """
    return np.array(
        [
            get_subject(recording) or f"recording {index}"
            for index, recording in enumerate(recordings)
        ]
    )


def warn_unknown_subjects(recordings):
    """Warn if subject ids are missing.

    Parameters
    ----------
    recordings : list of mne.io.Raw | list of mne.Epochs
        The recordings.
    """
    n_missing = sum(get_subject(recording) is None for recording in recordings)
    if n_missing:
        mne.utils.warn(
            f"No subject id in {n_missing} of {len(recordings)} recordings: each of "
            "these counts as its own subject. If some are of one subject, set "
            "recording.info['subject_info'] = {'his_id': 'sub-01'} on each."
        )


@contextmanager
def subjects_known():
    """Do not warn about subject ids, since that has been done."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "No subject id")
        yield


def pick_channels(recording, picks=None, name="The recording"):
    """Find the channels of a recording that take part.

    Parameters
    ----------
    recording : mne.io.Raw | mne.Epochs
        The recording.
    picks : None | str | list of str
        Channel types, of which the good ones are taken, and names of channels, which
        are taken even if bad. None stands for sEEG, ECoG, DBS and EEG.
    name : str
        The recording in messages.

    Returns
    -------
    picks : ndarray of int, shape (n_channels,)
        Indices in channel order.
    """
    wanted = (
        DATA_TYPES if picks is None else [picks] if isinstance(picks, str) else picks
    )
    bads = recording.info["bads"]
    chosen = [
        index
        for index, (ch_name, ch_type) in enumerate(
            zip(recording.ch_names, recording.get_channel_types(), strict=True)
        )
        if ch_name in wanted or (ch_type in wanted and ch_name not in bads)
    ]
    if not chosen:
        types = sorted(set(recording.get_channel_types()))
        raise ValueError(
            f"{name} has no good channel among {tuple(wanted)}: its channel types are "
            f"{types} and {len(bads)} of its {len(recording.ch_names)} channels are "
            "bad. Set the types with recording.set_channel_types, or give picks."
        )
    return np.array(chosen)


def list_channels(recordings, *, picks=None, y=None):
    """List the channels that take part, with their regions and subjects.

    Parameters
    ----------
    recordings : list of mne.io.Raw | list of mne.Epochs
        The recordings.
    picks : None | str | list of str
        As by `pick_channels`.
    y : None | list of dict | list of sequence
        Regions instead of the annotations: for each recording ``{ch_name: region}``
        or one region, or None, for each channel that takes part.

    Returns
    -------
    channels : Channels
        The table.
    """
    labels = _check_labels(y, recordings)
    tables = []
    for index, recording in enumerate(recordings):
        name = describe(index, recording)
        chosen = pick_channels(recording, picks, name)
        ch_names = [recording.ch_names[pick] for pick in chosen]
        if labels is None:
            regions = get_regions(recording)
        else:
            regions = _read_regions(labels[index], recording.ch_names, ch_names, name)
        tables.append((chosen, ch_names, list(map(regions.get, ch_names))))
    chosen, ch_names, regions = zip(*tables, strict=True)
    lengths = list(map(len, ch_names))
    return Channels(
        recording=np.repeat(np.arange(len(recordings)), lengths),
        pick=np.concatenate(chosen),
        ch_name=np.concatenate(ch_names),
        region=np.array([region for found in regions for region in found], object),
        subject=np.repeat(find_subjects(recordings), lengths),
    )


def check_all_named(recordings, picks=None):
    """Raise if a channel may have been renamed without its region.

    Parameters
    ----------
    recordings : list of mne.io.Raw | list of mne.Epochs
        The recordings.
    picks : None | str | list of str
        As by `pick_channels`.
    """
    for index, recording in enumerate(recordings):
        name = describe(index, recording)
        ch_names = [
            recording.ch_names[i] for i in pick_channels(recording, picks, name)
        ]
        check_renamed(recording, ch_names, name)


def _check_labels(y, recordings):
    """Return y as a list with one item for each recording, or None."""
    if y is None:
        return None
    if isinstance(y, str | Mapping) or not isinstance(y, Iterable):
        raise TypeError(
            "y must be a list with one dict or sequence of regions for each recording, "
            f"also for a single recording, got {type(y)}."
        )
    labels = list(y)
    if len(labels) != len(recordings):
        raise ValueError(
            f"y has {len(labels)} items for {len(recordings)} recordings: expected one "
            "dict or sequence of regions for each."
        )
    return labels


def _read_regions(labels, all_names, ch_names, name):
    """Return ``{ch_name: region}`` from what a user gave for one recording."""
    if isinstance(labels, str) or not hasattr(labels, "__len__"):
        raise TypeError(
            f"y of {name} must be a dict of channel name to region or a sequence of "
            f"regions, got {labels!r}."
        )
    if hasattr(labels, "items"):
        unknown = [ch_name for ch_name in labels if ch_name not in all_names]
        if unknown:
            raise ValueError(
                f"y of {name} names channels it does not have, "
                f"{shorten_list(unknown)}: its channels are {shorten_list(all_names)}."
            )
        regions = dict(labels)
    elif len(labels) != len(ch_names):
        raise ValueError(
            f"y of {name} has {len(labels)} regions for {len(ch_names)} channels that "
            f"take part, {shorten_list(ch_names)}. Bad and non-data channels do not; a "
            "dict of channel name to region is safer."
        )
    else:
        regions = dict(zip(ch_names, labels, strict=True))
    return {
        ch_name: _read_region(region, ch_name, name)
        for ch_name, region in regions.items()
    }


def _read_region(region, ch_name, name):
    """Return a region as str, or None where it is missing."""
    if region is None or (isinstance(region, Real) and np.isnan(region)):
        return None
    if not isinstance(region, str) or not region.strip():
        raise TypeError(
            f"y of {name}: the region of channel {ch_name!r} must be a string, or None "
            f"if it is unknown, got {region!r}."
        )
    return str(region)
