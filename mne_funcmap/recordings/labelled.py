"""Labelled channels: those whose region is known, which alone are reconstructed."""

import numpy as np
from mne import BaseEpochs

from ..regions import get_regions
from ..subjects import describe, shorten_list
from .channels import list_channels, load_copy
from .reading import check_not_empty


def pick_labelled(channels, index):
    """Pick the labelled channels of a recording.

    Parameters
    ----------
    channels : Channels
        The table of the list of recordings.
    index : int
        Which of them it is.

    Returns
    -------
    rows : ndarray of int, shape (n_channels,)
        Their rows in the table.
    """
    rows = channels.find_rows(index)
    return rows.start + np.flatnonzero(channels.has_region[rows])


def list_labelled(channels, index, hidden=None):
    """List the labelled channels of a recording outside a region.

    Parameters
    ----------
    channels : Channels
        The table of the list of recordings.
    index : int
        Which of them it is.
    hidden : str | None
        The region that is left out.

    Returns
    -------
    ch_names : ndarray of str, shape (n_channels,)
        Their names.
    """
    rows = pick_labelled(channels, index)
    return channels.ch_name[rows[channels.region[rows] != hidden]]


def read_labels(channels, index):
    """Return the regions of a recording.

    Parameters
    ----------
    channels : Channels
        The table of the list of recordings.
    index : int
        Which of them it is.

    Returns
    -------
    regions : dict of str to str
        By channel name.
    """
    rows = pick_labelled(channels, index)
    return dict(
        zip(channels.ch_name[rows].tolist(), channels.region[rows], strict=True)
    )


def drop_unlabelled(recordings, picks=None):
    """Leave out channels whose region is not known.

    Parameters
    ----------
    recordings : list of mne.io.Raw | list of mne.Epochs
        The recordings.
    picks : None | str | list of str
        Channel types, or names, that take part.

    Returns
    -------
    recordings : list of mne.io.Raw | list of mne.Epochs
        Copies of those that have such channels, beside others.
    """
    channels = list_channels(recordings, picks=picks)
    kept = []
    for index, recording in enumerate(recordings):
        of_one = channels.of_recording(index)
        unlabelled = of_one.ch_name[~of_one.has_region]
        if 0 < len(unlabelled) < len(of_one.ch_name):
            recording = _drop_channels(recording, list(unlabelled), index)
        kept.append(recording)
    return kept


def drop_region(recording, region):
    """Leave out the channels of a region.

    Parameters
    ----------
    recording : mne.io.Raw | mne.Epochs
        The recording, with other regions.
    region : str
        The region.

    Returns
    -------
    recording : mne.io.Raw | mne.Epochs
        A copy without it.
    """
    regions = get_regions(recording)
    hidden = [ch_name for ch_name, found in regions.items() if found == region]
    return _drop_channels(recording, hidden)


def _drop_channels(recording, ch_names, index=None):
    """Return a copy without some channels."""
    check_not_empty(recording, describe(index, recording))
    # MNE drops channels of Epochs only if they are loaded
    is_epochs = isinstance(recording, BaseEpochs)
    copy = load_copy(recording) if is_epochs else recording.copy()
    return copy.drop_channels(ch_names)


def check_labelled(ch_names, name):
    """Raise if a recording has no channels with a region.

    Parameters
    ----------
    ch_names : sequence of str
        Its channels with a region.
    name : str
        The recording in messages.
    """
    if not len(ch_names):
        raise ValueError(
            f"No good channel of {name} has a region. Call set_regions on it, or leave "
            "it out."
        )


def find_unlabelled(recordings, channels):
    """Name the recordings that have no channel with a region.

    Parameters
    ----------
    recordings : list of mne.io.Raw | list of mne.Epochs
        The recordings.
    channels : Channels
        The table of them.

    Returns
    -------
    names : list of str
        As messages name them.
    """
    return [
        describe(index, recording)
        for index, recording in enumerate(recordings)
        if not len(pick_labelled(channels, index))
    ]


def check_all_labelled(recordings, channels):
    """Raise unless every recording has channels with a region.

    Parameters
    ----------
    recordings : list of mne.io.Raw | list of mne.Epochs
        The recordings.
    channels : Channels
        The table of them.
    """
    missing = find_unlabelled(recordings, channels)
    if missing:
        raise ValueError(
            f"No good channel of {shorten_list(missing)} has a region. Call "
            "set_regions on it, give y, or leave it out."
        )


def find_training_regions(channels):
    """Find the regions of the training recordings.

    Parameters
    ----------
    channels : Channels
        The table of the recordings.

    Returns
    -------
    regions : ndarray of str, shape (n_regions,)
        The regions, sorted.

    Raises
    ------
    ValueError
        If no recording has two.
    """
    regions = np.unique(channels.region[channels.has_region].astype(str))
    if len(regions) < 2:
        found = f"only {str(regions[0])!r}" if len(regions) else "none"
        raise ValueError(
            f"Expected channels of two regions at least, found {found}. Call "
            "set_regions on the recordings, or give y. See 'Preparing recordings' in "
            "the user guide."
        )
    numbers = [
        len(set(channels.region[pick_labelled(channels, index)]))
        for index in np.unique(channels.recording)
    ]
    if max(numbers) < 2:
        raise ValueError(
            "All labelled channels of each recording are in a single region: there is "
            "nothing to predict them from. Expected two regions in one recording at "
            "least."
        )
    return regions


def find_withheld(regions, channels):
    """Find the regions that are to be withheld.

    Parameters
    ----------
    regions : None | str | list of str
        Those asked for; None stands for all.
    channels : Channels
        The table of the recordings.

    Returns
    -------
    regions : list of str
        Regions of which there are channels.

    Raises
    ------
    ValueError
        If there are none of one that is asked for.
    """
    found = sorted(set(channels.region[channels.has_region]))
    if regions is None:
        return found
    if not isinstance(regions, str | list | tuple | np.ndarray):
        raise TypeError(
            f"regions must be a name or a list of names, got {type(regions)}: "
            f"{str(regions)[:80]!r}."
        )
    wanted = [regions] if isinstance(regions, str) else list(dict.fromkeys(regions))
    missing = [region for region in wanted if region not in found]
    if missing or not wanted:
        raise ValueError(
            f"No recording has a channel in {missing or 'no region'}: the regions of X "
            f"are {shorten_list(found, 20)}. To predict a region that was never "
            "recorded, use add_region."
        )
    return wanted
