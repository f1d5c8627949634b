"""MaskedRegionReconstructor: predict a withheld region from the others."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from numbers import Integral, Real
from typing import TYPE_CHECKING

import numpy as np
from mne import BaseEpochs
from sklearn.base import TransformerMixin
from sklearn.frozen import FrozenEstimator
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from .embedding.region_classifier import MEMORY_CONSTRAINT
from .fitted import describe_training, restore_facts
from .identity.scaled import ScaledIdentity
from .identity.union import counts_channels, make_identity
from .nets.mixing import FilterBank, LinearPath
from .nets.precision import PRECISIONS
from .progress import VERBOSE_CONSTRAINT, track, verbose_method
from .reconstruction.adaptation import N_PARTS
from .reconstruction.cohort import Cohort
from .reconstruction.files import (
    PLAIN,
    check_reconstructor,
    pack_reconstructor,
    unpack_identity,
    unpack_networks,
    unpack_regions,
    unpack_studies,
)
from .reconstruction.holding_out import choose_split
from .reconstruction.linear_fit import read_adapted_weights, read_weights
from .reconstruction.moments import read_moments
from .reconstruction.networks import Task, train_networks
from .reconstruction.predictions import mark_missing
from .reconstruction.predictors import (
    extract_features,
    make_linear_predictor,
    make_transformer_predictor,
)
from .reconstruction.region_reconstructor import RegionReconstructor
from .reconstruction.region_summary import summarize_regions
from .reconstruction.settings import Settings
from .reconstruction.studies import OF_CHANNELS, group_studies
from .reconstruction.virtual import add_channels, find_centres, name_virtual
from .recordings.advice import advise_rate, told_before
from .recordings.channels import find_subjects, list_channels
from .recordings.keeping import features_kept_meanwhile, open_file
from .recordings.labelled import list_labelled, pick_labelled
from .recordings.segments import RAW_DURATION
from .recordings.signals import blame_channels, read_signals
from .recordings.windows import cut_study
from .subjects import describe, get_subjects, shorten_list
from .training.checkpoints import (
    CHECKPOINT_CONSTRAINT,
    check_resumable,
    list_params,
    open_checkpoints,
    warn_interrupted,
)
from .training.parts import as_part, get_common_dir
from .training.persistence import (
    damage_told,
    load_model,
    save_model,
    split_tensors,
    unpack_params,
)
from .training.runtime import draw_seed, move_net, resolve_device

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Literal, Self

    from sklearn.base import BaseEstimator
    from skorch.history import History

    from .hints import AnyPath, Memory, Picks, Recording, Recordings, Seed, Verbose

# of a skorch net, what the training or other parameters depend on
RESERVED = {
    "module",
    "max_epochs",
    "batch_size",
    "lr",
    "optimizer__weight_decay",
    "callbacks",
    "device",
    "module__n_identity",
    "module__n_latents",
    "module__sfreq",
    "module__n_times",
}


class MaskedRegionReconstructor(TransformerMixin, RegionReconstructor):
    """Predict the channels of a withheld region from the other regions.

    Every channel is described by an identity, and the weights by which it is predicted
    from any others are read from identities alone: fitted on patients whose electrodes
    lie anywhere, it predicts patients and channels that it has not seen.

    Parameters
    ----------
    identity : str | transformer
        What tells a channel from others: "functional" (a `FunctionalEmbedder`), which
        is learned, "anatomical" (its position), "region", "channel" (its number in the
        recording), "random" or "none"; an `IdentityUnion`; or any transformer from a
        list of recordings to a list of arrays (n_channels, n_components). A
        `FunctionalEmbedder` whose duration is None takes segments of half of
        ``identity_duration``, or shorter epochs, 10 s at most. Transformers are cloned
        and fitted on the training recordings; those already fitted come in a
        ``sklearn.frozen.FrozenEstimator``.
    target_regions : None | list of str
        The regions withheld in training; None stands for all.
    query : "channel" | "region"
        How a withheld channel is asked for: by its own identity; or by the mean
        identity of its region in training, so that nothing of the channel is used,
        not even its scale.
    architecture : "mixed" | "transformer"
        A linear path (`LinearPath`), and a transformer of what it leaves that is kept
        if it helps; or the transformer of the paper (`RegionTransformer`).
    window : float
        Seconds of a window.
    identity_duration : float
        Seconds of a recording that tell what its channels are.
    validation : "recordings" | "time"
        What is held out to choose the number of epochs: the recordings of a fifth of
        the subjects, or the last fifth of every recording. "time" is for later times
        of the same channels, whose identities are then those of all seconds, to be
        learned by heart. Fewer than five subjects are always held out in time.
    picks : None | str | list of str
        Channel types, or names, that take part; None stands for good sEEG, ECoG, DBS
        and EEG channels. Channels without a region take no part.
    memory : None | str | path-like | joblib.Memory
        Folder in which features of recordings are kept for the functional identity,
        as by `FunctionalEmbedder`.
    checkpoint_dir : path-like | None
        As for `SegmentEmbedder`; also for a "functional" identity.
    n_latents : int
        Number of latent sources of the linear path.
    max_epochs, batch_size : int | None
        Largest number of epochs, and recordings or windows in a batch. None, here and
        below, stands for the ``RECIPE`` of the network.
    lr, weight_decay : float | None
        Learning rate and weight decay of AdamW.
    patience : int
        Epochs without a better prediction of what is held out after which training
        stops.
    device : str
        "auto" takes CUDA if there is one, else the CPU. "accelerate" lets the processes
        train together that were launched by ``accelerate launch``, each on the device
        that it is given. After `fit`, a device that is named is moved to.
    precision : "auto" | "float32" | "bfloat16"
        For transformers, "bfloat16" is faster on a GPU, and rounds: predictions
        correlate above 0.99 with those of the same weights in "float32". "auto" takes
        it on CUDA devices that have it.
    callbacks : list | None
        Further callbacks of skorch, for ``net_``.
    net_params : dict | None
        Further parameters of the skorch net ``net_``; those that other parameters set
        are refused.
    random_state : int | RandomState | None
        Seed. The same seed gives the same numbers on the CPU.
    verbose : bool | str | int | None
        As for `SegmentEmbedder`.

    Attributes
    ----------
    regions_ : ndarray of str, shape (n_regions,)
        The regions seen in training.
    identity_ : transformer
        The fitted identity.
    net_ : skorch.NeuralNet
        The trained net: of the linear path, or of the transformer.
    residual_net_ : skorch.NeuralNet | None
        The net of the transformer beside the linear path; None if it was dropped.
    valid_r_ : dict of str to float
        Correlation on windows held out in training, of the linear path alone
        ("linear") and with the transformer ("mixed"); of "transformer".
    interrupted_ : bool
        Whether Ctrl-C has ended the training, so that the networks are the best until
        then: those of the last part of the training that was whole, or of its best
        epoch.
    history_ : skorch.history.History
        The training curve of ``net_``.
    search_history_ : skorch.history.History | None
        The training curve of the search for the number of epochs.
    n_epochs_ : int
        Number of epochs that ``net_`` was trained for.
    sfreq_, n_times_ : float, int
        Sampling rate in Hz and number of samples of a window.
    n_recordings_, n_subjects_, n_channels_ : int
        Numbers of recordings and subjects, and of channels that were trained on.
    n_seconds_ : float
        Seconds of all training recordings.

    See Also
    --------
    FunctionalEmbedder : The functional identity.
    IdentityUnion : Several identities side by side.

    Notes
    -----
    *What is known of a channel.* Its identity and its scale come from ``reference``:
    other recordings of the same channels, which are never scored. Without it, channels
    known by subject and name from `fit` or `adapt` keep theirs; others use the first
    ``identity_duration`` usable seconds of the recording, which are predicted but not
    scored. While the network learns, identities of training channels are as good as
    those of new ones: cross-fitted over subjects, and told by one of up to four pieces
    of the recording that are as long, drawn anew each time.

    *Signals* are z-scored by these scales; predictions are in volts again. Windows
    overlap by a half and are blended. They lie where all sources are usable: not
    annotated as ``BAD_``, finite and not flat.

    *The loss* is the mean squared error + 0.05 (1 - r), without whose second term
    predictions shrink [1]_. That of the linear path is computed from the second moments
    of the recordings, which is exact and needs no windows.

    *Memory.* Recordings that are not loaded are read one by one. What training needs of
    them, windows and their moments, it reads batch by batch from a file of its own,
    which vanishes with it: in the folder ``memory``, else where the system keeps
    temporary files (the variable ``TMPDIR``).

    *The sign* of a bipolar channel is arbitrary. Identities do not tell it, so that
    waveforms of a new patient are predicted up to sign at best; `adapt` learns it.

    References
    ----------
    .. [1] Javadzadeh et al., "Functional embeddings enable Aggregation of multi-area
       SEEG recordings over subjects and sessions", arXiv:2510.27090 (preprint).

    Examples
    --------
    >>> import mne_funcmap as mf
    >>> X = mf.simulate_recordings(
    ...     n_subjects=3, n_sessions=1, duration=15.0, n_channels=2, coupling=0.9
    ... )
    >>> X = mf.RecordingPreprocessor(h_freq=45, sfreq=100).fit_transform(X)
    >>> rec = mf.MaskedRegionReconstructor("region", max_epochs=10).fit(X[:2])
    >>> rec.evaluate(X[2:])[["subject", "region", "ch_name", "n_sources"]].head(2)
      subject region ch_name  n_sources
    0  sub-03    GPi    GPi1          8
    1  sub-03    GPi    GPi2          8
    >>> rec.predict(X[2:], regions="STN")[0].get_data().shape
    (10, 1500)
    """

    _parameter_constraints = {
        "identity": "no_validation",
        "target_regions": [list, tuple, np.ndarray, None],
        "query": [StrOptions({"channel", "region"})],
        "architecture": [StrOptions({"mixed", "transformer"})],
        "window": [Interval(Real, 0, None, closed="neither")],
        "identity_duration": [Interval(Real, 0, None, closed="neither")],
        "validation": [StrOptions({"recordings", "time"})],
        "picks": [str, list, tuple, None],
        **MEMORY_CONSTRAINT,
        **CHECKPOINT_CONSTRAINT,
        "n_latents": [Interval(Integral, 1, None, closed="left")],
        "max_epochs": [Interval(Integral, 1, None, closed="left"), None],
        "batch_size": [Interval(Integral, 1, None, closed="left"), None],
        "lr": [Interval(Real, 0, None, closed="neither"), None],
        "weight_decay": [Interval(Real, 0, None, closed="left"), None],
        "patience": [Interval(Integral, 1, None, closed="left")],
        "device": [str],
        "precision": [StrOptions(set(PRECISIONS))],
        "callbacks": [list, None],
        "net_params": [dict, None],
        "random_state": ["random_state"],
        "verbose": VERBOSE_CONSTRAINT,
    }

    def __init__(
        self,
        identity: str | BaseEstimator = "functional",
        *,
        target_regions: Sequence[str] | None = None,
        query: Literal["channel", "region"] = "channel",
        architecture: Literal["mixed", "transformer"] = "mixed",
        window: float = 1.0,
        identity_duration: float = 10.0,
        validation: Literal["recordings", "time"] = "recordings",
        picks: Picks = None,
        memory: Memory = None,
        checkpoint_dir: AnyPath | None = None,
        n_latents: int = 64,
        max_epochs: int | None = None,
        batch_size: int | None = None,
        lr: float | None = None,
        weight_decay: float | None = None,
        patience: int = 15,
        device: str = "auto",
        precision: Literal["auto", "float32", "bfloat16"] = "auto",
        callbacks: list | None = None,
        net_params: dict[str, Any] | None = None,
        random_state: Seed = 0,
        verbose: Verbose = None,
    ) -> None:
        self.identity = identity
        self.target_regions = target_regions
        self.query = query
        self.architecture = architecture
        self.window = window
        self.identity_duration = identity_duration
        self.validation = validation
        self.picks = picks
        self.memory = memory
        self.checkpoint_dir = checkpoint_dir
        self.n_latents = n_latents
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.weight_decay = weight_decay
        self.patience = patience
        self.device = device
        self.precision = precision
        self.callbacks = callbacks
        self.net_params = net_params
        self.random_state = random_state
        self.verbose = verbose

    @verbose_method
    def adapt(self, X: Recordings) -> Self:
        """Adapt to seconds of new recordings.

        The weights that identities tell are the prior of a ridge regression on these
        seconds, in which the weight of a source is the more free the nearer its
        identity is to that of the target. How much so was learned in `fit`; how firm
        the prior is as a whole is chosen by cross-validation over the seconds.

        Parameters
        ----------
        X : list of mne.io.Raw | list of mne.Epochs
            Some seconds of the recordings, with all regions.

        Returns
        -------
        adapted : MaskedRegionReconstructor
            A copy that also knows the channels of X, by subject and name, and predicts
            those recorded together by weights of their own. If it is given a reference
            of these subjects, it adapts to that instead.

        Raises
        ------
        ValueError
            If channels are asked for by region, or a recording has no subject id.
        """
        recordings = self._check_fitted(X)
        if self.query == "region" or self.architecture == "transformer":
            raise ValueError(
                "adapt needs query='channel' and architecture='mixed', got "
                f"query={self.query!r} and architecture={self.architecture!r}."
            )
        get_subjects(recordings)  # channels are known by their subject
        adapted = copy(self)
        new = group_studies(self._study(recordings, self._bank, N_PARTS))
        more = {name: self.known_.get(name, []) + new[name] for name in new}
        adapted.known_ = self.known_ | more
        adapted.adapted_ = self.adapted_ | set(new)
        return adapted

    @verbose_method
    def transform(
        self, X: Recordings, *, reference: Recordings | None = None
    ) -> list[np.ndarray]:
        """Return features of windows for a downstream decoder.

        The latent sources are common to all subjects and regions: features are the
        log of their mean power in every window, or, with
        ``architecture="transformer"``, what the encoder makes of all channels.

        Parameters
        ----------
        X : list of mne.io.Raw | list of mne.Epochs
            The recordings, with regions.
        reference : None | list of mne.io.Raw | list of mne.Epochs
            Recordings that tell what channels are, as in `predict`. Without it,
            channels known from `fit` or `adapt` keep what they are, and others are
            told by all recordings of the subject in X together, as those in training
            were: what differs between these recordings then stays in the features.

        Returns
        -------
        features : list of ndarray of float32, shape (n_windows, n_features)
            One item for each recording: windows end to end.
        """
        recordings = self._check_fitted(X)
        channels = list_channels(recordings, picks=self.picks)
        names = [list_labelled(channels, index) for index in range(len(recordings))]
        if reference is None:
            studies = self._study_together(recordings, names)
        else:
            studies, _ = self._study_before(recordings, names, reference)
        return [
            self._extract(recording, index, channels, study)
            for index, (recording, study) in enumerate(
                zip(recordings, track(studies, "recordings"), strict=True)
            )
        ]

    def fit_transform(self, X: Recordings, y: Any = None) -> list[np.ndarray]:
        """Fit, and return features of windows.

        Parameters
        ----------
        X : list of mne.io.Raw | list of mne.Epochs
            The recordings, with regions.
        y : object
            Ignored: in a pipeline, it is for the classifier at its end.

        Returns
        -------
        features : list of ndarray of float32, shape (n_windows, n_features)
            As by `transform`.
        """
        return self.fit(X).transform(X)

    @property
    def history_(self) -> History:
        """The training curve."""
        return self.net_.history

    @verbose_method
    def add_region(
        self, X: Recordings, region: str, n_channels: int = 1
    ) -> list[Recording]:
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
            the first channel they are predicted from, in volts by the mean scale of
            the region in training; where nothing could be predicted, as by `predict`.

        Raises
        ------
        ValueError
            If the region was not in training, had fewer channels, or is the only one
            of a recording.
        TypeError
            If n_channels is not an integer.
        """
        recordings = self._check_fitted(X)
        if region not in self.regions_.tolist():
            raise ValueError(
                f"region={region!r} was not in training: expected one of "
                f"{self.regions_.tolist()}."
            )
        identity = find_centres(self.region_summary_.identities[region], n_channels)
        channels = list_channels(recordings, picks=self.picks)
        names = [
            list_labelled(channels, index, region) for index in range(len(recordings))
        ]
        studies, _ = self._study_before(recordings, names, None, region)
        return [
            self._add_virtual(recording, index, channels, study, region, identity)
            for index, (recording, study) in enumerate(
                zip(recordings, track(studies, "recordings"), strict=True)
            )
        ]

    def save(
        self,
        path: AnyPath,
        *,
        references: bool = True,
        adapted: bool | None = None,
        license: str | None = None,
        citation: str | None = None,
    ) -> None:
        """Write the fitted reconstructor to a file.

        Parameters
        ----------
        path : path-like
            The file, in the safetensors format with a JSON header. It holds the
            parameters, the weights, the regions, how much was trained on, and the
            identities of the training channels; no signal, subject or channel name
            (but those in ``picks``), date or path. After `load`, channels of the
            training count as new.
        references : bool
            Whether the identities of the training channels are in it. Without them,
            only their mean is, by region, and `add_region` adds single channels.
        adapted : bool | None
            Whether what `adapt` learned of recordings is in it, with the names of
            these subjects and channels. It must be said of an adapted reconstructor.
        license, citation : str | None
            What those who are given the file may do with it, and should cite, for
            :func:`mne_funcmap.read_model_info`.

        Raises
        ------
        ValueError
            If a parameter or the identity cannot be written; pickle can store these.
            Or if it is adapted and ``adapted`` is None.
        OSError
            If the file cannot be written; an earlier one is then as it was.
        """
        check_is_fitted(self)
        packed = pack_reconstructor(self, references=references, adapted=adapted)
        about = {"license": license, "citation": citation}
        save_model(path, type(self).__name__, *packed, **about)

    @classmethod
    def load(cls, path: AnyPath, *, device: str = "auto") -> Self:
        """Read a reconstructor written by `save`.

        Parameters
        ----------
        path : path-like
            The file. Nothing in it is run.
        device : str
            Where to compute from now on.

        Returns
        -------
        reconstructor : MaskedRegionReconstructor
            The fitted reconstructor, without a training curve. Its ``identity`` is
            frozen.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the file is damaged or holds something else.
        """
        resolve_device(device)  # or say that there is none
        header, tensors = load_model(path, cls.__name__)
        with damage_told(path, cls.__name__):
            return cls._unpack(header, tensors, device)

    @classmethod
    def _unpack(cls, header, tensors, device):
        """Return the reconstructor that a model file holds."""
        identity = split_tensors("identity", tensors)
        identity = unpack_identity(header["identity"], identity, device)
        frozen = FrozenEstimator(identity)
        rec = cls(**unpack_params(header["params"]))
        rec.set_params(identity=frozen, device=device)._validate_params()
        check_reconstructor(header, tensors)
        rec.identity_ = frozen
        for name in PLAIN:
            setattr(rec, name, header[name])
        rec.regions_ = np.array(header["regions"])
        rec.scaled_identity_ = ScaledIdentity(
            frozen,
            rec.picks,
            tensors["identity_mean"].numpy(),
            header["identity_scale"],
        )
        rec.region_summary_ = unpack_regions(rec.regions_, header["scales"], tensors)
        rec._bank = FilterBank(rec.sfreq_, rec.n_times_)
        settings = rec._make_settings(0)
        networks = header["networks"]
        rec._keep(unpack_networks(networks, tensors, rec.architecture, settings))
        rec.known_ = unpack_studies(header["studies"], tensors)
        rec.adapted_ = frozenset(rec.known_)
        restore_facts(rec, header.get("training", {}))  # not in format 1
        rec.is_fitted_ = True
        return rec

    def _learn(self, recordings, channels):
        """Fit the identity, then the networks."""
        self._check_targets()
        self._check_net_params()
        advise_rate(recordings)
        seed = draw_seed(self.random_state, self.device)
        groups = find_subjects(recordings)
        self._bank = FilterBank(self.sfreq_, self.n_times_)
        parts = as_part(self.checkpoint_dir or get_common_dir())
        kept = features_kept_meanwhile(recordings, self.memory)
        with kept, parts, told_before():  # of the same recordings, to an identity
            studies, windows = self._study_training(recordings, channels, groups, seed)
        self.region_summary_ = summarize_regions(studies, self.regions_)
        task = Task(
            studies=studies,
            windows=windows,
            targets=self._get_targets(),
            queries=self.region_summary_.queries if self.query == "region" else None,
            split=choose_split(studies, groups, self._get_targets(), self.validation),
        )
        settings = self._make_settings(seed)
        checkpoints = self._open_checkpoints(seed, studies, groups, task.split)
        settings = replace(settings, checkpoints=checkpoints)
        self._keep(train_networks(self.architecture, task, settings))
        if self.interrupted_:
            warn_interrupted()

    def _open_checkpoints(self, seed, studies, groups, split):
        """Return the checkpoint files of this fit."""
        check_resumable(self)
        of_identity = ("identity", "identity_duration", "memory")
        kept = list_params(self, without=of_identity)
        known = (
            [*(getattr(study, name) for name in OF_CHANNELS), *study.views]
            for study in studies
        )
        moments = (read_moments(one) for study in studies for one, _ in study.parts)
        subjects = np.unique(groups, return_inverse=True)[1]
        data = (self.sfreq_, subjects, split, known, moments)
        return open_checkpoints(self.checkpoint_dir, kept, seed, *data)

    def _list_trained(self):
        """Return how the training went."""
        alone = "linear" if self.architecture == "mixed" else "transformer"
        name = alone if self.residual_net_ is None else "mixed"
        score = self.valid_r_.get(name)
        told = describe_training(self.n_epochs_, "validation r", score)
        return f"{told}, interrupted" if self.interrupted_ else told

    def _make_settings(self, seed):
        """Return how networks are made and trained."""
        recipe = {name: getattr(self, name) for name in LinearPath.RECIPE}
        return Settings(
            n_identity=len(self.scaled_identity_.mean),
            sfreq=self.sfreq_,
            n_times=self.n_times_,
            n_latents=self.n_latents,
            recipe={k: value for k, value in recipe.items() if value is not None},
            patience=self.patience,
            callbacks=self.callbacks or [],
            net_params=self.net_params or {},
            device=resolve_device(self.device),
            precision=self.precision,
            together=self.device == "accelerate",
            seed=seed,
        )

    def _keep(self, networks):
        """Make networks, and what their training told, attributes."""
        for name, value in vars(networks).items():
            setattr(self, f"{name}_", value)

    def _study_training(self, recordings, channels, groups, seed):
        """Fit the identity, and return the training recordings' studies and windows."""
        self.identity_ = self._make_identity(recordings, seed)
        self.scaled_identity_ = ScaledIdentity(self.identity_, self.picks)
        self.adapted_ = frozenset()
        loaded = all(recording.preload for recording in recordings)
        cohort = Cohort(
            recordings=recordings,
            channels=channels,
            groups=groups,
            n_times=self.n_times_,
            bank=self._bank,
            store=None if loaded else open_file(self.memory),
        )
        if self.validation == "time":
            studies, windows = whole, _ = cohort.study(self.scaled_identity_)
        else:
            found = cohort.study_crossed(self.scaled_identity_, self.identity_duration)
            whole, studies, windows = found
        self.known_ = group_studies(replace(study, parts=()) for study in whole)
        return studies, windows

    def _study_known(self, recordings):
        """Study recordings that are given to know channels by, or adapt to."""
        return self._study(recordings, self._bank if self.adapted_ else None, N_PARTS)

    def _check_targets(self):
        """Raise unless some training recording has the target regions."""
        missing = np.setdiff1d(self._get_targets(), self.regions_).tolist()
        if not len(self._get_targets()):
            raise ValueError(
                "target_regions is an empty list: expected regions, or None for all."
            )
        if missing:
            raise ValueError(
                f"target_regions names {missing}, which no recording of X has: its "
                f"regions are {shorten_list(self.regions_, 20)}."
            )

    def _check_net_params(self):
        """Raise if net_params hold what parameters or the training set."""
        clash = sorted((self.net_params or {}).keys() & RESERVED)
        if clash:
            raise ValueError(
                f"net_params holds {', '.join(clash)}, which parameters of the "
                "reconstructor set: max_epochs, batch_size, lr, weight_decay, "
                "n_latents, callbacks and device."
            )

    def _get_targets(self):
        """Return the regions that are withheld in training."""
        if self.target_regions is None:
            return self.regions_
        return np.array(self.target_regions)

    def _make_identity(self, recordings, seed):
        """Return the unfitted identity."""
        epochs = [one for one in recordings if isinstance(one, BaseEpochs)]
        lengths = [len(one.times) / one.info["sfreq"] for one in epochs]
        # two segments tell more of a channel than one that is as long
        duration = min(self.identity_duration / 2, RAW_DURATION, *lengths)
        if self.query == "region" and counts_channels(self.identity):
            raise ValueError(
                "identity='channel' numbers the channels of a recording, and with "
                "query='region' withheld ones are not even counted. Use another "
                "identity, or query='channel'. See 'Choosing an identity' in the user "
                "guide."
            )
        return make_identity(
            self.identity,
            picks=self.picks,
            random_state=seed,
            duration=duration,
            device=self.device,
        )

    def _identify(self, recordings):
        """Return the identities of channels, a list of (n_channels, n_components)."""
        return self.scaled_identity_.transform(recordings)

    def _ask(self, study, ch_names, region):
        """Return what is known of the channels; by region, if they are asked for so."""
        if self.query == "channel":
            return study
        if region not in self.region_summary_.identities:
            raise ValueError(
                f"The region {region!r} was not in training: with query='region' "
                f"expected one of {self.regions_.tolist()}."
            )
        new = [ch_name for ch_name in ch_names if ch_name not in study.ch_names]
        identity = np.tile(self.region_summary_.queries[region], (len(new), 1))
        return self.region_summary_.append(study, new, region, identity).take(ch_names)

    def _make_predictor(self, study, is_target):
        """Return the function that predicts withheld channels in windows."""
        self._place_nets()
        if self.architecture == "transformer":
            return make_transformer_predictor(self.net_, study, is_target)
        if study.subject in self.adapted_ and study.parts:
            weights = read_adapted_weights(self.net_, self.prior_, study, is_target)
        elif self.residual_net_ is not None:
            return make_transformer_predictor(self.residual_net_, study, is_target)
        else:
            weights = read_weights(self.net_, study, is_target)
        return make_linear_predictor(self.net_, weights)

    def _study_together(self, recordings, names):
        """Study recordings by what is known, or by all of a subject together."""
        studies = [
            self._recall(recording, of_one)
            for recording, of_one in zip(recordings, names, strict=True)
        ]
        new = [
            i
            for i, (study, of_one) in enumerate(zip(studies, names, strict=True))
            if len(of_one) > (0 if study is None else len(study.ch_names))
        ]
        if not new:
            return studies
        of_new = [recordings[i] for i in new]
        found = self._study_before(of_new, [names[i] for i in new], of_new)[0]
        for i, study in zip(new, found, strict=True):
            studies[i] = self._complete(studies[i], study, describe(i, recordings[i]))
        return studies

    def _extract(self, recording, index, channels, study):
        """Return the features of the windows of a recording, (n_windows, n)."""
        windows = cut_study(recording, channels, index, study, self.n_times_)
        if not len(windows):
            picks = channels.pick[pick_labelled(channels, index)]
            signals = read_signals(recording, picks, self.n_times_)
            raise ValueError(
                f"{describe(index, recording)} has no {self.window:g} s in which all "
                f"of its {len(study.ch_names)} channels are usable. "
                f"{blame_channels(signals, study.ch_names, self.n_times_)}. Add "
                "damaged channels to info['bads'], or use shorter windows."
            )
        self._place_nets()
        return extract_features(self.net_, windows, study)

    def _place_nets(self):
        """Move the networks to the device that is wanted now."""
        for net in (self.net_, self.residual_net_):
            if net is not None:
                move_net(net, self.device)

    def _add_virtual(self, recording, index, channels, study, region, identity):
        """Return a copy of a recording with virtual channels."""
        if study is None:
            raise ValueError(
                f"All labelled channels of {describe(index, recording)} are in "
                f"{region!r}: there is nothing to predict it from."
            )
        rows = pick_labelled(channels, index)
        rows = rows[channels.region[rows] != region]
        names = name_virtual(recording, region, len(identity), index)
        asked = self.region_summary_.append(study, names, region, identity)
        is_target = np.arange(len(asked.ch_names)) >= len(rows)
        signals = read_signals(recording, channels.pick[rows], self.n_times_)
        name = describe(index, recording)
        predicted, covered = self._predict_signals(
            signals, asked, is_target, region, name
        )
        volts = predicted * self.region_summary_.scales[region]
        ch_type = recording.get_channel_types(channels.pick[rows[:1]])[0]
        copy = add_channels(recording, names, region, ch_type, volts)
        mark_missing(copy, names, covered, region, index)
        return copy
