"""
.. _plot-regions-on-channels:

Regions on channels, and what becomes of them
=============================================

A region is a property of a channel, and has to stay with it: when channels are picked
or renamed, when recordings are cut, filtered, saved or joined. ``mne_funcmap`` keeps
regions as annotations of the recording, so that MNE-Python carries them along. This
page shows how to set them, what they survive, and the few cases in which they have to
be set again.
"""

# %%
# A recording, and a table of regions
# -----------------------------------
# A patient has three electrodes, ``LA``, ``LB`` and ``LC``, with three contacts each.
# The signals are simulated. Your own recordings come from :func:`mne.io.read_raw`, and
# the table from whoever has localized the electrodes.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import mne

import mne_funcmap as mf

mne.set_log_level("warning")

(raw,) = mf.simulate_recordings(
    n_subjects=1, n_sessions=1, duration=20.0, sfreq=400.0, n_channels=3
)
raw.pick([f"{region}{i}" for region in ("GPi", "STN", "Motor") for i in (1, 2, 3)])
raw.set_annotations(None)  # the simulation has set regions: here we begin without
electrodes = dict(
    zip(raw.ch_names, [f"L{e}{i}" for e in "ABC" for i in (1, 2, 3)], strict=True)
)
raw.rename_channels(electrodes)

localized = {
    "LA1": "GPi",
    "LA2": "GPi",
    "LA3": "GPi",
    "LB1": "STN",
    "LB2": "STN",
    "LC1": "Motor",
    "LC2": "Motor",
    "LC3": "Motor",
}
mf.set_regions(raw, localized)
mf.get_regions(raw)

# %%
# ``LB3`` is in no region, and is simply not named. Calling
# :func:`mne_funcmap.set_regions` again changes those channels that it names, and leaves
# the others as they are. A name that is misspelt is an error, which says what there is.

try:
    mf.set_regions(raw, {"LB4": "STN"})
except ValueError as error:
    print(error)

# %%
# What regions look like
# ----------------------
# Each region is one annotation over the whole recording, which names its channels.
# Plots of MNE-Python would paint them over everything: ``annotation_regex`` hides them.

print(raw.annotations.to_data_frame()[["description", "duration", "ch_names"]])
fig = raw.plot(
    duration=4.0,
    scalings=150e-6,
    annotation_regex="^(?!region/)",
    show_scrollbars=False,
)

# %%
# They follow MNE's operations
# ----------------------------
# Picking, reordering, renaming, cropping, filtering, resampling, concatenating, and
# saving to FIF files: none of these asks for a thought.

changed = raw.copy().pick(["LC2", "LB1", "LA1"]).rename_channels({"LC2": "strip2"})
changed.filter(1.0, 90.0).resample(200.0).crop(5.0, 15.0)
print("picked, renamed, filtered ", mf.get_regions(changed))

joined = mne.concatenate_raws([changed.copy(), changed.copy()])
print("concatenated              ", mf.get_regions(joined))

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "patient_raw.fif"
    joined.save(path)
    print("written and read          ", mf.get_regions(mne.io.read_raw(path)))

# %%
# Events and epochs
# -----------------
# Regions are annotations, but not events. A ``regexp`` leaves them out when annotations
# are turned into events; epochs cut with these events have the regions of the channels.

raw.annotations.append([2, 5, 8, 11, 14, 17], 0.0, "stimulus")
events, event_id = mne.events_from_annotations(raw, regexp=r"(?i)^(?!bad|edge|region/)")
print("events                    ", event_id)

epochs = mne.Epochs(raw, events, event_id, tmin=0.0, tmax=2.0, baseline=None)
epochs.load_data()
print("epochs                    ", mf.get_regions(epochs.copy().pick(["LA1", "LC1"])))

# %%
# What MNE loses
# --------------
# On Epochs, MNE's renaming leaves the old names in the annotations, and joining Epochs
# drops these, with a warning. :func:`mne_funcmap.rename_channels` renames with the
# regions; after joining, set them again.

lost = epochs.copy().rename_channels({"LA1": "deep"})
kept = mf.rename_channels(epochs.copy(), {"LA1": "deep"})
print("renamed by MNE            ", "deep" in mf.get_regions(lost))
print("renamed by mne_funcmap    ", "deep" in mf.get_regions(kept))

both = mne.concatenate_epochs([epochs[:3], epochs[3:]], verbose="error")
print("joined epochs             ", mf.get_regions(both))
mf.set_regions(both, localized)
print("set again                 ", len(mf.get_regions(both)), "channels")

# %%
# Nobody has to remember this. A recording in which a region has lost its channel and a
# channel its region is refused when a model is fitted, and the message tells what to
# do.

try:
    mf.FunctionalEmbedder().fit([lost])
except ValueError as error:
    print(error)

# %%
# A look at the regions
# ---------------------
# With the regions on the recording, any analysis can be made by region: here the mean
# spectrum of each.

regions = mf.get_regions(raw)
fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
for region in dict.fromkeys(regions.values()):
    picks = [name for name, of_channel in regions.items() if of_channel == region]
    spectrum = raw.compute_psd(fmin=1.0, fmax=170.0, n_fft=800, picks=picks)
    power = spectrum.get_data().mean(axis=0) * 1e12
    ax.loglog(spectrum.freqs, power, label=f"{region}: {', '.join(picks)}")
ax.set(xlabel="Frequency (Hz)", ylabel="Power (µV²/Hz)")
ax.legend(frameon=False)
ax.spines[["top", "right"]].set_visible(False)

# %%
# How positions become region names is told in :ref:`plot-atlas-labels`; how a whole
# BIDS folder is read with them, in :ref:`plot-bids-to-report`.

# sphinx_gallery_thumbnail_number = 2
