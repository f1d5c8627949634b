"""
.. _plot-decoding:

Decoding from patients whose electrodes differ
==============================================

A decoder over patients needs features that mean the same in each of them, although
their electrodes do not. The latent sources of a reconstructor are common to all. Here
they tell rest from movement in patients held out, and stand beside band power, which is
the first thing that one should try.
"""

# %%
# Rest and movement
# -----------------
# Eight simulated patients have a recording at rest and one during movement. In
# movement the beta rhythm of GPi and STN is weaker, more so in some patients than in
# others, and everything is recorded at an amplitude that differs between recordings.
# Each patient has one to three channels in each region.

import matplotlib.pyplot as plt
import mne
import numpy as np
import torch
from scipy.stats import sem, t
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import mne_funcmap as mf
from mne_funcmap.probes import BandPower

mne.set_log_level("warning")
torch.set_num_threads(1)  # for small networks, several only wait for each other
rng = np.random.default_rng(0)

X = mf.simulate_recordings(
    n_subjects=8,
    n_sessions=2,
    duration=20.0,
    sfreq=400.0,
    n_channels=(1, 3),
    coupling=0.5,
    missing_regions=0.1,
)
X = mf.RecordingPreprocessor(h_freq=45, sfreq=100).fit_transform(X)
groups = mf.get_subjects(X)
labels = np.tile(["rest", "movement"], 8)


def weaken_beta(data, sfreq, share):
    """Return signals with less of the power around 20 Hz."""
    return data - share * mne.filter.filter_data(data, sfreq, 15.0, 26.0)


for raw, label in zip(X, labels, strict=True):
    share = rng.uniform(0.5, 1.0) * (label == "movement")
    picks = [
        ch for ch, region in mf.get_regions(raw).items() if region in ("GPi", "STN")
    ]
    if picks:
        options = {"channel_wise": False, "sfreq": 100.0, "share": share}
        raw.apply_function(weaken_beta, picks=picks, **options)
    raw.apply_function(lambda data, gain: gain * data, gain=rng.uniform(0.8, 1.2))

# %%
# Two pipelines
# -------------
# :class:`mne_funcmap.MaskedRegionReconstructor` learns without labels of the states;
# its ``transform`` gives features of each window, whose means and spreads
# :class:`mne_funcmap.WindowPooler` takes over the recording. Band power is averaged by
# region; a region that a patient has not is filled with the mean of the others.

readout = (StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
pipelines = {
    "latent sources": make_pipeline(
        mf.MaskedRegionReconstructor("region", max_epochs=15, random_state=0),
        mf.WindowPooler(),
        *readout,
    ),
    "band power": make_pipeline(BandPower(), *readout),
}

# %%
# Patients held out
# -----------------
# All of a pipeline is fitted on the training patients. ``cross_val_score`` would give
# the score of each fold; predictions are needed for an interval over patients.

cv = GroupKFold(2)


def find_interval(values):
    """Return the interval of the mean over patients, by Student's t."""
    reach = sem(values) * t.ppf(0.975, len(values) - 1)
    return np.clip([values.mean() - reach, values.mean() + reach], 0, 1)


right = {}
for name, pipeline in pipelines.items():
    predicted = cross_val_predict(pipeline, X, labels, groups=groups, cv=cv)
    right[name] = (predicted == labels).reshape(8, 2).mean(axis=1)
    low, high = find_interval(right[name])
    print(f"{name:15} {right[name].mean():.2f} [{low:.2f}, {high:.2f}]")
print(f"{'chance':15} 0.50")

# %%

fig, ax = plt.subplots(figsize=(6.5, 3), layout="constrained")
for place, share in enumerate(right.values()):
    low, high = find_interval(share)
    ax.hlines(place, low, high, color="#0072B2", lw=2)
    ax.plot(share.mean(), place, "o", color="#0072B2", ms=8)
    ax.plot(share, place + 0.2 + 0.1 * rng.uniform(-1, 1, 8), ".", color="0.6")
ax.axvline(0.5, color="0.5", ls="--", label="chance")
ax.set_yticks([0, 1], [*right])
ax.set(xlabel="Recordings told right (95 % interval over patients)", ylim=(1.6, -0.5))
ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
ax.spines[["top", "right"]].set_visible(False)

# %%
# Grey dots are patients. With eight of them the intervals are wide, and do not tell
# which features are better. On real recordings, tasks and stages of sleep
# were decoded no better from latent sources than from band power. So ask both:
# :func:`mne_funcmap.probes.probe_decoding` compares them and other features on the same
# folds, with intervals of their differences and a test against chance.
