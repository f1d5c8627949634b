"""What is kept of recordings on disk: where, and how they are told apart."""

from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from tempfile import TemporaryDirectory

import joblib
from mne import BaseEpochs
from sklearn.utils.validation import check_memory

from ..subjects import get_subject
from .reading import drop_bad_copy, reading
from .storage import RowFile

# where features are kept unless somebody says so, and fingerprints that are known
_KEPT = ContextVar("kept", default=(None, {}))


@contextmanager
def features_kept(memory, recordings, fingerprints):
    """Keep features of recordings, which nobody changes meanwhile, in a folder.

    Parameters
    ----------
    memory : str | joblib.Memory
        The folder, for estimators that have none of their own.
    recordings : list of mne.io.Raw | list of mne.Epochs
        The recordings.
    fingerprints : list of (str | None)
        As by `fingerprint_signals`, so that they are not computed again; None stands
        for those that are computed when they are needed.
    """
    known = {id(one): text for one, text in zip(recordings, fingerprints, strict=True)}
    token = _KEPT.set((memory, known))
    try:
        yield
    finally:
        _KEPT.reset(token)


@contextmanager
def features_kept_meanwhile(recordings, memory=None):
    """Keep features of recordings as long as something is done with them.

    Parameters
    ----------
    recordings : list of mne.io.Raw | list of mne.Epochs
        The recordings, which nobody changes meanwhile.
    memory : None | str | path-like | joblib.Memory
        The folder; None stands for that of `features_kept`, or a temporary one.
    """
    memory = open_memory(memory)
    fingerprints = [None] * len(recordings)
    with TemporaryDirectory(
        prefix="mne_funcmap-", ignore_cleanup_errors=True
    ) as folder:
        kept = folder if memory.location is None else memory
        with features_kept(kept, recordings, fingerprints):
            yield


def open_memory(memory):
    """Return a joblib Memory.

    Parameters
    ----------
    memory : None | str | path-like | joblib.Memory
        A folder, or nothing: then that of `features_kept`, if there is one.

    Returns
    -------
    memory : joblib.Memory
        Keeps nothing, if there is no folder.
    """
    memory = _KEPT.get()[0] if memory is None else memory
    return check_memory(str(memory) if hasattr(memory, "__fspath__") else memory)


def open_file(memory):
    """Return a file for rows.

    Parameters
    ----------
    memory : None | str | path-like | joblib.Memory
        In which folder it is; else it is where the system keeps temporary files.

    Returns
    -------
    file : RowFile
        The file, which vanishes when nobody uses it.
    """
    if memory is None:  # that of `features_kept` may vanish earlier
        return RowFile()
    folder = open_memory(memory).location
    if folder is not None:
        Path(folder).mkdir(parents=True, exist_ok=True)
    return RowFile(folder)


def fingerprint(recording):
    """Return a text that another recording does not have.

    Parameters
    ----------
    recording : mne.io.Raw | mne.Epochs
        The recording.

    Returns
    -------
    digest : str
        Of its signals, channels, positions, subject and annotations.
    """
    montage = recording.get_montage()
    return joblib.hash(
        [
            fingerprint_signals(recording),
            recording.info["bads"],
            recording.info["line_freq"],
            recording.info["description"],
            recording.info["meas_date"],
            repr(recording.info["subject_info"]),
            repr(recording.info["projs"]),
            get_subject(recording),
            _list_marks(recording),
            montage and montage.get_positions(),
            *_list_conditions(recording),
        ]
    )


def _list_conditions(recording):
    """Return what epochs tell of their conditions."""
    if not isinstance(recording, BaseEpochs):
        return []
    recording = drop_bad_copy(recording)
    metadata = recording.metadata
    return [
        recording.events,
        recording.event_id,
        recording.baseline,
        recording.selection,
        None if metadata is None else metadata.to_json(),
    ]


def fingerprint_signals(recording):
    """Return a text that a recording with other signals does not have.

    Parameters
    ----------
    recording : mne.io.Raw | mne.Epochs
        The recording.

    Returns
    -------
    digest : str
        Of the samples, or of path, size and time of the files of a recording that is
        not loaded; of its clock, channels, and what annotations call bad. Regions,
        positions and the subject are no part of it.
    """
    known = _KEPT.get()[1]
    if id(recording) not in known:
        return _fingerprint_signals(recording)
    if known[id(recording)] is None:
        known[id(recording)] = _fingerprint_signals(recording)
    return known[id(recording)]


def _fingerprint_signals(recording):
    """Return the text, of a recording that is not known."""
    if isinstance(recording, BaseEpochs):
        recording = drop_bad_copy(recording)
        clock = [recording.events[:, 0], recording._raw_sfreq]
    else:
        clock = [recording.first_time]
    bad = [
        mark
        for mark in _list_marks(recording)
        if mark[2].lower().startswith(("bad", "edge boundary"))
    ]
    with reading(recording):
        samples = _list_files(recording) or _read_samples(recording)
    return joblib.hash(
        [
            samples,
            recording.info["sfreq"],
            recording.ch_names,
            recording.get_channel_types(),
            recording.times[[0, -1]],
            clock,
            bad,
        ]
    )


def _read_samples(recording):
    """Return the samples of a recording; MNE warns of epochs if there are none."""
    is_empty = isinstance(recording, BaseEpochs) and not len(recording)
    return [] if is_empty else recording.get_data()


def _list_files(recording):
    """Return what tells the files of a recording apart, if it is as they are."""
    if recording.preload or isinstance(recording, BaseEpochs) or recording.proj:
        return []
    files = [Path(name) for name in recording.filenames if name is not None]
    # of a folder, the time does not tell of what is in it
    if not files or not all(file.is_file() for file in files):
        return []
    stats = [(str(file.resolve()), file.stat()) for file in files]
    span = [recording._first_samps.tolist(), recording._last_samps.tolist()]
    # how a file was read, such as in which unit, shows in a few samples
    last = len(recording.times) - 1
    samples = [recording[:, at : at + 1][0] for at in (0, last // 2, last)]
    known = [(name, one.st_size, one.st_mtime_ns) for name, one in stats]
    return [*known, *span, *samples]


def _list_marks(recording):
    """Return the annotations of a recording: begin, duration, text, channels."""
    notes = recording.annotations
    if notes is None:
        return []
    columns = (notes.onset, notes.duration, notes.description, notes.ch_names)
    return [
        (float(onset), float(duration), str(text), list(names))
        for onset, duration, text, names in zip(*columns, strict=True)
    ]
