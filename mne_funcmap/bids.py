"""Recordings and their regions from a BIDS folder."""

from __future__ import annotations

import csv
import warnings
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

import mne

from .progress import log_level, tell, track
from .recordings.positions import name_frame
from .regions import set_regions
from .subjects import shorten_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mne.io import BaseRaw

    from .hints import AnyPath, Verbose

_DATATYPES = ("eeg", "ieeg")
_FORMATS = (".bdf", ".edf", ".set", ".vhdr")
# what the command line says in words of its own
COLUMN_ADVICE = (
    "Name the column with regions in region_column, or read with region_column=None "
    "and call set_regions."
)
_PREFIXES = {"subject": "sub-", "session": "ses-", "task": "task-"}
# said once a recording, and without consequence for signals and regions: where
# positions are needed, their absence is an error there
_NEEDLESS_WARNINGS = (
    "Did not find any (events|electrodes|coordsystem)",
    "Unable to map the following column",
    "participants.tsv file not found",
    "Subject .* is not listed in participants.tsv",
    ".* is not an MNE-Python coordinate frame",
    "There are channels without locations",
    'Coordinate unit is "n/a"',
    "Not setting positions? of",
    "DigMontage is only a subset of info",
    "Channel mismatch between",  # treated here
)


@log_level
def read_recordings_bids(
    root: AnyPath,
    *,
    region_column: str | None = "region",
    subjects: str | Sequence[str] | None = None,
    sessions: str | Sequence[str] | None = None,
    tasks: str | Sequence[str] | None = None,
    preload: bool = False,
    verbose: Verbose = None,
) -> list[BaseRaw]:
    """Read the EEG and intracranial EEG recordings of a BIDS folder.

    Parameters
    ----------
    root : path-like
        The BIDS folder, the one with ``dataset_description.json``. Derivatives in it
        are not read.
    region_column : str | None
        The column with the region of each channel, in ``electrodes.tsv``, else in
        ``channels.tsv``. The value ``n/a`` means no region. If None, no regions are
        read.
    subjects, sessions, tasks : str | list of str | None
        What to read, with or without the prefixes ``sub-``, ``ses-`` and ``task-``.
        If None, everything.
    preload : bool
        Whether to load the signals into memory.
    verbose : bool | str | int | None
        Log level, as in MNE-Python, also of MNE-BIDS. None leaves out what these log
        of each recording; False hides the progress bar too.

    Returns
    -------
    recordings : list of mne.io.Raw
        The recordings in the order of their paths, with regions (see
        :func:`~mne_funcmap.get_regions`), subject id (``"sub-..."``, see
        :func:`~mne_funcmap.get_subjects`), bad channels and annotations. Electrode
        positions (metres) are in the frame ``mni_tal`` where the BIDS space is an MNI
        one or fsaverage, and in ``head`` for most scalp EEG.

    Raises
    ------
    ImportError
        If mne-bids is not installed.
    ValueError
        If ``root`` is no folder, a subject, session or task is not in it, nothing is
        selected, a recording cannot be read, there is no region column, or channel
        names in the table do not match those of the recording.

    Notes
    -----
    A table may list channels that a recording lacks, and lack channels of a recording,
    which then have no region. Both at once raise an error, unless the superfluous
    names belong to other recordings in the same folder: the names are then probably
    spelt in two ways. The files are read by MNE-BIDS [1]_.

    References
    ----------
    .. [1] Appelhoff, S. et al. (2019). MNE-BIDS: Organizing electrophysiological data
       into the BIDS format and facilitating their analysis. Journal of Open Source
       Software, 4(44), 1896. https://doi.org/10.21105/joss.01896

    Examples
    --------
    >>> import mne_funcmap as mf
    >>> recordings = mf.read_recordings_bids(
    ...     "my-study", subjects=["01", "02"], tasks="rest"
    ... )  # doctest: +SKIP
    >>> mf.get_regions(recordings[0])  # doctest: +SKIP
    {'LA1': 'GPi', 'LA2': 'GPi', 'LB1': 'STN'}
    """
    paths = _find_recordings(Path(root))
    paths = _select(paths, subject=subjects, session=sessions, task=tasks)
    read_table = cache(_read_table)
    recordings = []
    # what is read need not be told, recording by recording
    level = "WARNING" if verbose is None else verbose
    for path in track(paths, "recordings"):
        raw = _read_recording(path, read_table, level)
        if region_column is not None:
            table = _find_region_table(path, region_column, read_table)
            regions = _extract_regions(read_table(table), region_column, table)
            _check_names(raw, path, table, regions, read_table)
            with mne.utils.use_log_level(level):
                set_regions(raw, _keep_known(regions, raw.ch_names))
        recordings.append(raw.load_data(verbose=level) if preload else raw)
    n_subjects = len({path.subject for path in paths})
    tell(f"Read {len(recordings)} recordings of {n_subjects} subjects", verbose)
    return recordings


