import shutil
import sys

import mne
import numpy as np
import pytest

from mne_funcmap.bids import read_recordings_bids
from mne_funcmap.regions import get_regions, set_regions
from mne_funcmap.subjects import get_subjects

mne_bids = pytest.importorskip("mne_bids")

CH_NAMES = ["LA1", "LA2", "LB1"]
REGIONS = {"LA1": "GPi", "LA2": "GPi/e", "LB1": "STN"}


def write_recording(
    root,
    subject,
    task="rest",
    session=None,
    run=None,
    ch_names=CH_NAMES,
    ch_type="seeg",
    suffix=".edf",
    regions=None,
):
    """Write four seconds of noise and a bad stretch, without positions."""
    signals = np.random.default_rng(0).uniform(-1e-4, 1e-4, (len(ch_names), 400))
    info = mne.create_info(list(ch_names), 100.0, ch_type)
    info["line_freq"] = 50
    raw = mne.io.RawArray(signals, info, verbose="ERROR")
    raw.annotations.append([1.0], [0.5], ["BAD_x"])
    if regions is not None:
        set_regions(raw, regions)
    path = mne_bids.BIDSPath(
        root=root,
        subject=subject,
        session=session,
        task=task,
        run=run,
        datatype="eeg" if ch_type == "eeg" else "ieeg",
    )
    mne_bids.write_raw_bids(
        raw,
        path,
        format={".edf": "EDF", ".vhdr": "BrainVision"}[suffix],
        allow_preload=True,
        overwrite=True,
        verbose="ERROR",
    )
    return path.copy().update(extension=suffix, suffix=path.datatype)


def find(path, suffix):
    [file] = path.directory.glob(f"*_{suffix}.tsv")
    return file


def write_table(file, **columns):
    rows = [columns, *zip(*columns.values(), strict=True)]
    file.write_text("".join("\t".join(row) + "\n" for row in rows), "utf-8")


def write_electrodes(path, regions, space=None, column="region", frame=None):
    """Write electrodes.tsv and coordsystem.json in place of those there are."""
    for kind in ("electrodes.tsv", "electrodes.json", "coordsystem.json"):
        for file in path.directory.glob(f"*_{kind}"):
            file.unlink()
    session = f"_ses-{path.session}" if path.session else ""
    start = f"sub-{path.subject}{session}" + (f"_space-{space}" if space else "")
    n_channels = len(regions)
    write_table(
        path.directory / f"{start}_electrodes.tsv",
        name=list(regions),
        x=[f"{0.01 * i:.2f}" for i in range(n_channels)],
        y=["0.02"] * n_channels,
        z=["0.03"] * n_channels,
        **{column: list(regions.values())},
    )
    kind = "EEG" if path.datatype == "eeg" else "iEEG"
    (path.directory / f"{start}_coordsystem.json").write_text(
        f'{{"{kind}CoordinateSystem": "{frame or space or "Other"}", '
        f'"{kind}CoordinateUnits": "m"}}'
    )


def write_study(root, sessions=(None,), suffix=".edf"):
    """Write two subjects, the sessions, two tasks."""
    for subject in ("01", "02"):
        for session in sessions:
            for task in ("rest", "move"):
                path = write_recording(root, subject, task, session, suffix=suffix)
            write_electrodes(path, REGIONS, space="fsaverage")
    return root


def get_names(recordings):
    return [raw.filenames[0].name.rsplit("_", 1)[0] for raw in recordings]


def get_frame(raw):
    return raw.get_montage().get_positions()["coord_frame"]


@pytest.mark.parametrize("suffix", [".edf", ".vhdr"])
@pytest.mark.parametrize("sessions", [(None,), ("on", "off")])
def test_study(tmp_path, sessions, suffix):
    write_study(tmp_path, sessions, suffix)
    recordings = read_recordings_bids(tmp_path)
    middle = ["_"] if sessions == (None,) else ["_ses-off_", "_ses-on_"]
    assert get_names(recordings) == [
        f"sub-{subject}{session}task-{task}"
        for subject in ("01", "02")
        for session in middle
        for task in ("move", "rest")
    ]
    for raw in recordings:
        assert get_regions(raw) == REGIONS
        assert get_frame(raw) == "mni_tal"
        assert raw.info["chs"][2]["loc"][:3] == pytest.approx([0.02, 0.02, 0.03])
        assert raw.annotations.description.tolist().count("BAD_x") == 1
        assert raw.get_channel_types(unique=True) == ["seeg"]
        assert not raw.preload
    n_each = len(recordings) // 2
    subjects = ["sub-01"] * n_each + ["sub-02"] * n_each
    np.testing.assert_array_equal(get_subjects(recordings), subjects)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"subjects": "02"}, ["sub-02_task-move", "sub-02_task-rest"]),
        ({"subjects": ["sub-02"], "tasks": "task-rest"}, ["sub-02_task-rest"]),
        ({"tasks": ["rest"]}, ["sub-01_task-rest", "sub-02_task-rest"]),
        (
            {"subjects": ("01",), "tasks": ["rest", "move"]},
            ["sub-01_task-move", "sub-01_task-rest"],
        ),
    ],
)
def test_filters(tmp_path, filters, expected):
    assert get_names(read_recordings_bids(write_study(tmp_path), **filters)) == expected


