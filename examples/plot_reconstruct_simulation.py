"""
.. _plot-reconstruct-simulation:

A region predicted from the others, in a new patient
====================================================

Six simulated patients have electrodes in five regions that share common sources. A
reconstructor learns from five of them, whose channels it knows by their functional
identity alone, and predicts every region of the sixth from the other regions.
"""

# %%
# Recordings
# ----------
# Most of each channel stems from sources that all regions share, with weights of both
# signs and delays that are the same in all patients. What is predicted are signals up
# to 45 Hz, so the recordings are filtered and resampled before.

import mne
import torch

import mne_funcmap as mf
from mne_funcmap.baselines import RecordingRidge

mne.set_log_level("warning")
torch.set_num_threads(1)  # for small networks, several only wait for each other

simulation = {
    "n_subjects": 6,
    "n_sessions": 1,
    "duration": 30.0,
    "sfreq": 400.0,
    "n_channels": 2,
    "coupling": 0.8,
}
X = mf.simulate_recordings(**simulation)
X = mf.RecordingPreprocessor(h_freq=45, sfreq=100).fit_transform(X)
train, new = X[:5], X[5:]

# %%
# Fit, and predict a patient who was not there
# --------------------------------------------
# The first 10 s of the new recording tell what its channels are; they are not scored.
# The simulation knows the best that any linear prediction could reach. Without any
# relation between regions, r would be 0.

rec = mf.MaskedRegionReconstructor("functional", max_epochs=30, random_state=0)
rec.fit(train)
scores = rec.evaluate(new)
optimum = mf.simulation_optimum(**simulation, h_freq=45, new_sfreq=100)
optimum = optimum[optimum["recording"] == 5].groupby("region")["r"].mean()
scores.groupby("region")[["r", "nmse"]].mean().assign(optimum=optimum).round(2)

# %%
# With its first seconds as training
# ----------------------------------
# Adapted to the same 10 s, the weights of the cohort are the prior of a regression. A
# ridge regression that is fitted on these seconds alone is the baseline to beat.

begin, rest = new[0].copy().crop(0, 9.99), new[0].copy().crop(10)
adapted = rec.adapt([begin])
ridge = RecordingRidge().fit(train)
print(f"not adapted                {rec.score([rest], reference=[begin]):.2f}")
print(f"adapted                    {adapted.score([rest]):.2f}")
print(f"ridge on the same seconds  {ridge.score([rest], reference=[begin]):.2f}")
print(f"best linear prediction     {optimum.mean():.2f}")

# %%
# One patient is an example and no result: :ref:`plot-compare-identities` holds out
# every patient once, with intervals.
#
# What was predicted
# ------------------
# Signals and spectra of one channel of each region. Of a channel, that part is
# predicted which the other regions share, so that predictions mostly have less power
# than what was recorded.

predicted = adapted.predict([rest])[0]
picks = ["GPi1", "STN1", "VO1", "Motor1", "VIM1"]
r = adapted.evaluate([rest]).set_index("ch_name")["r"].to_dict()
fig = mf.viz.plot_reconstruction(rest, predicted, picks=picks, start=2.0, r=r)

# %%

fig = mf.viz.plot_spectra(rest, predicted, picks=picks)
