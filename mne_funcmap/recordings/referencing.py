"""References of electrodes: common, or the neighbour on the shaft."""

import re

import mne

from ..regions import check_renamed, get_regions, set_regions
from ..subjects import shorten_list

ELECTRODE_TYPES = ("seeg", "ecog", "dbs", "eeg")


def list_names(names):
    """Return one name, or several, as a list."""
    return [names] if isinstance(names, str) else names


def rereference(inst, reference, name):
    """Re-reference the good electrodes of a recording, in place if they stay.

    Parameters
    ----------
    inst : mne.io.Raw | mne.Epochs
        The recording, loaded.
    reference : "average" | "bipolar" | str | list of str
        As for `RecordingPreprocessor`.
    name : str
        The recording in messages.

    Returns
    -------
    inst : mne.io.Raw | mne.Epochs
        The same, or one of bipolar channels.
    """
    good = get_electrodes(inst)
    if not good:
        raise ValueError(
            f"{name} has no good channel of the types {ELECTRODE_TYPES}: there is "
            "nothing to re-reference."
        )
    if reference == "bipolar":
        return _make_bipolar(inst, good, name)
    ch_types = sorted(set(inst.get_channel_types(picks=good)))
    if reference == "average":
        # of all at once, MNE before 1.13 takes one average
        for ch_type in ch_types:
            mne.set_eeg_reference(inst, copy=False, ch_type=ch_type)
        return inst
    names = list_names(reference)
    mne.set_eeg_reference(inst, names, copy=False, ch_type=ch_types)
    if len(names) == 1:
        (flat,) = names
        inst.info["bads"] = list(dict.fromkeys([*inst.info["bads"], flat]))
    return inst


def get_electrodes(inst, exclude="bads"):
    """Find the electrode channels of a recording.

    Parameters
    ----------
    inst : mne.io.Raw | mne.Epochs
        The recording.
    exclude : "bads" | tuple
        Those that are left out.

    Returns
    -------
    ch_names : list of str
        Their names.
    """
    picks = mne.pick_types(
        inst.info, **dict.fromkeys(ELECTRODE_TYPES, True), exclude=exclude
    )
    return [inst.ch_names[pick] for pick in picks]


def _make_bipolar(inst, good, name):
    """Replace all electrodes by differences of neighbouring good contacts."""
    check_renamed(inst, good, name)
    regions = get_regions(inst)
    pairs = _find_neighbours(inst, good)
    if not pairs:
        raise ValueError(
            f"{name} has no neighbouring good contacts, such as 'LA1' and 'LA2', for a "
            f"bipolar reference, only {shorten_list(good)}."
        )
    anodes, cathodes = map(list, zip(*pairs, strict=True))
    electrodes = get_electrodes(inst, exclude=())
    bipolar = mne.set_bipolar_reference(
        inst,
        anodes,
        cathodes,
        ch_info=[{"loc": _find_middle(inst, pair)} for pair in pairs],
        drop_refs=False,
        copy=False,
    ).drop_channels(electrodes)
    kept = {
        f"{anode}-{cathode}": regions[anode]
        for anode, cathode in pairs
        if anode in regions and regions[anode] == regions.get(cathode)
    }
    return set_regions(bipolar, kept)


def _find_neighbours(inst, names):
    """Find pairs of channels of one type whose numbers follow each other."""
    types = inst.get_channel_types(picks=names)
    contacts = {}
    for name, ch_type in zip(names, types, strict=True):
        if match := re.fullmatch(r"(.*\D)(\d+)", name):
            contacts[ch_type, match[1], int(match[2])] = name
    return [
        (name, contacts[ch_type, shaft, number + 1])
        for (ch_type, shaft, number), name in contacts.items()
        if (ch_type, shaft, number + 1) in contacts
    ]


def _find_middle(inst, pair):
    """Location, as in ``info["chs"]``, halfway between two contacts."""
    first, second = (
        inst.info["chs"][inst.ch_names.index(name)]["loc"] for name in pair
    )
    location = first.copy()
    location[:3] = (first[:3] + second[:3]) / 2
    return location
