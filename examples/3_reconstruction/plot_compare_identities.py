"""
.. _plot-compare-identities:

Which identity of channels serves best?
=======================================

A reconstructor knows a channel by its identity: what it does, where it lies, or nothing
at all. Here patients are held out in turn, each of their regions is withheld and
predicted from the others, and identities are compared with each other and with plain
regressions, with intervals over patients.
"""

# %%
# Recordings
# ----------
# Regions share common sources, filtered and resampled to what is to be predicted.

import mne
import torch
from sklearn.model_selection import GroupShuffleSplit

import mne_funcmap as mf
from mne_funcmap.baselines import MeanPrediction, RecordingRidge

mne.set_log_level("warning")
torch.set_num_threads(1)  # for small networks, several only wait for each other

simulation = {
    "n_subjects": 8,
    "n_sessions": 1,
    "duration": 25.0,
    "sfreq": 400.0,
    "n_channels": 2,
    "coupling": 0.8,
}
X = mf.simulate_recordings(**simulation)
X = mf.RecordingPreprocessor(h_freq=45, sfreq=100).fit_transform(X)

# %%
# What is compared
# ----------------
# ``functional`` is an embedding, learned from the training patients, ``anatomical`` the
# position of the contact, ``none`` the same for all channels. All models know the same
# of a patient held out: the first ten seconds, which are not scored. The ridge
# regression is fitted on these seconds alone, and knows no other patient. The mean is
# what a model does that has learned nothing.
#
# For a short run, one split and few epochs do: half of the patients train, the other
# half is held out. By default each patient is held out once, in five folds, and there
# are more identities and baselines.

identities = {
    name: mf.MaskedRegionReconstructor(name, max_epochs=10, random_state=0)
    for name in ("functional", "anatomical", "none")
}
baselines = {"ridge of the recording": RecordingRidge(), "mean": MeanPrediction()}
frame, summary = mf.compare_identities(
    X,
    identities,
    models=baselines,
    cv=GroupShuffleSplit(1, test_size=0.5, random_state=0),
)
columns = ["model", "r", "low", "high", "difference", "diff_low", "diff_high"]
summary[columns].round(2)

# %%
# Models with ``adapted`` to their name are the same ones after they have adapted to the
# ten seconds. ``difference`` is that of r to the best of the baselines, on the same
# patients; where its interval holds 0, these four patients do not tell which is better.
# Once adapted, identities hardly matter here: ten seconds in which all channels are
# recorded tell more of them than any identity.

fig = mf.viz.plot_scores(summary, score="r", frame=frame)

# %%
# Region by region
# ----------------
# Some regions are predicted better than others, and there is a limit to all of them:
# what no other region shares cannot be predicted. The simulation knows this optimum.

optimum = mf.simulation_optimum(**simulation, h_freq=45, new_sfreq=100)
table = frame.pivot_table(index="region", columns="model", values="r")
table = table[["functional", "anatomical", "ridge of the recording"]]
table.assign(optimum=optimum.groupby("region")["r"].mean()).round(2)

# %%

shown = ["functional", "functional, adapted", "none", "ridge of the recording"]
fig = mf.viz.plot_region_scores(frame[frame["model"].isin(shown)])

# %%
# In this simulation, positions are as good as labels: each region lies apart from the
# others, in the same place in everybody. Where electrodes are localized less well, an
# anatomical identity says less, and a functional one the same as before; try
# ``localization_error`` of :func:`mne_funcmap.simulate_recordings`, which is also the
# way to ask what your own precision allows.
