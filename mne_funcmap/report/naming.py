"""Findings without names: what a report may tell to others."""

from dataclasses import replace

from sklearn.base import clone

from ..params import drop_params
from ..subjects import hide_names

FOLDERS = ("memory", "checkpoint_dir")  # parameters of models


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
    numbers = {
        what: _number(
            [name for frame in frames if what in frame for name in frame[what]]
        )
        for what in ("subject", "session")
    }
    if not isinstance(found, str):
        example = found.example
        if example is not None:
            subject = numbers["subject"][example["subject"]]
            example = example | {"subject": f"subject {subject}"}
        found = replace(
            found,
            frame=_rename(found.frame, numbers),
            not_scored=[hide_names(reason) for reason in found.not_scored],
            example=example,
        )
    return replace(
        findings,
        recordings=_rename(findings.recordings, numbers),
        frame=_rename(findings.frame, numbers),
        reconstruction=found,
        probes={k: _rename(table, numbers) for k, table in findings.probes.items()},
        models={
            name: drop_params(clone(model), FOLDERS)
            for name, model in findings.models.items()
        },
    )


def _number(names):
    """Return numbers of names, from 1 on, in the order in which they come."""
    return {name: number for number, name in enumerate(dict.fromkeys(names), 1)}


def _rename(frame, numbers):
    """Return a table with numbers of subjects and sessions, and messages without."""
    sessions = {name: f"session {k}" for name, k in numbers["session"].items()}
    subjects = {name: f"subject {k}" for name, k in numbers["subject"].items()}
    renamed = frame.copy()
    for name in frame.select_dtypes(exclude="number"):
        known = subjects if name == "subject" else sessions
        renamed[name] = [
            known.get(value, _hide(value, sessions))
            if isinstance(value, str)
            else value
            for value in frame[name]
        ]
    if "left_out" in frame.attrs:
        reasons = frame.attrs["left_out"].items()
        renamed.attrs["left_out"] = {k: _hide(text, sessions) for k, text in reasons}
    return renamed


def _hide(text, sessions):
    """Return a message without names of recordings, with numbers of sessions."""
    text = hide_names(text)
    for name, number in sessions.items():
        text = text.replace(repr(name), repr(number))
    return text
