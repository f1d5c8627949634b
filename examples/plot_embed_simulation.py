"""
Brain regions of a subject never seen in training
=================================================

A few seconds of one channel tell much about where it records from. Here an embedder
learns this from some simulated subjects, and we look at how well it does on another
one, beside a plain baseline and chance.
"""

# %%
# Recordings
# ----------
# Each of six subjects has one recording with four channels in each of five regions.
# In two of them, GPi and STN, beta bursts prevail, and only a weak line at about 150 Hz
# tells them apart; all rhythms differ somewhat between subjects. Recordings of your
# own are read by MNE-Python, or all at once by
# :func:`mne_funcmap.read_recordings_bids`.

import mne_funcmap as mf
from mne_funcmap.baselines import SpectralClassifier

X = mf.simulate_recordings(n_subjects=6, n_sessions=1, duration=60.0, sfreq=500.0)
X[0].plot(n_channels=20, duration=4.0, scalings=150e-6, show_scrollbars=False)

# %%
# The regions are stored on the recordings, and follow MNE's own operations.

print(mf.get_regions(X[0].copy().pick(["GPi1", "VIM2"])))
print(mf.get_subjects(X))

# %%
# Learning from some subjects
# ---------------------------
# The network is trained so that segments of channels of one region come to lie
# together, whoever they are from. The last subject takes no part in it.

train, held_out = X[:-1], X[-1:]
embedder = mf.FunctionalEmbedder(random_state=0).fit(train)
embedder.to_frame(held_out).round(2).head()

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
# One subject more or less says little. :func:`mne_funcmap.evaluation.cross_val_regions`
# holds out every subject once, and :func:`mne_funcmap.evaluation.summarize` gives
# intervals over subjects and differences between models.
#
# The embedding
# -------------
# Channels of all subjects in one plane. Colours are regions, markers subjects; if those
# of the last subject lie among the others of their colour, the embedding is common to
# all of them.

mf.plot_embedding(embedder.to_frame(X))