def test_filter_sessions_and_runs(tmp_path):
    for run in ("1", "2"):
        path = write_recording(tmp_path, "01", session="on", run=run)
    write_electrodes(path, REGIONS, "fsaverage")
    path = write_recording(tmp_path, "01", session="off", run="1")
    write_electrodes(path, {name: "other" for name in REGIONS}, "fsaverage")
    recordings = read_recordings_bids(tmp_path, sessions="on")
    assert get_names(recordings) == [
        "sub-01_ses-on_task-rest_run-1",
        "sub-01_ses-on_task-rest_run-2",
    ]
    assert [get_regions(raw) for raw in recordings] == [REGIONS, REGIONS]
    [raw] = read_recordings_bids(tmp_path, sessions=["ses-off"])
    assert set(get_regions(raw).values()) == {"other"}


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"subjects": "9"}, "subject 9 in .* has: 01, 02"),
        ({"subjects": ["01", "9"]}, "subject 9 in .* has: 01, 02"),
        ({"tasks": "wake"}, "task wake in .* has: move, rest"),
        ({"sessions": "on"}, "session on in .* has: none"),
        ({"subjects": []}, "No recording in .*sub-01_task-move"),
    ],
)
def test_nothing_selected(tmp_path, filters, message):
    with pytest.raises(ValueError, match=message):
        read_recordings_bids(write_study(tmp_path), **filters)


def test_no_common_selection(tmp_path):
    for subject, task in [("01", "rest"), ("02", "move")]:
        path = write_recording(tmp_path, subject, task)
        write_electrodes(path, REGIONS, "fsaverage")
    with pytest.raises(ValueError, match="sub-01_task-rest.*, sub-02_task-move"):
        read_recordings_bids(tmp_path, subjects="01", tasks="move")


def test_no_folder(tmp_path):
    with pytest.raises(ValueError, match="There is no folder .*missing"):
        read_recordings_bids(tmp_path / "missing")
    with pytest.raises(ValueError, match="No EEG or intracranial EEG recordings"):
        read_recordings_bids(str(tmp_path))


def test_derivatives_are_not_read(tmp_path):
    write_study(tmp_path)
    shutil.copytree(tmp_path / "sub-01", tmp_path / "derivatives" / "x" / "sub-01")
    assert len(read_recordings_bids(tmp_path)) == 4


def test_preload(tmp_path):
    [raw] = read_recordings_bids(
        write_study(tmp_path), subjects="01", tasks="rest", preload=True
    )
    assert raw.preload
    assert 5e-5 < np.abs(raw.get_data()).max() < 2e-4


def test_no_region(tmp_path):
    path = write_recording(tmp_path, "01")
    write_electrodes(path, REGIONS | {"LA1": "n/a", "LB1": " "}, "fsaverage")
    [raw] = read_recordings_bids(tmp_path)
    assert get_regions(raw) == {"LA2": "GPi/e"}


def test_region_column(tmp_path):
    path = write_recording(tmp_path, "01")
    write_electrodes(path, REGIONS, "fsaverage", column="Área anatómica")
    [raw] = read_recordings_bids(tmp_path, region_column="Área anatómica")
    assert get_regions(raw) == REGIONS
    with pytest.raises(ValueError, match=r"'region'.*sub-01_.*'Área anatómica'"):
        read_recordings_bids(tmp_path)
    [raw] = read_recordings_bids(tmp_path, region_column=None)
    assert get_regions(raw) == {}
    assert get_frame(raw) == "mni_tal"


def add_regions_to_channels(path, regions):
    file = find(path, "channels")
    header, *rows = file.read_text("utf-8-sig").splitlines()
    lines = [header + "\tregion"]
    lines += [row + "\t" + regions[row.split("\t")[0]] for row in rows]
    file.write_text("\n".join(lines) + "\n", "utf-8-sig")


