"""FunctionalEmbedder: recordings in, one embedding for each channel out."""

from __future__ import annotations

import inspect
from numbers import Integral, Real
from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import TransformerMixin
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from .embedding.files import pack_embedder, unpack_embedder
from .embedding.network_classifier import NetworkClassifier
from .embedding.positives import group_channels, halve_unlabelled, label_channels
from .embedding.readout import BalancedNeighbors
from .embedding.region_classifier import (
    MEMORY_CONSTRAINT,
    make_frame,
    split_channels,
)
from .nets.encoders import ENCODERS
from .progress import verbose_method
from .recordings.measured import by_channel
from .recordings.storage import take_rows
from .segment_embedder import SegmentEmbedder
from .training.persistence import damage_told, load_model, save_model
from .training.runtime import resolve_device

if TYPE_CHECKING:
    from typing import Any, Literal, Self

    import pandas as pd
    from skorch import NeuralNet
    from skorch.history import History

    from .hints import AnyPath, Memory, Picks, Recordings, Seed, Verbose


class FunctionalEmbedder(TransformerMixin, NetworkClassifier):
    """Learn functional embeddings of channels from their signals.

    Channels of one brain region come to lie together, whoever they are from. A
    channel is cut into segments, whose features are averaged and embedded by a network
    that was trained with a contrastive loss. (An encoder without a front end embeds
    segments, and embeddings are averaged.) Regions are read out by nearest neighbours
    among the embeddings of training channels, as many of each region.

    Parameters
    ----------
    n_components : int
        Length of the embedding.
    encoder : "spectral" | "cnn" | type
        As for `SegmentEmbedder`.
    loss : "supcon" | "pairwise"
        As for `SegmentEmbedder`.
    positives : "region" | "channel" | "both"
        What makes two segments similar: one region; one channel at two times, which
        needs no labels; or the region where it is known and the channel elsewhere.
    across_subjects : bool
        Whether segments of one region must be of different subjects to be similar. The
        embedding then tells less of the subject, and about as much of the region. Not
        with ``positives="channel"``; fewer than five subjects are then trained on for
        all epochs.
    duration : float | None
        Seconds of a segment; None stands for 10 s of Raw and whole epochs.
    normalize : bool
        Whether to z-score each channel of each recording. The amplitude then tells
        nothing, as it should where recordings are not calibrated alike. The
        convolutional encoder never sees it.
    picks : None | str | list of str
        Channel types, or names, that take part; None stands for good sEEG, ECoG, DBS
        and EEG channels.
    context : bool
        Whether a channel is embedded together with the others of its recording: those
        that its signal correlates with, and the mean of all, which counts less where
        they are few. Regions of new patients are then told better; in return, the
        embedding of a channel depends on which others take part, and tells more of the
        subject. It needs the encoder "spectral", ``positives="region"`` and
        ``loss="supcon"``.
    n_neighbors : int
        Number of neighbours of the read-out.
    memory : None | str | path-like | joblib.Memory
        Folder in which features of recordings are kept, so that they are computed only
        once, whoever asks for them. See Notes.
    max_epochs, batch_size : int | None
        As for `SegmentEmbedder`, and so are the next four.
    lr, weight_decay, temperature : float | None
        As for `SegmentEmbedder`.
    patience : int
        As for `SegmentEmbedder`.
    checkpoint_dir : path-like | None
        As for `SegmentEmbedder`.
    device : str
        "auto" takes CUDA if there is one, else the CPU. "accelerate" lets the processes
        train together that were launched by ``accelerate launch``, each on the device
        that it is given. After `fit`, a device that is named is moved to.
    precision : "auto" | "float32" | "bfloat16"
        As for `SegmentEmbedder`.
    callbacks : list | None
        Further callbacks of skorch.
    net_params : dict | None
        Further parameters of the skorch net.
    random_state : int | RandomState | None
        Seed. The same seed gives the same numbers on the CPU.
    verbose : bool | str | int | None
        As for `SegmentEmbedder`.

    Attributes
    ----------
    classes_ : ndarray of str, shape (n_regions,)
        The regions seen in training; empty without any.
    segment_embedder_ : SegmentEmbedder
        The trained embedder of segments.
    references_ : ndarray of float32, shape (n_channels, n_components)
        The embeddings of the training channels with a region.
    reference_regions_ : ndarray of str, shape (n_channels,)
        Their regions.
    readout_ : BalancedNeighbors | None
        The fitted classifier of embeddings; None without regions in training.
    net_ : skorch.NeuralNet
        The trained net.
    history_ : skorch.history.History
        The training curve.
    valid_score_ : float | None
        Balanced accuracy on what was held out in training; None if nothing was.
    interrupted_ : bool
        Whether Ctrl-C has ended the training, so that the weights are the best until
        then.
    n_times_, sfreq_ : int, float
        Number of samples of a segment and sampling rate in Hz.
    n_recordings_, n_subjects_, n_channels_ : int
        Numbers of recordings and subjects, and of channels that were trained on.
    n_seconds_ : float
        Seconds of all training recordings.

    See Also
    --------
    SegmentEmbedder : The same on arrays.

    Notes
    -----
    Only what is usable takes part: segments are cut inside stretches that no ``BAD_``
    annotation covers, that are finite and not flat, and never across the border of
    epochs or concatenated recordings.

    The supervised contrastive loss of regions is trained on channels; the pairwise
    loss, and channels as positives, on segments. Validation holds out subjects if
    there are five at least, else channels.

    Recordings need not be loaded: they are read one by one, the next while one is in
    use, and of each only the features of its channels stay in memory. What is trained
    on segments reads these, batch by batch, from a file of its own, which vanishes
    with the training; it is in the folder ``memory``, else where the system keeps
    temporary files (the variable ``TMPDIR``), unless all recordings are loaded. In
    ``memory``, features of a recording are known by its samples, or by path, size and
    time of its files if it is not loaded.

    References
    ----------
    Javadzadeh et al., "Functional embeddings enable Aggregation of multi-area SEEG
    recordings over subjects and sessions", arXiv:2510.27090 (preprint).

    Examples
    --------
    >>> import mne_funcmap as mf
    >>> X = mf.simulate_recordings(n_subjects=3, n_sessions=1, duration=20.0)
    >>> emb = mf.FunctionalEmbedder(max_epochs=5, random_state=0).fit(X[:2])
    >>> [Z.shape for Z in emb.transform(X)]
    [(20, 32), (20, 32), (20, 32)]
    >>> emb.to_frame(X[2:])[["subject", "ch_name", "region"]].head(2)
      subject ch_name region
    0  sub-03    GPi1    GPi
    1  sub-03    GPi2    GPi
    """

    _parameter_constraints = {
        "positives": [StrOptions({"region", "channel", "both"})],
        "across_subjects": ["boolean"],
        "duration": [Interval(Real, 0, None, closed="neither"), None],
        "normalize": ["boolean"],
        "picks": [str, list, tuple, None],
        "context": ["boolean"],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        **MEMORY_CONSTRAINT,
        **SegmentEmbedder._parameter_constraints,
    }

    _WITHOUT_REGIONS = "; without any regions, train with positives='channel'"

    def __init__(
        self,
        n_components: int = 32,
        *,
        encoder: Literal["spectral", "cnn"] | type = "spectral",
        loss: Literal["supcon", "pairwise"] = "supcon",
        positives: Literal["region", "channel", "both"] = "region",
        across_subjects: bool = False,
        duration: float | None = None,
        normalize: bool = False,
        picks: Picks = None,
        context: bool = False,
        n_neighbors: int = 5,
        memory: Memory = None,
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
        self.positives = positives
        self.across_subjects = across_subjects
        self.duration = duration
        self.normalize = normalize
        self.picks = picks
        self.context = context
        self.n_neighbors = n_neighbors
        self.memory = memory
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.weight_decay = weight_decay
        self.temperature = temperature
        self.patience = patience
        self.checkpoint_dir = checkpoint_dir
        self.device = device
        self.precision = precision
        self.callbacks = callbacks
        self.net_params = net_params
        self.random_state = random_state
        self.verbose = verbose

    @verbose_method
    def transform(self, X: Recordings) -> list[np.ndarray]:
        """Embed the channels of recordings.

        Parameters
        ----------
        X : list of mne.io.Raw | list of mne.Epochs
            The recordings.

        Returns
        -------
        Z : list of ndarray of float32, shape (n_channels, n_components)
            One embedding for each channel that takes part, in channel order; one item
            for each recording.
        """
        source = self._open(X)
        return split_channels(self._collect(source).values, source.channels)

    @verbose_method
    def to_frame(self, X: Recordings) -> pd.DataFrame:
        """Return the embeddings of channels as a table.

        Parameters
        ----------
        X : list of mne.io.Raw | list of mne.Epochs
            The recordings.

        Returns
        -------
        frame : pandas.DataFrame
            One row for each channel: subject, recording, ch_name, region (missing where
            unknown), and the components c0, c1, ...
        """
        source = self._open(X)
        found = self._collect(source)
        components = _name_components(found.values)
        return make_frame(source.channels, found.channel, **components)

    @verbose_method
    def embed_segments(self, X: Recordings) -> pd.DataFrame:
        """Return the embeddings of segments: how an embedding changes in time.

        Parameters
        ----------
        X : list of mne.io.Raw | list of mne.Epochs
            The recordings.

        Returns
        -------
        frame : pandas.DataFrame
            One row for each segment: subject, recording, ch_name, region, onset (in
            seconds, from the first sample of Raw; on the clock of the events of
            Epochs), and the components c0, c1, ...
        """
        source = self._open(X)
        found = self._collect(source, None)
        columns = {"onset": found.onset} | _name_components(found.values)
        return make_frame(source.channels, found.channel, **columns)

    def save(
        self,
        path: AnyPath,
        *,
        references: bool = True,
        license: str | None = None,
        citation: str | None = None,
    ) -> None:
        """Write the fitted embedder to a file.

        Parameters
        ----------
        path : path-like
            The file, in the safetensors format with a JSON header. It holds the
            parameters, the weights, the regions, how much was trained on, and the
            embeddings of the training channels; no signal, subject or channel name
            (but those in ``picks``), date or path.
        references : bool
            Whether the embeddings of the training channels are in it. Without them,
            what is loaded embeds channels, and cannot predict their regions.
        license, citation : str | None
            What those who are given the file may do with it, and should cite, for
            :func:`mne_funcmap.read_model_info`.

        Raises
        ------
        ValueError
            If a parameter cannot be written as JSON, such as a custom encoder. Pickle
            can store these.
        OSError
            If the file cannot be written; an earlier one is then as it was.
        """
        check_is_fitted(self)
        header, tensors = pack_embedder(self, references=references)
        about = {"license": license, "citation": citation}
        save_model(path, type(self).__name__, header, tensors, **about)

    @classmethod
    def load(cls, path: AnyPath, *, device: str = "auto") -> Self:
        """Read an embedder written by `save`.

        Parameters
        ----------
        path : path-like
            The file. Nothing in it is run.
        device : str
            Where to compute from now on.

        Returns
        -------
        embedder : FunctionalEmbedder
            The fitted embedder, without a training curve.

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
            return unpack_embedder(cls, header, tensors, device)

    @property
    def net_(self) -> NeuralNet:
        """The trained skorch net."""
        return self.segment_embedder_.net_

    @property
    def history_(self) -> History:
        """The training curve."""
        return self.segment_embedder_.history_

    @property
    def interrupted_(self) -> bool:
        """Whether Ctrl-C has ended the training."""
        return self.segment_embedder_.interrupted_

    @property
    def valid_score_(self) -> float | None:
        """Balanced accuracy on what was held out in training; None without that."""
        return self.segment_embedder_.valid_score_

    def make_segment_embedder(self) -> SegmentEmbedder:
        """Make what embeds segments.

        Returns
        -------
        segment_embedder : SegmentEmbedder
            Unfitted, with the parameters that both have.
        """
        shared = SegmentEmbedder().get_params(deep=False)
        params = self.get_params(deep=False) | {"across_groups": self.across_subjects}
        if self.context:
            context = {"module__context": True}
            params["net_params"] = (self.net_params or {}) | context
        return SegmentEmbedder(**{name: params[name] for name in shared})

    def _check_options(self):
        """Raise if options do not go together."""
        encoder = ENCODERS.get(self.encoder, self.encoder)
        takes_context = "context" in inspect.signature(encoder).parameters
        on_channels = (self.positives, self.loss) == ("region", "supcon")
        if self.context and not (takes_context and on_channels):
            raise ValueError(
                "context=True needs encoder='spectral', loss='supcon' and "
                f"positives='region', got encoder={self.encoder!r}, "
                f"loss={self.loss!r} and positives={self.positives!r}."
            )
        if self.across_subjects and self.positives == "channel":
            raise ValueError(
                "across_subjects=True with positives='channel' leaves nothing similar: "
                "a channel is of one subject. Use positives='region' or 'both'."
            )

    def _find_classes(self, channels):
        """Return the regions of the training channels, which may be needed."""
        if self.positives == "region":
            return super()._find_classes(channels)
        return np.unique(channels.region[channels.has_region].astype(str))

    def _learn(self, source):
        """Train the network, and the read-out if there are regions."""
        self._check_options()
        channels = source.channels
        self.segment_embedder_ = embedder = self.make_segment_embedder()
        front_end = embedder.begin(source.n_times)
        divide = self._choose_division(channels)
        units = self._collect_training(source, front_end, divide)
        labels = label_channels(channels, self.positives)
        groups = group_channels(channels, self.across_subjects)
        used = np.array([label is not None for label in labels])[units.channel]
        rows = units.channel[used]
        by_region = self._contrasts_regions(channels)
        embedder.fit_features(
            take_rows(units.values, used),
            labels[rows].astype(str),
            groups=groups[rows],
            auxiliary=~channels.has_region[rows] if by_region else None,
        )
        known = channels.has_region
        references = embedder.embed_units(units)[known]
        self.fit_readout(references, channels.region[known].astype(str))

    def _find_used(self, channels):
        """Return which channels are trained on, (n_channels,)."""
        labels = label_channels(channels, self.positives)
        return np.array([label is not None for label in labels])

    @property
    def _network(self):
        # after fit, a device that is named is moved to
        return self.segment_embedder_.set_params(device=self.device)

    def _choose_division(self, channels):
        """Return what of segments is averaged for training."""
        # few channels soon have no pairwise loss left to learn from: segments have
        on_channels = self._contrasts_regions(channels) and self.loss == "supcon"
        if not (on_channels and self.segment_embedder_.has_front_end):
            return None
        return by_channel if self.positives == "region" else halve_unlabelled

    def _contrasts_regions(self, channels):
        """Return whether regions are among what makes segments similar."""
        return self.positives != "channel" and channels.has_region.any()

    def _read(self, embeddings):
        """Return probabilities of embeddings, (n_units, n_regions)."""
        if self.readout_ is None:
            raise ValueError(
                "The embedder knows no embeddings of channels with regions, so it "
                "cannot predict any: it was fitted on recordings without regions, or "
                "saved with references=False. Call set_regions on some recordings, or "
                "give y, and fit again."
            )
        return self.readout_.predict_proba(embeddings)

    def fit_readout(self, references: np.ndarray, regions: np.ndarray) -> None:
        """Fit the classifier of embeddings, if there are regions.

        Parameters
        ----------
        references : ndarray of float32, shape (n_channels, n_components)
            Embeddings of training channels.
        regions : ndarray of str, shape (n_channels,)
            Their regions.
        """
        self.references_, self.reference_regions_ = references, regions
        self.readout_ = None
        if len(regions):
            metric = "cosine" if self.loss == "supcon" else "euclidean"
            readout = BalancedNeighbors(self.n_neighbors, metric=metric)
            self.readout_ = readout.fit(references, regions)


def _name_components(embeddings):
    """Return the components of embeddings as columns of a table."""
    return {f"c{i}": values for i, values in enumerate(embeddings.T)}
