"""Filtering, resampling and re-referencing of lists of recordings."""

from __future__ import annotations

import logging
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import joblib
import mne
import numpy as np
from joblib import Parallel, delayed
from mne import BaseEpochs
from mne._fiff.pick import _pick_data_channels
from mne.annotations import _annotations_starts_stops
from mne.filter import notch_filter
from mne.io import BaseRaw, read_raw_fif
from mne.utils import logger, use_log_level
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils._param_validation import Interval

from . import __version__
from .progress import VERBOSE_CONSTRAINT, track, verbose_method
from .recordings.channels import check_recordings, load_copy
from .recordings.keeping import fingerprint
from .recordings.positions import name_frame
from .recordings.reading import check_not_empty, check_shareable
from .recordings.referencing import get_electrodes, list_names, rereference
from .recordings.signals import LARGEST
from .subjects import describe, shorten_list

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self

    from .hints import AnyPath, Recording, Recordings, Verbose

SKIPPED = ("edge", "bad_acq_skip")  # annotated so, MNE's filters leave it out
POSITIVE = Interval(Real, 0, None, closed="neither")


class RecordingPreprocessor(TransformerMixin, BaseEstimator):
    """Re-reference, notch, band-pass and resample recordings, in that order.

    Everything is done by MNE, on copies, and the regions of the channels are kept.

    Parameters
    ----------
    notch : bool | float
        Whether to remove the line frequency and its harmonics, or the line frequency in
        Hz. ``True`` takes that of each recording, ``info["line_freq"]``. Harmonics
        that the low-pass or the resampling removes anyway are left to them.
    l_freq, h_freq : float | None
        The pass-band in Hz; ``None`` leaves that side open.
    sfreq : float | None
        The new sampling rate in Hz, lower or higher; ``None`` keeps that of each
        recording.
    reference : None | "average" | "bipolar" | str | list of str
        The new reference: the average of the good channels of each type; the next
        contact of the same shaft; or the mean of the channels named. See Notes.
    memory : None | str | path-like
        Folder in which preprocessed recordings are kept, as FIF files in single
        precision. The Raw that are returned are then not loaded, and a recording that
        is there is not processed again. None keeps all of them in memory.
    n_jobs : int | None
        The number of recordings that are processed in parallel, as in joblib.
    verbose : bool | str | int | None
        Log level, as in MNE-Python. None leaves out what MNE logs of each filter; False
        hides the progress bar too.

    See Also
    --------
    mne.io.Raw.filter : The band-pass, with its transition bands and filter lengths.
    mne.set_eeg_reference : The reference, except for bipolar ones.

    Notes
    -----
    Nothing is learned from the recordings: ``transform`` needs no ``fit``.

    Filters apply to all data channels, bad ones included, and resampling to all
    channels. References are computed from, and applied to, good channels of the types
    sEEG, ECoG, DBS and EEG alone. A single channel named as the reference becomes flat
    and is marked as bad.

    ``reference="bipolar"`` subtracts from each contact the next one of its shaft,
    ``"LA1-LA2"``: contacts are neighbours if their names differ only in the number at
    the end, by one, and if they have the same type. The new channels sit halfway
    between their contacts, and have their region if both have the same. All
    former electrode channels are dropped. For grids this is not meaningful.

    MNE warns if a recording or an epoch is shorter than a filter; notches are the
    longest, 6.6 s.

    Examples
    --------
    >>> import mne_funcmap as mf
    >>> X = mf.simulate_recordings(n_subjects=2, n_sessions=1, duration=10.0)
    >>> preprocessor = mf.RecordingPreprocessor(
    ...     notch=True, l_freq=1, h_freq=90, sfreq=200
    ... )
    >>> [raw.info["sfreq"] for raw in preprocessor.fit_transform(X)]
    [200.0, 200.0]
    """

    _parameter_constraints = {
        "notch": ["boolean", POSITIVE],
        "l_freq": [POSITIVE, None],
        "h_freq": [POSITIVE, None],
        "sfreq": [POSITIVE, None],
        "reference": [str, list, None],
        "memory": [str, PathLike, None],
        "n_jobs": [Integral, None],
        "verbose": VERBOSE_CONSTRAINT,
    }

    def __init__(
        self,
        *,
        notch: bool | float = False,
        l_freq: float | None = None,
        h_freq: float | None = None,
        sfreq: float | None = None,
        reference: str | Sequence[str] | None = None,
        memory: AnyPath | None = None,
        n_jobs: int | None = None,
        verbose: Verbose = None,
    ) -> None:
        self.notch = notch
        self.l_freq = l_freq
        self.h_freq = h_freq
        self.sfreq = sfreq
        self.reference = reference
        self.memory = memory
        self.n_jobs = n_jobs
        self.verbose = verbose

    def fit(self, X: Recordings, y: Any = None) -> Self:
        """Check the parameters and the recordings.

        Parameters
        ----------
        X : list of mne.io.Raw | list of mne.Epochs
            The recordings.
        y : None
            Ignored.

        Returns
        -------
        self : RecordingPreprocessor
            The preprocessor.

        Raises
        ------
        TypeError
            If an item of the list is not a recording.
        ValueError
            If a parameter is invalid or does not fit a recording, such as a band
            beyond its Nyquist frequency or a line frequency that it does not tell.
        """
        self._check(X)
        return self

    @verbose_method
    def transform(self, X: Recordings) -> list[Recording]:
        """Preprocess recordings.

        Parameters
        ----------
        X : list of mne.io.Raw | list of mne.Epochs
            The recordings, which stay as they are. They need not be preloaded.

        Returns
        -------
        X_new : list of mne.io.Raw | list of mne.Epochs
            One preprocessed copy for each recording, with its data loaded, but for
            Raw in a folder.

        Raises
        ------
        TypeError
            If an item of the list is not a recording.
        ValueError
            As by ``fit``; and if data are not finite, have no two contacts for a
            bipolar reference, or are of Epochs that are not loaded, with several jobs.
        OSError
            If the folder given as memory cannot be written to.
        """
        # unless it is asked for, since filter designs of a long list drown the log
        quiet = logging.WARNING if self.verbose is None else logging.DEBUG
        log_level = max(logger.level, quiet)
        steps = {
            "reference": self.reference,
            "notch": self.notch,
            "band": (self.l_freq, self.h_freq),
            "sfreq": self.sfreq,
        }
        recordings = self._check(X)
        check_shareable(recordings, self.n_jobs)
        preprocessed = Parallel(n_jobs=self.n_jobs, return_as="generator")(
            delayed(_preprocess_once)(
                recording, describe(index, recording), steps, log_level, self.memory
            )
            for index, recording in enumerate(recordings)
        )
        return list(track(preprocessed, "recordings", len(recordings)))

    def __sklearn_is_fitted__(self):
        """Tell that there is nothing to be fitted."""
        return True

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.two_d_array = False
        return tags

    def _check(self, X):
        """Return the list of recordings, all of which the parameters suit."""
        self._validate_params()
        if None not in (self.l_freq, self.h_freq) and self.l_freq >= self.h_freq:
            raise ValueError(
                f"l_freq must be below h_freq, got l_freq={self.l_freq} and "
                f"h_freq={self.h_freq}."
            )
        recordings = check_recordings(X)
        for index, recording in enumerate(recordings):
            self._check_recording(describe(index, recording), recording)
        return recordings

    def _check_recording(self, name, recording):
        nyquist = recording.info["sfreq"] / 2
        n_times = round(
            len(recording.times) * (self.sfreq or 2 * nyquist) / nyquist / 2
        )
        if n_times < 2:
            raise ValueError(
                f"{name} has {len(recording.times)} samples at {2 * nyquist:g} Hz, and "
                f"{n_times} afterwards: expected 2 at least. Leave it out, or give a "
                "higher sfreq."
            )
        for parameter in ("l_freq", "h_freq", "notch"):
            value = getattr(self, parameter)
            if value is not None and value is not True and value >= nyquist:
                raise ValueError(
                    f"{name} is sampled at {2 * nyquist} Hz, so {parameter} must be "
                    f"below {nyquist} Hz, got {value}."
                )
        odd = [one for one in recording.ch_names if not one.isascii()]
        if self.memory is not None and odd:
            raise ValueError(
                f"{name} has channel names that FIF files cannot hold, "
                f"{shorten_list(odd)}: with memory, expected ASCII letters alone. "
                "Rename them, as by mne_funcmap.rename_channels, or set memory=None."
            )
        if self.notch is True and not recording.info["line_freq"]:
            raise ValueError(
                f"{name} does not tell its line frequency. Set "
                "recording.info['line_freq'] = 50.0, or give notch=50.0 for all "
                "recordings (60 where the mains has 60 Hz)."
            )
        if self.reference not in (None, "average", "bipolar"):
            missing = sorted(set(list_names(self.reference)) - set(recording.ch_names))
            if missing:
                raise ValueError(
                    f"{name} lacks the channels {shorten_list(missing)} named by "
                    "reference. It must be None, 'average', 'bipolar', or names of "
                    "channels that all recordings have."
                )


