"""SegmentEmbedder: arrays of segments in, embeddings out."""

from __future__ import annotations

from numbers import Integral, Real
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
import torch
from mne.utils import logger, warn
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    check_consistent_length,
    check_is_fitted,
    validate_data,
)
from skorch.callbacks import EarlyStopping

from .embedding.metrics import participation_ratio
from .embedding.net import make_net, train_net
from .embedding.training import (
    ReadOutScore,
    Samples,
    check_shared,
    choose_n_epochs,
    encode_labels,
    hold_out,
)
from .fitted import FittedRepr, count, describe_training
from .nets.embedding import Embedding
from .nets.encoders import ENCODERS
from .nets.losses import LOSSES
from .nets.precision import PRECISIONS
from .progress import VERBOSE_CONSTRAINT, verbose_method
from .training.checkpoints import (
    CHECKPOINT_CONSTRAINT,
    check_resumable,
    list_params,
    open_checkpoints,
    train_final,
    warn_interrupted,
)
from .training.runtime import (
    apply_in_chunks,
    average,
    draw_seed,
    make_restored,
    move_net,
    resolve_device,
    seeded_torch,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Literal, Self

    from numpy.typing import ArrayLike

    from .hints import AnyPath, Seed, Verbose
    from .recordings.measured import Units
    from .recordings.storage import StoredRows


class SegmentEmbedder(TransformerMixin, FittedRepr, BaseEstimator):
    """Learn an embedding of segments in which those of one label lie together.

    A network is trained with a contrastive loss over all pairs of batches in which
    labels come equally often and no group prevails.

    Parameters
    ----------
    n_components : int
        Length of the embedding.
    encoder : "spectral" | "cnn" | type
        Features of the spectrum and a small network; the convolutional network of the
        paper; or a class of ``torch.nn.Module`` that maps (batch, n_times) to
        (batch, n_components) and may take ``n_times`` and ``n_components``.
    loss : "supcon" | "pairwise"
        Supervised contrastive loss on the unit sphere (the paper's MSC), or pairwise
        Siamese loss (its PSC).
    across_groups : bool
        Whether positives must be of different groups: segments of one label and group
        are then neither drawn together nor apart, and less of the group is learned.
    max_epochs : int | None
        Largest number of epochs. Here and below, None stands for what suits the
        encoder and the loss: its ``RECIPE``, or that of the paper's.
    batch_size : int | None
        Number of segments in a batch.
    lr : float | None
        Learning rate at the start; it falls along a cosine.
    weight_decay : float | None
        Penalty on squared weights, counted in training samples: its weight is
        ``weight_decay / (weight_decay + n_samples + 1)``, and with ``loss="supcon"``
        that over the temperature, since the gradient of the loss grows likewise.
    temperature : float | None
        Divisor of the similarities in ``loss="supcon"``.
    patience : int
        Number of epochs without a better read-out after which training stops. It
        needs groups to hold out: a fifth of them serves to find the number of epochs,
        then the training is repeated with all.
    checkpoint_dir : path-like | None
        Folder that keeps the state of the training, every ten seconds. The same `fit`,
        if it is stopped and called again, goes on from there, to the same numbers;
        anything else begins anew. None keeps nothing. What is in the folder may be
        deleted after the fit.
    device : str
        "auto" takes CUDA if there is one, else the CPU. "accelerate" lets the processes
        train together that were launched by ``accelerate launch``, each on the device
        that it is given. After `fit`, a device that is named is moved to.
    precision : "auto" | "float32" | "bfloat16"
        For the encoder "cnn", "bfloat16" is faster on a GPU, and rounds: embeddings
        have a cosine similarity above 0.99 with those of the same weights in
        "float32"; trained weights differ as they do between seeds. "auto" takes it on
        CUDA devices that have it.
    callbacks : list | None
        Further callbacks of skorch. What they know is no part of a checkpoint.
    net_params : dict | None
        Further parameters of the skorch net, such as ``{"module__dropout": 0.5}``;
        none of those above.
    random_state : int | RandomState | None
        Seed. The same seed gives the same numbers on the CPU.
    verbose : bool | str | int | None
        Log level, as in MNE-Python: with True, lines tell what took part and how the
        training went; with False, there are no progress bars either. None leaves
        MNE's log level as it is, and the lines out.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
        The labels seen in training.
    net_ : skorch.NeuralNet
        The trained net; it takes what ``net_.module_.front_end`` gives.
    history_ : skorch.history.History
        The training curve of ``net_``.
    search_history_ : skorch.history.History | None
        The training curve of the search for the number of epochs, with
        ``valid_balanced_accuracy``; None if there was nothing to hold out.
    n_epochs_ : int
        Number of epochs that ``net_`` was trained for.
    valid_score_ : float | None
        Balanced accuracy of the read-out after so many, in that search.
    participation_ratio_ : float
        Effective number of dimensions of the training embeddings.
    interrupted_ : bool
        Whether Ctrl-C has ended the training, so that ``net_`` has the best weights
        until then.
    n_samples_ : int
        Number of segments, or units of them, that were trained on.
    n_features_in_ : int
        Number of samples of a segment.

    See Also
    --------
    FunctionalEmbedder : The same on recordings.

    References
    ----------
    Javadzadeh et al., "Functional embeddings enable Aggregation of multi-area SEEG
    recordings over subjects and sessions", arXiv:2510.27090 (preprint).
    """

    _parameter_constraints = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "encoder": [StrOptions(set(ENCODERS)), type],
        "loss": [StrOptions(set(LOSSES))],
        "across_groups": ["boolean"],
        "max_epochs": [Interval(Integral, 1, None, closed="left"), None],
        "patience": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 4, None, closed="left"), None],
        "lr": [Interval(Real, 0, None, closed="neither"), None],
        "weight_decay": [Interval(Real, 0, None, closed="left"), None],
        "temperature": [Interval(Real, 0, None, closed="neither"), None],
        "device": [str],
        "precision": [StrOptions(set(PRECISIONS))],
        **CHECKPOINT_CONSTRAINT,
        "callbacks": [list, None],
        "net_params": [dict, None],
        "random_state": ["random_state"],
        "verbose": VERBOSE_CONSTRAINT,
    }

    def __init__(
        self,
        n_components: int = 32,
        *,
        encoder: Literal["spectral", "cnn"] | type = "spectral",
        loss: Literal["supcon", "pairwise"] = "supcon",
        across_groups: bool = False,
        max_epochs: int | None = None,
        batch_size: int | None = None,
        lr: float | None = None,
        weight_decay: float | None = None,
        temperature: float | None = None,
        patience: int = 10,
        checkpoint_dir: AnyPath | None = None,
        device: str = "auto",
        precision: Literal["auto", "float32", "bfloat16"] = "auto",
        callbacks: list | None = None,
        net_params: dict[str, Any] | None = None,
        random_state: Seed = 0,
        verbose: Verbose = None,
    ) -> None:
        self.n_components = n_components
        self.encoder = encoder
        self.loss = loss
        self.across_groups = across_groups
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.weight_decay = weight_decay
        self.temperature = temperature
        self.patience = patience
        self.device = device
        self.precision = precision
        self.checkpoint_dir = checkpoint_dir
        self.callbacks = callbacks
        self.net_params = net_params
        self.random_state = random_state
        self.verbose = verbose

    @verbose_method
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        groups: ArrayLike | None = None,
        *,
        units: ArrayLike | None = None,
        auxiliary: ArrayLike | None = None,
    ) -> Self:
        """Train the embedding.

        Parameters
        ----------
        X : array-like, shape (n_segments, n_times)
            Segments, in volts or any other unit.
        y : array-like, shape (n_segments,)
            Label of each segment: segments of one label are positives of each other.
        groups : array-like | None, shape (n_segments,)
            Subject or channel of each segment, for balance and validation. None: each
            segment by itself, and no validation.
        units : array-like | None, shape (n_segments,)
            What each segment is a piece of, such as a channel. The features of the
            segments of a unit are averaged, and a training sample is a unit; encoders
            without a front end train on segments all the same.
        auxiliary : array-like of bool | None, shape (n_segments,)
            Segments whose label is auxiliary, such as the channel where the region is
            unknown: they are contrasted among themselves, not with the others. Their
            loss is weighted by twice the root of their number over that of the others.

        Returns
        -------
        self : SegmentEmbedder
            The fitted embedder.

        Raises
        ------
        ValueError
            If a value is not finite, all labels are the same, no label is in two groups
            that ``across_groups`` asks for, or ``net_params`` holds what is a parameter
            here.
        """
        started = perf_counter()
        self._validate_params()
        X, y = self._check(X, y, ensure_min_features=2, ensure_min_samples=2)
        check_classification_targets(y)
        check_consistent_length(X, groups, units, auxiliary)
        front_end = self.begin(X.shape[1])
        features = torch.from_numpy(front_end(X))
        if units is not None and self.has_front_end:
            units = _encode(units)
            first = np.unique(units, return_index=True)[1]
            features = average(features, units)
            y, groups, auxiliary = (
                None if values is None else np.asarray(values)[first]
                for values in (y, groups, auxiliary)
            )
        self.fit_features(features, y, groups, auxiliary)
        self._tell_fitted(perf_counter() - started)
        return self

    def begin(self, n_times: int) -> Callable[[np.ndarray], np.ndarray]:
        """Prepare to train on segments of a length.

        Parameters
        ----------
        n_times : int
            Number of samples of a segment.

        Returns
        -------
        front_end : callable
            What is computed of a segment only once: from an array, (n_segments,
            n_times), to the features that `fit_features` takes.
        """
        self._validate_params()
        self.n_features_in_ = n_times
        self._seed = draw_seed(self.random_state, self.device)
        with seeded_torch(self._seed):
            self._start = make_net(self, None, self._seed).initialize()
        start = self._start
        if not start.module_.has_front_end:
            return np.asarray
        return lambda X: _apply(start, "front_end", X).numpy()

    def fit_features(
        self,
        features: torch.Tensor | StoredRows,
        y: ArrayLike,
        groups: ArrayLike | None = None,
        auxiliary: ArrayLike | None = None,
    ) -> Self:
        """Train the embedding on features of segments, or of units of them.

        Parameters
        ----------
        features : torch.Tensor | StoredRows, shape (n_samples, ...)
            What the front end of `begin` gives, in memory or in a file.
        y, groups, auxiliary : array-like
            As for `fit`, of each sample.

        Returns
        -------
        self : SegmentEmbedder
            The fitted embedder.
        """
        start = self.__dict__.pop("_start")
        self.classes_, labels, n_labels = encode_labels(y, auxiliary)
        if len(self.classes_) < 2:
            raise ValueError(
                f"All {len(y)} segments have the label {str(self.classes_[0])!r}: 1 "
                "class. Contrasts need segments of two labels at least."
            )
        has_groups = groups is not None
        groups = _encode(groups) if has_groups else np.arange(len(labels))
        if self.across_groups:
            check_shared(labels, groups)
        samples = Samples(features, labels, groups, n_labels, self.across_groups)
        split = hold_out(labels, groups) if has_groups else None
        data = (features, labels, groups, n_labels, split)
        self._checkpoints = self._open_checkpoints(*data)
        self.n_epochs_, self.search_history_ = start.max_epochs, None
        self.valid_score_, searched = None, None
        if split is not None:
            searched = self._search(samples, split)
            self.search_history_ = searched.history
            scores = searched.history[:, "valid_balanced_accuracy"]
            self.n_epochs_ = choose_n_epochs(scores, len(np.unique(groups[split[1]])))
            self.valid_score_ = scores[self.n_epochs_ - 1]
        self.net_ = train_final(lambda: self._train_final(samples), searched)
        self.history_, self.n_samples_ = self.net_.history, len(labels)
        self.interrupted_ = self.net_.interrupted_
        del self._checkpoints
        if self.interrupted_:
            self._keep_best()
        self._warn_if_collapsed(features)
        return self

    @verbose_method
    def transform(self, X: ArrayLike, units: ArrayLike | None = None) -> np.ndarray:
        """Embed segments, or units of them.

        Parameters
        ----------
        X : array-like, shape (n_segments, n_times)
            Segments, as long as those of the training.
        units : array-like | None, shape (n_segments,)
            What each segment is a piece of. The features of the segments of a unit are
            averaged and then embedded; or their embeddings are averaged, if the
            encoder has no front end.

        Returns
        -------
        Z : ndarray of float32, shape (n_segments, n_components)
            Embeddings; of length one after training with ``loss="supcon"``. With
            units, one for each, sorted: shape (n_units, n_components).
        """
        check_is_fitted(self)
        X = self._check(X, reset=False)
        if units is None:
            return self._compute("embed", X).numpy()
        check_consistent_length(X, units)
        measured = torch.from_numpy(self.measure(X))
        return self.finish(average(measured, _encode(units)))

    @property
    def has_front_end(self) -> bool:
        """Whether part of the encoder needs no training."""
        net = self._start if hasattr(self, "_start") else self.net_
        return net.module_.has_front_end

    @property
    def front_end_key(self) -> list | None:
        """What tells the front end from others; None if nothing does."""
        # what a class of the user's computes may change from one day to the next
        known = self.has_front_end and self.encoder in ENCODERS
        return [self.encoder] if known else None

    def measure(self, X: np.ndarray) -> np.ndarray:
        """Return what is averaged over the segments of a unit.

        Parameters
        ----------
        X : ndarray of float32, shape (n_segments, n_times)
            Segments.

        Returns
        -------
        measured : ndarray of float32, shape (n_segments, n_features)
            Features; embeddings, if the encoder has no front end.
        """
        return self._compute("front_end" if self.has_front_end else "embed", X).numpy()

    def finish(self, averages: torch.Tensor) -> np.ndarray:
        """Return the embeddings of units.

        Parameters
        ----------
        averages : torch.Tensor, shape (n_units, n_features)
            Averages of what `measure` gives.

        Returns
        -------
        Z : ndarray of float32, shape (n_units, n_components)
            Embeddings.
        """
        method = "forward" if self.has_front_end else "project"
        return self._compute(method, averages).numpy()

    def embed_units(self, units: Units) -> np.ndarray:
        """Embed the channels that were trained on.

        Parameters
        ----------
        units : Units
            Features of channels, or of parts of them, from the front end of `begin`.

        Returns
        -------
        Z : ndarray of float32, shape (n_channels, n_components)
            One embedding for each channel.
        """
        values = units.values
        if not self.has_front_end:
            values = self._compute("embed", values)
        return self.finish(average(values, units.channel, units.n_segments))

    def restore(
        self, weights: dict[str, torch.Tensor], *, n_times: int, n_labels: int
    ) -> Self:
        """Become fitted with weights that were trained before.

        Parameters
        ----------
        weights : dict of str to torch.Tensor
            The state of ``net_.module_``.
        n_times : int
            Number of samples of a segment.
        n_labels : int
            Number of labels in training.

        Returns
        -------
        self : SegmentEmbedder
            The fitted embedder.

        Raises
        ------
        ValueError
            If the weights do not fit the parameters.
        """
        self._validate_params()
        self.n_features_in_, self.classes_ = n_times, np.arange(n_labels)
        params = make_net(self, None, 0).get_params_for("module")
        device = resolve_device(self.device)
        self.net_ = make_restored(Embedding, params, weights, device)
        self.history_, self.search_history_ = self.net_.history, None
        self.interrupted_ = False
        return self

    def _check(self, *arrays, **options):
        """Return finite segments, as torch takes them, and labels if there are some."""
        how = {"dtype": np.float32, "order": "C", "force_writeable": True}
        # what is too large for single precision becomes infinite, and is refused
        with np.errstate(over="ignore", invalid="ignore"):
            return validate_data(self, *arrays, **how, **options)

    def _compute(self, method, values):
        """Apply a method of the trained module to rows, on the device asked for."""
        return _apply(move_net(self.net_, self.device), method, values)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        tags.non_deterministic = False
        return tags

    @property
    def _n_features_out(self):
        return self.n_components

    def _list_fitted(self):
        """Return what the estimator was fitted on; nothing, if that is not known."""
        if not hasattr(self, "n_samples_"):
            return ""
        labels = count(len(self.classes_), "label")
        facts = f"{count(self.n_samples_, 'sample')} of {labels}"
        return f"{facts}; {self._list_trained()}"

    def _list_trained(self):
        """Return how the training went; nothing, if that is not known."""
        if not hasattr(self, "n_epochs_"):
            return ""
        told = describe_training(self.n_epochs_, "validation score", self.valid_score_)
        return f"{told}, interrupted" if self.interrupted_ else told

    def _open_checkpoints(self, *data):
        """Return the checkpoint files of this fit."""
        check_resumable(self)
        params = list_params(self)
        return open_checkpoints(self.checkpoint_dir, params, self._seed, *data)

    def _keep_best(self):
        """Tell of which epoch the weights are, after the training was interrupted."""
        warn_interrupted()
        self.n_epochs_ = len(self.history_)
        if self.history_ is self.search_history_:
            scores = self.history_[:, "valid_balanced_accuracy"]
            self.n_epochs_ = int(np.argmax(scores)) + 1
            self.valid_score_ = scores[self.n_epochs_ - 1]

    def _train_final(self, samples):
        """Train on all samples, as long as the search has told, and return the net."""
        return train_net(
            make_net(
                self,
                samples,
                self._seed,
                n_epochs=self.n_epochs_,
                checkpoint=self._checkpoints.get_file("embedder"),
            ),
            samples,
            self._seed,
        )

    def _search(self, samples, split):
        """Train without the held-out groups and return the net, at its best."""
        train = samples.take(split[0])
        parts = [samples.take_labelled(rows) for rows in split]
        callbacks = [
            ("read_out", ReadOutScore(*parts)),
            (
                "early_stopping",
                EarlyStopping(
                    "valid_balanced_accuracy",
                    lower_is_better=False,
                    patience=self.patience,
                    load_best=True,
                    sink=logger.debug,
                ),
            ),
        ]
        file = self._checkpoints.get_file("embedder-search")
        net = make_net(self, train, self._seed, callbacks=callbacks, checkpoint=file)
        net = train_net(net, train, self._seed)
        net.callbacks, net.callbacks_ = None, []  # they hold the data
        return net

    def _warn_if_collapsed(self, features):
        """Warn if the embeddings have fewer dimensions than the labels need."""
        embeddings = self._compute("forward", features)
        self.participation_ratio_ = participation_ratio(embeddings.numpy())
        # two labels lie apart on a line, three in a plane
        expected = min(2.0, 0.75 * (len(self.classes_) - 1))
        if not self.participation_ratio_ >= expected:
            warn(
                "The embedding has collapsed: its participation ratio is "
                f"{self.participation_ratio_:.2f}, below {expected:g}. Labels cannot "
                "be told apart in it. Check the labels and the signals, or train with "
                "a lower lr or weight_decay."
            )


def _encode(values):
    """Return values as codes from 0 on."""
    return np.unique(values, return_inverse=True)[1]


def _apply(net, method, values):
    """Apply a method of the module of a net to rows."""
    module = net.module_.eval()
    how = {"device": net.device, "chunk": module.chunk}
    return apply_in_chunks(getattr(module, method), values, **how)
