"""Brain regions as channel-specific annotations of a recording.

A region is stored as an annotation ``region/<name>`` that spans the recording and
names its channels, so that it follows MNE's own operations. No other module knows
this format.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING

import mne
import numpy as np
from mne import BaseEpochs
from mne.io import BaseRaw
from mne.io.constants import FIFF
from mne.utils import logger

from .subjects import check_recording, describe, shorten_list

if TYPE_CHECKING:
    from collections.abc import Callable

    from .hints import Recording

# types of channels that take part, unless picks says otherwise
DATA_TYPES = ("seeg", "ecog", "dbs", "eeg")

_PREFIX = "region/"


def set_regions(inst: Recording, regions: Mapping[str, str]) -> Recording:
    """Set the brain regions of channels.

    Parameters
    ----------
    inst : mne.io.Raw | mne.Epochs
        The recording. It is changed in place; its data are not loaded.
    regions : dict of {str: str}
        The region of each channel, ``{ch_name: region}``, without spaces around it.
        Channels that are not named keep the region they have. Channels of other types
        than sEEG, ECoG, DBS and EEG may have one, which is logged, but take no part
        unless ``picks`` of an estimator names them.

    Returns
    -------
    inst : mne.io.Raw | mne.Epochs
        The same recording.

    Raises
    ------
    TypeError
        If ``inst`` is not a recording, or a region is not a string.
    ValueError
        If the recording lacks a channel, a region is empty, or a channel that is not
        named has two different regions.

    Notes
    -----
    Each region is one annotation ``region/<name>`` over the whole recording, with its
    channels in ``ch_names``. It survives picking, dropping, reordering, cropping,
    resampling, filtering, concatenating, saving to FIF and epoching; it neither
    rejects data nor splits a filter. What MNE loses is mended by another call, which
    also drops regions of channels that no longer exist and stretches the annotations
    to the present length of the data:

    * :meth:`mne.Epochs.rename_channels` loses the renamed channels, and swapping the
      names of two channels swaps their regions unnoticed: use
      :func:`~mne_funcmap.rename_channels`, or rename on Raw;
    * :func:`mne.concatenate_epochs`, and ``mne.Epochs(raw, event_id=...)`` without
      ``events``, lose all regions;
    * bipolar re-referencing makes new channels without a region;
    * a BIDS events file keeps the regions, but not which channels they belong to;
    * :meth:`mne.io.Raw.crop` leaves annotations that reach the end one sample too
      long for :meth:`mne.io.Raw.crop_by_annotations`.

    Regions are not events: leave them out of :func:`mne.events_from_annotations` with
    a ``regexp``, as below, and give :class:`mne.Epochs` its ``events``.

    Examples
    --------
    >>> import mne
    >>> import numpy as np
    >>> import mne_funcmap as mf
    >>> info = mne.create_info(["LA1", "LA2", "LB1"], sfreq=100.0, ch_types="seeg")
    >>> raw = mne.io.RawArray(np.zeros((3, 1000)), info, verbose="ERROR")
    >>> raw = mf.set_regions(raw, {"LA1": "GPi", "LA2": "GPi", "LB1": "STN"})
    >>> mf.get_regions(raw.pick(["LB1", "LA2"]))
    {'LB1': 'STN', 'LA2': 'GPi'}

    Regions are left out when annotations are turned into events:

    >>> raw.annotations.append(2.0, 0.0, "stimulus")
    <Annotations | 3 segments, channel-specific: ...>
    >>> events, event_id = mne.events_from_annotations(
    ...     raw, regexp=r"(?i)^(?!bad|edge|region/)", verbose="ERROR"
    ... )
    >>> print(*event_id)
    stimulus
    """
    check_recording(inst)
    _check_regions(inst, regions)
    kept = {
        name: found
        for name, found in _find_labels(inst).items()
        if name in inst.ch_names and name not in regions
    }
    new = {name: region.strip() for name, region in regions.items()}
    _write_labels(inst, _one_region_each(inst, kept) | new)
    _tell_other_types(inst, new)
    return inst


def get_regions(inst: Recording) -> dict[str, str]:
    """Get the brain regions of channels.

    Parameters
    ----------
    inst : mne.io.Raw | mne.Epochs
        The recording.

    Returns
    -------
    regions : dict of {str: str}
        The region of each channel, in channel order. Channels without a region are
        absent, as are regions of channels that no longer exist.

    Raises
    ------
    TypeError
        If ``inst`` is not a recording.
    ValueError
        If a channel has two different regions, or a region names no channel (as after
        writing to and reading from BIDS).
    """
    check_recording(inst)
    lost = sorted({region for region, names in _find_regions(inst) if not names})
    if lost:
        raise ValueError(
            f"{describe(None, inst)} has regions without channels: {lost}. A BIDS "
            "events file, for one, keeps no channels: call set_regions again. See "
            "'Preparing recordings' in the user guide."
        )
    labels = _find_labels(inst)
    present = {name: labels[name] for name in inst.ch_names if name in labels}
    return _one_region_each(inst, present)


def rename_channels(
    inst: Recording, mapping: Mapping[str, str] | Callable[[str], str]
) -> Recording:
    """Rename channels and keep their regions.

    On Raw this is MNE's own renaming; on Epochs, MNE leaves the old names in the
    annotations, and with them the regions are lost.

    Parameters
    ----------
    inst : mne.io.Raw | mne.Epochs
        The recording. It is changed in place.
    mapping : dict of {str: str} | callable
        The new names, ``{old: new}``, or a function from old to new name.

    Returns
    -------
    inst : mne.io.Raw | mne.Epochs
        The same recording.

    Raises
    ------
    TypeError
        If ``inst`` is not a recording.
    ValueError
        If a channel to rename does not exist, or a new name is that of a channel that
        no longer exists and whose region is still stored.

    Examples
    --------
    >>> import mne
    >>> import numpy as np
    >>> import mne_funcmap as mf
    >>> info = mne.create_info(["LA1", "LA2"], sfreq=100.0, ch_types="seeg")
    >>> epochs = mne.EpochsArray(np.zeros((5, 2, 100)), info, verbose="ERROR")
    >>> epochs = mf.set_regions(epochs, {"LA1": "GPi", "LA2": "STN"})
    >>> mf.get_regions(mf.rename_channels(epochs, {"LA1": "X1"}))
    {'X1': 'GPi', 'LA2': 'STN'}
    """
    check_recording(inst)
    info = inst.info.copy()
    mne.rename_channels(info, mapping)
    new_names = dict(zip(inst.ch_names, info["ch_names"], strict=True))
    taken = sorted(_find_stale(inst) & set(new_names.values()))
    if taken:
        raise ValueError(
            f"{describe(None, inst)} still stores a region for {taken}, channels that "
            "no longer exist, so these names cannot be given to others. Call "
            "set_regions(recording, {}) first: it drops such regions."
        )
    inst.rename_channels(mapping)
    if isinstance(inst, BaseEpochs) and inst.annotations is not None:
        inst.annotations.ch_names = [
            tuple(new_names.get(name, name) for name in names)
            for names in inst.annotations.ch_names
        ]
    return inst


def replace_regions(inst, regions):
    """Return a copy of a recording that has these regions and no others.

    Parameters
    ----------
    inst : mne.io.Raw | mne.Epochs
        The recording, which stays as it is.
    regions : dict of {str: str}
        The region of each channel that has one.

    Returns
    -------
    inst : mne.io.Raw | mne.Epochs
        The copy.
    """
    inst = inst.copy()
    _write_labels(inst, regions)
    return inst


def check_renamed(recording, ch_names, name):
    """Raise if a region of a vanished channel sits beside a channel without one.

    Then a channel may have been renamed, or re-referenced, without its region. On Raw,
    MNE drops regions of vanished channels, but marks bipolar ones. The channels in
    question, ``ch_names``, are the good data channels.
    """
    regions = get_regions(recording)
    unlabelled = [ch_name for ch_name in ch_names if ch_name not in regions]
    stale = sorted(_find_stale(recording))
    if unlabelled and stale:
        raise ValueError(
            f"{name} has channels without a region, {shorten_list(unlabelled)}, and "
            f"regions of channels that no longer exist, {shorten_list(stale)}: renamed "
            "or re-referenced? Call set_regions again (set_regions(recording, {}) if "
            "they really have no region), and rename on Epochs with "
            "mne_funcmap.rename_channels, which keeps the regions. See 'Preparing "
            "recordings' in the user guide."
        )
    bipolar = _find_bipolar(recording) if isinstance(recording, BaseRaw) else set()
    new = sorted(bipolar & set(unlabelled))
    if regions and new and not bipolar & regions.keys():
        raise ValueError(
            f"{name} has bipolar channels, none of which has a region, "
            f"{shorten_list(new)}, beside others that do: "
            "re-referenced after set_regions? Call set_regions again, or add those "
            "that really have no region to recording.info['bads']. See 'Preparing "
            "recordings' in the user guide."
        )


def _find_bipolar(inst):
    """Find the channels that MNE has made of two."""
    coil = FIFF.FIFFV_COIL_EEG_BIPOLAR
    return {ch["ch_name"] for ch in inst.info["chs"] if ch["coil_type"] == coil}


def _check_regions(inst, regions):
    if not isinstance(regions, Mapping):
        raise TypeError(
            f"regions must be a dict of channel name to region, got {type(regions)}."
        )
    unknown = [name for name in regions if name not in inst.ch_names]
    if unknown:
        similar = {
            match: None
            for name in unknown
            for match in get_close_matches(str(name), inst.ch_names)
        }
        hint = f"did you mean {list(similar)}?" if similar else "none is similar."
        raise ValueError(
            f"{describe(None, inst)} has no channels {shorten_list(unknown)}. It has "
            f"{len(inst.ch_names)} channels, {shorten_list(inst.ch_names)}: {hint}"
        )
    for name, region in regions.items():
        if not isinstance(region, str):
            raise TypeError(
                f"The region of channel {name!r} must be a string, got {region!r}. "
                "Leave out channels without a region."
            )
        if not region.strip():
            raise ValueError(
                f"The region of channel {name!r} is empty. Leave out channels without "
                "a region."
            )


def _tell_other_types(inst, ch_names):
    """Log which channels take no part in spite of their region."""
    types = dict(zip(inst.ch_names, inst.get_channel_types(), strict=True))
    others = [
        f"{name} ({types[name]})" for name in ch_names if types[name] not in DATA_TYPES
    ]
    if others:
        logger.info(
            f"{describe(None, inst)} has regions for channels that are not "
            f"{', '.join(DATA_TYPES)}: {shorten_list(others)}. They take no part "
            "unless picks names them. If they are electrodes, call "
            "recording.set_channel_types."
        )


def _find_regions(inst):
    """Find the region annotations: a list of (region, channel names)."""
    if inst.annotations is None:
        return []
    return [
        (_decode(description.removeprefix(_PREFIX)).strip(), names)
        for description, names in zip(
            inst.annotations.description, inst.annotations.ch_names, strict=True
        )
        if description.startswith(_PREFIX)
    ]


def _encode(text):
    """Encode what would be decoded, and what MNE refuses."""
    return text.replace("&#", "&#38;#").replace("{COLON}", "&#123;COLON}")


def _decode(text):
    """Decode what FIF makes of characters past Latin-1: &#945; is alpha."""
    return re.sub(r"&#(\d{1,6});", lambda match: chr(int(match[1])), text)


