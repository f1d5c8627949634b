"""What is measured of segments, recording by recording, so that signals need not stay.

Recordings are read one after another, and each once. What is measured of one can be
kept in a folder, for other folds, models and calls.
"""

from dataclasses import dataclass

import numpy as np
import torch

from .. import __version__
from ..progress import track
from .context import pool, share_power
from .keeping import fingerprint_signals, open_file, open_memory
from .storage import StoredRows, join_stored


@dataclass(frozen=True)
class Measure:
    """How segments are measured.

    Attributes
    ----------
    function : callable
        From `Segments` of a recording to an array, (n_segments, n_features).
    key : list | None
        What tells this measure from others, in a folder where results are kept; None
        if they are not to be kept.
    context : bool
        Whether the context of channels is measured too.
    """

    function: callable
    key: list | None
    context: bool = False


@dataclass(frozen=True)
class Measured:
    """What was measured of the segments of a recording.

    Attributes
    ----------
    values : ndarray, shape (n_segments, n_features)
        The features.
    channel : ndarray of int, shape (n_segments,)
        Channel of each segment, among those of the recording.
    onset : ndarray of float, shape (n_segments,)
        Begin in seconds.
    shared : ndarray | None, shape (n_channels, n_channels)
        As by `share_power`, if the context was measured.
    """

    values: np.ndarray
    channel: np.ndarray
    onset: np.ndarray
    shared: np.ndarray | None


@dataclass(frozen=True)
class Units:
    """Features of units of segments: of channels, parts of them, or segments.

    Attributes
    ----------
    values : ndarray | StoredRows, shape (n_units, ...)
        The features.
    channel : ndarray of int, shape (n_units,)
        Channel of each unit, a row of the table of all recordings.
    onset : ndarray of float, shape (n_units,)
        When the first segment of each begins, in seconds.
    n_segments : ndarray of int, shape (n_units,)
        Number of segments of each.
    """

    values: np.ndarray | StoredRows
    channel: np.ndarray
    onset: np.ndarray
    n_segments: np.ndarray


def collect_units(source, measure, divide, *, finish=None, memory=None, stored=False):
    """Measure recordings, and average what was measured over units.

    Parameters
    ----------
    source : SegmentSource
        The recordings.
    measure : Measure
        What is measured.
    divide : callable | None
        From the channel of each segment of a recording, and whether the region of each
        channel is known, to the unit of each segment, from 0 on, without gaps. None
        stands for single segments.
    finish : callable | None
        From a tensor of features of units to an array, (n_units, ...); None keeps the
        features.
    memory : None | str | path-like | joblib.Memory
        Folder in which what was measured is kept.
    stored : bool
        Whether what is collected stays in a file, in that folder if there is one.

    Returns
    -------
    units : Units
        Those of all recordings, in order.
    """
    file = open_file(memory) if stored else None
    parts = []
    found = _measure_recordings(source, measure, memory)
    found = track(found, "recordings", len(source.recordings))
    for index, measured in enumerate(found):
        rows = source.channels.find_rows(index)
        if divide is None:
            unit = np.arange(len(measured.channel))
        else:
            unit = divide(measured.channel, source.channels.has_region[rows])
        values = pool(measured.values, unit, measured.channel, measured.shared)
        values = np.asarray(values if finish is None else finish(values))
        first, counts = np.unique(unit, return_index=True, return_counts=True)[1:]
        parts.append(
            (
                file.append(values) if stored else values,
                measured.channel[first] + rows.start,
                measured.onset[first],
                counts,
            )
        )
    values, *columns = zip(*parts, strict=True)
    joined = join_stored(values) if stored else np.concatenate(values)
    return Units(joined, *map(np.concatenate, columns))


def by_channel(channel, has_region):
    """Divide segments by channel, as for `collect_units`."""
    return channel


def _measure_recordings(source, measure, memory):
    """Yield what is measured of each recording."""
    memory = open_memory(memory)
    if memory.location is None or measure.key is None:
        for segments in source:
            yield _measure_segments(segments, measure)
        return
    kept = memory.cache(_measure_recording, ignore=["source", "index", "measure"])
    for index, recording in enumerate(source.recordings):
        of_one = source.channels.of_recording(index)
        cut = [source.n_times, source.sfreq, source.normalize, of_one.pick.tolist()]
        options = [*cut, *measure.key, measure.context]
        versions = [__version__, torch.__version__]
        key = [*versions, fingerprint_signals(recording), *options]
        yield kept(source, index, measure, key)


def _measure_recording(source, index, measure, key):
    """Return what is measured of a recording, for which the key stands."""
    return _measure_segments(source.cut(index), measure)


def _measure_segments(segments, measure):
    """Return what is measured of the segments of a recording."""
    shared = None
    if measure.context:
        shared = share_power(segments.data, segments.channel, segments.onset)
    return Measured(
        measure.function(segments), segments.channel, segments.onset, shared
    )