def _import_mne_bids():
    try:
        import mne_bids
    except ImportError as error:
        raise ImportError(
            "Reading BIDS needs mne-bids: pip install mne-funcmap[bids]"
        ) from error
    return mne_bids


def _find_recordings(root):
    """Find the files of all recordings under root, sorted."""
    mne_bids = _import_mne_bids()
    if not root.is_dir():
        raise ValueError(f"There is no folder {str(root)!r} to read BIDS from.")
    paths = mne_bids.find_matching_paths(
        root,
        datatypes=_DATATYPES,
        suffixes=_DATATYPES,
        extensions=_FORMATS,
        ignore_nosub=True,
    )
    if not paths:
        raise ValueError(
            f"No EEG or intracranial EEG recordings in {str(root)!r}. Expected a BIDS "
            "folder with files such as sub-01/ieeg/sub-01_task-rest_ieeg.edf (formats: "
            f"{', '.join(_FORMATS)})."
        )
    return sorted(paths, key=lambda path: str(path.fpath))


def _select(paths, **filters):
    """Keep the paths whose entities have one of the wanted values."""
    root, selected = str(paths[0].root), paths
    for entity, values in filters.items():
        if values is None:
            continue
        values = [values] if isinstance(values, str) else values
        values = {str(value).removeprefix(_PREFIXES[entity]) for value in values}
        existing = {getattr(path, entity) for path in paths} - {None}
        if unknown := sorted(values - existing):
            raise ValueError(
                f"No recordings of {entity} {shorten_list(unknown)} in {root!r}. It "
                f"has: {shorten_list(sorted(existing), 50) or 'none'}."
            )
        selected = [path for path in selected if getattr(path, entity) in values]
    if not selected:
        raise ValueError(
            f"No recording in {root!r} is of the subjects, sessions and tasks asked "
            f"for. Recordings: {shorten_list([path.basename for path in paths], 20)}."
        )
    return selected


def _read_recording(path, read_table, verbose):
    """Read a recording with positions, subject id, bad channels and annotations."""
    raw = _read_raw(path, "warn", verbose)
    if not len(raw.times):
        raise ValueError(
            f"Cannot read {str(path.fpath)!r}: it has no samples. Was the file with "
            "its signals cut off? Copy it again, or leave the recording out."
        )
    channels = _find_sidecar(path, "channels")
    names = list(read_table(channels).get("name", ())) if channels else raw.ch_names
    if sorted(names) == sorted(raw.ch_names) and names != raw.ch_names:
        raw = _read_raw(path, "reorder", verbose)
    elif len(names) == len(raw.ch_names) and names != raw.ch_names:
        only_recording = [name for name in raw.ch_names if name not in names]
        only_table = [name for name in names if name not in raw.ch_names]
        raise _name_mismatch(path, channels, only_recording, only_table)
    subject_info = dict(raw.info["subject_info"] or {})
    raw.info["subject_info"] = subject_info | {"his_id": f"sub-{path.subject}"}
    _name_mni_frame(raw, path)
    return raw


def _read_raw(path, on_ch_mismatch, verbose):
    """Read a recording without the warnings that do not matter here."""
    with warnings.catch_warnings():
        for message in _NEEDLESS_WARNINGS:
            warnings.filterwarnings("ignore", message, RuntimeWarning)
        try:
            return _import_mne_bids().read_raw_bids(
                path, on_ch_mismatch=on_ch_mismatch, verbose=verbose
            )
        except (MemoryError, Warning):
            raise
        except Exception as error:  # of damaged files, readers raise anything
            raise ValueError(
                f"Cannot read {str(path.fpath)!r}: {type(error).__name__}: {error}. "
                "Check this file, and the tables and JSON files that belong to it."
            ) from error


