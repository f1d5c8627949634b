"""
.. _plot-embed-simulation:

Brain regions of patients never seen in training
================================================

A few seconds of one channel tell much about where it records from. Here an embedder
learns this from some simulated patients, and we look at how well it does on others,
beside a plain baseline and chance.
"""

# %%
# Recordings
# ----------
# Each of six patients has one recording with four channels in each of five regions.
# In two of them, GPi and STN, beta bursts prevail, and only a weak line at about 150 Hz
# tells them apart; all rhythms differ somewhat between patients. Recordings of your
# own are read by MNE-Python, or all at once by
# :func:`mne_funcmap.read_recordings_bids`.

from importlib.util import find_spec

import mne
from sklearn.model_selection import GroupKFold

import mne_funcmap as mf
from mne_funcmap.baselines import SpectralClassifier

mne.set_log_level("warning")

X = mf.simulate_recordings(n_subjects=6, n_sessions=1, duration=60.0, sfreq=500.0)
fig = X[0].plot(
    n_channels=20,
    duration=4.0,
    scalings=150e-6,
    annotation_regex="^(?!region/)",
    show_scrollbars=False,
)

# %%
# The regions are stored on the recordings, and follow MNE's own operations:
# :ref:`plot-regions-on-channels` tells more.

print(mf.get_regions(X[0].copy().pick(["GPi1", "VIM2"])))
print(mf.get_subjects(X))

# %%
# Learning from some patients
# ---------------------------
# The network is trained so that segments of channels of one region come to lie
# together, whoever they are from. The last patient takes no part in it. An embedding is
# 32 numbers for each channel.

train, held_out = X[:-1], X[-1:]
embedder = mf.FunctionalEmbedder(random_state=0).fit(train)
embedder.to_frame(held_out).round(2).iloc[:5, :8]

# %%
# How long to train is found first, with part of the training patients held out: up to
# the last epoch whose score on these does not fall behind the best. The network is then
# trained on all of them for as many epochs.

fig = mf.viz.plot_history(embedder)

# %%
# Reading the regions of another one
# ----------------------------------
# Regions are read out by the nearest neighbours among the training channels. The
# baseline is a linear discriminant analysis of the power spectrum: for rhythms as
# simple as these, hard to beat. Scores are balanced accuracies: the mean over regions
# of the share of channels that are told right.

baseline = SpectralClassifier(classifier="lda").fit(train)
print(f"embedding          {embedder.score(held_out):.2f}")
print(f"spectrum with LDA  {baseline.score(held_out):.2f}")
print(f"chance             {1 / len(embedder.classes_):.2f}")

# %%
# Every patient held out once
# ---------------------------
# One patient more or less says little. :func:`mne_funcmap.compare_embedders` trains
# each model on some patients and reads the others, in turn, so that everybody is held
# out once. Intervals come from drawing patients with replacement; six are few, so they
# are wide. What counts is the difference of two models on the same patients.

models = {
    "embedding": mf.FunctionalEmbedder(random_state=0),
    "spectrum with LDA": baseline,
}
frame, summary = mf.compare_embedders(X, models, cv=GroupKFold(3))
columns = ["model", "balanced_accuracy", "low", "high", "chance"]
summary[columns + ["difference", "diff_low", "diff_high"]].round(2)

# %%
# Which regions are taken for which, all patients held out:

fig = mf.viz.plot_confusion(frame[frame["model"] == "embedding"])

# %%
# The embedding
# -------------
# Channels of all patients in one plane. Colours are regions, markers patients, and
# those of the last patient, who was not trained on, have a dark rim. An ellipse is
# drawn two standard deviations around the mean of its region. If the channels of the
# last patient lie among the others of their colour, the embedding is common to all.

table = embedder.to_frame(X)
fig = mf.plot_embedding(table, held_out=["sub-06"], ellipses=True)

# %%
# A plane shows some of the distances between channels. Those of the mean embeddings of
# regions, in all dimensions, with the tree that joins the nearest first: the two
# regions with beta bursts are alike.

fig = mf.viz.plot_region_distances(table)

# %%
# UMAP, or else t-SNE, shows which channels are neighbours in all dimensions, where
# principal components put one group behind another. How far groups are apart, and how
# large they are, means nothing in it: take it for a look, and measure in the embedding.

has_umap = find_spec("umap") is not None  # pip install "mne-funcmap[umap]"
method = "umap" if has_umap else "tsne"
fig = mf.plot_embedding(table, method=method, held_out=["sub-06"])

# %%
# From here, :ref:`plot-what-is-held-out` tells what such scores mean, and
# :ref:`plot-cross-validate` how to use scikit-learn's tools.

# sphinx_gallery_thumbnail_number = 4
