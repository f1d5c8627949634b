"""What reconstructors and their baselines have in common.

Recordings in; each region in turn is withheld, predicted in windows from the others,
and written into copies or compared with the truth.
"""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
import torch
from mne.utils import warn
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from ..fitted import FittedOnRecordings, tell_input
from ..progress import track, verbose_method
from ..recordings.advice import warn_spellings
from ..recordings.channels import (
    check_all_named,
    check_recordings,
    list_channels,
    load_copy,
    warn_unknown_subjects,
)
from ..recordings.labelled import (
    check_all_labelled,
    drop_region,
    drop_unlabelled,
    find_training_regions,
    find_withheld,
    list_labelled,
    pick_labelled,
    read_labels,
)
from ..recordings.pieces import crop_pieces
from ..recordings.segments import find_segment_length
from ..recordings.signals import blame_channels, cut_windows, find_windows, read_signals
from ..regions import get_regions, replace_regions
from ..subjects import describe, get_subject, shorten_list
from .band_measures import check_bands
from .predictions import (
    Prediction,
    blend_windows,
    compare_prediction,
    write_prediction,
)
from .studies import append_studies, find_channels, study_recording

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    import pandas as pd

    from ..hints import Bands, Labels, Recording, Recordings

CHUNK = 256  # windows predicted at a time


