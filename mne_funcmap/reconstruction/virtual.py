"""Virtual channels of regions that were not recorded."""

from numbers import Integral

import mne
import numpy as np
from mne import BaseEpochs
from sklearn.cluster import KMeans

from ..recordings.channels import load_copy
from ..regions import set_regions
from ..subjects import describe, shorten_list


def find_centres(identities, n_centres):
    """Return identities that stand for those of a region.

    Parameters
    ----------
    identities : ndarray, shape (n_channels, n_components)
        Identities of channels of the region.
    n_centres : int
        How many are wanted.

    Returns
    -------
    centres : ndarray of float32, shape (n_centres, n_components)
        The mean; or the centres of clusters, the largest first.

    Raises
    ------
    TypeError
        If n_centres is not an integer.
    ValueError
        If there are fewer channels than centres.
    """
    if not isinstance(n_centres, Integral):
        raise TypeError(f"n_channels={n_centres!r} must be an integer.")
    if not 1 <= n_centres <= len(identities):
        raise ValueError(
            f"n_channels={n_centres}: expected between 1 and {len(identities)}, the "
            "number of channels of the region in training."
        )
    n_clusters = min(n_centres, len(np.unique(identities, axis=0)))
    clusters = KMeans(n_clusters, n_init=10, random_state=0).fit(identities)
    order = np.argsort(-np.bincount(clusters.labels_, minlength=n_clusters))
    # identities may be all the same, as those of a region by its name are
    repeated = np.resize(order, n_centres)
    return clusters.cluster_centers_[repeated].astype(np.float32)


def name_virtual(recording, region, n_channels, index):
    """Name virtual channels of a region.

    Parameters
    ----------
    recording : mne.io.Raw | mne.Epochs
        The recording.
    region : str
        The region.
    n_channels : int
        How many there are to be.
    index : int
        Number of the recording, for messages.

    Returns
    -------
    names : list of str
        ``"<region>-virtual1"`` and so on.

    Raises
    ------
    ValueError
        If the recording has such channels.
    """
    names = [f"{region}-virtual{i + 1}" for i in range(n_channels)]
    there = [name for name in names if name in recording.ch_names]
    if there:
        raise ValueError(
            f"{describe(index, recording)} has channels {shorten_list(there)} already. "
            "Drop or rename them first."
        )
    return names


def add_channels(recording, names, region, ch_type, volts):
    """Return a copy of a recording with further channels of a region.

    Parameters
    ----------
    recording : mne.io.Raw | mne.Epochs
        The recording.
    names : list of str
        Names of the new channels.
    region : str
        Their region.
    ch_type : str
        Their type.
    volts : ndarray, shape (n_channels, n_samples)
        Their signals, epochs end to end.

    Returns
    -------
    recording : mne.io.Raw | mne.Epochs
        The copy, its data loaded.
    """
    copy = load_copy(recording)
    info = mne.create_info(names, copy.info["sfreq"], ch_type)
    with info._unlock():
        for key in ("highpass", "lowpass", "meas_date", "line_freq", "subject_info"):
            info[key] = copy.info[key]
    if isinstance(copy, BaseEpochs):
        volts = volts.reshape(len(names), -1, len(copy.times)).swapaxes(0, 1)
        new = mne.EpochsArray(volts, info, tmin=copy.tmin, verbose="error")
    else:
        new = mne.io.RawArray(volts, info, copy.first_samp, verbose="error")
    copy.add_channels([new], force_update_info=True)
    return set_regions(copy, dict.fromkeys(names, region))
