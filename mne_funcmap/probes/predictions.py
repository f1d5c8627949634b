"""Regions read from recordings, as a table that can be scored."""

import numpy as np
import pandas as pd

from ..evaluation.embedders import summarize
from ..recordings.channels import list_channels


def read_regions(fitted, name, recordings, picks=None, **columns):
    """Read the regions of the channels of recordings.

    Parameters
    ----------
    fitted : estimator
        With ``predict`` on lists of recordings.
    name : str
        The model in the table.
    recordings : list of mne.io.Raw | list of mne.Epochs
        The recordings.
    picks : None | str | list of str
        The ``picks`` of the estimator.
    **columns : object
        Further columns, the same in all rows.

    Returns
    -------
    predictions : pandas.DataFrame
        One row for each channel with a region: model, subject, recording (place in the
        list), ch_name, region, predicted, and the further columns.
    """
    channels = list_channels(recordings, picks=picks)
    table = {
        "model": name,
        "subject": channels.subject,
        "recording": channels.recording,
        "ch_name": channels.ch_name,
        "region": channels.region,
        "predicted": np.concatenate(fitted.predict(recordings)).astype(str),
    }
    return pd.DataFrame(table | columns)[channels.has_region].astype({"region": str})


def score_regions(predictions, conditions, *, n_resamples, random_state):
    """Score predictions, for each condition by itself.

    Parameters
    ----------
    predictions : pandas.DataFrame
        As by `read_regions`.
    conditions : list of str
        Columns that tell conditions apart.
    n_resamples : int
        Number of times that subjects are drawn with replacement.
    random_state : int | RandomState | None
        Seed of the draws.

    Returns
    -------
    frame : pandas.DataFrame
        One row for each model and condition: model, the conditions,
        balanced_accuracy, low and high (its 95 % interval over subjects), chance and
        n_subjects.
    """
    tables = []
    for values, of_one in predictions.groupby(conditions, sort=False, observed=True):
        summary = summarize(of_one, n_resamples=n_resamples, random_state=random_state)
        table = summary[["model", "balanced_accuracy", "low", "high", "chance"]]
        for at, (condition, value) in enumerate(zip(conditions, values, strict=True)):
            table.insert(1 + at, condition, value)
        tables.append(table.assign(n_subjects=of_one["subject"].nunique()))
    return pd.concat(tables, ignore_index=True)
