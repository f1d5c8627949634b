"""
.. _plot-pretrain:

Learning from unlabelled patients, for few labelled ones
========================================================

Many recordings have no regions, because nobody has localized the electrodes. They can
still teach an embedder what channels are like. Here it learns from one such cohort, is
written to a file, and serves another, in which the regions of few patients are known.
"""

# %%
# Two cohorts
# -----------
# Twelve patients of one centre have no regions. Of ten of another centre, up to four
# have regions that may be used; the other six are there to score, and for nothing else.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import mne
import numpy as np
import pandas as pd
from scipy.stats import sem, t
from sklearn.neighbors import KNeighborsClassifier

import mne_funcmap as mf
from mne_funcmap.baselines import SpectralClassifier

mne.set_log_level("warning")

simulation = {"n_sessions": 1, "duration": 30.0, "sfreq": 400.0, "aperiodic": 1.0}
unlabelled = mf.simulate_recordings(n_subjects=12, random_state=1, **simulation)
unlabelled = [raw.set_annotations(None) for raw in unlabelled]
X = mf.simulate_recordings(n_subjects=10, random_state=2, **simulation)
labelled, test = X[:4], X[4:]

# %%
# Pre-training
# ------------
# Segments of one channel are drawn together; see :ref:`plot-label-free`. The file holds
# weights and parameters, no signals, and nothing in it is run when it is read.

embedder = mf.FunctionalEmbedder(positives="channel", duration=5.0, random_state=0)
embedder.fit(unlabelled)

folder = tempfile.TemporaryDirectory()
path = Path(folder.name) / "unlabelled_patients.safetensors"
embedder.save(path)
pretrained = mf.FunctionalEmbedder.load(path)
folder.cleanup()

# %%
# A read-out for the other centre
# -------------------------------
# The embedder stays as it is. A classifier learns which embeddings are of which region,
# from the patients that have regions: here nearest neighbours. Next to it are an
# embedder and a discriminant analysis of spectra that are trained on these few patients
# alone, and an embedder that learns from all at once, from regions where they are known
# and from channels elsewhere. The last one has to be trained again for every new label.


def get_labels(raw):
    """Return the regions of the channels, in their order."""
    return np.array([*mf.get_regions(raw).values()])


def read_pretrained(train, test):
    """Predict regions by the nearest neighbours in the embedding as it is."""
    embeddings = np.concatenate(pretrained.transform(train))
    labels = np.concatenate([get_labels(raw) for raw in train])
    readout = KNeighborsClassifier(5, metric="cosine").fit(embeddings, labels)
    return [readout.predict(values) for values in pretrained.transform(test)]


options = {"duration": 5.0, "random_state": 0}
scratch = mf.FunctionalEmbedder(**options)
both = mf.FunctionalEmbedder(positives="both", **options)
spectrum = SpectralClassifier(classifier="lda", duration=5.0)
models = {
    "pre-trained": read_pretrained,
    "trained on all at once": lambda train, test: both.fit(train + unlabelled).predict(
        test
    ),
    "few patients alone": lambda train, test: scratch.fit(train).predict(test),
    "spectrum with LDA": lambda train, test: spectrum.fit(train).predict(test),
}

# %%
# Scores
# ------
# Every region has as many channels as any other, so that the share of channels told
# right is the balanced accuracy. Intervals come from drawing the six patients with
# replacement. They say nothing of what other labelled patients would have done: which
# patients these are matters the more the fewer they are.

rows = []
for n_labelled in (1, 2, 4):
    for name, predict in models.items():
        predicted = predict(labelled[:n_labelled], test)
        right = [
            np.mean(get_labels(raw) == regions)
            for raw, regions in zip(test, predicted, strict=True)
        ]
        reach = sem(right) * t.ppf(0.975, len(right) - 1)  # over patients
        low, high = np.clip([np.mean(right) - reach, np.mean(right) + reach], 0, 1)
        rows.append([n_labelled, name, np.mean(right), low, high])
scores = pd.DataFrame(rows, columns=["labelled", "model", "accuracy", "low", "high"])

fig, ax = plt.subplots(figsize=(8, 4), layout="constrained")
for shift, (name, color) in enumerate(
    zip(models, ("#0072B2", "#009E73", "#CC79A7", "#E69F00"), strict=True)
):
    of_model = scores[scores["model"] == name]
    place = np.log2(of_model["labelled"]) + 0.05 * (shift - 1.5)
    ax.vlines(place, of_model["low"], of_model["high"], color=color, lw=1.5)
    ax.plot(place, of_model["accuracy"], "o-", color=color, label=name)
ax.axhline(0.2, color="0.5", ls="--", label="chance")
ax.set_xticks([0, 1, 2], ["1", "2", "4"])
ax.set(xlabel="Patients with regions", ylabel="Balanced accuracy", ylim=(0, 1.02))
ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
ax.spines[["top", "right"]].set_visible(False)

# %%
# The same as a table:

scores.pivot(index="model", columns="labelled", values="accuracy").round(2)

# %%
# As an identity
# --------------
# A reconstructor can take such an embedder for the identity of channels, and leaves it
# as it is, if it is frozen:
#
# .. code-block:: python
#
#    from sklearn.frozen import FrozenEstimator
#
#    rec = mf.MaskedRegionReconstructor(identity=FrozenEstimator(pretrained))
#
# For a patient who was in the pre-training nothing is held out any more: his channels
# have been seen. Keep patients apart who are to be scored.
