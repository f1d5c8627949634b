"""Reading of recordings that are not loaded: what happens, and what must not."""

from contextlib import contextmanager
from pathlib import Path

from joblib import effective_n_jobs
from mne import BaseEpochs

from ..subjects import describe, shorten_list


def check_files(recording, name):
    """Raise if a file is gone that has still to be read.

    Parameters
    ----------
    recording : mne.io.Raw | mne.Epochs
        The recording. Epochs keep their file open.
    name : str
        The recording in messages.

    Raises
    ------
    RuntimeError
        If a file is not there.
    """
    if recording.preload or isinstance(recording, BaseEpochs):
        return
    files = [Path(file) for file in recording.filenames if file is not None]
    missing = [str(file) for file in files if not file.exists()]
    if missing:
        raise RuntimeError(
            f"{name} is not loaded, and its file is gone: {shorten_list(missing)}. "
            "Open it again from where it is now, or load recordings before their "
            "files are moved."
        )


def check_shareable(recordings, n_jobs):
    """Raise if several workers would read a file through one place in it.

    Parameters
    ----------
    recordings : list of mne.io.Raw | list of mne.Epochs
        The recordings.
    n_jobs : int | None
        Number of workers, as joblib takes it.

    Raises
    ------
    ValueError
        If there is more than one, and Epochs are not loaded, whose copies share an
        open file.
    """
    if effective_n_jobs(n_jobs) == 1:
        return
    for index, recording in enumerate(recordings):
        if isinstance(recording, BaseEpochs) and not recording.preload:
            raise ValueError(
                f"{describe(index, recording)} is of Epochs that are not loaded, which "
                "cannot be shared by several workers. Call load_data() of all of them, "
                "or work with n_jobs=1."
            )


@contextmanager
def reading(recording):
    """Say which recording cannot be read, whatever the reader of its format says.

    Parameters
    ----------
    recording : mne.io.Raw | mne.Epochs
        The recording, whose file may have been moved or cut off since it was opened.

    Raises
    ------
    RuntimeError
        If its signals cannot be read.
    """
    if recording.preload:
        yield
        return
    try:
        yield
    except (MemoryError, Warning):
        raise
    except Exception as error:  # of damaged files, readers raise anything
        raise RuntimeError(
            f"{describe(None, recording)} is not loaded, and its signals cannot be "
            f"read: {error}. Was the file moved, changed or cut off since it was "
            "opened? Open it again, or leave the recording out."
        ) from error


def drop_bad_copy(epochs):
    """Return epochs without those that MNE drops when it first reads them.

    Parameters
    ----------
    epochs : mne.Epochs
        The epochs, which stay as they are: MNE would drop them in place.

    Returns
    -------
    epochs : mne.Epochs
        The same, if that has been done; else a copy.
    """
    if epochs._bad_dropped:
        return epochs
    with reading(epochs):
        return epochs.copy().drop_bad(verbose="error")


def check_not_empty(recording, name):
    """Raise if all epochs of a recording were dropped.

    Parameters
    ----------
    recording : mne.io.Raw | mne.Epochs
        The recording.
    name : str
        The recording in messages.

    Raises
    ------
    ValueError
        If there is nothing in it.
    """
    if isinstance(recording, BaseEpochs) and not len(drop_bad_copy(recording)):
        raise ValueError(
            f"{name} has no epochs, perhaps since all were dropped as bad: leave it "
            "out."
        )
