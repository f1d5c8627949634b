"""The probes that a report asks by name."""

import numpy as np
import pandas as pd

from .. import probes
from ..evaluation.default_models import make_embedders
from ..probes.embeddings import make_transformers
from ..recordings.advice import told_before
from ..recordings.channels import list_channels

SUBJECT_SHARES = (0.25, 0.5, 0.75)
COMPARED = ("embedding", "spectrum-lda")
MAX_UNSEEN = 8

PROBES = {
    "subject": "Which subject it is, read from what should not tell",
    "recording": "Which recording of a subject it is, read from what should not tell",
    "stability": "The same channel at other times of a recording",
    "duration": "Seconds of a new subject that are read",
    "sessions": "Trained on one session, read in another",
    "label-noise": "Wrong regions in training",
    "learning-curve": "Number of subjects in training",
    "unseen-regions": "Regions that were not trained on",
    "distances": "Distance in the embedding, in space, and connectivity",
}
DEFAULT_PROBES = ("subject",)


@told_before()  # by the comparison of embedders, which comes first
def answer_probes(asked, recordings, *, random_state=0, **options):
    """Answer questions about recordings.

    Parameters
    ----------
    asked : None | sequence of str | dict of str to callable
        Names of ``PROBES``; or titles, and functions that take the recordings and
        return a table. None stands for that of the subject.
    recordings : list of mne.io.Raw | list of mne.Epochs
        The recordings, with regions.
    random_state : int
        Seed.
    **options : dict
        groups, cv, memory and n_jobs of the probes that are asked by name.

    Returns
    -------
    tables : dict of str to pandas.DataFrame
        By title. Where a question by name has no answer, such as one about other times
        of a recording that is too short, the table tells why.

    Raises
    ------
    ValueError
        If a name is unknown.
    """
    asked = DEFAULT_PROBES if asked is None else asked
    if hasattr(asked, "items"):
        return {title: probe(recordings) for title, probe in asked.items()}
    unknown = [name for name in asked if name not in PROBES]
    if unknown:
        raise ValueError(f"Unknown probes {unknown}: expected some of {list(PROBES)}.")
    tables = {}
    for name in asked:
        try:
            table = _ask(name, recordings, options | {"random_state": random_state})
        except ValueError as error:
            table = pd.DataFrame({"no answer": [str(error)]})
        tables[PROBES[name]] = table
    return tables


def _ask(name, recordings, options):
    """Return the table of a probe."""
    models = make_embedders(options["random_state"], COMPARED)
    if name in ("subject", "recording"):
        return probes.probe_subject(recordings, target=name, **options)
    if name == "stability":
        return probes.probe_stability(recordings, **options)
    if name == "duration":
        return probes.probe_duration(recordings, **options)
    if name == "sessions":
        return probes.probe_sessions(recordings, **options)
    if name == "label-noise":
        return probes.probe_label_noise(recordings, models, n_draws=2, **options)
    if name == "learning-curve":
        sizes = _choose_sizes(recordings)
        return probes.probe_learning_curve(
            recordings, models, sizes, n_draws=2, **options
        )
    if name == "unseen-regions":
        models = make_transformers(random_state=options["random_state"])
        models.pop("region")  # knows them
        n_regions = len(set(list_channels(recordings).region) - {None})
        n_unseen = max(2, min(MAX_UNSEEN, n_regions // 3))
        return probes.probe_unseen_regions(
            recordings, models, n_unseen=n_unseen, n_draws=3, **options
        )
    table = probes.probe_distances(recordings, **options)
    return table[table["pairs"] == "all"].drop(columns="pairs")


def _choose_sizes(recordings):
    """Return numbers of subjects to train on; None stands for all there are."""
    n_subjects = len(np.unique(list_channels(recordings).subject))
    return [*(max(2, round(share * n_subjects)) for share in SUBJECT_SHARES), None]
