"""
.. _plot-bids-to-report:

From a BIDS folder to a report
==============================

A dataset in BIDS has all that is needed in one place: signals, electrodes, and a column
that says which region each is in. This page writes a small one, reads it, prepares the
signals, and writes a report that says how well regions are told apart.
"""

# %%
# A dataset
# ---------
# Skip this section if you have one: set ``root`` to your folder. Five simulated
# patients are written by MNE-BIDS, each with the positions of the electrodes. MNE-BIDS
# knows no regions, so that the column is added to ``electrodes.tsv`` afterwards. In
# your own dataset it may have any name, and ``n/a`` for channels in no region.

import tempfile
from pathlib import Path

import mne
import pandas as pd
from mne_bids import BIDSPath, print_dir_tree, write_raw_bids

import mne_funcmap as mf
from mne_funcmap.baselines import SpectralClassifier

mne.set_log_level("warning")

folder = tempfile.TemporaryDirectory()
root = Path(folder.name) / "dataset"

for raw in mf.simulate_recordings(
    n_subjects=5, n_sessions=1, duration=30.0, sfreq=400.0, n_channels=3
):
    (subject,) = mf.get_subjects([raw])
    regions = mf.get_regions(raw)
    path = BIDSPath(
        root=root, subject=subject.removeprefix("sub-"), task="rest", datatype="ieeg"
    )
    write_raw_bids(
        raw.set_annotations(None),
        path,
        format="BrainVision",
        allow_preload=True,
        verbose="error",
    )
    (table,) = path.directory.glob("*_electrodes.tsv")
    electrodes = pd.read_csv(table, sep="\t", keep_default_na=False)
    electrodes["region"] = electrodes["name"].map(regions)
    electrodes.to_csv(table, sep="\t", index=False)

print_dir_tree(root / "sub-01")
print(electrodes.head(4).to_string(index=False))

# %%
# Reading
# -------
# :func:`mne_funcmap.read_recordings_bids` returns a list of Raw with regions, positions
# and the ids of the patients. Signals stay in the files until they are needed.

X = mf.read_recordings_bids(root, region_column="region", tasks="rest")
print(len(X), "recordings of", mf.get_subjects(X).tolist())
print(mf.get_regions(X[0].copy().pick(["GPi1", "STN1", "VO1"])))

# %%
# Preparing
# ---------
# Line noise is removed at the frequency that the dataset says, and its harmonics. With
# ``memory`` the prepared recordings are kept in a folder and not computed again the
# next time.

preprocessor = mf.RecordingPreprocessor(
    notch=True, l_freq=1.0, memory=Path(folder.name) / "prepared"
)
X = preprocessor.fit_transform(X)

for raw in X:
    print(
        raw.filenames[0].name, raw.info["sfreq"], "Hz, high-pass", raw.info["highpass"]
    )

# %%
# The report
# ----------
# Every patient is held out once. For a short run, two models are compared and nothing
# is reconstructed; without ``models`` and ``reconstruct`` you get all of them, and with
# ``n_permutations=99`` a test against chance. What has been computed is kept in the
# folder ``memory``, so that a call that was cut off goes on from there.

options = {
    "models": {
        "embedding": mf.FunctionalEmbedder(random_state=0),
        "spectrum with LDA": SpectralClassifier(classifier="lda"),
    },
    "memory": Path(folder.name) / "kept",
}
report = mf.make_report(X, reconstruct=False, probes=[], **options)
file = Path(folder.name) / "report.html"
report.save(file, open_browser=False)
print(f"{file.name}: {file.stat().st_size / 1e6:.1f} MB")

# %%
# ``report.html`` holds the tables and figures, what took part and what was left out,
# parameters, versions, and sentences for a methods section. It needs no other file and
# can be sent to somebody. The same from a command line, for a dataset of your own::
#
#    mne_funcmap report path/to/dataset --region-column region -o report.html
#
# What is in it
# -------------
# The tables behind the report come from the same call as here. With the same folder
# ``memory`` nothing is trained again.

frame, summary = mf.compare_embedders(X, **options)
columns = ["model", "balanced_accuracy", "low", "high", "difference", "diff_low"]
summary[[*columns, "diff_high", "chance"]].round(2)

# %%

fig = mf.viz.plot_scores(summary, frame=frame)

# %%
# Every channel where it lies, and whether its region was told right by the embedding,
# in a patient that this had not seen:

of_embedding = frame[frame["model"] == "embedding"]
right = of_embedding["region"] == of_embedding["predicted"]
of_embedding = of_embedding.assign(told=right.map({True: "right", False: "wrong"}))
fig = mf.viz.plot_brain(X, of_embedding, column="told")

folder.cleanup()

# sphinx_gallery_thumbnail_number = -1
