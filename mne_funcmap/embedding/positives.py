"""What makes segments of channels similar, and what is held out of them together."""

import numpy as np

MIN_SUBJECTS = 5  # fewer are not enough to hold one out: channels are


def label_channels(channels, positives):
    """Return what makes segments of channels similar.

    Parameters
    ----------
    channels : Channels
        The channels.
    positives : "region" | "channel" | "both"
        As of `FunctionalEmbedder`.

    Returns
    -------
    labels : ndarray of object, shape (n_channels,)
        Segments of channels with one label are similar; None where nothing is.
    """
    # one channel is the same in all recordings of a subject
    identity = [
        f"channel {name} of {subject}"
        for subject, name in zip(channels.subject, channels.ch_name, strict=True)
    ]
    if positives == "channel":
        return np.array(identity, dtype=object)
    if positives == "region":
        return channels.region
    return np.where(channels.has_region, channels.region, np.array(identity, object))


def halve_unlabelled(channel, has_region):
    """Divide segments by channel, and channels without a region in halves.

    What two halves have in common is all that an unlabelled channel can teach.

    Parameters
    ----------
    channel : ndarray of int, shape (n_segments,)
        Channel of each segment, sorted, from 0 on, without gaps.
    has_region : ndarray of bool, shape (n_channels,)
        Whether the region of each channel is known.

    Returns
    -------
    unit : ndarray of int, shape (n_segments,)
        Number of the channel, or half, from 0 on, without gaps.
    """
    size = np.bincount(channel)
    place = np.arange(len(channel)) - (np.cumsum(size) - size)[channel]
    later = ~has_region[channel] & (2 * place >= size[channel])
    return np.unique(2 * channel + later, return_inverse=True)[1]


def group_channels(channels, across_subjects=False):
    """Return what batches are balanced over, and validation holds out.

    Parameters
    ----------
    channels : Channels
        The channels.
    across_subjects : bool
        As of `FunctionalEmbedder`.

    Returns
    -------
    groups : ndarray of str, shape (n_channels,)
        Subjects, or channels where subjects are few.
    """
    subjects = channels.subject
    if across_subjects or len(np.unique(subjects)) >= MIN_SUBJECTS:
        return subjects
    return label_channels(channels, "channel").astype(str)
