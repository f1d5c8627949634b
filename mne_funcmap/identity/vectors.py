"""Identities: the vectors that tell the reconstructor what a channel is.

Every identity is a transformer from a list of recordings to a list of arrays,
(n_channels, n_components), one row for each channel that takes part, in order.
"""

from __future__ import annotations

import hashlib
from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from ..embedder import FunctionalEmbedder
from ..recordings.channels import check_recordings, list_channels
from ..recordings.positions import embed_positions, get_positions, locate_channels
from ..subjects import describe, get_subject

if TYPE_CHECKING:
    from typing import Any, Self

    from ..hints import Picks, Recordings

N_RANDOM = 32
MAX_CHANNELS = 512


class _Identity(TransformerMixin, BaseEstimator):
    """What identities that learn nothing from signals have in common."""

    learns = False

    def __init__(self, picks: Picks = None) -> None:
        self.picks = picks

    def fit(self, X: Recordings, y: Any = None) -> Self:
        """Remember what of the training recordings matters.

        Parameters
        ----------
        X : list of mne.io.Raw | list of mne.Epochs
            The training recordings.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The fitted identity.
        """
        self._learn(check_recordings(X))
        self.is_fitted_ = True
        return self

    def transform(self, X: Recordings) -> list[np.ndarray]:
        """Return the identities of channels.

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
        recordings = check_recordings(X)
        channels = list_channels(recordings, picks=self.picks)
        rows = [
            np.flatnonzero(channels.recording == index)
            for index in range(len(recordings))
        ]
        return [
            self._identify(channels, row, recording, index).astype(np.float32)
            for index, (row, recording) in enumerate(zip(rows, recordings, strict=True))
        ]

    def _learn(self, recordings):
        """Remember what of the training recordings matters."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        return tags


class AnatomicalIdentity(_Identity):
    """Where a channel lies: its position and Fourier features of it.

    The features are sines and cosines of each coordinate, with wavelengths of 40, 20,
    10 and 5 cm.

    Parameters
    ----------
    picks : None | str | list of str
        Channel types, or names, that take part; None stands for good sEEG, ECoG, DBS
        and EEG channels.

    Attributes
    ----------
    coord_frame_ : str
        The frame of all positions: "mni_tal" or "head".
    """

    def _learn(self, recordings):
        frames = [get_positions(raw, i)[1] for i, raw in enumerate(recordings)]
        odd = [i for i, frame in enumerate(frames) if frame != frames[0]]
        if odd:
            raise ValueError(
                f"Positions are in the frame {frames[0]!r} in "
                f"{describe(0, recordings[0])} and in {frames[odd[0]]!r} in "
                f"{describe(odd[0], recordings[odd[0]])}: expected one frame. Set "
                "montages in MNI space (coord_frame='mni_tal') on all recordings."
            )
        self.coord_frame_ = frames[0]

    def _identify(self, channels, rows, recording, index):
        _, frame = get_positions(recording, index)
        if frame != self.coord_frame_:
            raise ValueError(
                f"Positions of {describe(index, recording)} are in the frame "
                f"{frame!r}; in training they were in {self.coord_frame_!r}. Set a "
                "montage in the same frame."
            )
        return embed_positions(
            locate_channels(recording, channels.ch_name[rows], index)
        )


class RegionIdentity(_Identity):
    """Which region a channel is in: one-hot; zeros for a region not in training.

    Parameters
    ----------
    picks : None | str | list of str
        As for `AnatomicalIdentity`.

    Attributes
    ----------
    regions_ : ndarray of str, shape (n_regions,)
        The regions in training.
    """

    def _learn(self, recordings):
        channels = list_channels(recordings, picks=self.picks)
        self.regions_ = np.unique(channels.region[channels.has_region].astype(str))

    def _identify(self, channels, rows, recording, index):
        return channels.region[rows].astype(str)[:, None] == self.regions_


class ChannelIdentity(_Identity):
    """Which channel of its recording a channel is: one-hot, 512 at most.

    Parameters
    ----------
    picks : None | str | list of str
        As for `AnatomicalIdentity`.
    """

    def _identify(self, channels, rows, recording, index):
        if len(rows) > MAX_CHANNELS:
            raise ValueError(
                f"{describe(index, recording)} has {len(rows)} channels: identity "
                f"'channel' numbers {MAX_CHANNELS} at most. Use another identity."
            )
        return np.eye(MAX_CHANNELS)[: len(rows)]


class RandomIdentity(_Identity):
    """A random vector of its own for each channel of each subject.

    The control for identities that mean something: it lets a model learn every
    channel by heart, and nothing about channels it has not seen.

    Parameters
    ----------
    picks : None | str | list of str
        As for `AnatomicalIdentity`.
    random_state : int
        Seed. Vectors depend on it, the subject and the name of the channel alone.
    """

    def __init__(self, picks: Picks = None, *, random_state: int = 0) -> None:
        self.picks = picks
        self.random_state = random_state

    def _learn(self, recordings):
        if not isinstance(self.random_state, Integral):
            raise ValueError(
                f"random_state={self.random_state!r} must be an int: the same channel "
                "has the same vector in fit and predict."
            )
        for index, recording in enumerate(recordings):
            _check_subject(recording, index)

    def _identify(self, channels, rows, recording, index):
        subject = _check_subject(recording, index)
        return np.array(
            [
                _draw_vector(self.random_state, subject, ch_name)
                for ch_name in channels.ch_name[rows]
            ]
        )


class NoIdentity(_Identity):
    """The same for all channels: a single zero.

    Parameters
    ----------
    picks : None | str | list of str
        As for `AnatomicalIdentity`.
    """

    def _identify(self, channels, rows, recording, index):
        return np.zeros((len(rows), 1))


def _check_subject(recording, index):
    """Return the subject of a recording, which must be known."""
    subject = get_subject(recording)
    if subject is None:
        raise ValueError(
            f"{describe(index, recording)} has no subject id, by which identity "
            "'random' tells its channels from others. Set recording.info"
            "['subject_info'] = {'his_id': 'sub-01'}."
        )
    return subject


def _draw_vector(random_state, subject, ch_name):
    """Return the random vector of a channel, the same in every process."""
    name = f"{random_state}/{subject}/{ch_name}".encode()
    seed = int.from_bytes(hashlib.sha256(name).digest()[:8], "little")
    return np.random.default_rng(seed).standard_normal(N_RANDOM)


IDENTITIES = {
    "functional": FunctionalEmbedder,
    "anatomical": AnatomicalIdentity,
    "region": RegionIdentity,
    "channel": ChannelIdentity,
    "random": RandomIdentity,
    "none": NoIdentity,
}