class RegionReconstructor(FittedOnRecordings, BaseEstimator):
    """Base of what predicts the channels of a withheld region from the others.

    Subclasses have the parameters ``window``, ``identity_duration`` and ``picks``, and
    say how to ``_learn`` from recordings and how to ``_make_predictor``.
    """

    query = "channel"

    @verbose_method
    def fit(self, X: Recordings, y: Labels | None = None) -> Self:
        """Learn from recordings with regions.

        Parameters
        ----------
        X : list of mne.io.Raw | list of mne.Epochs
            The recordings, with regions (see :func:`~mne_funcmap.set_regions`).
            Channels without one take no part.
        y : None | list of dict | list of sequence
            Regions instead of the annotations: for each recording ``{ch_name: region}``
            or one region, or None, for each channel that takes part.

        Returns
        -------
        self : object
            The fitted reconstructor.

        Raises
        ------
        TypeError
            If an item of X is not a recording.
        ValueError
            If rates differ, fewer than two regions are known, or a recording has
            nothing usable that is long enough.
        """
        begin = perf_counter()
        self._validate_params()
        recordings = self._check(X, y)
        warn_unknown_subjects(recordings)
        if y is None:
            check_all_named(recordings, self.picks)
        given, recordings = recordings, drop_unlabelled(recordings, self.picks)
        channels = list_channels(recordings, picks=self.picks)
        tell_input(self, given, channels)
        warn_spellings(channels.region)
        self.regions_ = find_training_regions(channels)
        check_all_labelled(recordings, channels)
        self.n_times_, self.sfreq_ = find_segment_length(
            recordings, self.window, None, param="window"
        )
        self.is_fitted_ = False
        self._learn(recordings, channels)
        self.is_fitted_ = True
        self._remember(recordings, channels, channels.has_region)
        self._tell_fitted(perf_counter() - begin)
        return self

    @verbose_method
    def predict(
        self,
        X: Recordings,
        regions: str | Sequence[str] | None = None,
        *,
        reference: Recordings | None = None,
    ) -> list[Recording]:
        """Predict the channels of each region from the other regions.

        Parameters
        ----------
        X : list of mne.io.Raw | list of mne.Epochs
            The recordings, with regions.
        regions : None | str | list of str
            The regions that are withheld, each in turn; None stands for all, so that
            every channel is predicted once.
        reference : None | list of mne.io.Raw | list of mne.Epochs
            Recordings of the same channels, which tell what they are and how large;
            see the class.

        Returns
        -------
        Y : list of mne.io.Raw | list of mne.Epochs
            Copies, with the data of the withheld channels replaced by what the other
            regions predict, in volts. Where nothing could be predicted, since sources
            are not usable, they are zero and annotated as ``BAD_not_predicted``.

        Raises
        ------
        ValueError
            If no recording has a region that is asked for, or one has nothing else.
        """
        recordings = self._check_fitted(X)
        copies = [*map(load_copy, recordings)]
        for found in self._reconstruct(recordings, regions, reference, strict=True):
            write_prediction(copies[found.index], found)
        return copies

    @verbose_method
    def evaluate(
        self,
        X: Recordings,
        y: Labels | None = None,
        *,
        reference: Recordings | None = None,
        regions: str | Sequence[str] | None = None,
        bands: Bands | None = None,
    ) -> pd.DataFrame:
        """Compare the prediction of every withheld channel with the truth.

        Parameters
        ----------
        X : list of mne.io.Raw | list of mne.Epochs
            The recordings, with regions.
        y : None | list of dict | list of sequence
            Regions instead of the annotations of X, as in `fit`.
        reference : None | list of mne.io.Raw | list of mne.Epochs
            As in `predict`, with regions as annotations. Seconds of X that tell what a
            channel is are not scored.
        regions : None | str | list of str
            The regions that are withheld, each in turn; None stands for all.
        bands : None | dict of str to tuple of float
            Name, and lowest and highest frequency in Hz, of bands in which predictions
            are also compared, such as ``{"alpha": (8, 13)}``.

        Returns
        -------
        frame : pandas.DataFrame
            One row for each withheld channel: subject, recording, region, ch_name, r
            (Pearson), nmse (mean squared error over the variance, of z-scored signals),
            nrmse (its root), amplitude_ratio (standard deviation of prediction over
            truth) and n_sources (channels predicted from). r is 0 for a prediction
            that does not change. For each band r_envelope_<band>, r of the amplitudes,
            and coherence_<band>, the mean squared coherence without its bias, so that
            0 is what independent signals have on average; nan where what is scored is
            too short for it.
        """
        import pandas as pd

        recordings = self._check_fitted(X, y)
        warn_unknown_subjects(recordings)
        bands = check_bands(bands or {}, self.sfreq_)
        rows = []
        for found in self._reconstruct(recordings, regions, reference, strict=False):
            rows += compare_prediction(found, recordings[found.index], bands)
        if not rows:
            raise ValueError(
                "No recording of X has two regions whose channels change: there is "
                "nothing to score."
            )
        return pd.DataFrame(rows).sort_values(
            "recording", kind="stable", ignore_index=True
        )

    def score(
        self,
        X: Recordings,
        y: Labels | None = None,
        *,
        reference: Recordings | None = None,
    ) -> float:
        """Return the mean correlation over withheld channels.

        Parameters
        ----------
        X : list of mne.io.Raw | list of mne.Epochs
            The recordings, with regions.
        y : None | list of dict | list of sequence
            Regions instead of the annotations, as in `fit`.
        reference : None | list of mne.io.Raw | list of mne.Epochs
            As in `evaluate`.

        Returns
        -------
        score : float
            Mean Pearson r over channels, each region withheld in turn.
        """
        return float(self.evaluate(X, y, reference=reference)["r"].mean())

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        return tags

    def __sklearn_is_fitted__(self):
        return getattr(self, "is_fitted_", False)

    def _check(self, X, y=None):
        """Return X as a list of recordings whose regions are annotations."""
        recordings = check_recordings(X)
        if y is None:
            return recordings
        channels = list_channels(recordings, picks=self.picks, y=y)
        return [
            replace_regions(recording, read_labels(channels, index))
            for index, recording in enumerate(recordings)
        ]

    def _check_fitted(self, X, y=None):
        """Return X as a list of recordings like those of the training."""
        check_is_fitted(self)
        recordings = self._check(X, y)
        like = (self.n_times_, self.sfreq_)
        find_segment_length(recordings, self.window, like, param="window")
        check_all_labelled(recordings, list_channels(recordings, picks=self.picks))
        return recordings

    def _get_regions(self):
        return self.regions_

    def _identify(self, recordings):
        """Return the identities of channels, a list of (n_channels, n_components)."""
        channels = list_channels(recordings, picks=self.picks)
        return [np.zeros((n, 0)) for n in np.bincount(channels.recording)]

    def _study(self, recordings, bank=None, n_parts=None):
        """Study all seconds of recordings; with moments, if there is a bank."""
        recordings = drop_unlabelled(recordings, self.picks)
        channels = list_channels(recordings, picks=self.picks)
        return [
            study_recording(
                recording,
                channels,
                index,
                identity,
                n_times=self.n_times_,
                bank=bank,
                n_parts=n_parts,
            )
            for index, (recording, identity) in enumerate(
                track(
                    zip(recordings, self._identify(recordings), strict=True),
                    "recordings",
                    len(recordings),
                )
            )
        ]

    def _study_known(self, recordings):
        """Study recordings that are given to know channels by."""
        return self._study(recordings)

    def _study_before(self, recordings, names, reference, hidden=None):
        """Study recordings by what is known, or by seconds that are not scored.

        Parameters
        ----------
        recordings : list of mne.io.Raw | list of mne.Epochs
            The recordings.
        names : list of ndarray of str
            Their channels that are studied; nothing else is looked at.
        reference : None | list of mne.io.Raw | list of mne.Epochs
            Recordings of the same channels.
        hidden : str | None
            A region whose channels must not be looked at.

        Returns
        -------
        studies : list of Study | None
            One for each recording; None where it has no channels that are studied.
        ends : list of int
            The sample up to which each recording has been looked at.
        """
        ends = [0] * len(recordings)
        if reference is not None:
            return self._study_reference(recordings, names, reference, hidden), ends
        studies = [
            self._recall(recording, of_one)
            for recording, of_one in zip(recordings, names, strict=True)
        ]
        new = [
            i
            for i, (study, of_one) in enumerate(zip(studies, names, strict=True))
            if len(of_one) > (0 if study is None else len(study.ch_names))
        ]
        pieces = []
        for i in new:
            (piece,), ends[i] = crop_pieces(
                recordings[i],
                names[i],
                recordings[i].ch_names,
                self.identity_duration,
                describe(i, recordings[i]),
            )
            pieces.append(piece)
        for i, study in zip(new, self._study(pieces) if new else [], strict=True):
            studies[i] = self._complete(studies[i], study, describe(i, recordings[i]))
        return studies, ends

    def _recall(self, recording, ch_names):
        """Return the study of those channels that were there in `fit`, or None."""
        known = getattr(self, "known_", {}).get(get_subject(recording), [])
        return find_channels(known, ch_names)

    def _complete(self, known, study, name):
        """Return the study of all channels, in which known ones are as known."""
        if known is None:
            return study
        new = [one for one in study.ch_names if one not in set(known.ch_names)]
        if known.parts:
            warn(
                f"Channels of {name} were not there when the model was adapted to it: "
                f"{shorten_list(new)}. It is predicted as if it had not been adapted. "
                "Adapt to seconds with all its channels, or leave these out."
            )
        both = append_studies([replace(known, parts=()), study.take(new)])
        return both.take(study.ch_names)

    def _study_reference(self, recordings, names, reference, hidden):
        """Study recordings by others of the same channels."""
        reference = self._check_fitted(reference)
        kept = {index: one for index, one in enumerate(reference)}
        if hidden is not None:
            kept = {
                index: drop_region(one, hidden)
                for index, one in kept.items()
                if set(get_regions(one).values()) != {hidden}
            }
        try:
            found = self._study_known(list(kept.values())) if kept else []
        except ValueError as error:
            raise ValueError(f"In the reference: {error}") from error
        found = dict(zip(kept, found, strict=True))
        studies = []
        for index, (recording, ch_names) in enumerate(
            zip(recordings, names, strict=True)
        ):
            subject = get_subject(recording)
            of_same = [
                study
                for i, study in found.items()
                if (i == index if subject is None else study.subject == subject)
            ]
            name = describe(index, recording)
            known = (
                _find_in_reference(of_same, ch_names, name) if len(ch_names) else None
            )
            studies.append(known)
        return studies

    def _reconstruct(self, recordings, regions, reference, *, strict):
        """Predict each region of each recording; yield what was found."""
        channels = list_channels(recordings, picks=self.picks)
        wanted = find_withheld(regions, channels)
        targets = self._find_targets(recordings, channels, wanted, strict)
        # what is asked for by region must not be looked at, not even to know the rest
        for hidden in wanted if self.query == "region" else [None]:
            asked = [
                [one for one in of_one if hidden in (one, None)] for of_one in targets
            ]
            names = [
                list_labelled(channels, index, hidden) if of_one else []
                for index, of_one in enumerate(asked)
            ]
            studies, ends = self._study_before(recordings, names, reference, hidden)
            for index, study in enumerate(track(studies, "recordings")):
                if asked[index]:
                    yield from self._reconstruct_one(
                        recordings[index],
                        index,
                        channels,
                        study,
                        asked[index],
                        ends[index],
                    )

    def _find_targets(self, recordings, channels, wanted, strict):
        """Return the regions to be withheld from each recording, which has others."""
        targets = []
        for index, recording in enumerate(recordings):
            found = set(channels.region[pick_labelled(channels, index)])
            of_one = [region for region in wanted if region in found]
            if of_one and len(found) < 2:
                _refuse(recording, index, of_one[0], strict)
                of_one = []
            targets.append(of_one)
        return targets

    def _reconstruct_one(self, recording, index, channels, study, regions, end):
        """Predict regions of a recording; yield what was found."""
        rows = pick_labelled(channels, index)
        signals = read_signals(recording, channels.pick[rows], self.n_times_)
        name = describe(index, recording)
        for region in regions:
            is_target = channels.region[rows] == region
            asked = self._ask(study, channels.ch_name[rows], region)
            predicted, covered = self._predict_signals(
                signals, asked, is_target, region, name
            )
            yield Prediction(
                index,
                region,
                channels.pick[rows],
                is_target,
                asked,
                signals,
                end,
                predicted,
                covered,
            )

    def _predict_signals(self, signals, study, is_target, region, name):
        """Predict withheld channels from the signals of the others.

        Parameters
        ----------
        signals : Signals
            Of the channels, as far as they were recorded.
        study : Study
            What is known of them.
        is_target : ndarray of bool, shape (n_channels,)
            Which of them are withheld.
        region : str
            Their region, for messages.
        name : str
            The recording, for messages.

        Returns
        -------
        predicted : ndarray, shape (n_targets, n_samples)
            Z-scored; zero where nothing was predicted.
        covered : ndarray of bool, shape (n_samples,)
            Where something was.
        """
        hop = max(1, self.n_times_ // 2)
        sources = np.flatnonzero(~is_target[: len(signals.data)])
        starts = find_windows(signals, sources, self.n_times_, hop)
        if not len(starts):
            blame = blame_channels(
                signals.take(sources), study.ch_names[sources], self.n_times_
            )
            raise ValueError(
                f"{name} has no {self.window:g} s in which all {len(sources)} channels "
                f"outside of {region!r} are usable (not BAD_, finite, not flat). "
                f"{blame}. Add damaged channels to info['bads'], or use shorter "
                "windows."
            )
        predict = self._make_predictor(study, is_target)
        of_sources = replace(study, parts=()).take(study.ch_names[sources])
        pieces = []
        for at in range(0, len(starts), CHUNK):
            chunk = starts[at : at + CHUNK]
            chunk = cut_windows(signals, chunk, self.n_times_, sources)
            given = np.zeros(
                (len(chunk), len(is_target), self.n_times_), dtype=np.float32
            )
            given[:, sources] = of_sources.normalize(chunk)
            pieces.append(predict(torch.from_numpy(given)))
        return blend_windows(torch.cat(pieces), starts, signals.data.shape[1])

    def _ask(self, study, ch_names, region):
        """Return what is known of the channels, in the way targets are asked for."""
        return study


def _refuse(recording, index, region, strict):
    """Say that a recording has a single region."""
    message = (
        f"All labelled channels of {describe(index, recording)} are in {region!r}: "
        "there is nothing to predict it from."
    )
    if strict:
        raise ValueError(
            f"{message} Leave the recording out, or ask for other regions."
        )
    warn(f"{message} It is not scored.")


def _find_in_reference(studies, ch_names, name):
    """Return what the reference tells of channels."""
    if not studies:
        raise ValueError(
            f"No recording of the reference is of the subject of {name}. Give "
            "recordings of the same subjects."
        )
    found = find_channels(studies, ch_names)
    known = [] if found is None else found.ch_names
    missing = [ch_name for ch_name in ch_names if ch_name not in set(known)]
    if missing:
        raise ValueError(
            f"The reference lacks channels of {name}: {shorten_list(missing)}. Give a "
            "recording with the same good channels and regions."
        )
    return found
