"""
.. _plot-add-region:

Adding a region that was not recorded
=====================================

One patient lacks a region that others have. A reconstructor that was trained on the
others adds a virtual channel of it: what the region would be expected to do, given the
regions that were recorded. Whether that is right can only be known where the region was
recorded after all; so we take one away.
"""

# %%
# Recordings, one of them without STN
# -----------------------------------

import matplotlib.pyplot as plt
import mne
import numpy as np
import pandas as pd
import torch

import mne_funcmap as mf

mne.set_log_level("warning")
torch.set_num_threads(1)  # for small networks, several only wait for each other

simulation = {
    "n_subjects": 7,
    "n_sessions": 1,
    "duration": 30.0,
    "sfreq": 400.0,
    "n_channels": 2,
    "coupling": 0.8,
}
X = mf.simulate_recordings(**simulation)
X = mf.RecordingPreprocessor(h_freq=45, sfreq=100).fit_transform(X)
train, new = X[:5], X[5:]


def take_away(raw, region):
    """Return a copy without the channels of a region."""
    of_channel = mf.get_regions(raw)
    return raw.copy().drop_channels(
        [ch for ch in of_channel if of_channel[ch] == region]
    )


without = take_away(new[0], "STN")
print(without.ch_names)

# %%
# The virtual channel
# -------------------
# It is asked for by the mean identity of the region in the training patients, and its
# amplitude is that of the region there. It is an ordinary channel of the copy that is
# returned, with a region, and a name that says what it is.

rec = mf.MaskedRegionReconstructor("functional", max_epochs=10, random_state=0)
rec.fit(train)
(added,) = rec.add_region([without], "STN")
print(added.ch_names[-1], mf.get_regions(added)[added.ch_names[-1]])

# %%
# Beside what was recorded
# ------------------------
# The reconstructor has seen nothing of this patient's STN, which is shown for
# comparison.

virtual = added.copy().pick(["STN-virtual1"]).rename_channels({"STN-virtual1": "STN1"})
fig = mf.viz.plot_reconstruction(
    new[0], virtual, picks=["STN1"], start=12.0, duration=4.0, query="region"
)

# %%
# How good is it?
# ---------------
# Each region of two new patients is taken away in turn. The virtual channel is
# correlated with the mean of the channels that were really there. Three things to
# compare with: the same channel shifted by ten seconds, which is chance; the one
# recorded channel of another region that is most like the region, a choice that can
# only be made by who knows the answer; and the correlation that the best linear
# prediction of single channels would have.

rows = []
for raw in new:
    regions = mf.get_regions(raw)
    for region in rec.regions_:
        rest = take_away(raw, region)
        virtual = rec.add_region([rest], region)[0].get_data()[-1]
        of_region = [ch_name for ch_name in regions if regions[ch_name] == region]
        true = raw.get_data(picks=of_region).mean(axis=0)
        signals = [true, virtual, np.roll(virtual, 1000), *rest.get_data()]
        # the first ten seconds have told what the channels are
        r = np.corrcoef(np.array(signals)[:, 1000:])[0]
        rows.append(
            {
                "subject": mf.get_subjects([raw])[0],
                "region": str(region),
                "virtual": r[1],
                "shifted": r[2],
                "most similar channel": np.abs(r[3:]).max(),
            }
        )
table = pd.DataFrame(rows)
optimum = mf.simulation_optimum(**simulation, h_freq=45, new_sfreq=100)
optimum = optimum[optimum["recording"] >= 5].groupby("region")["r"].mean()
means = table.groupby("region").mean(numeric_only=True).assign(optimum=optimum)
means.round(2)

# %%

colors = ("#0072B2", "0.6", "#E69F00", "#009E73")
fig, ax = plt.subplots(figsize=(8, 4), layout="constrained")
for place, (name, color) in enumerate(zip(means, colors, strict=True)):
    at = np.arange(len(means)) + 0.2 * (place - 1.5)
    ax.bar(at, means[name], 0.18, color=color, label=name)
    for i, region in enumerate(means.index):
        r = table.loc[table["region"] == region, name] if name in table else []
        ax.plot([at[i]] * len(r), r, "k.", ms=4)
ax.axhline(0, color="k", lw=0.8)
ax.set_xticks(np.arange(len(means)), means.index)
ax.set(xlabel="Region taken away", ylabel="Pearson r")
ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
ax.spines[["top", "right"]].set_visible(False)

# %%
# Dots are the two patients. The optimum is of single channels; the mean of two has less
# noise of its own and can be predicted better. Nothing that a region does by itself is
# in a virtual channel: it holds what other regions share with it, in patients who are
# like those of the training. Do not test hypotheses about a region on its virtual
# channels; use them where something is needed in its place, such as the input of a
# decoder that was trained with all regions.

# sphinx_gallery_thumbnail_number = 2