def test_regions_from_channels(tmp_path):
    path = write_recording(tmp_path, "01")
    add_regions_to_channels(path, REGIONS)
    [raw] = read_recordings_bids(tmp_path)
    assert get_regions(raw) == REGIONS


def test_electrodes_before_channels(tmp_path):
    path = write_recording(tmp_path, "01")
    add_regions_to_channels(path, dict.fromkeys(REGIONS, "other"))
    write_electrodes(path, REGIONS, "fsaverage")
    [raw] = read_recordings_bids(tmp_path)
    assert get_regions(raw) == REGIONS


def test_no_tables(tmp_path):
    path = write_recording(tmp_path, "01", ch_type="eeg")
    find(path, "channels").unlink()
    with (
        pytest.warns(RuntimeWarning, match="Did not find any channels.tsv"),
        pytest.raises(ValueError, match="there is no electrodes.tsv or channels.tsv"),
    ):
        read_recordings_bids(tmp_path)


def test_tables_for_several_spaces(tmp_path):
    path = write_recording(tmp_path, "01")
    write_electrodes(path, REGIONS, "fsaverage")
    for file in path.directory.glob("*_space-fsaverage_*"):
        shutil.copy(file, str(file).replace("fsaverage", "MNI305"))
    with pytest.warns(RuntimeWarning, match="Expected to find a single"):
        [raw] = read_recordings_bids(tmp_path)
    assert get_regions(raw) == REGIONS


def test_table_lists_more_or_fewer_channels(tmp_path):
    path = write_recording(tmp_path, "01")
    write_electrodes(path, REGIONS | {"LC1": "STN"}, "fsaverage")
    assert get_regions(read_recordings_bids(tmp_path)[0]) == REGIONS
    write_electrodes(path, {"LB1": "STN"}, "fsaverage")
    assert get_regions(read_recordings_bids(tmp_path)[0]) == {"LB1": "STN"}


def test_table_lists_channels_of_another_recording(tmp_path):
    write_recording(tmp_path, "01", task="move", ch_names=["LA1", "LC1"])
    path = write_recording(tmp_path, "01", task="rest", ch_names=["LA1", "LD1"])
    write_electrodes(path, {"LA1": "GPi", "LC1": "STN"}, "fsaverage")
    [raw] = read_recordings_bids(tmp_path, tasks="rest")
    assert get_regions(raw) == {"LA1": "GPi"}


@pytest.mark.parametrize(
    ("regions", "message"),
    [
        (
            {"LA-1": "GPi", "LA2": "GPi", "LB1": "STN"},
            r"sub-01_task-rest_ieeg.edf and sub-01_.*electrodes.tsv do not match. "
            r"Only in the recording: LA1. Only in the table: LA-1\.",
        ),
        (
            {"la1": "GPi", "la2": "GPi", "lb1": "STN", "lc1": "STN"},
            "recording: LA1, LA2, LB1. Only in the table: la1, la2, lb1, lc1",
        ),
        ({"X": "STN"}, "recording: LA1, LA2, LB1. Only in the table: X"),
    ],
)
def test_electrode_names_do_not_match(tmp_path, regions, message):
    path = write_recording(tmp_path, "01")
    write_electrodes(path, regions, "fsaverage")
    with pytest.raises(ValueError, match=message):
        read_recordings_bids(tmp_path)


def test_channel_names_do_not_match(tmp_path):
    path = write_recording(tmp_path, "01")
    file = find(path, "channels")
    file.write_text(file.read_text("utf-8").replace("LA1", "LX1"), "utf-8")
    message = "channels.tsv do not match. Only in the recording: LA1.*table: LX1"
    with pytest.raises(ValueError, match=message):
        read_recordings_bids(tmp_path, region_column=None)


def test_channels_in_another_order(tmp_path):
    path = write_recording(tmp_path, "01")
    write_electrodes(path, REGIONS, "fsaverage")
    [expected] = read_recordings_bids(tmp_path)
    file = find(path, "channels")
    header, *rows = file.read_text("utf-8").splitlines()
    file.write_text("\n".join([header, *rows[::-1]]) + "\n", "utf-8")
    [raw] = read_recordings_bids(tmp_path)
    assert raw.ch_names == CH_NAMES[::-1]
    assert get_regions(raw) == REGIONS
    np.testing.assert_array_equal(raw.get_data(), expected.get_data()[::-1])


def test_two_regions_of_one_channel(tmp_path):
    path = write_recording(tmp_path, "01")
    write_electrodes(path, REGIONS, "fsaverage")
    file = find(path, "electrodes")
    with file.open("a") as table:
        table.write("LA1\t0\t0\t0\tSTN\n")
    with pytest.raises(ValueError, match="channel 'LA1': 'GPi' and 'STN'"):
        read_recordings_bids(tmp_path)


