"""MaskedRegionReconstructor: predict a withheld region from the others."""

from copy import copy
from dataclasses import replace
from functools import partial
from numbers import Integral, Real

import numpy as np
import torch
from mne.utils import logger
from sklearn.base import TransformerMixin
from sklearn.model_selection import GroupKFold
from sklearn.utils._param_validation import Interval, StrOptions
from skorch import NeuralNet
from skorch.callbacks import EarlyStopping, GradientNormClipping, LRScheduler

from .adaptation import WeightPrior, learn_prior, update_weights
from .embedder import FunctionalEmbedder
from .identity import cross_fit, make_identity
from .moments import MomentLoss, join_parts
from .nets.mixing import FilterBank, LinearPath
from .reconstruction import RegionReconstructor, list_labelled
from .recordings import find_subjects, list_channels
from .segments import RAW_DURATION
from .studies import Study, append_study, crop_first, merge_studies, study_recording
from .subjects import describe, get_subjects, shorten_list
from .training import draw_seed, resolve_device, seeded_torch
from .withholding import WithheldBatches, WithheldRegions, WithheldScore

MIN_SUBJECTS = 5  # fewer are not enough to hold one out: the end of each recording is
N_FOLDS = 5


class MaskedRegionReconstructor(TransformerMixin, RegionReconstructor):
    _parameter_constraints = {
        "identity": [str, object],
        "target_regions": [list, tuple, None],
        "query": [StrOptions({"channel", "region"})],
        "window": [Interval(Real, 0, None, closed="neither")],
        "identity_duration": [Interval(Real, 0, None, closed="neither")],
        "validation": [StrOptions({"recordings", "time"})],
        "picks": [str, list, tuple, None],
        "n_latents": [Interval(Integral, 1, None, closed="left")],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "patience": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "device": [str],
        "callbacks": [list, None],
        "net_params": [dict, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        identity="functional",
        *,
        target_regions=None,
        query="channel",
        window=1.0,
        identity_duration=10.0,
        validation="recordings",
        picks=None,
        n_latents=64,
        max_epochs=60,
        patience=15,
        batch_size=32,
        lr=5e-3,
        weight_decay=1e-2,
        device="auto",
        callbacks=None,
        net_params=None,
        random_state=0,
    ):
        self.identity = identity
        self.target_regions = target_regions
        self.query = query
        self.window = window
        self.identity_duration = identity_duration
        self.validation = validation
        self.picks = picks
        self.n_latents = n_latents
        self.max_epochs = max_epochs
        self.patience = patience
        self.batch_size = batch_size
        self.lr = lr
        self.weight_decay = weight_decay
        self.device = device
        self.callbacks = callbacks
        self.net_params = net_params
        self.random_state = random_state

    def adapt(self, X):
        """Adapt to seconds of new recordings.

        The weights that identities tell are the prior of a ridge regression on these
        seconds, in which the weight of a source is the more free the nearer its
        identity is to that of the target. How much so was learned in `fit`.

        Parameters
        ----------
        X : list of mne.io.Raw | list of mne.Epochs
            Some seconds of the recordings, with all regions.

        Returns
        -------
        adapted : MaskedRegionReconstructor
            A copy that knows the channels of X, by subject and name, and predicts them
            by weights of their own.

        Raises
        ------
        ValueError
            If channels are asked for by region, or a recording has no subject id.
        """
        recordings = self._check_fitted(X)
        if self.query == "region" or self.linear_ is None:
            raise ValueError(
                "adapt needs query='channel' and architecture='mixed', got "
                f"query={self.query!r} and architecture={self.architecture!r}."
            )
        get_subjects(recordings)  # channels are known by their subject
        adapted = copy(self)
        known = self._remember(self._study(recordings, self.linear_.bank))
        adapted.known_ = self.known_ | known
        adapted.adapted_ = self.adapted_ | set(known)
        return adapted

    def transform(self, X, reference=None):
        """Return features of windows for a downstream decoder.

        The latent sources are common to all subjects and regions: features are the
        log of their mean power in every window, or, with
        ``architecture="transformer"``, what the encoder makes of all channels.

        Parameters
        ----------
        X : list of mne.io.Raw | list of mne.Epochs
            The recordings, with regions.
        reference : None | list of mne.io.Raw | list of mne.Epochs
            As in `predict`.

        Returns
        -------
        features : list of ndarray of float32, shape (n_windows, n_features)
            One item for each recording: windows end to end.
        """
        recordings = self._check_fitted(X)
        channels = list_channels(recordings, picks=self.picks)
        studies, _ = self._study_before(recordings, channels, reference, None)
        return [
            self._extract(recording, index, channels, study)
            for index, (recording, study) in enumerate(
                zip(recordings, studies, strict=True)
            )
        ]

    def add_region(self, X, region, n_channels=1):
        """Add virtual channels of a region that was not recorded.

        Parameters
        ----------
        X : list of mne.io.Raw | list of mne.Epochs
            The recordings, with other regions.
        region : str
            A region of the training recordings.
        n_channels : int
            How many. A single one stands for the mean identity of the region in
            training; several stand for the centres of as many clusters (k-means).

        Returns
        -------
        Y : list of mne.io.Raw | list of mne.Epochs
            Copies with further channels ``"<region>-virtual1"``, ..., of the type of
            the first channel, in volts by the mean scale of the region in training.

        Raises
        ------
        ValueError
            If the region was not in training.
        """
        recordings = self._check_fitted(X)
        if region not in self.region_queries_:
            raise ValueError(
                f"region={region!r} was not in training: expected one of "
                f"{list(self.region_queries_)}."
            )
        channels = list_channels(recordings, picks=self.picks)
        studies, _ = self._study_before(recordings, channels, None, region)
        identity = self._find_centres(region, n_channels)
        return [
            self._add_virtual(recording, index, channels, study, region, identity)
            for index, (recording, study) in enumerate(
                zip(recordings, studies, strict=True)
            )
        ]

    def _learn(self, recordings, channels):
        """Fit the identity, then the network."""
        self._check_targets()
        seed = draw_seed(self.random_state)
        groups = find_subjects(recordings)
        bank = FilterBank(self.sfreq_, self.n_times_)
        self.identity_ = self._make_identity(seed)
        names = [list_labelled(channels, i) for i in range(len(recordings))]
        pieces = [
            crop_first(raw, of_raw, of_raw, self.identity_duration, describe(i, raw))[0]
            for i, (raw, of_raw) in enumerate(zip(recordings, names, strict=True))
        ]
        crossed = cross_fit(self.identity_, recordings, pieces, groups)
        _check_lengths(crossed, recordings)
        stacked = np.concatenate(crossed)
        self.identity_mean_ = stacked.mean(axis=0)
        self.identity_scale_ = float(np.sqrt(stacked.var(axis=0).mean())) or 1.0
        whole = self._study(recordings, bank)
        self.known_, self.adapted_ = self._remember(whole), frozenset()
        studies = []
        for index, (study, piece) in enumerate(zip(whole, pieces, strict=True)):
            of_piece = study_recording(
                piece,
                channels,
                index,
                self._scale_identity(crossed[index]),
                n_times=self.n_times_,
            )
            studies.append(
                replace(
                    study.rescale(of_piece.mean, of_piece.scale),
                    identity=of_piece.identity,
                )
            )
        self._summarize_regions(studies)
        self._fit_linear(studies, groups, seed)

    def _check_targets(self):
        """Raise unless some training recording has the target regions."""
        missing = np.setdiff1d(self._get_targets(), self.regions_).tolist()
        if missing:
            raise ValueError(
                f"target_regions names {missing}, which no recording of X has: its "
                f"regions are {shorten_list(self.regions_, 20)}."
            )

    def _get_targets(self):
        """Return the regions that are withheld in training."""
        if self.target_regions is None:
            return self.regions_
        return np.array(self.target_regions)

    def _remember(self, studies):
        """Return the studies of recordings by subject, where that is known."""
        by_subject = {}
        for study in studies:
            if study.subject is not None:
                by_subject.setdefault(study.subject, []).append(study)
        return {
            subject: merge_studies(of_one) for subject, of_one in by_subject.items()
        }

    def _summarize_regions(self, studies):
        """Keep the identities of the channels of each region, and their mean scale."""
        identity = np.concatenate([study.identity for study in studies])
        region = np.concatenate([study.region for study in studies])
        scale = np.log(np.concatenate([study.scale for study in studies]))
        self.region_identities_ = {r: identity[region == r] for r in self.regions_}
        self.region_queries_ = {
            r: values.mean(axis=0) for r, values in self.region_identities_.items()
        }
        self.region_scales_ = {
            r: float(np.exp(scale[region == r].mean())) for r in self.regions_
        }

    def _withhold(self, studies):
        """Return all regions of recordings, each to be withheld in turn."""
        queries = self.region_queries_ if self.query == "region" else None
        return WithheldRegions(studies, self._get_targets(), queries)

    def _fit_linear(self, studies, groups, seed):
        """Train the linear path, and learn how to adapt it."""
        train, valid = self._split(studies, groups)
        self.n_epochs_, self.search_history_ = self.max_epochs, None
        prior = WeightPrior(
            n_identity=len(self.identity_mean_),
            n_filters=FilterBank(self.sfreq_, self.n_times_).n_filters,
        )
        if train is not None:
            score = WithheldScore(self._withhold(_join_studies(valid)))
            stop = EarlyStopping(
                "valid_r",
                lower_is_better=False,
                patience=self.patience,
                load_best=True,
                sink=logger.debug,
            )
            net = self._train(
                _join_studies(train), seed, [("score", score), ("stop", stop)]
            )
            self.search_history_ = net.history
            self.n_epochs_ = int(np.argmax(net.history[:, "valid_r"])) + 1
            self._learn_prior(prior, net, valid, seed)
        self.prior_ = prior
        self.net_ = self._train(_join_studies(studies), seed)
        self.history_ = self.net_.history
        self.linear_ = self.net_.module_

    def _split(self, studies, groups):
        """Return the studies to train on and to stop by, or None twice.

        Those held out in time keep their parts, the last of which is scored.
        """
        usable = [study for study in studies if len(np.unique(study.region)) > 1]
        groups = groups[[len(np.unique(study.region)) > 1 for study in studies]]
        if self.validation == "recordings" and len(np.unique(groups)) >= MIN_SUBJECTS:
            splitter = GroupKFold(N_FOLDS, shuffle=True, random_state=0)
            train, valid = next(splitter.split(usable, groups=groups))
            return [usable[i] for i in train], [usable[i] for i in valid]
        early = [s for s in usable if len(s.parts) > 1]
        if not early:
            return None, None
        return [replace(s, parts=s.parts[:-1]) for s in early], early

    def _train(self, studies, seed, callbacks=()):
        """Train a linear path."""
        regions = self._withhold(studies)
        n_batches = WithheldBatches.count(len(regions), self.batch_size)
        n_epochs = self.max_epochs if callbacks else self.n_epochs_
        schedule = LRScheduler(
            torch.optim.lr_scheduler.OneCycleLR,
            max_lr=self.lr,
            total_steps=n_epochs * n_batches,
            pct_start=0.1,
            step_every="batch",
        )
        with seeded_torch(seed):
            params = {
                "module": LinearPath,
                "module__n_identity": len(self.identity_mean_),
                "module__sfreq": self.sfreq_,
                "module__n_times": self.n_times_,
                "module__n_latents": self.n_latents,
                "criterion": MomentLoss,
                "criterion__centre": FilterBank(self.sfreq_, self.n_times_).centre,
                "optimizer": torch.optim.AdamW,
                "optimizer__weight_decay": self.weight_decay,
                "lr": self.lr,
                "max_epochs": n_epochs,
                "batch_size": self.batch_size,
                "iterator_train": partial(WithheldBatches, seed=seed),
                "iterator_valid": WithheldBatches,
                "train_split": None,
                "callbacks": [
                    ("clip", GradientNormClipping(1.0)),
                    ("schedule", schedule),
                    *callbacks,
                    *(self.callbacks or ()),
                ],
                "device": resolve_device(self.device),
                "verbose": 0,
            }
            net = NeuralNet(**params | (self.net_params or {})).initialize()
            net.partial_fit(regions)
        return net

    def _learn_prior(self, prior, net, studies, seed):
        """Learn how far weights of a recording lie from what its identities tell."""
        cases = []
        for index, region in self._withhold(studies).items:
            study = studies[index]
            if len(study.parts) > 1:
                is_target = study.region == region
                weights = _get_weights(net, study, is_target)
                cases.append((study, is_target, weights))
        if cases:
            centre = net.module_.bank.centre
            with seeded_torch(seed):
                learn_prior(prior, cases, centre=centre, seed=seed)

    def _make_identity(self, seed):
        """Return the unfitted identity, whose segments fit into what is read."""
        identity = make_identity(self.identity, picks=self.picks, random_state=seed)
        too_long = (
            isinstance(identity, FunctionalEmbedder) and identity.duration is None
        )
        if too_long and self.identity_duration < RAW_DURATION:
            identity.set_params(duration=self.identity_duration)
        return identity

    def _identify(self, recordings):
        """Return the scaled identities of channels."""
        found = self.identity_.transform(recordings)
        return [self._scale_identity(values) for values in found]

    def _scale_identity(self, values):
        scaled = (np.asarray(values) - self.identity_mean_) / self.identity_scale_
        return scaled.astype(np.float32)

    def _ask(self, study, ch_names, region):
        """Return what is known of the channels; by region, if they are asked for so."""
        if self.query == "channel":
            return study.take(ch_names)
        new = [ch_name for ch_name in ch_names if ch_name not in study.ch_names]
        if region not in self.region_queries_:
            raise ValueError(
                f"The region {region!r} was not in training: with query='region' "
                f"expected one of {list(self.region_queries_)}."
            )
        asked = Study(
            subject=study.subject,
            ch_names=np.array(new),
            region=np.full(len(new), region),
            identity=np.tile(self.region_queries_[region], (len(new), 1)),
            mean=np.zeros(len(new)),
            scale=np.full(len(new), self.region_scales_[region]),
        )
        return append_study(replace(study, parts=()), asked).take(ch_names)

    def _make_predictor(self, study, is_target):
        """Return the function that predicts withheld channels in windows."""
        weights = _get_weights(self.net_, study, is_target)
        if study.subject in self.adapted_ and study.parts:
            weights = self._update(weights, study, is_target)
        device = self.net_.device
        bank = self.linear_.bank

        def predict(windows):
            with torch.no_grad():
                filtered = bank(windows.to(device)).flatten(1, 2)
                return (weights.flatten(1).to(device) @ filtered).cpu()

        return predict

    def _update(self, weights, study, is_target):
        """Return weights adapted to the moments of a recording."""
        targets = torch.from_numpy(np.flatnonzero(is_target))
        moments, seconds = join_parts(study.parts)
        with torch.no_grad():
            precision = self.prior_(torch.from_numpy(study.identity)[None])[0, targets]
            return update_weights(
                weights,
                precision,
                moments,
                seconds,
                torch.from_numpy(~is_target),
                targets,
                self.linear_.bank.centre,
            )


def _get_weights(net, study, is_target):
    """Return the weights of a linear path for withheld channels, on the CPU."""
    module = net.module_.eval()
    with torch.no_grad():
        weights = module(
            torch.from_numpy(study.identity)[None].to(net.device),
            torch.from_numpy(~is_target)[None].to(net.device),
            torch.from_numpy(np.flatnonzero(is_target))[None].to(net.device),
        )
    return weights[0].cpu()


def _join_studies(studies):
    """Return studies whose parts are joined into one."""
    return [replace(study, parts=(join_parts(study.parts),)) for study in studies]


def _check_lengths(identities, recordings):
    """Raise unless all identities are of one length."""
    lengths = [np.shape(values)[-1] for values in identities]
    odd = [i for i, length in enumerate(lengths) if length != lengths[0]]
    if odd:
        raise ValueError(
            f"Identities have {lengths[0]} components in {describe(0, recordings[0])} "
            f"and {lengths[odd[0]]} in {describe(odd[0], recordings[odd[0]])}: "
            "expected one length. Check the transformer that gives them."
        )
