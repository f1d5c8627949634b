"""
.. _plot-adapt-to-patient:

Adapting to a new patient: seconds against accuracy
===================================================

What holds for all patients does not hold exactly for the next one. A reconstructor can
adapt to seconds of a new recording in which all regions are recorded. How many seconds
does it take, and when would a regression on these seconds alone do as well?
"""

# %%
# A cohort, and three new patients
# --------------------------------

import matplotlib.pyplot as plt
import mne
import pandas as pd
import torch

import mne_funcmap as mf
from mne_funcmap.baselines import RecordingRidge

mne.set_log_level("warning")
torch.set_num_threads(1)  # for small networks, several only wait for each other

simulation = {
    "n_subjects": 8,
    "n_sessions": 1,
    "duration": 50.0,
    "sfreq": 400.0,
    "n_channels": 2,
    "coupling": 0.8,
}
preprocessor = mf.RecordingPreprocessor(h_freq=45, sfreq=100)
X = preprocessor.fit_transform(mf.simulate_recordings(**simulation))
train, new = [raw.copy().crop(0, 24.99) for raw in X[:5]], X[5:]

# %%
# The new patients come in two versions. In the first, their regions are coupled as in
# the cohort. In the second, the very same signals have half of the channels upside
# down: bipolar channels have an arbitrary sign, which no identity tells.

flipped = mf.simulate_recordings(**simulation, random_polarity=True)
flipped = preprocessor.fit_transform(flipped)[5:]
patients = {"Signs as in the cohort": new, "Arbitrary signs": flipped}

# %%
# Three ways to use the same seconds
# ----------------------------------
# The last part of each new recording is scored, the seconds right before it are given.
# The reconstructor uses them to tell what the channels are. Adapted, it also fits its
# weights to them, with those of the cohort as a prior. The ridge regression has nothing
# but these seconds.

rec = mf.MaskedRegionReconstructor("functional", max_epochs=10, random_state=0)
rec.fit(train)
ridge = RecordingRidge().fit(train)

rows = []
for version, recordings in patients.items():
    later = [raw.copy().crop(30) for raw in recordings]
    for seconds in (5, 10, 20, 30):
        given = [raw.copy().crop(30 - seconds, 29.99) for raw in recordings]
        found = {
            "cohort": rec.evaluate(later, reference=given),
            "cohort, adapted": rec.adapt(given).evaluate(later),
            "ridge on these seconds": ridge.evaluate(later, reference=given),
        }
        for model, scores in found.items():
            r = scores.groupby("subject")["r"].mean()
            rows += [(version, model, seconds, *item) for item in r.items()]
columns = ["version", "model", "seconds", "subject", "r"]
table = pd.DataFrame(rows, columns=columns)
table.pivot_table(index=["version", "seconds"], columns="model", values="r").round(2)

# %%
# Seconds against accuracy
# ------------------------
# Thick lines are means, thin ones the three patients. The dashed line is the best that
# any linear prediction could reach; without any relation between regions, r is 0.

optimum = mf.simulation_optimum(**simulation, h_freq=45, new_sfreq=100)
best = optimum[optimum["recording"] >= 5]["r"].mean()
models = dict(zip(table["model"].unique(), ("#E69F00", "#0072B2", "0.4"), strict=True))
fig, axes = plt.subplots(1, 2, figsize=(9, 4), sharey=True, layout="constrained")
for ax, version in zip(axes, patients, strict=True):
    of_version = table[table["version"] == version]
    for model, color in models.items():
        of_model = of_version[of_version["model"] == model]
        r = of_model.pivot_table(index="seconds", columns="subject", values="r")
        ax.plot(r.index, r, color=color, lw=0.6)
        ax.plot(r.index, r.mean(axis=1), "o-", color=color, lw=2, label=model)
    ax.axhline(best, color="0.5", ls="--", label="best linear prediction")
    ax.set(title=version, xlabel="Seconds of the new patient", ylim=(-0.2, 1))
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("Mean r over withheld channels")
axes[0].legend(frameon=False, loc="center")
plt.show()

# %%
# With signs as in the cohort, others have taught the reconstructor most of what there
# is to know, and a few seconds add a little. With arbitrary signs, the cohort alone
# cannot know which way up a channel is, and its seconds have to tell. How a cohort
# helps, and for how long, depends on how alike its patients are: three simulated
# patients do not tell it of yours. :func:`mne_funcmap.compare_identities` scores
# adapted models on your own recordings, with intervals.