def test_bad_channels_may_be_missing_in_table(tmp_path):
    path = write_recording(tmp_path, "01")
    file = find(path, "channels")
    header, *rows = file.read_text("utf-8").splitlines()
    rows[0] = rows[0].replace("good", "bad")
    file.write_text("\n".join([header, *rows]) + "\n", "utf-8")
    regions = {"gone": "GPi", "LA2": "GPi", "LB1": "STN"}
    write_electrodes(path, regions, "fsaverage")
    [raw] = read_recordings_bids(tmp_path)
    assert raw.info["bads"] == ["LA1"]
    assert get_regions(raw) == {"LA2": "GPi", "LB1": "STN"}


@pytest.mark.parametrize(
    ("space", "frame", "expected"),
    [
        ("fsaverage", None, "mni_tal"),
        ("MNI305", None, "mni_tal"),
        ("MNI152NLin2009bAsym", None, "mni_tal"),
        ("mni", "Other", "mni_tal"),
        ("MNI152", "Other", "mni_tal"),
        (None, "Other", "unknown"),
        ("other", "Other", "unknown"),
    ],
)
def test_frame(tmp_path, space, frame, expected):
    path = write_recording(tmp_path, "01")
    write_electrodes(path, REGIONS, space, frame=frame)
    [raw] = read_recordings_bids(tmp_path)
    assert get_frame(raw) == expected
    positions = raw.get_montage().get_positions()["ch_pos"]
    np.testing.assert_allclose(
        [positions[name] for name in CH_NAMES],
        [[0, 0.02, 0.03], [0.01, 0.02, 0.03], [0.02, 0.02, 0.03]],
    )


def test_scalp_eeg(tmp_path):
    ch_names = ["Fp1", "Fp2", "Cz"]
    path = write_recording(tmp_path, "01", ch_names=ch_names, ch_type="eeg")
    regions = dict(zip(ch_names, ["frontal", "frontal", "central"], strict=True))
    write_electrodes(path, regions, space="CapTrak")
    [raw] = read_recordings_bids(tmp_path)
    assert raw.get_channel_types(unique=True) == ["eeg"]
    assert get_regions(raw) == regions
    assert get_frame(raw) == "head"


def test_no_positions(tmp_path):
    path = write_recording(tmp_path, "01")
    for file in path.directory.glob("*coordsystem.json"):
        file.unlink()
    find(path, "electrodes").unlink()
    add_regions_to_channels(path, REGIONS)
    [raw] = read_recordings_bids(tmp_path)
    assert raw.get_montage() is None
    assert get_regions(raw) == REGIONS


@pytest.mark.parametrize("participants", [None, "participant_id\tage\nsub-09\t30\n"])
def test_subject_without_participants(tmp_path, participants):
    write_study(tmp_path)
    (tmp_path / "participants.tsv").unlink()
    if participants:
        (tmp_path / "participants.tsv").write_text(participants)
    recordings = read_recordings_bids(tmp_path, tasks="rest")
    np.testing.assert_array_equal(get_subjects(recordings), ["sub-01", "sub-02"])


def test_participants_with_more_columns(tmp_path):
    write_study(tmp_path)
    (tmp_path / "participants.tsv").write_text(
        "participant_id\tdiagnosis\tsex\nsub-01\tPD\tF\nsub-02\tPD\tn/a\n"
    )
    recordings = read_recordings_bids(tmp_path, tasks="rest")
    assert [raw.info["subject_info"]["sex"] for raw in recordings] == [2, 0]


def test_round_trip_loses_channels_of_regions(tmp_path):
    path = write_recording(tmp_path, "01", regions=REGIONS)
    [raw] = read_recordings_bids(tmp_path, region_column=None)
    with pytest.raises(ValueError, match="call set_regions again"):
        get_regions(raw)
    assert get_regions(set_regions(raw, REGIONS)) == REGIONS
    write_electrodes(path, REGIONS | {"LA1": "STN"}, "fsaverage")
    [raw] = read_recordings_bids(tmp_path)
    assert get_regions(raw) == REGIONS | {"LA1": "STN"}


@pytest.mark.parametrize("n_bytes", [200, 240, 300, 700])
def test_truncated_recording(tmp_path, n_bytes):
    path = write_recording(tmp_path, "01")
    path.fpath.write_bytes(path.fpath.read_bytes()[:n_bytes])
    with pytest.raises(ValueError, match="Cannot read .*sub-01_task-rest_ieeg.edf"):
        read_recordings_bids(tmp_path)


