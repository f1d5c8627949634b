"""What of the training recordings is held out, to know when to stop."""

from dataclasses import replace

import numpy as np
from sklearn.model_selection import GroupKFold

from ..subjects import shorten_list
from .studies import count_last
from .withholding import list_withheld

MIN_SUBJECTS = 5  # fewer are not enough to hold one out: the end of each recording is
N_FOLDS = 5


def choose_split(studies, groups, targets, validation):
    """Choose which recordings to train on and to stop by.

    Parameters
    ----------
    studies : list of Study
        The training recordings.
    groups : ndarray of str, shape (n_recordings,)
        Subjects.
    targets : sequence of str
        The regions that are withheld.
    validation : "recordings" | "time"
        What is held out.

    Returns
    -------
    split : tuple of (list of int, list of int | None) | None
        Indices of recordings; None as the second: the last part of each is held
        out; None alone: nothing can be.
    """
    usable = [i for i, study in enumerate(studies) if list_withheld(study, targets)]
    if not usable:
        raise ValueError(
            f"No recording has channels in {shorten_list(targets)} and in other "
            "regions, to predict these from: there is nothing to learn."
        )
    n_subjects = len(np.unique(groups[usable]))
    if validation == "recordings" and n_subjects >= MIN_SUBJECTS:
        splitter = GroupKFold(N_FOLDS, shuffle=True, random_state=0)
        parts = next(splitter.split(usable, groups=groups[usable]))
        return tuple([usable[i] for i in part] for part in parts)
    early = [i for i in usable if len(studies[i].parts) > 1]
    return (early, None) if early else None


def split_studies(studies, split):
    """Return the studies to train on, and those held out.

    Parameters
    ----------
    studies : list of Study
        The training recordings.
    split : tuple
        As by `choose_split`.

    Returns
    -------
    train, valid : list of Study
        Those held out in time keep their parts, the last of which was held out.
    """
    train, valid = split
    if valid is not None:
        return [studies[i] for i in train], [studies[i] for i in valid]
    held_out = [studies[i] for i in train]
    return [replace(study, parts=study.parts[:-1]) for study in held_out], held_out


def split_windows(windows, split):
    """Return windows of all recordings to train on, and those held out.

    Parameters
    ----------
    windows : list of torch.Tensor, shape (n_windows, n_channels, n_times)
        The windows of each recording.
    split : tuple | None
        As by `choose_split`.

    Returns
    -------
    train, valid : list of torch.Tensor, shape (n_windows, n_channels, n_times)
        One item for each recording, empty where there is nothing.
    """
    if split is None:
        return windows, windows
    train, valid = split
    nothing = [of_one[:0] for of_one in windows]
    if valid is not None:
        return tuple(
            [
                w if i in part else n
                for i, (w, n) in enumerate(zip(windows, nothing, strict=True))
            ]
            for part in (train, valid)
        )
    bounds = [len(of_one) - count_last(len(of_one)) for of_one in windows]
    return (
        [w[:bound] for w, bound in zip(windows, bounds, strict=True)],
        [w[bound:] for w, bound in zip(windows, bounds, strict=True)],
    )
