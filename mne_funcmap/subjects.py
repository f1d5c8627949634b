"""Whose a recording is, and how messages name it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from mne import BaseEpochs
from mne.io import BaseRaw

if TYPE_CHECKING:
    from .hints import Recordings

_QUOTED = r"""(?:'(?:\\.|[^'\\])*'|"[^"]*")"""  # as by repr
NAMED = re.compile(
    rf"(recording \d+|The recording) \((?:subject {_QUOTED})?(?:, )?"
    rf"(?:file {_QUOTED})?\)"
)


def get_subjects(recordings: Recordings) -> np.ndarray:
    """Get the subject of each recording, the groups of a cross-validation.

    Parameters
    ----------
    recordings : list of mne.io.Raw | list of mne.Epochs
        The recordings.

    Returns
    -------
    subjects : ndarray of str, shape (n_recordings,)
        The subject ids, ``info["subject_info"]["his_id"]``.

    Raises
    ------
    TypeError
        If an item of the list is not a recording.
    ValueError
        If the list is empty, or a recording has no subject id or the id ``"0"``, which
        anonymizing leaves behind.

    Examples
    --------
    >>> import mne_funcmap as mf
    >>> X = mf.simulate_recordings(n_subjects=2, n_sessions=2, duration=1.0)
    >>> mf.get_subjects(X)
    array(['sub-01', 'sub-01', 'sub-02', 'sub-02'], dtype='<U6')
    """
    if isinstance(recordings, BaseRaw | BaseEpochs):
        recordings = [recordings]
    subjects = [get_subject(recording) for recording in recordings]
    if not subjects:
        raise ValueError("The list of recordings is empty: no subjects to get.")
    missing = [
        describe(index, recordings[index])
        for index, subject in enumerate(subjects)
        if subject is None
    ]
    if missing:
        raise ValueError(
            f"No subject id in {len(missing)} of {len(subjects)} recordings: "
            f"{shorten_list(missing)}. Subjects must be known to be held out, and "
            "anonymizing sets every id to '0': set "
            "recording.info['subject_info'] = {'his_id': 'sub-01'} on each. See "
            "'Preparing recordings' in the user guide."
        )
    return np.array(subjects)


def get_subject(recording):
    """Get the subject id of a recording, None if missing, empty or "0"."""
    check_recording(recording)
    subject = str((recording.info["subject_info"] or {}).get("his_id") or "").strip()
    return None if subject in ("", "0") else subject


def describe(index, recording):
    """Name a recording in messages by index (None: unknown), subject and file."""
    subject, file = get_subject(recording), get_file_name(recording)
    known = [f"subject {subject!r}"] if subject else []
    known += [f"file {file!r}"] if file else []
    text = "The recording" if index is None else f"recording {index}"
    return f"{text} ({', '.join(known)})" if known else text


def hide_names(text):
    """Return a message that names recordings by their number alone.

    Parameters
    ----------
    text : str
        A message in which `describe` has named recordings.

    Returns
    -------
    text : str
        The same without subjects and files.
    """
    return NAMED.sub(r"\1", text)


def shorten_list(items, n_shown=5):
    """Join the first items for a message and count the others."""
    more = f" and {len(items) - n_shown} more" if len(items) > n_shown else ""
    return ", ".join(map(str, items[:n_shown])) + more


def check_recording(inst):
    """Raise TypeError unless it is a Raw or Epochs."""
    if not isinstance(inst, BaseRaw | BaseEpochs):
        hint = "Read files first, as by mne.io.read_raw."
        if isinstance(inst, list | tuple):
            hint = "Give the recordings of a list one by one."
        raise TypeError(
            f"Expected a recording (mne.io.Raw or mne.Epochs), got {type(inst)}: "
            f"{str(inst)[:80]!r}. {hint}"
        )


def get_file_name(recording):
    """Get the name of the file a recording was read from, None if there is none."""
    files = (
        recording.filenames if isinstance(recording, BaseRaw) else [recording.filename]
    )
    return Path(files[0]).name if files and files[0] else None