def test_signals_missing(tmp_path):
    path = write_recording(tmp_path, "01", suffix=".vhdr")
    path.fpath.with_suffix(".eeg").unlink()
    with pytest.raises(ValueError, match="Cannot read .*sub-01_task-rest_ieeg.vhdr"):
        read_recordings_bids(tmp_path)


def test_table_of_mne_bids_with_a_region_column(tmp_path):
    path = write_recording(tmp_path, "01")
    file = find(path, "electrodes")
    header, *rows = file.read_text("utf-8-sig").splitlines()
    rows = [row + "\t" + REGIONS[row.split("\t")[0]] for row in rows]
    file.write_text("\n".join([header + "\tregion", *rows]) + "\n", "utf-8")
    [raw] = read_recordings_bids(tmp_path)
    assert get_regions(raw) == REGIONS


def test_without_mne_bids(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mne_bids", None)
    with pytest.raises(ImportError, match=r"pip install mne-funcmap\[bids\]"):
        read_recordings_bids(tmp_path)


def test_ieeg_atlas(data_dir):
    root = data_dir / "ieeg-atlas"
    subjects = ["001", "002", "003"]
    recordings = read_recordings_bids(root, subjects=subjects, tasks="wake")
    np.testing.assert_array_equal(get_subjects(recordings), "sub-" + np.array(subjects))
    for raw in recordings:
        assert list(get_regions(raw)) == raw.ch_names
        assert get_frame(raw) == "mni_tal"
    regions = get_regions(recordings[0])
    assert regions["GD001Lc_11"] == "Middle temporal gyrus"
    loc = recordings[0].info["chs"][0]["loc"][:3]
    assert loc == pytest.approx([-0.056, -0.037, -0.002])
    assert "BAD_gap" in recordings[0].annotations.description
    [raw] = read_recordings_bids(root, region_column="lobe", subjects="001")
    assert set(get_regions(raw).values()) <= {
        "Frontal",
        "Insula",
        "Occipital",
        "Parietal",
        "Temporal",
    }


def test_eeg_rest(data_dir):
    [raw] = read_recordings_bids(data_dir / "eeg-rest", subjects="00", tasks="rest")
    assert get_frame(raw) == "head"
    assert raw.get_channel_types(unique=True) == ["eeg"]
    regions = get_regions(raw)
    assert len(regions) == 19
    assert regions["Fp1"] == "frontal"


def test_dbs_ecog(data_dir):
    with pytest.raises(ValueError, match="'region'.*impedance.*set_regions"):
        read_recordings_bids(data_dir / "dbs-ecog")
    [raw] = read_recordings_bids(data_dir / "dbs-ecog", region_column=None)
    assert get_regions(raw) == {}
    assert get_frame(raw) == "mni_tal"
    assert raw.get_channel_types()[:4] == ["dbs"] * 3 + ["ecog"]
    assert raw.info["chs"][0]["loc"][0] == pytest.approx(0.01182808)
    stn = {name: "STN" for name in raw.ch_names if name.startswith("LFP")}
    assert get_regions(set_regions(raw, stn)) == stn


@pytest.mark.filterwarnings("ignore:Expected to find a single")
@pytest.mark.parametrize("content", [bytes(range(256)), b"name\tregion\nLA1\t\xe9\n"])
def test_tables_that_are_no_text(tmp_path, content):
    path = write_recording(tmp_path, "01")
    (path.directory / "sub-01_space-A_electrodes.tsv").write_bytes(content)
    (path.directory / "sub-01_space-B_electrodes.tsv").write_bytes(content)
    with pytest.raises(ValueError, match="Cannot read .*sub-01_.*UTF-8"):
        read_recordings_bids(tmp_path)


def test_table_of_electrodes_without_positions(tmp_path):
    path = write_recording(tmp_path, "01")
    write_electrodes(path, REGIONS, space="fsaverage")
    write_table(find(path, "electrodes"), name=["LA1"], region=["GPi"])
    with pytest.raises(ValueError, match="sub-01_.*KeyError.* Check this file, and"):
        read_recordings_bids(tmp_path)


@pytest.mark.filterwarnings("ignore:Omitted 1 annotation")
def test_no_samples(tmp_path):
    path = write_recording(tmp_path, "01", suffix=".vhdr")
    path.copy().update(extension=".eeg").fpath.write_bytes(b"")
    # MNE-BIDS before 0.20 stumbles over it
    told = "Cannot read .*sub-01.*(no samples|out of bounds)"
    with pytest.raises(ValueError, match=told):
        read_recordings_bids(tmp_path, region_column=None)