def _preprocess_once(recording, name, steps, log_level, memory):
    """Preprocess a copy of a recording, or find the one in the folder."""
    with use_log_level(log_level):
        check_not_empty(recording, name)
        if memory is None:
            return _preprocess(recording, name, **steps)
        key = joblib.hash([__version__, mne.__version__, fingerprint(recording), steps])
        is_epochs = isinstance(recording, BaseEpochs)
        path = Path(memory) / key / f"preprocessed_{'epo' if is_epochs else 'raw'}.fif"
        if not path.exists():
            preprocessed = _preprocess(recording, name, **steps)
            try:
                _write(preprocessed, path)
            except OSError as error:
                raise OSError(
                    error.errno,
                    f"{name}, preprocessed, could not be written "
                    f"({error.strerror or error}). Check the folder given as memory "
                    "and the space in it, or choose another",
                    str(memory),
                ) from error
        # of Epochs that are not loaded, copies would share an open file
        kept = mne.read_epochs(path) if is_epochs else read_raw_fif(path, preload=False)
        return _restore_frame(kept, recording)


def _restore_frame(inst, recording):
    """Name the frame of positions, which FIF does not store, as it was."""
    montage = recording.get_montage()
    frame = montage and montage.get_positions()["coord_frame"]
    if frame not in (None, "head"):
        name_frame(inst, frame)
    return inst


