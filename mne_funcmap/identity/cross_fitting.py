"""Identities of training channels, from transformers that have not seen them."""

import numpy as np
from scipy.linalg import orthogonal_procrustes
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GroupKFold

from ..progress import track
from ..recordings.channels import pick_channels
from ..subjects import describe, shorten_list

N_FOLDS = 5


def cross_fit(identity, X, groups, pieces, owner, picks=None):
    """Fit an identity, and identify training channels without their subject.

    A fitted transformer knows its training channels better than any it will meet. So
    it is fitted again on the others for the recordings of each part of the subjects,
    and what it gives is rotated onto what the one fitted on all gives.

    Parameters
    ----------
    identity : transformer
        Unfitted, or frozen; is fitted on all recordings.
    X : list of mne.io.Raw | list of mne.Epochs
        The training recordings.
    groups : ndarray of str, shape (n_recordings,)
        Subjects.
    pieces : list of mne.io.Raw | list of mne.Epochs
        Seconds of them that tell what their channels are.
    owner : ndarray of int, shape (n_pieces,)
        Of which recording each piece is.
    picks : None | str | list of str
        Channel types, or names, of which there must be identities.

    Returns
    -------
    identities : list of ndarray of float32, shape (n_channels, n_components)
        One item for each piece.

    Raises
    ------
    ValueError
        If identities are not one for each channel, finite and of one length.
    """
    frozen = isinstance(identity, FrozenEstimator)
    if hasattr(identity, "fit_cross") and not frozen:
        return identity.fit_cross(X, groups, pieces, owner, picks)
    identities = identity.fit(X, None).transform(pieces)  # frozen ones need a y
    check_identities(identities, pieces, picks, owner=owner)
    n_groups = len(np.unique(groups))
    if frozen or not getattr(identity, "learns", True) or n_groups < 3:
        return identities
    crossed = list(identities)
    splits = list(GroupKFold(min(N_FOLDS, n_groups)).split(X, groups=groups))
    for train, test in track(splits, "folds of training subjects"):
        part = clone(identity).fit([X[index] for index in train])
        known = np.flatnonzero(np.isin(owner, train))
        found = part.transform([pieces[index] for index in known])
        rotation, _ = orthogonal_procrustes(
            np.concatenate(found), np.concatenate([identities[i] for i in known])
        )
        new = np.flatnonzero(np.isin(owner, test))
        found = part.transform([pieces[index] for index in new])
        for index, values in zip(new, found, strict=True):
            crossed[index] = (values @ rotation).astype(np.float32)
    check_identities(crossed, pieces, picks, owner=owner)
    return crossed


def check_identities(identities, recordings, picks=None, length=None, owner=None):
    """Raise unless identities are one for each channel, finite and of one length.

    Parameters
    ----------
    identities : list of array-like, shape (n_channels, n_components)
        What a transformer returned.
    recordings : list of mne.io.Raw | list of mne.Epochs
        For which recordings.
    picks : None | str | list of str
        Channel types, or names, that take part.
    length : int | None
        The number of components in training, if that is known.
    owner : ndarray of int | None
        What number each has in messages.
    """
    whose = "in training"
    owner = range(len(recordings)) if owner is None else owner
    for index, values, recording in zip(owner, identities, recordings, strict=True):
        name = describe(index, recording)
        chosen = pick_channels(recording, picks, name)
        values = _check_identity(values, len(chosen), name)
        if length is None:
            length, whose = values.shape[1], f"in {name}"
        if values.shape[1] != length:
            raise ValueError(
                f"Identities have {length} components {whose} and {values.shape[1]} in "
                f"{name}: expected one length. Check the transformer that gives them."
            )
        odd = chosen[~np.isfinite(values).all(axis=1)]
        if len(odd):
            raise ValueError(
                f"The identity of {name} is not finite for "
                f"{shorten_list([recording.ch_names[pick] for pick in odd])}. Check "
                "the transformer that gives it."
            )


def _check_identity(identity, n_channels, name):
    """Return identities as an array, or say what is wrong with it."""
    try:
        identity = np.asarray(identity, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"The identities of {name} must be an array (n_channels, n_components) of "
            f"numbers of one length: {error}."
        ) from error
    if identity.ndim != 2 or len(identity) != n_channels:
        raise ValueError(
            f"The identities of {name} have the shape {identity.shape}: expected "
            f"({n_channels}, n_components), one for each channel that takes part. Give "
            "the identity the same picks."
        )
    return identity
