"""BIDS folders with damaged tables and missing files."""

import re
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import mne
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mne_funcmap.bids import read_recordings_bids
from mne_funcmap.regions import get_regions
from tests.fuzz.properties import allowed, attempt, cases

mne_bids = pytest.importorskip("mne_bids")

CH_NAMES = ["LA1", "LA2", "LB1"]
REGIONS = {"LA1": "GPi", "LA2": "GPi", "LB1": "STN"}

# of damaged files, their readers tell much
TOLD = ("",)


def write(root, subject):
    """Write a second and a half of noise."""
    signals = np.random.default_rng(0).uniform(-1e-4, 1e-4, (3, 150))
    info = mne.create_info(CH_NAMES, 100.0, "seeg")
    info["line_freq"] = 50
    raw = mne.io.RawArray(signals, info, verbose="ERROR")
    raw.annotations.append([0.5], [0.2], ["BAD_x"])
    path = mne_bids.BIDSPath(
        root=root, subject=subject, task="rest", datatype="ieeg", suffix="ieeg"
    )
    mne_bids.write_raw_bids(
        raw, path, format="BrainVision", allow_preload=True, verbose="ERROR"
    )
    start = path.directory / f"sub-{subject}_space-MNI152NLin2009aSym"
    rows = [f"{name}\t0.01\t0.02\t0.03\t{REGIONS[name]}\n" for name in CH_NAMES]
    Path(f"{start}_electrodes.tsv").write_text(
        "name\tx\ty\tz\tregion\n" + "".join(rows)
    )
    Path(f"{start}_coordsystem.json").write_text(
        '{"iEEGCoordinateSystem": "MNI152NLin2009aSym", "iEEGCoordinateUnits": "m"}'
    )


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    root = tmp_path_factory.mktemp("study")
    for subject in ("01", "02"):
        write(root, subject)
    return root


def edit(function):
    """Make a damage of a function from lines to lines."""

    def damage(file, i):
        lines = file.read_text("utf-8", errors="replace").splitlines(keepends=True)
        file.write_text("".join(function(lines, i)), "utf-8")

    return damage


def link(file, i):
    """Move a file, and leave a link."""
    place = file.with_name(f"moved {file.name}.txt")
    file.rename(place)
    file.symlink_to(place)


def cut_columns(lines, i):
    rows = [line.rstrip("\n").split("\t") for line in lines]
    return ["\t".join(row[:i] + row[i + 1 :]) + "\n" for row in rows]


def change_cell(text):
    def change(lines, i):
        rows = [line.rstrip("\n").split("\t") for line in lines]
        row = rows[i % len(rows)] if rows else [""]
        row[(3 * i) % len(row)] = text
        return ["\t".join(row) + "\n" for row in rows]

    return change


DAMAGES = {
    "removed": lambda file, i: file.unlink(),
    "empty": lambda file, i: file.write_bytes(b""),
    "cut off": lambda file, i: file.write_bytes(file.read_bytes()[: 7 * i + 3]),
    "binary": lambda file, i: file.write_bytes(bytes(range(256))),
    "latin-1": lambda file, i: file.write_bytes(file.read_bytes() + b"\xe9\xff\n"),
    "byte order mark": lambda file, i: file.write_bytes(
        b"\xef\xbb\xbf" + file.read_bytes()
    ),
    "link": link,
    "broken link": lambda file, i: (file.unlink(), file.symlink_to("nowhere")),
    "folder": lambda file, i: (file.unlink(), file.mkdir()),
    "carriage returns": edit(lambda rows, i: [r.replace("\n", "\r\n") for r in rows]),
    "line removed": edit(lambda rows, i: rows[:i] + rows[i + 1 :]),
    "line twice": edit(lambda rows, i: rows + rows[i : i + 1]),
    "lines in another order": edit(lambda rows, i: rows[:1] + rows[:0:-1]),
    "column removed": edit(cut_columns),
    "column more": edit(lambda rows, i: [r.replace("\t", "\tx\t", 1) for r in rows]),
    "blank lines": edit(lambda rows, i: [*rows, "\n", "\n"]),
    "commas": edit(lambda rows, i: [r.replace("\t", ",") for r in rows]),
    "text": edit(change_cell("x")),
    "n/a": edit(change_cell("n/a")),
    "nothing": edit(change_cell("")),
    "number": edit(change_cell("-1e9")),
    "micro": edit(change_cell("µV")),
    "unlisted channel": edit(lambda rows, i: [*rows, "LZ9" + "\tn/a" * 4 + "\n"]),
    "quotes": edit(change_cell('"a')),
}
FILES = (
    "*_channels.tsv",
    "*_electrodes.tsv",
    "*_coordsystem.json",
    "*_events.tsv",
    "*_ieeg.json",
    "*_ieeg.vhdr",
    "*_ieeg.vmrk",
    "*_ieeg.eeg",
    "participants.tsv",
    "participants.json",
    "dataset_description.json",
)
damages = st.tuples(
    st.sampled_from(FILES), st.sampled_from(sorted(DAMAGES)), st.integers(0, 4)
)


@given(
    st.lists(damages, min_size=1, max_size=3),
    st.sampled_from(["study", "a study", "étude 1"]),
    st.sampled_from(["region", None]),
    st.booleans(),
)
@cases(12, 220)
def test_damaged_folder(study, drawn, name, region_column, preload):
    with TemporaryDirectory() as folder, allowed(*TOLD):
        root = Path(folder) / name
        shutil.copytree(study, root)
        for pattern, damage, i in drawn:
            files = [one for one in sorted(root.rglob(pattern)) if one.is_file()]
            for file in files[-1:]:  # of the second subject
                DAMAGES[damage](file, i)
        named = r"sub-0\d|participants|dataset_description"
        recordings, error = attempt(
            read_recordings_bids,
            root,
            region_column=region_column,
            preload=preload,
            verbose=False,
            named=named,
        )
        if error is None:
            check_recordings(recordings, drawn, region_column)


def check_recordings(recordings, drawn, region_column):
    """The first subject is as it was written, and so are the signals of the second."""
    expected = REGIONS if region_column else {}
    first, *second = recordings
    assert get_regions(first) == expected
    assert first.info["subject_info"]["his_id"] == "sub-01"
    untouched = ("*_ieeg.vhdr", "*_ieeg.eeg", "*_channels.tsv")
    for raw in second:
        assert raw.info["subject_info"]["his_id"] == "sub-02"
        if not any(pattern in untouched for pattern, _, _ in drawn):
            np.testing.assert_allclose(raw.get_data(), first.get_data())
            assert raw.ch_names == CH_NAMES
        if not any(re.search("tsv|vhdr", pattern) for pattern, _, _ in drawn):
            assert get_regions(raw) == expected
