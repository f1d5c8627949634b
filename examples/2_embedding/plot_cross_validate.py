"""
.. _plot-cross-validate:

Pipelines, cross-validation and grid search
===========================================

Embedders are estimators of scikit-learn that take lists of recordings. They stand in
pipelines, behind a step that filters, and are scored and tuned by scikit-learn's own
functions. The groups of the folds are patients.
"""

# %%
# Recordings, and who they are from
# ---------------------------------

import matplotlib.pyplot as plt
import mne
import numpy as np
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    LeaveOneGroupOut,
    cross_val_score,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

import mne_funcmap as mf
from mne_funcmap.baselines import SpectralClassifier

mne.set_log_level("warning")

X = mf.simulate_recordings(
    n_subjects=6, n_sessions=1, duration=30.0, sfreq=400.0, aperiodic=0.5
)
groups = mf.get_subjects(X)
print(groups)

# %%
# A pipeline
# ----------
# :class:`mne_funcmap.RecordingPreprocessor` learns nothing, so it could as well come
# before. Inside the pipeline, each recording is filtered by itself, and how it is
# filtered can be tuned like any other parameter.

preprocessor = mf.RecordingPreprocessor(notch=True, l_freq=1.0, h_freq=180.0)
model = make_pipeline(preprocessor, mf.FunctionalEmbedder(random_state=0))
baseline = make_pipeline(preprocessor, SpectralClassifier(classifier="lda"))

# %%
# Scores of patients held out
# ---------------------------
# Regions are annotations of the recordings, so there is no ``y``. Without ``groups``
# and a splitter that heeds them, recordings of one patient could be on both sides.

cv = LeaveOneGroupOut()
scores = cross_val_score(model, X, groups=groups, cv=cv)
of_baseline = cross_val_score(baseline, X, groups=groups, cv=cv)
chance = 1 / 5

fig, ax = plt.subplots(figsize=(6.5, 3.5), layout="constrained")
place = np.arange(len(scores))
ax.bar(place - 0.2, scores, 0.38, color="#0072B2", label="embedding")
ax.bar(place + 0.2, of_baseline, 0.38, color="#E69F00", label="spectrum with LDA")
ax.axhline(chance, color="0.5", ls="--", label="chance")
ax.set_xticks(place, np.unique(groups))
ax.set(ylabel="Balanced accuracy", ylim=(0, 1.02))
ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
ax.spines[["top", "right"]].set_visible(False)

print(f"embedding          {scores.mean():.2f} ± {scores.std():.2f}")
print(f"spectrum with LDA  {of_baseline.mean():.2f} ± {of_baseline.std():.2f}")

# %%
# The mean over folds is good for a quick look. For what is published, pool the
# predictions of all folds and give an interval over patients:
# :func:`mne_funcmap.compare_embedders` does so.
#
# A grid search
# -------------
# Names of parameters are those of scikit-learn: the step, two underscores, the
# parameter. To compare what is chosen with something else, nest the search in an outer
# cross-validation: the best of several scores is too good.

search = GridSearchCV(
    model,
    {
        "functionalembedder__duration": [5.0, 10.0],
        "recordingpreprocessor__h_freq": [90.0, 180.0],
    },
    cv=GroupKFold(3),
    refit=False,
)
search.fit(X, groups=groups)
for params, score in zip(
    search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True
):
    print(f"{score:.2f}", params)

# %%
# A low-pass at 90 Hz takes away the line at 150 Hz by which one region is told from
# another; no network can bring it back.
#
# Arrays instead of recordings
# ----------------------------
# :class:`mne_funcmap.SegmentEmbedder` does the same for arrays, one row for each
# segment, and any classifier can follow it. Here segments are the epochs of the
# recordings; a ``group`` belongs to each.

segments, regions, subjects = [], [], []
for raw, subject in zip(X, groups, strict=True):
    of_channel = mf.get_regions(raw)
    epochs = mne.make_fixed_length_epochs(raw, duration=10.0, preload=True)
    for ch_name, region in of_channel.items():
        of_segments = 1e6 * epochs.get_data(picks=[ch_name])[:, 0]
        segments.append(of_segments)
        regions += [region] * len(of_segments)
        subjects += [subject] * len(of_segments)

model = make_pipeline(
    mf.SegmentEmbedder(random_state=0, max_epochs=10), KNeighborsClassifier(15)
)
scores = cross_val_score(
    model, np.concatenate(segments), regions, groups=subjects, cv=GroupKFold(3)
)
print(f"accuracy of segments of 10 s {scores.mean():.2f}, chance {chance:.2f}")
