"""Identities of one scale, whatever tells them."""

import numpy as np

from ..progress import phase
from ..recordings.channels import subjects_known
from .cross_fitting import check_identities, cross_fit

PHASE = "identity"


def find_scale(values):
    """Find by what identities are to be divided to have a total variance of one.

    Parameters
    ----------
    values : ndarray, shape (n_channels, n_components)
        Identities.

    Returns
    -------
    scale : float
        The root of the sum of the variances of components; 1 for identities that are
        all the same, but for what rounding leaves.
    """
    scale = np.sqrt(values.var(axis=0, dtype=float).sum())
    return float(scale) if scale > 1e-6 * np.abs(values).max() else 1.0


class ScaledIdentity:
    """An identity, centred and divided by one number, as training tells them.

    Parameters
    ----------
    identity : transformer
        What tells identities; it is fitted in place.
    picks : None | str | list of str
        Channel types, or names, that take part.
    mean : ndarray of float32, shape (n_components,) | None
        What is subtracted, if that is known.
    scale : float | None
        By what is divided: the root of the mean variance of the components.
    """

    def __init__(self, identity, picks, mean=None, scale=None):
        self.identity, self.picks = identity, picks
        self.mean, self.scale = mean, scale

    def fit(self, recordings):
        """Fit on recordings, by all seconds of them.

        Parameters
        ----------
        recordings : list of mne.io.Raw | list of mne.Epochs
            The training recordings.
        """
        with subjects_known(), phase(PHASE):
            # frozen ones need a y
            found = self.identity.fit(recordings, None).transform(recordings)
        check_identities(found, recordings, self.picks)
        self._measure(found)

    def fit_cross(self, recordings, groups, pieces, owner):
        """Fit on recordings, and identify their pieces as `cross_fit` does.

        Parameters
        ----------
        recordings, groups, pieces, owner
            As for `cross_fit`.

        Returns
        -------
        identities : list of ndarray of float32, shape (n_channels, n_components)
            One item for each piece.
        """
        with subjects_known(), phase(PHASE):
            found = cross_fit(
                self.identity, recordings, groups, pieces, owner, self.picks
            )
        self._measure(found)
        return [self._apply(values) for values in found]

    def transform(self, recordings):
        """Identify the channels of recordings.

        Parameters
        ----------
        recordings : list of mne.io.Raw | list of mne.Epochs
            The recordings.

        Returns
        -------
        identities : list of ndarray of float32, shape (n_channels, n_components)
            One item for each recording.
        """
        with subjects_known(), phase(PHASE):
            found = self.identity.transform(recordings)
        check_identities(found, recordings, self.picks, len(self.mean))
        return [self._apply(values) for values in found]

    def _measure(self, identities):
        stacked = np.concatenate(identities)
        self.mean = stacked.mean(axis=0)
        self.scale = float(find_scale(stacked) / np.sqrt(stacked.shape[1]))

    def _apply(self, values):
        return ((np.asarray(values) - self.mean) / self.scale).astype(np.float32)
