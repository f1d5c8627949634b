"""
Preparing recordings from DBS leads
===================================

A lead for deep brain stimulation has a few contacts on one shaft, which share a
reference, the hum of the mains, and the pulses of the stimulator. This page takes such
a recording from raw signals to what an embedder should be given: bipolar channels with
regions, without the seconds in which the patient was stimulated.
"""

# %%
# A recording
# -----------
# A patient has a lead with four contacts in each hemisphere, named ``L1`` to ``L4`` and
# ``R1`` to ``R4``, and three contacts of a strip on the motor cortex, ``C1`` to ``C3``.
# The signals of the regions are simulated. To these we add what such recordings suffer
# from: a large signal of the common reference, the mains at 50 Hz with a harmonic, and
# ten seconds of stimulation at 130 Hz.

import matplotlib.pyplot as plt
import mne
import numpy as np

import mne_funcmap as mf

mne.set_log_level("warning")
rng = np.random.default_rng(0)

contacts = {
    **dict(
        zip(("STN1", "STN2", "STN3", "VIM1"), ("L1", "L2", "L3", "L4"), strict=True)
    ),
    **dict(
        zip(("STN4", "STN5", "STN6", "VIM2"), ("R1", "R2", "R3", "R4"), strict=True)
    ),
    **dict(zip(("Motor1", "Motor2", "Motor3"), ("C1", "C2", "C3"), strict=True)),
}
(raw,) = mf.simulate_recordings(
    n_subjects=1, n_sessions=1, duration=40.0, sfreq=500.0, n_channels=6
)
raw.pick([*contacts]).set_annotations(None)
raw.rename_channels(contacts)
raw.set_channel_types(
    {name: "ecog" if name.startswith("C") else "dbs" for name in raw.ch_names}
)

times = raw.times
reference = 100e-6 * mne.filter.filter_data(
    rng.standard_normal((1, len(times))), raw.info["sfreq"], None, 8.0
)
mains = 60e-6 * np.sin(2 * np.pi * 50 * times) + 15e-6 * np.sin(2 * np.pi * 150 * times)
pulses = np.where((times >= 12) & (times < 22), (times % (1 / 130)) < 0.002, 0)
strength = rng.uniform(0.9, 1.1, (len(raw.ch_names), 1))


def add_artefacts(data):
    """Return signals with what contacts share, and pulses that differ by contact."""
    return data + reference + mains + 2e-4 * strength * pulses


raw.apply_function(add_artefacts, channel_wise=False)
raw.info["line_freq"] = 50.0
fig = raw.plot(start=8.0, duration=8.0, scalings=250e-6, show_scrollbars=False)

# %%
# Seconds that must not count
# ---------------------------
# Whatever an annotation covers whose description begins with ``BAD`` takes no part in
# anything: no segment is cut there, and none across it. Here the times are known; in
# your recordings they come from the stimulator's log, or from a detector such as
# :func:`mne.preprocessing.annotate_amplitude`. Annotate before you filter: a filter
# smears pulses in time, so the annotation is a second longer at both ends. MNE's
# filters themselves leave out what ``BAD_ACQ_SKIP`` covers, and nothing else.

annotations = raw.annotations.append(11.0, 12.0, "BAD_stimulation")

# %%
# Contacts to bipolar channels
# ----------------------------
# What all contacts share is no signal of any of them. The difference of two neighbours
# is free of it. A channel that is new has no region yet: set regions after
# re-referencing, for pairs of contacts.

pairs = [("L1", "L2"), ("L2", "L3"), ("L3", "L4")]
pairs += [("R1", "R2"), ("R2", "R3"), ("R3", "R4"), ("C1", "C2"), ("C2", "C3")]
anodes, cathodes = map(list, zip(*pairs, strict=True))
bipolar = mne.set_bipolar_reference(raw, anodes, cathodes)

mf.set_regions(
    bipolar,
    {
        "L1-L2": "STN",
        "L2-L3": "STN",
        "R1-R2": "STN",
        "R2-R3": "STN",
        "C1-C2": "Motor",
        "C2-C3": "Motor",
    },
)
print(mf.get_regions(bipolar))

# %%
# ``L3-L4`` and ``R3-R4`` lie half in one region, half in another: they have none.
#
# :class:`mne_funcmap.RecordingPreprocessor` does this for a whole list of recordings,
# if the contacts have regions and are numbered along their shafts: pairs get the region
# that both contacts have. It also removes the mains, with all harmonics, and filters
# and resamples.

of_contacts = dict.fromkeys(["L1", "L2", "L3", "R1", "R2", "R3"], "STN")
of_contacts |= {"L4": "VIM", "R4": "VIM"} | dict.fromkeys(["C1", "C2", "C3"], "Motor")
mf.set_regions(raw, of_contacts)

preprocessor = mf.RecordingPreprocessor(
    reference="bipolar", notch=True, l_freq=1.0, h_freq=200.0
)
(clean,) = preprocessor.fit_transform([raw])
print(mf.get_regions(clean) == mf.get_regions(bipolar))

# %%
# Before and after
# ----------------
# Spectra are computed outside the stimulation, which MNE leaves out by itself. The beta
# bursts of the STN were there all along, and so was its line at about 150 Hz, beside a
# harmonic of the mains. A notch takes a little of what lies at its frequency: low-pass
# below it, if you can do without.

fig, axes = plt.subplots(1, 2, figsize=(9, 4), sharey=True, layout="constrained")
for ax, (title, recording, picks) in zip(
    axes,
    [("Contact L1", raw, ["L1"]), ("Bipolar channel L1-L2, clean", clean, ["L1-L2"])],
    strict=True,
):
    spectrum = recording.compute_psd(fmin=2.0, fmax=190.0, n_fft=1000, picks=picks)
    ax.semilogy(spectrum.freqs, 1e12 * spectrum.get_data()[0], lw=1)
    ax.set(title=title, xlabel="Frequency (Hz)")
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("Power (µV²/Hz)")
plt.show()

# %%
# Which channels take part
# ------------------------
# Without further word, all good channels of the types sEEG, ECoG, DBS and EEG take
# part. ``picks="dbs"`` leaves out the strip. Channels without a region are embedded,
# and not trained on.

embedder = mf.FunctionalEmbedder(picks="dbs", positives="channel", random_state=0)
frame = embedder.fit([clean]).embed_segments([clean])
frame.groupby("ch_name")["onset"].agg(["size", list])

# %%
# Segments of ten seconds lie before and after the stimulation, none in it. The last one
# of a stretch ends where the stretch ends, so that nothing is lost, and may overlap
# with the one before. This embedder, fitted on one patient, only shows what takes part;
# see :ref:`plot-embed-simulation` for several.
#
# One more thing to know of bipolar channels: their sign is arbitrary. Embeddings do not
# see it. A reconstructor predicts the signals of a new patient up to sign at best,
# until it has adapted to some seconds: see :ref:`plot-adapt-to-patient`.

# sphinx_gallery_thumbnail_number = 2
