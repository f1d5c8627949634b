"""
.. _plot-atlas-labels:

From electrode positions to regions
===================================

Localized electrodes have positions, and an atlas has a label at every position. Reading
one at the other gives each channel its region. The atlas here is a small volume made up
on the spot; a real one is read in the same way. Then we look at what becomes of
contacts whose positions are wrong.
"""

# %%
# Contacts in MNI space
# ---------------------
# Six simulated patients have electrodes in the left hemisphere. One contact in four
# does not sit where its position says, but 10 mm away in some direction. Such errors
# come from the shift of the brain, and from fitting one brain to another.

import matplotlib.pyplot as plt
import mne
import numpy as np
import pandas as pd
from sklearn.model_selection import GroupKFold

import mne_funcmap as mf
from mne_funcmap.baselines import SpectralClassifier
from mne_funcmap.viz import plot_confusion

mne.set_log_level("warning")

X = mf.simulate_recordings(
    n_subjects=6,
    n_sessions=1,
    duration=40.0,
    sfreq=400.0,
    localization_error=(0.25, 10.0),
)
truth = [mf.get_regions(raw) for raw in X]  # kept for the end
X = [raw.set_annotations(None) for raw in X]
montage = X[0].get_montage().get_positions()
print(montage["coord_frame"], {"GPi1": montage["ch_pos"]["GPi1"].round(4)})

# %%
# An atlas is a volume of numbers
# -------------------------------
# Each voxel holds the number of a region, 0 for none, and ``affine`` tells which voxel
# is at which millimetre. Here a voxel belongs to the nearest of five centres, if that
# is not further than 8 mm. With an atlas of your own in MNI space, ``volume`` and
# ``affine`` are ``np.asarray(image.dataobj)`` and ``image.affine`` of ``image =
# nibabel.load("atlas.nii.gz")``.

centres = {
    "GPi": (-20, -6, -2),
    "STN": (-12, -14, -7),
    "VO": (-12, -10, 6),
    "Motor": (-37, -24, 58),
    "VIM": (-14, -19, 2),
}
names = np.array(["", *centres])
affine = mne.transforms.translation(-60, -50, -30)  # voxels of 1 mm
grid = np.stack(np.indices((70, 70, 110)), axis=-1) + affine[:3, 3]
distances = [np.linalg.norm(grid - centre, axis=-1) for centre in centres.values()]
volume = np.where(np.min(distances, axis=0) <= 8, np.argmin(distances, axis=0) + 1, 0)


def read_labels(raw):
    """Return ``{ch_name: region}`` for the channels that lie in a region."""
    positions = raw.get_montage().get_positions()["ch_pos"]
    millimetres = 1000 * np.array([*positions.values()])
    voxels = mne.transforms.apply_trans(np.linalg.inv(affine), millimetres)
    labels = names[volume[tuple(voxels.round().astype(int).T)]]
    return {
        name: str(label) for name, label in zip(positions, labels, strict=True) if label
    }


for raw in X:
    mf.set_regions(raw, read_labels(raw))

n_channels = sum(len(raw.ch_names) for raw in X)
n_labelled = sum(len(mf.get_regions(raw)) for raw in X)
print(f"{n_labelled} of {n_channels} channels lie in a region")

# %%
# Contacts that lie in none have no region. They are embedded like all others, and left
# out where a model learns from regions.
#
# .. note::
#
#    Where each patient has a segmentation by FreeSurfer, MNE-Python reads it at the
#    contacts itself, and returns all labels within some millimetres of each, of which
#    the first that is no white matter may serve as its region:
#
#    .. code-block:: python
#
#        labels, _ = mne.get_montage_volume_labels(
#            montage, subject="sub-01", subjects_dir=subjects_dir, aseg="aparc+aseg"
#        )
#        regions = {
#            name: grey[0]
#            for name, found in labels.items()
#            if (grey := [label for label in found if "White-Matter" not in label])
#        }
#        mf.set_regions(raw, regions)
#
#    The montage must then be in the coordinates of that patient's MRI.

colors = dict(
    zip(centres, ("#0072B2", "#009E73", "#56B4E9", "#E69F00", "#CC79A7"), strict=True)
)
fig, axes = plt.subplots(1, 2, figsize=(8, 6), sharey=True, layout="constrained")
labels = ("x, left to right (mm)", "y, back to front (mm)")
for across, (ax, label) in enumerate(zip(axes, labels, strict=True)):
    for number, (region, color) in enumerate(colors.items(), start=1):
        seen = (volume == number).any(axis=1 - across)
        horizontal = np.arange(seen.shape[0]) + affine[across, 3]
        vertical = np.arange(seen.shape[1]) + affine[2, 3]
        levels = {"levels": [0.5, 1], "colors": [color], "alpha": 0.25}
        ax.contourf(horizontal, vertical, seen.T, **levels)
        ax.plot([], [], "o", color=color, label=region)
    for raw in X:
        regions = mf.get_regions(raw)
        for name, position in raw.get_montage().get_positions()["ch_pos"].items():
            color = colors.get(regions.get(name), "0.4")
            ax.plot(1000 * position[across], 1000 * position[2], ".", color=color)
    ax.plot([], [], "o", color="0.4", label="in none")
    ax.set(xlabel=label, aspect="equal", ylim=(-25, 75))
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("z, down to up (mm)")
axes[1].legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
fig.suptitle("Contacts of six patients in an atlas", fontsize="large")
plt.show()

# %%
# What a contact does, and where it is said to be
# -----------------------------------------------
# An embedder is trained on the labels of the atlas, wrong ones included, and reads the
# regions of patients that it was not trained on. A discriminant analysis of spectra
# does the same, as a baseline.

models = {
    "embedding": mf.FunctionalEmbedder(random_state=0),
    "spectrum with LDA": SpectralClassifier(classifier="lda"),
}
rows = []
for train, test in GroupKFold(3).split(X, groups=mf.get_subjects(X)):
    for model_name, model in models.items():
        model.fit([X[i] for i in train])
        held_out = [X[i] for i in test]
        for i, raw, predicted in zip(
            test, held_out, model.predict(held_out), strict=True
        ):
            atlas = mf.get_regions(raw)
            rows += [
                {
                    "model": model_name,
                    "true": truth[i][name],
                    "atlas": atlas.get(name, "none"),
                    "predicted": str(region),
                }
                for name, region in zip(raw.ch_names, predicted, strict=True)
            ]
table = pd.DataFrame(rows)

# %%
# The simulation knows where each contact really is. Where the atlas is right, models
# should agree with it; where it is wrong or says nothing, they should not, and tell the
# true region instead. Chance is 0.20.

table["label of the atlas"] = np.select(
    [table["atlas"] == "none", table["atlas"] == table["true"]],
    ["none", "right"],
    "wrong",
)
table["told right"] = table["predicted"] == table["true"]
found = table.groupby(["label of the atlas", "model"])["told right"]
found.agg(["size", "mean"]).round(2)

# %%
# The signal says what a contact does whatever its position. Where it disagrees with the
# atlas, look at the localization again. This is a hint and no proof: models err too,
# here most often between the two regions with beta bursts.

of_embedding = table[table["model"] == "embedding"]
fig = plot_confusion(
    of_embedding.assign(region=of_embedding["true"]),
    title="Embedding: regions of patients held out",
)
