"""
.. _plot-label-free:

An embedding without labels
===========================

Regions may be unknown, or not what one wants to impose. Then a channel can be its own
label: two pieces of one channel should lie together, and apart from other channels.
Nobody tells the network which channels are alike. Do regions show all the same?
"""

# %%
# Recordings without regions
# --------------------------
# The simulation knows the regions; the recordings that we train on do not.

import matplotlib.pyplot as plt
import mne
from sklearn.model_selection import GroupKFold

import mne_funcmap as mf
from mne_funcmap.baselines import UntrainedEmbedder

mne.set_log_level("warning")

X = mf.simulate_recordings(n_subjects=6, n_sessions=1, duration=40.0, sfreq=400.0)
unlabelled = [raw.copy().set_annotations(None) for raw in X]
print([mf.get_regions(raw) for raw in unlabelled])

# %%
# Channels as positives
# ---------------------
# With ``positives="channel"`` the loss draws segments of one channel together.
# ``duration`` is shorter than usual, so that a channel has more of them.

options = {"duration": 5.0, "random_state": 0}
label_free = mf.FunctionalEmbedder(positives="channel", **options).fit(unlabelled)
table = label_free.to_frame(unlabelled)
table["region"].unique()

# %%
# What it has found
# -----------------
# We now look up the regions, for the colours alone. Next to it is an embedder of the
# same recordings that was trained on their regions.

table["region"] = [
    mf.get_regions(X[r])[c]
    for r, c in zip(table["recording"], table["ch_name"], strict=True)
]
by_region = mf.FunctionalEmbedder(**options).fit(X)
fig, axes = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
mf.viz.plot_embedding(table, axes=axes[0], show=False)
mf.viz.plot_embedding(by_region.to_frame(X), axes=axes[1], show=False)
axes[0].set_title("without labels")
axes[1].set_title("trained on regions")
axes[0].get_legend().remove()
plt.show()

# %%
# Without labels, the variance is spread over more dimensions, and groups that lie upon
# each other in the plane may be apart in the third one:

fig = mf.viz.plot_embedding(table, n_dims=3)

# %%
# How much is in it
# -----------------
# Let patients be held out. The network learns without labels from the others; the
# regions of these are used for the read-out alone, the nearest neighbours in the
# embedding. An embedder with random weights is read in the same way: what it achieves,
# the spectra do by themselves.

models = {
    "trained on regions": mf.FunctionalEmbedder(**options),
    "label-free": mf.FunctionalEmbedder(positives="channel", **options),
    "untrained": UntrainedEmbedder(**options),
}
frame, summary = mf.compare_embedders(
    X, models, cv=GroupKFold(3), baselines=["untrained"]
)
fig = mf.viz.plot_scores(summary, frame=frame)
summary[["model", "balanced_accuracy", "low", "high", "chance"]].round(2)

# %%
# The dots are patients. Without labels, a network learns whatever tells channels apart,
# which includes what is peculiar to a patient: in the figure on top, regions show, but
# patients do too. In this simulation regions differ in little but their rhythms, and
# these are what tells channels apart; on real recordings do not expect as much.
#
# With ``positives="both"``, regions are used where they are known and channels
# elsewhere. How an embedder of unlabelled patients serves others is told in
# :ref:`plot-pretrain`.