def _name_mni_frame(raw, path):
    """Set the frame to MNI where only the file name of the electrodes tells it."""
    electrodes = _find_sidecar(path, "electrodes")
    montage = raw.get_montage()
    if electrodes is None or montage is None:
        return
    positions = montage.get_positions()
    is_mni = "_space-mni" in electrodes.name.lower()
    if positions["coord_frame"] == "unknown" and is_mni:
        name_frame(raw, "mni_tal")


def _find_sidecar(path, suffix):
    return path.find_matching_sidecar(
        suffix=suffix, extension=".tsv", on_error="ignore"
    )


def _find_region_table(path, region_column, read_table):
    """Find the table with the region column: electrodes.tsv, else channels.tsv."""
    electrodes = _find_sidecar(path, "electrodes")
    # MNE-BIDS finds none if there is one for each of several spaces
    tables = (
        [electrodes]
        if electrodes
        else sorted(path.directory.glob(f"sub-{path.subject}_*electrodes.tsv"))
    )
    tables += [table for table in [_find_sidecar(path, "channels")] if table]
    for table in tables:
        if {"name", region_column} <= set(read_table(table)):
            return table
    columns = [f"{table.name} has {list(read_table(table))}" for table in tables]
    raise ValueError(
        f"No columns 'name' and {region_column!r} for {path.basename}: "
        f"{'; '.join(columns) or 'there is no electrodes.tsv or channels.tsv'}. "
        f"{COLUMN_ADVICE}"
    )


def _read_table(file):
    """Read a tab-separated file as a dict of columns."""
    try:
        with open(file, encoding="utf-8-sig", newline="") as lines:
            rows = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
            rows = [row for row in rows if row]
    except (OSError, UnicodeError, csv.Error) as error:
        raise ValueError(
            f"Cannot read the table {str(file)!r}: {error}. Expected text in UTF-8, "
            "with tabs between columns."
        ) from error
    return {header: values for header, *values in zip_longest(*rows, fillvalue="n/a")}


def _extract_regions(columns, region_column, table):
    """Extract the region, None for n/a, of each channel in a table."""
    regions = {}
    for name, value in zip(columns["name"], columns[region_column], strict=True):
        region = None if value.strip().lower() in ("", "n/a") else value.strip()
        if regions.setdefault(name, region) != region:
            raise ValueError(
                f"{str(table)!r} has different regions for channel {name!r}: "
                f"{regions[name]!r} and {region!r}. Correct the table."
            )
    return regions


def _keep_known(regions, ch_names):
    return {name: regions[name] for name in ch_names if regions.get(name)}


def _check_names(raw, path, table, regions, read_table):
    """Raise if channels are spelt differently in the table and in the recording."""
    is_scalp = path.datatype == "eeg"
    picks = mne.pick_types(
        raw.info, eeg=is_scalp, seeg=not is_scalp, ecog=not is_scalp, dbs=not is_scalp
    )
    only_recording = [raw.ch_names[i] for i in picks if raw.ch_names[i] not in regions]
    only_table = [name for name in regions if name not in raw.ch_names]
    if set(regions).isdisjoint(raw.ch_names):
        raise _name_mismatch(path, table, only_recording, only_table)
    if only_recording and only_table:
        elsewhere = {
            name
            for channels in path.directory.glob("*_channels.tsv")
            for name in read_table(channels).get("name", ())
        }
        only_table = [name for name in only_table if name not in elsewhere]
        if only_table:
            raise _name_mismatch(path, table, only_recording, only_table)


def _name_mismatch(path, table, only_recording, only_table):
    return ValueError(
        f"Channel names of {path.fpath.name} and {table.name} do not match. Only in "
        f"the recording: {shorten_list(only_recording, 20) or 'none'}. Only in the "
        f"table: {shorten_list(only_table, 20) or 'none'}. Correct the table; channels "
        "without a region have n/a there."
    )
