"""
.. _plot-what-is-held-out:

What is held out: patients, sessions, channels, or later times
==============================================================

The same model on the same recordings has many scores. Which one, depends on what it was
not trained on. This page holds out four different things, and then does it again with
regions that mean nothing.
"""

# %%
# Recordings
# ----------
# Five simulated patients with two sessions each. Real channels also have something of
# their own, which depends on the contact and the tissue around it and stays for days.
# So we add to each channel a noise with a peak at a frequency of its own.

import matplotlib.pyplot as plt
import mne
import numpy as np
import pandas as pd
from scipy.signal import lfilter
from sklearn.model_selection import LeaveOneGroupOut

import mne_funcmap as mf
from mne_funcmap.baselines import SpectralClassifier

mne.set_log_level("warning")
rng = np.random.default_rng(0)

X = mf.simulate_recordings(n_subjects=5, n_sessions=2, duration=20.0, sfreq=400.0)
subjects = mf.get_subjects(X)
peaks = {subject: rng.uniform(3, 120, 20) for subject in np.unique(subjects)}  # Hz


def add_peculiar_noise(data, peaks, sfreq):
    """Return signals with noise that has a peak of its own in each channel."""
    noise = [
        lfilter([1], [1, -1.9 * np.cos(2 * np.pi * peak / sfreq), 0.9025], white)
        for peak, white in zip(peaks, rng.standard_normal(data.shape), strict=True)
    ]
    return data + 4e-5 * np.array(noise) / np.std(noise, axis=1, keepdims=True)


for raw, subject in zip(X, subjects, strict=True):
    raw.apply_function(
        add_peculiar_noise, channel_wise=False, peaks=peaks[subject], sfreq=400.0
    )

# %%
# Four ways to split
# ------------------
# To split is to cut recordings into parts, and to give each part a group; any splitter
# of scikit-learn does the rest. Patients and sessions are whole recordings.
# :func:`mne_funcmap.cut_channels` parts the channels of each region, and
# :func:`mne_funcmap.cut_blocks` cuts in time, with a gap where neighbouring seconds
# would be on both sides.


def make_splits(X):
    """Return parts, groups and the splitter of each way to split."""
    each = LeaveOneGroupOut()
    return {
        "patients": (X, mf.get_subjects(X), each),
        "channels": (*mf.cut_channels(X, 2), each),
        "sessions": (X, mf.get_sessions(X), each),
        "blocks of time": (*mf.cut_blocks(X, 2, gap=2.0), each),
    }


for held_out, (parts, groups, _) in make_splits(X).items():
    print(f"{held_out:15}{len(parts):3} parts, groups {np.unique(groups).tolist()}")

# %%
# Scores
# ------
# The embedder, and a discriminant analysis of spectra, on the same folds. Scores are
# balanced accuracies with 95 % intervals over patients.

models = {
    "embedding": mf.FunctionalEmbedder(duration=5.0, max_epochs=8, random_state=0),
    "spectrum with LDA": SpectralClassifier(classifier="lda", duration=5.0),
}


def score_all(X):
    """Return the summaries of all ways to split as one table."""
    found = []
    for held_out, (parts, groups, cv) in make_splits(X).items():
        _, summary = mf.compare_embedders(parts, models, groups=groups, cv=cv)
        found.append(summary.assign(held_out=held_out))
    return pd.concat(found, ignore_index=True)


scores = score_all(X)
columns = ["held_out", "model", "balanced_accuracy", "low", "high"]
print(scores[columns].round(2).to_string(index=False))

# %%
# A control: regions that mean nothing
# ------------------------------------
# Now the regions are shuffled over the channels of each patient. A channel has the same
# false region in both sessions. There is nothing about regions left to learn.

false_regions = {
    subject: rng.permutation([*mf.get_regions(X[0]).values()]).tolist()
    for subject in peaks
}
false = [
    mf.set_regions(
        raw.copy(), dict(zip(raw.ch_names, false_regions[subject], strict=True))
    )
    for raw, subject in zip(X, subjects, strict=True)
]
of_false = score_all(false)
print(of_false[columns].round(2).to_string(index=False))

# %%
# Why they differ
# ---------------

fig, axes = plt.subplots(1, 2, figsize=(9, 3.8), sharey=True, layout="constrained")
for ax, (title, table) in zip(
    axes, {"True regions": scores, "Shuffled regions": of_false}.items(), strict=True
):
    for shift, (model, color) in enumerate(zip(models, ("C0", "C1"), strict=True)):
        of_model = table[table["model"] == model]
        place = np.arange(len(of_model)) + 0.2 * shift - 0.1
        ax.vlines(place, of_model["low"], of_model["high"], color=color, lw=2)
        ax.plot(place, of_model["balanced_accuracy"], "o", color=color, label=model)
    ax.axhline(0.2, color="0.5", ls="--", label="one of five regions")
    ax.set_xticks(range(4), of_model["held_out"])
    ax.set(title=title, xlabel="Held out", ylim=(0, 1.02))
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("Balanced accuracy")
axes[1].legend(frameon=False)
plt.show()

# %%
# With patients or channels held out, shuffled regions are told about as well as by
# chance. With sessions or later times held out, they are told better, although there is
# nothing to tell: the model has seen the same channel before, knows it by what is
# peculiar to it, and with it the region it was said to be in. The same help is in the
# scores of the true regions. So:
#
# * hold out **patients** to say what to expect of the next patient;
# * hold out **channels** to say what to expect of further channels of these patients;
# * hold out **sessions** or **blocks of time** to say whether a channel stays what it
#   is. For this, one over the number of regions is not what chance achieves: compare
#   with shuffled regions, as :func:`mne_funcmap.evaluation.permutation_test` does.
#
# Intervals are over patients whatever is held out, since the channels of one patient
# are not independent of each other. Do not compare two models by whether their
# intervals overlap: the tables also have the interval of their difference on the same
# patients, in the columns ``difference``, ``diff_low`` and ``diff_high``.