def _find_labels(inst):
    """Find the set of regions of each channel named, existing or not."""
    labels = {}
    for region, names in _find_regions(inst):
        for name in names:
            labels.setdefault(name, set()).add(region)
    return labels


def _find_stale(inst):
    """Find the channels that have a region and do not exist."""
    return set(_find_labels(inst)) - set(inst.ch_names)


def _one_region_each(inst, labels):
    """Reduce sets of regions to the one they hold."""
    for name, regions in labels.items():
        if len(regions) > 1:
            raise ValueError(
                f"{describe(None, inst)}: channel {name!r} has different regions, "
                f"{sorted(regions)}. Call set_regions again with the right one."
            )
    return {name: next(iter(regions)) for name, regions in labels.items()}


def _write_labels(inst, labels):
    """Replace all region annotations by one for each region."""
    channels = {}
    for name in inst.ch_names:
        if name in labels:
            channels.setdefault(labels[name], []).append(name)
    onset, duration = _get_extent(inst)
    new = mne.Annotations(
        onset=[onset] * len(channels),
        duration=duration,
        description=[_PREFIX + _encode(region) for region in channels],
        ch_names=list(channels.values()),
    )
    if inst.annotations is None:
        inst.set_annotations(mne.Annotations([], [], [], inst.info["meas_date"]))
    # in place, since Raw.set_annotations shifts, clips and rounds all annotations
    annotations = inst.annotations
    is_region = [text.startswith(_PREFIX) for text in annotations.description]
    annotations.delete(np.flatnonzero(is_region))
    hed = {"hed_string": [""] * len(new)} if hasattr(annotations, "hed_string") else {}
    annotations.append(
        onset=new.onset,
        duration=new.duration,
        description=new.description,
        ch_names=new.ch_names,
        **hed,
    )


def _get_extent(inst):
    """Get onset and duration of the whole recording, in seconds.

    The duration is that from the first to the last sample: MNE loses shorter
    annotations when it crops, and one sample more is beyond the data.
    """
    if isinstance(inst, BaseRaw):
        return inst.first_time, inst.times[-1] if len(inst.times) else 0.0
    # events count samples of the original raw, also after decimating
    zeros = inst.events[:, 0] / inst._raw_sfreq if len(inst.events) else np.zeros(1)
    onset = zeros.min() + inst.tmin
    return onset, zeros.max() + inst.tmax - onset
