"""
.. _plot-more-patients:

Would more patients help?
=========================

A learning curve trains on fewer patients than there are, and scores the same patients
held out each time. Where it still rises at its end, further recordings are worth their
effort; where it is flat, they are not.
"""

# %%
# Recordings
# ----------
# Eight simulated patients, with a strong 1/f background.

import mne
from sklearn.model_selection import GroupKFold

import mne_funcmap as mf
from mne_funcmap.baselines import SpectralClassifier
from mne_funcmap.probes import probe_learning_curve

mne.set_log_level("warning")

X = mf.simulate_recordings(
    n_subjects=8, n_sessions=1, duration=20.0, sfreq=400.0, aperiodic=1.5
)

# %%
# More patients to train on
# -------------------------
# In each of two folds, models are trained on one, two, and all four of the patients
# that are not held out. Which ones is drawn at random, here twice; five draws or more
# are better. The intervals are over the patients held out.

models = {
    "embedding": mf.FunctionalEmbedder(duration=5.0, random_state=0),
    "spectrum with LDA": SpectralClassifier(classifier="lda", duration=5.0),
}
curve = probe_learning_curve(
    X, models, [1, 2, None], of="subjects", n_draws=2, cv=GroupKFold(2)
)
fig = mf.viz.plot_learning_curve(curve)

# %%

curve[["model", "size", "balanced_accuracy", "low", "high", "chance"]].round(2)

# %%
# Longer recordings of the next patient
# -------------------------------------
# The same function asks how many seconds of a new patient are needed to tell where his
# channels are, with all of the training.

curve = probe_learning_curve(
    X, models, [5.0, 10.0, None], of="test-seconds", cv=GroupKFold(2)
)
fig = mf.viz.plot_learning_curve(curve)

# %%
# What else can be asked of the same models and recordings, such as what wrong labels do
# or whether patients can be told apart, is on the page :doc:`/guide/probes`.