def _write(inst, path):
    """Write a recording to a file in a new folder, which appears when it is complete.

    MNE splits large recordings over several files, none of which may be missing.
    """
    folder = path.parent
    folder.parent.mkdir(parents=True, exist_ok=True)
    np.clip(inst._data, -LARGEST, LARGEST, out=inst._data)
    with TemporaryDirectory(dir=folder.parent) as unfinished:
        place = Path(unfinished) / folder.name
        place.mkdir()
        inst.save(place / path.name, fmt="single")
        try:
            place.rename(folder)
        except OSError:
            if not path.exists():  # by another process, which was faster
                raise


def _preprocess(recording, name, *, reference, notch, band, sfreq):
    """Preprocess a copy of one recording."""
    inst = load_copy(recording)
    _check_finite(inst, name)
    if notch or band != (None, None):
        _check_filtered(inst, name)
    # what is not finite now is in bad channels, or in those that no model looks at
    with np.errstate(invalid="ignore", over="ignore"):
        return _process(inst, name, reference, notch, band, sfreq)


def _process(inst, name, reference, notch, band, sfreq):
    """Preprocess a recording, in place if its channels stay."""
    l_freq, h_freq = band
    if reference is not None:
        inst = rereference(inst, reference, name)
    if notch:
        _apply_notch(inst, _find_harmonics(inst.info, notch, h_freq, sfreq))
    if l_freq is not None or h_freq is not None:
        inst.filter(l_freq, h_freq)
    if sfreq is not None:
        inst.resample(sfreq)
    return inst


def _check_finite(inst, name):
    """Raise if good data are not finite: a filter would spread that."""
    wrong = [
        ch_name
        for ch_name in get_electrodes(inst)
        if not (np.abs(inst.get_data(picks=[ch_name])) < LARGEST).all()
    ]
    if wrong:
        raise ValueError(
            f"{name} has values that are not finite in {shorten_list(wrong)}, or "
            f"beyond {LARGEST:g} V. Add the channels to info['bads'], or crop the "
            "recording."
        )


def _check_filtered(inst, name):
    """Raise if there is nothing to be filtered: no channel, or no time."""
    if not len(_pick_data_channels(inst.info, exclude=())):
        raise ValueError(
            f"{name} has no data channels to be filtered: its channel types are "
            f"{sorted(set(inst.get_channel_types()))}. Set the types with "
            "recording.set_channel_types, or leave the recording out."
        )
    if isinstance(inst, BaseRaw) and not len(
        _annotations_starts_stops(inst, SKIPPED, invert=True)[0]
    ):
        raise ValueError(
            f"{name} is annotated as {' or '.join(map(repr, SKIPPED))} from begin to "
            "end, which MNE does not filter. Shorten these annotations, or leave the "
            "recording out."
        )


def _find_harmonics(info, notch, h_freq, sfreq):
    """Find the line frequencies that no later step removes."""
    line = info["line_freq"] if notch is True else notch
    # MNE's notch ends there, MNE's low-pass 25 % (2 Hz at least) beyond h_freq
    limits = [info["sfreq"] / 2]
    if sfreq is not None:
        limits.append(sfreq / 2)
    if h_freq is not None:
        limits.append(h_freq + max(0.25 * h_freq, 2.0))
    harmonics = np.arange(line, min(limits), line)
    notch_ends = harmonics * (1 + 1 / 400) + 0.5
    return harmonics[notch_ends < info["sfreq"] / 2]


def _apply_notch(inst, frequencies):
    if not len(frequencies):
        return
    if isinstance(inst, BaseRaw):
        inst.notch_filter(frequencies)
    else:
        inst.apply_function(
            notch_filter,
            channel_wise=False,
            Fs=inst.info["sfreq"],
            freqs=frequencies,
        )
