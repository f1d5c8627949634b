"""
.. _plot-over-time:

Embeddings that change in time: a night in four minutes
=======================================================

Where a channel lies in the embedding depends on what the brain does. Here patients fall
asleep, and we follow their channels segment by segment.
"""

# %%
# Recordings of wake and sleep
# ----------------------------
# Four simulated patients are awake for a minute, sleep lightly for the next, and then
# deeply. Light sleep adds spindles to all channels, deep sleep adds slow waves, and the
# fast rhythms of wake fade. The stages are annotations, as a scorer would leave them.

import matplotlib.pyplot as plt
import mne
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import mne_funcmap as mf

mne.set_log_level("warning")
rng = np.random.default_rng(0)

# strength of a region's own rhythms, of spindles, and of slow waves
STAGES = {
    "wake": (1.0, 0.0, 0.0),
    "light sleep": (0.7, 0.6, 0.4),
    "deep sleep": (0.5, 0.2, 1.0),
}
SECONDS = 60.0
sfreq = 400.0


def add_sleep(data):
    """Return signals whose rhythms change from stage to stage."""
    spindles = mne.filter.filter_data(rng.standard_normal(data.shape), sfreq, 11, 15)
    slow = mne.filter.filter_data(rng.standard_normal(data.shape), sfreq, 0.5, 2)
    stage = (np.arange(data.shape[1]) / sfreq // SECONDS).astype(int) % len(STAGES)
    own, of_spindles, of_slow = np.array([*STAGES.values()])[stage].T
    added = of_spindles * spindles / spindles.std() + of_slow * slow / slow.std()
    return own * data + 40e-6 * added


X = mf.simulate_recordings(
    n_subjects=4, n_sessions=1, duration=4 * SECONDS, sfreq=sfreq, n_channels=2
)
for raw in X:
    raw.apply_function(add_sleep, channel_wise=False)
    for number, stage in enumerate([*STAGES, "wake"]):
        raw.annotations.append(number * SECONDS, SECONDS, stage)
fig = (
    X[0]
    .copy()
    .pick(["GPi1", "VO1", "Motor1"])
    .plot(
        start=55.0,
        duration=10.0,
        scalings=200e-6,
        annotation_regex="wake|sleep",
        show_scrollbars=False,
    )
)

# %%
# Segment by segment
# ------------------
# The embedder is trained on three patients, on their regions in all stages; it is told
# nothing of stages. The fourth patient is embedded in segments of five seconds.

embedder = mf.FunctionalEmbedder(duration=5.0, random_state=0).fit(X[:3])


def find_stages(raw, onsets):
    """Return the stage at each time: the annotation that it lies in."""
    notes = raw.annotations
    is_stage = np.isin(notes.description, [*STAGES])
    starts, names = notes.onset[is_stage], notes.description[is_stage]
    return np.array([*map(str, names)])[np.searchsorted(starts, onsets, "right") - 1]


segments = embedder.embed_segments(X[3:])
segments["stage"] = find_stages(X[3], segments["onset"])
fig, axes = plt.subplots(2, 1, figsize=(9, 5.5), sharex=True, layout="constrained")
fig = mf.viz.plot_embedding_over_time(segments, state="stage", axes=axes)

# %%
# Thick lines are the means of regions, thin ones their channels. They move together
# when the stage changes, and come back when the patient wakes up.
#
# Are regions still told, and are stages?
# ---------------------------------------
# Each patient is held out once. Regions are read from each segment by the embedder.
# Stages are read by a logistic regression from the mean embedding of all channels; next
# to it stands the same from band power, since that is what stages are scored by. Chance
# is 0.20 for regions and 0.33 for stages.

BANDS = [(0.5, 2), (2, 8), (8, 11), (11, 15), (15, 30), (30, 80), (80, 190)]


def compute_band_power(raw):
    """Return log power in bands, of segments of five seconds, (n_segments, n_bands)."""
    epochs = mne.make_fixed_length_epochs(raw, 5.0, preload=True)
    spectrum = epochs.compute_psd(fmax=190.0)
    power, freqs = spectrum.get_data().mean(axis=1), spectrum.freqs
    inside = [(freqs >= low) & (freqs < high) for low, high in BANDS]
    return np.log([power[:, band].mean(axis=1) for band in inside]).T


def average_channels(embedder, raw):
    """Return the mean embedding of all channels, (n_segments, n_components)."""
    components = embedder.embed_segments([raw]).filter(regex=r"^c\d+$|onset")
    return components.groupby("onset").mean().to_numpy()


def decode(features, stages, held_out):
    """Return the balanced accuracy of stages in the patient who is held out."""
    others = [i for i in range(len(features)) if i != held_out]
    readout = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    readout.fit(
        np.concatenate([features[i] for i in others]),
        np.concatenate([stages[i] for i in others]),
    )
    return balanced_accuracy_score(
        stages[held_out], readout.predict(features[held_out])
    )


stages = [find_stages(raw, np.arange(0, 4 * SECONDS, 5.0)) for raw in X]
power = [compute_band_power(raw) for raw in X]
rows, of_segments = [], []
for held_out, raw in enumerate(X):
    embedder.fit([X[i] for i in range(len(X)) if i != held_out])
    embedded = [average_channels(embedder, one) for one in X]
    rows.append(
        {
            "held out": mf.get_subjects([raw])[0],
            "stages, embedding": decode(embedded, stages, held_out),
            "stages, band power": decode(power, stages, held_out),
        }
    )
    predicted = embedder.predict_segments([raw])
    predicted["stage"] = find_stages(raw, predicted["onset"])
    of_segments.append(predicted)

pd.DataFrame(rows).set_index("held out").round(2)

# %%
# Regions, in each stage:

table = pd.concat(of_segments, ignore_index=True)
table["told right"] = table["region"] == table["predicted"]
table.groupby(["stage", "subject"])["told right"].mean().unstack().round(2)

# %%
# Stages as distinct as these are read easily from either. Regions are told less often
# in sleep, when what all channels share hides what is their own. So compare channels
# between patients in the same stage: a stage moves a channel in the embedding, and may
# move it further than its region does. Four patients are too few for an interval; the
# tables show each of them.

# sphinx_gallery_thumbnail_number = 2
