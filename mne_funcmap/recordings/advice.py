"""What users are told of a list of recordings, and told only once."""

from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
from mne.utils import logger, warn

from ..subjects import shorten_list
from .labelled import find_unlabelled

HIGH_RATE = 250.0  # Hz, above which a lower one is advised

_TOLD = ContextVar("told", default=False)


@contextmanager
def told_before():
    """Do not tell again of some recordings what was told of all of them."""
    token = _TOLD.set(True)
    try:
        yield
    finally:
        _TOLD.reset(token)


def warn_regions(recordings, channels):
    """Warn of regions that are to be learned, and are probably not as they were meant.

    Parameters
    ----------
    recordings : list of mne.io.Raw | list of mne.Epochs
        The recordings.
    channels : Channels
        The table of them.
    """
    warn_unlabelled(recordings, channels)
    warn_spellings(channels.region)


def warn_unlabelled(recordings, channels):
    """Warn if some recordings have no channel with a region, where others do.

    Parameters
    ----------
    recordings : list of mne.io.Raw | list of mne.Epochs
        The recordings, from which regions are to be learned.
    channels : Channels
        The table of them.
    """
    missing = find_unlabelled(recordings, channels)
    if _TOLD.get() or not 0 < len(missing) < len(recordings):
        return
    warn(
        f"No good channel of {shorten_list(missing)} has a region: {len(missing)} of "
        f"{len(recordings)} recordings take no part where regions are learned and "
        "scored. Call set_regions on them, or leave them out."
    )


def warn_spellings(regions):
    """Warn if names of regions differ in nothing but capitals.

    Parameters
    ----------
    regions : iterable of (str | None)
        The regions of channels, which are to be learned; None where unknown.
    """
    if _TOLD.get():
        return
    spellings = {}
    for region in sorted(set(regions) - {None}):
        spellings.setdefault(region.casefold(), []).append(region)
    doubtful = [found for found in spellings.values() if len(found) > 1]
    if doubtful:
        names = [" and ".join(map(repr, found)) for found in doubtful]
        warn(
            f"Some names of regions differ in capitals only: {shorten_list(names)}. "
            "They count as different regions. If they are the same, give them one name "
            "with set_regions."
        )


def advise_rate(recordings):
    """Log that a reconstruction takes less at a lower rate, if the rate is high.

    This is no warning: predictions are as valid, and fast signals may be what is asked
    for.

    Parameters
    ----------
    recordings : list of mne.io.Raw | list of mne.Epochs
        The recordings, to be reconstructed.
    """
    sfreq = np.max([recording.info["sfreq"] for recording in recordings])
    if sfreq > HIGH_RATE and not _TOLD.get():
        logger.info(
            f"The sampling rate is {sfreq:g} Hz. A reconstruction rarely needs more "
            "than 100 to 200 Hz, which take less time and memory: resample with "
            "RecordingPreprocessor(h_freq=45, sfreq=100). See 'Preparing recordings' "
            "in the user guide."
        )
