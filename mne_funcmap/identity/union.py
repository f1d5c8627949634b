"""Identities by name or transformer, and several of them side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from ..embedder import FunctionalEmbedder
from .cross_fitting import cross_fit
from .scaled import find_scale
from .vectors import IDENTITIES, ChannelIdentity

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from ..hints import Labels, Picks, Recordings


class IdentityUnion(TransformerMixin, BaseEstimator):
    """Several identities side by side, each scaled to the same variance.

    Parameters
    ----------
    identities : list
        Names or transformers, as for `MaskedRegionReconstructor`.
    picks : None | str | list of str
        Channel types, or names, for the identities given by name.
    random_state : int
        Seed of "random" among them.

    Attributes
    ----------
    identities_ : list
        The fitted transformers.
    scales_ : list of float
        What their identities are divided by.

    Examples
    --------
    >>> import mne_funcmap as mf
    >>> X = mf.simulate_recordings(n_subjects=2, n_sessions=1, duration=10.0)
    >>> union = mf.IdentityUnion(["anatomical", "region"]).fit(X)
    >>> union.transform(X)[0].shape
    (20, 32)
    """

    def __init__(
        self,
        identities: Sequence[str | BaseEstimator] = ("anatomical", "region"),
        *,
        picks: Picks = None,
        random_state: int = 0,
    ) -> None:
        self.identities = identities
        self.picks = picks
        self.random_state = random_state

    def fit(self, X: Recordings, y: Labels | None = None) -> Self:
        """Fit the identities.

        Parameters
        ----------
        X : list of mne.io.Raw | list of mne.Epochs
            The training recordings.
        y : None | list
            Passed on.

        Returns
        -------
        self : IdentityUnion
            The fitted union.
        """
        self._fit_members(lambda member: member.fit(X, y).transform(X))
        return self

    def transform(self, X: Recordings) -> list[np.ndarray]:
        """Return the identities of channels, side by side.

        Parameters
        ----------
        X : list of mne.io.Raw | list of mne.Epochs
            The recordings.

        Returns
        -------
        identities : list of ndarray of float32, shape (n_channels, n_components)
            One item for each recording.
        """
        check_is_fitted(self)
        return self._join([member.transform(X) for member in self.identities_])

    def fit_cross(
        self,
        X: Recordings,
        groups: np.ndarray,
        pieces: Recordings,
        owner: np.ndarray,
        picks: Picks = None,
    ) -> list[np.ndarray]:
        """Fit the identities and return those of the training channels, cross-fitted.

        Parameters
        ----------
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
            As by `cross_fit`.
        """
        return self._fit_members(
            lambda member: cross_fit(member, X, groups, pieces, owner, picks)
        )

    def _fit_members(self, fit):
        """Fit every member by a function, and scale what it returns."""
        self._check_members()
        self.identities_ = [
            make_identity(identity, picks=self.picks, random_state=self.random_state)
            for identity in self.identities
        ]
        found = [fit(member) for member in self.identities_]
        self.scales_ = [find_scale(np.concatenate(values)) for values in found]
        return self._join(found)

    def _check_members(self):
        """Raise unless identities is a list that is not empty."""
        if isinstance(self.identities, str) or not len(self.identities):
            raise ValueError(
                f"identities={self.identities!r} must be a list of names or "
                "transformers."
            )

    def _join(self, found):
        """Return the scaled identities of each recording side by side."""
        return [
            np.concatenate(
                [
                    values / scale
                    for values, scale in zip(of_one, self.scales_, strict=True)
                ],
                axis=1,
            ).astype(np.float32)
            for of_one in zip(*found, strict=True)
        ]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        return tags


def counts_channels(identity):
    """Say whether an identity, or a member of a union, is `ChannelIdentity`.

    Parameters
    ----------
    identity : str | transformer
        As for `MaskedRegionReconstructor`.

    Returns
    -------
    counts : bool
        Whether it depends on which channels a recording has.
    """
    if isinstance(identity, FrozenEstimator):
        identity = identity.estimator
    if isinstance(identity, IdentityUnion):
        return any(map(counts_channels, identity.identities))
    return identity == "channel" or isinstance(identity, ChannelIdentity)


def make_identity(
    identity, *, picks=None, random_state=0, duration=None, device="auto"
):
    """Return an unfitted identity, or the frozen one that was given.

    Parameters
    ----------
    identity : str | transformer
        A name, or a transformer of recordings.
    picks : None | str | list of str
        For identities given by name.
    random_state : int
        Seed of "functional" and "random".
    duration : float | None
        Seconds of segments of a `FunctionalEmbedder` without a duration of its own.
    device : str
        Where "functional" computes.

    Returns
    -------
    identity : transformer
        A new object, unless frozen.
    """
    if isinstance(identity, str):
        if identity not in IDENTITIES:
            raise ValueError(
                f"identity={identity!r} is unknown. Use one of {sorted(IDENTITIES)}, "
                "or a transformer of recordings such as FunctionalEmbedder(). See "
                "'Choosing an identity' in the user guide."
            )
        params = {}
        if identity in ("functional", "random"):
            params["random_state"] = random_state
        if identity == "functional":
            params["device"] = device
        return _set_duration(IDENTITIES[identity](picks=picks, **params), duration)
    if isinstance(identity, type):
        name = identity.__name__
        raise TypeError(f"identity is the class {name}: give an object, {name}().")
    if not (hasattr(identity, "fit") and hasattr(identity, "transform")):
        raise TypeError(
            f"identity must be one of {sorted(IDENTITIES)} or a transformer with fit "
            f"and transform on lists of recordings, got {type(identity)}: "
            f"{str(identity)[:80]!r}."
        )
    if isinstance(identity, FrozenEstimator):
        return identity
    identity = clone(identity)
    if isinstance(identity, IdentityUnion):
        identity._check_members()
        return identity.set_params(
            identities=[
                make_identity(
                    member,
                    picks=identity.picks,
                    random_state=identity.random_state,
                    duration=duration,
                    device=device,
                )
                for member in identity.identities
            ]
        )
    return _set_duration(identity, duration)


def _set_duration(identity, duration):
    """Set the duration of an embedder that has none."""
    is_open = isinstance(identity, FunctionalEmbedder) and identity.duration is None
    return identity.set_params(duration=duration) if is_open else identity
