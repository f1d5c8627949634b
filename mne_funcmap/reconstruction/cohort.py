"""The training recordings of a reconstructor: what is known of them, and windows."""

from dataclasses import dataclass

import numpy as np

from ..nets.mixing import FilterBank
from ..progress import track
from ..recordings.channels import Channels
from ..recordings.pieces import crop_training_pieces
from ..recordings.storage import RowFile
from ..recordings.windows import rescale_windows
from .studies import study_training, view_study


@dataclass(frozen=True)
class Cohort:
    """Recordings to train on.

    Attributes
    ----------
    recordings : list of mne.io.Raw | list of mne.Epochs
        The recordings.
    channels : Channels
        The table of their channels.
    groups : ndarray of str, shape (n_recordings,)
        Subjects.
    n_times : int
        Number of samples of a window.
    bank : FilterBank
        The filters of moments.
    store : RowFile | None
        Where moments and windows are, if not in memory.
    """

    recordings: list
    channels: Channels
    groups: np.ndarray
    n_times: int
    bank: FilterBank
    store: RowFile | None

    def study(self, identity):
        """Fit an identity, and study the recordings by all seconds.

        So are later times of the same channels known.

        Parameters
        ----------
        identity : ScaledIdentity
            Is fitted in place.

        Returns
        -------
        studies : list of Study
            With moments.
        windows : list of torch.Tensor | list of StoredWindows
            As by `study_training`.
        """
        identity.fit(self.recordings)
        return self._study_whole(identity)

    def study_crossed(self, identity, seconds):
        """Fit an identity, and study the recordings as those of new subjects will be.

        Moments and windows are of all seconds; identities are cross-fitted and told by
        as many seconds as theirs, and so are scales.

        Parameters
        ----------
        identity : ScaledIdentity
            Is fitted in place.
        seconds : float
            How long a piece is that tells what a channel is.

        Returns
        -------
        whole, studies : list of Study
            As all seconds tell, and as pieces tell; with moments.
        windows : list of torch.Tensor | list of StoredWindows
            As by `study_training`, z-scored as the pieces tell.
        """
        pieces = crop_training_pieces(self.recordings, self.channels, seconds)
        owner = np.repeat(np.arange(len(pieces)), [*map(len, pieces)])
        crossed = identity.fit_cross(
            self.recordings, self.groups, sum(pieces, []), owner
        )
        whole, windows = self._study_whole(identity)
        studies = [
            view_study(
                study,
                pieces[index][0],
                self.channels,
                index,
                [crossed[i] for i in np.flatnonzero(owner == index)],
                self.n_times,
            )
            for index, study in enumerate(whole)
        ]
        return whole, studies, [*map(rescale_windows, windows, whole, studies)]

    def _study_whole(self, identity):
        """Return studies by all seconds, and windows."""
        identities = identity.transform(self.recordings)
        found = [
            study_training(
                recording,
                self.channels,
                index,
                identities[index],
                n_times=self.n_times,
                bank=self.bank,
                store=self.store,
            )
            for index, recording in enumerate(
                track(self.recordings, "windows of recordings")
            )
        ]
        studies, windows = map(list, zip(*found, strict=True))
        return studies, windows
