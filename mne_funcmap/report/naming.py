"""Findings without names: what a report may tell to others."""

from dataclasses import replace

from sklearn.base import clone

from ..subjects import hide_names
from ..training.persistence import OF_PLACE


def make_anonymous(findings):
    """Number subjects, and leave out names of files and folders.

    Parameters
    ----------
    findings : Findings
        The tables.

    Returns
    -------
    findings : Findings
        The same, with subjects numbered in the order of the recordings.
    """
    found = findings.reconstruction
    frames = [findings.recordings, findings.frame, *findings.probes.values()]
    if not isinstance(found, str):
        frames.append(found.frame)
    names = dict.fromkeys(
        name for frame in frames if "subject" in frame for name in frame["subject"]
    )
    numbers = {name: f"subject {number}" for number, name in enumerate(names, 1)}
    if not isinstance(found, str):
        found = replace(
            found,
            frame=_rename(found.frame, numbers),
            not_scored=[hide_names(reason) for reason in found.not_scored],
            example=_rename_example(found.example, numbers),
        )
    return replace(
        findings,
        recordings=_rename(findings.recordings, numbers),
        frame=_rename(findings.frame, numbers),
        reconstruction=found,
        probes={k: _rename(table, numbers) for k, table in findings.probes.items()},
        models={name: _forget_place(model) for name, model in findings.models.items()},
    )


def _rename(frame, numbers):
    """Return a table with other names of subjects."""
    if "subject" in frame:
        frame = frame.assign(subject=frame["subject"].map(numbers))
    if "left_out" in frame.attrs:
        reasons = frame.attrs["left_out"].items()
        frame = frame.copy()
        frame.attrs["left_out"] = {k: hide_names(text) for k, text in reasons}
    return frame


def _rename_example(example, numbers):
    """Return the predicted signals of a subject with another name."""
    if example is None:
        return None
    title = example["title"]
    for name, number in numbers.items():
        title = title.replace(f"{name}, held out", f"{number}, held out")
    return example | {"title": title}


def _forget_place(model):
    """Return an unfitted model that says nothing of folders."""
    params = {
        name: None
        for name in model.get_params()
        if name.rpartition("__")[2] in OF_PLACE
    }
    return clone(model).set_params(**params)
