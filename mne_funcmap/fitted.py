"""What fitted estimators tell of their training, when printed and in the log."""

import numpy as np
from mne import BaseEpochs
from sklearn.utils._pprint import _EstimatorPrettyPrinter

from .progress import tell

FACTS = ("n_recordings_", "n_subjects_", "n_channels_", "n_seconds_")


class FittedRepr:
    """Base of estimators whose representation tells what they were fitted on.

    Subclasses are estimators of scikit-learn that say what they ``_list_fitted``.
    """

    def __repr__(self, N_CHAR_MAX=700):
        text = super().__repr__(N_CHAR_MAX)
        facts = self._list_fitted()
        return f"{text}\n# fitted on {facts}" if facts else text

    def _tell_fitted(self, seconds):
        """Log what the estimator was fitted on, and how long it took."""
        name, facts = type(self).__name__, self._list_fitted()
        text = f"{name}: fitted on {facts}; it took {seconds:.1f} s"
        tell(text, getattr(self, "verbose", None))


# nested in others, or longer than a line, they are printed as scikit-learn's are; its
# printer knows classes by their __repr__, and there is no public way to tell it of ours
_EstimatorPrettyPrinter._dispatch[FittedRepr.__repr__] = (
    _EstimatorPrettyPrinter._pprint_estimator
)


class FittedOnRecordings(FittedRepr):
    """Base of estimators that are fitted on recordings."""

    def _remember(self, recordings, channels, is_used):
        """Remember how many subjects and channels were trained on.

        Parameters
        ----------
        recordings : list of mne.io.Raw | list of mne.Epochs
            The recordings.
        channels : Channels
            The table of their channels.
        is_used : ndarray of bool, shape (n_channels,)
            Which of these were trained on.
        """
        self.n_recordings_ = len(recordings)
        self.n_subjects_ = len(np.unique(channels.subject[is_used]))
        self.n_channels_ = int(np.count_nonzero(is_used))
        self.n_seconds_ = round(float(sum(map(_measure_seconds, recordings))), 3)

    def _list_fitted(self):
        """Return what the estimator was fitted on; nothing, if that is not known."""
        if not hasattr(self, "n_seconds_"):
            return ""
        facts = [
            count(self.n_subjects_, "subject"),
            count(self.n_channels_, "channel"),
            count(len(self._get_regions()), "region"),
            f"{self.n_seconds_:.0f} s",
        ]
        return "; ".join(filter(None, [", ".join(facts), self._list_trained()]))

    def _list_trained(self):
        """Return how the training went; nothing, if there is nothing to tell."""
        return ""


def list_facts(estimator):
    """Return how much an estimator was fitted on.

    Parameters
    ----------
    estimator : FittedOnRecordings
        The estimator.

    Returns
    -------
    facts : dict
        Numbers, by names of attributes; empty where they are not known.
    """
    return {name: vars(estimator)[name] for name in FACTS if name in vars(estimator)}


def restore_facts(estimator, facts):
    """Let an estimator know again how much it was fitted on.

    Parameters
    ----------
    estimator : FittedOnRecordings
        The estimator.
    facts : dict
        As by `list_facts`.
    """
    vars(estimator).update({name: facts[name] for name in FACTS if name in facts})


def tell_input(estimator, recordings, channels):
    """Log which channels take part, and which do not.

    Parameters
    ----------
    estimator : estimator
        What is to be fitted.
    recordings : list of mne.io.Raw | list of mne.Epochs
        The recordings.
    channels : Channels
        The table of their channels that take part.
    """
    regions = channels.region[channels.has_region]
    n_all = sum(len(recording.ch_names) for recording in recordings)
    n_bad = sum(len(recording.info["bads"]) for recording in recordings)
    parts = [
        f"{type(estimator).__name__}: {count(len(recordings), 'recording')} of "
        f"{count(len(np.unique(channels.subject)), 'subject')}",
        f"{count(len(channels.pick), 'channel')} take part, {len(regions)} with one of "
        f"{count(len(set(regions)), 'region')}",
        f"{n_all - len(channels.pick)} are left out ({n_bad} of all are bad)",
    ]
    tell("; ".join(parts), getattr(estimator, "verbose", None))


def describe_training(n_epochs, measure, score=None):
    """Describe how a training went.

    Parameters
    ----------
    n_epochs : int
        Number of epochs.
    measure : str
        What the score is.
    score : float | None
        What was reached on what was held out; None stands for no such thing.

    Returns
    -------
    text : str
        A few words.
    """
    epochs = count(n_epochs, "epoch")
    return epochs if score is None else f"{measure} {score:.2f} after {epochs}"


def count(number, name):
    """Return a number and what is counted, in words."""
    return f"{number} {name}" if number == 1 else f"{number} {name}s"


def _measure_seconds(recording):
    """Return the length of a recording in seconds."""
    # some epochs may still be dropped, so that they have no number yet
    n = len(recording.events) if isinstance(recording, BaseEpochs) else 1
    return n * len(recording.times) / recording.info["sfreq"]
