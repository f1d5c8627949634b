"""FunctionalEmbedder: recordings in, one embedding for each channel out."""

from numbers import Integral, Real

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from .persistence import load_model, save_model
from .readout import BalancedNeighbors
from .recordings import check_all_named, check_recordings
from .segment_embedder import SegmentEmbedder
from .segments import cut_segments

MIN_SUBJECTS = 5  # fewer are not enough to hold one out: channels are


class FunctionalEmbedder(TransformerMixin, BaseEstimator):
    """Learn functional embeddings of channels from their signals.

    Channels of one brain region come to lie together, whoever they are from. A
    channel is cut into segments, a network that was trained with a contrastive loss
    embeds each, and the channel's embedding is their mean. Regions are read out by
    nearest neighbours among the embeddings of the training channels, as many of each
    region.

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
    duration : float | None
        Seconds of a segment; None stands for 10 s of Raw and whole epochs.
    normalize : bool
        Whether to z-score each channel of each recording. The amplitude then tells
        nothing, as it should where recordings are not calibrated alike. The
        convolutional encoder never sees it.
    picks : None | str | list of str
        Channel types, or names, that take part; None stands for good sEEG, ECoG, DBS
        and EEG channels.
    n_neighbors : int
        Number of neighbours of the read-out.
    max_epochs, patience, batch_size, lr, weight_decay
        As for `SegmentEmbedder`.
    device : str
        "auto" takes CUDA if there is one, else the CPU.
    callbacks : list | None
        Further callbacks of skorch.
    net_params : dict | None
        Further parameters of the skorch net.
    random_state : int | RandomState | None
        Seed. The same seed gives the same numbers on the CPU.

    Attributes
    ----------
    classes_ : ndarray of str, shape (n_regions,)
        The regions seen in training; empty without any.
    segment_embedder_ : SegmentEmbedder
        The trained embedder of segments.
    readout_ : BalancedNeighbors | None
        The fitted classifier of embeddings; None without regions in training.
    net_ : skorch.NeuralNet
        The trained net.
    history_ : skorch.history.History
        The training curve.
    n_times_ : int
        Number of samples of a segment.
    sfreq_ : float
        Sampling rate in Hz.

    See Also
    --------
    SegmentEmbedder : The same on arrays.

    Notes
    -----
    Only what is usable takes part: segments are cut inside stretches that no ``BAD_``
    annotation covers, that are finite and not flat, and never across the border of
    epochs or concatenated recordings.

    Validation holds out subjects if there are five at least, else channels.

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
        "duration": [Interval(Real, 0, None, closed="neither"), None],
        "normalize": ["boolean"],
        "picks": [str, list, tuple, None],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        **SegmentEmbedder._parameter_constraints,
    }

    def __init__(
        self,
        n_components=32,
        *,
        encoder="spectral",
        loss="supcon",
        positives="region",
        duration=None,
        normalize=False,
        picks=None,
        n_neighbors=5,
        max_epochs=30,
        patience=10,
        batch_size=512,
        lr=1e-2,
        weight_decay=1e-2,
        device="auto",
        callbacks=None,
        net_params=None,
        random_state=None,
    ):
        self.n_components = n_components
        self.encoder = encoder
        self.loss = loss
        self.positives = positives
        self.duration = duration
        self.normalize = normalize
        self.picks = picks
        self.n_neighbors = n_neighbors
        self.max_epochs = max_epochs
        self.patience = patience
        self.batch_size = batch_size
        self.lr = lr
        self.weight_decay = weight_decay
        self.device = device
        self.callbacks = callbacks
        self.net_params = net_params
        self.random_state = random_state

    def fit(self, X, y=None):
        """Train the embedding and its read-out.

        Parameters
        ----------
        X : list of mne.io.Raw | list of mne.Epochs
            The recordings, with regions (see `set_regions`).
        y : None | list of dict | list of sequence
            Regions instead of the annotations: for each recording ``{ch_name: region}``
            or one region, or None, for each channel that takes part.

        Returns
        -------
        self : FunctionalEmbedder
            The fitted embedder.

        Raises
        ------
        TypeError
            If an item of X is not a recording.
        ValueError
            If rates or lengths differ, regions are missing or all the same, or a good
            channel has no usable segment.
        """
        self._validate_params()
        recordings = check_recordings(X)
        if y is None:
            check_all_named(recordings, self.picks)
        segments = cut_segments(
            recordings,
            duration=self.duration,
            picks=self.picks,
            y=y,
            normalize=self.normalize,
        )
        channels = segments.channels
        if self.positives == "region":
            _check_regions(channels)
        labels = _label_channels(channels, self.positives)
        used = np.array([label is not None for label in labels])[segments.channel]
        self.n_times_, self.sfreq_ = segments.data.shape[1], segments.sfreq
        self.segment_embedder_ = self._make_segment_embedder().fit(
            segments.data[used],
            labels[segments.channel[used]].astype(str),
            groups=_group_channels(channels)[segments.channel[used]],
        )
        known = channels.has_region
        self._fit_readout(self._embed(segments)[known], channels.region[known])
        return self

    def transform(self, X):
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
        segments = self._cut(X)
        return _split(self._embed(segments), segments.channels, X)

    def predict(self, X):
        """Predict the regions of channels.

        Parameters
        ----------
        X : list of mne.io.Raw | list of mne.Epochs
            The recordings.

        Returns
        -------
        regions : list of ndarray of str, shape (n_channels,)
            One region for each channel that takes part; one item for each recording.
        """
        return [self.classes_[p.argmax(axis=1)] for p in self.predict_proba(X)]

    def predict_proba(self, X):
        """Predict how probable each region is for each channel.

        Parameters
        ----------
        X : list of mne.io.Raw | list of mne.Epochs
            The recordings.

        Returns
        -------
        probabilities : list of ndarray, shape (n_channels, n_regions)
            Shares of the votes, in the order of ``classes_``; one item for each
            recording.
        """
        self._check_readout()
        segments = self._cut(X)
        probabilities = self.readout_.predict_proba(self._embed(segments))
        return _split(probabilities, segments.channels, X)

    def score(self, X, y=None):
        """Return the balanced accuracy over the channels whose region is known.

        Parameters
        ----------
        X : list of mne.io.Raw | list of mne.Epochs
            The recordings.
        y : None | list of dict | list of sequence
            Regions instead of the annotations, as in `fit`.

        Returns
        -------
        score : float
            The mean over regions of the share of their channels that are read right.
            A region that was not there in training counts as missed.
        """
        self._check_readout()
        segments = self._cut(X, y)
        known = segments.channels.has_region
        if not known.any():
            raise ValueError(
                "No channel of X has a region: there is nothing to score. Call "
                "set_regions on the recordings, or give y."
            )
        truth = segments.channels.region[known].astype(str)
        predicted = self.readout_.predict(self._embed(segments)[known])
        return balanced_accuracy(truth, predicted)

    def to_frame(self, X):
        """Return the embeddings of channels as a table.

        Parameters
        ----------
        X : list of mne.io.Raw | list of mne.Epochs
            The recordings.

        Returns
        -------
        frame : pandas.DataFrame
            One row for each channel: subject, recording, ch_name, region (None where
            unknown), and the components c0, c1, ...
        """
        segments = self._cut(X)
        rows = np.arange(len(segments.channels.ch_name))
        return self._make_frame(segments.channels, rows, self._embed(segments))

    def embed_segments(self, X):
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
        segments = self._cut(X)
        embeddings = self.segment_embedder_.transform(segments.data)
        return self._make_frame(
            segments.channels, segments.channel, embeddings, onset=segments.onset
        )

    def save(self, path):
        """Write the fitted embedder to a file.

        Parameters
        ----------
        path : path-like
            The file, in the safetensors format with a JSON header. It holds the
            parameters, the weights, and the embeddings and regions of the training
            channels, which the read-out needs; no signal, subject or channel name.

        Raises
        ------
        ValueError
            If a parameter cannot be written as JSON, such as a custom encoder. Pickle
            can store these.
        """
        check_is_fitted(self)
        params = self.get_params() | {"callbacks": None}
        plain = (str, int, float, bool, list, tuple, dict, type(None))
        odd = [name for name, value in params.items() if not isinstance(value, plain)]
        if odd:
            raise ValueError(
                f"Parameters {odd} cannot be written to a model file: "
                f"{[params[name] for name in odd]}. Use numbers and names that the "
                "package knows, or pickle the embedder."
            )
        header = {
            "params": params,
            "n_times": self.n_times_,
            "sfreq": self.sfreq_,
            "regions": self.classes_.tolist(),
            "n_labels": len(self.segment_embedder_.classes_),
        }
        save_model(path, type(self).__name__, header, self._get_tensors())

    def _get_tensors(self):
        """Return the weights and the references of the read-out."""
        weights = self.net_.module_.state_dict()
        tensors = {f"module.{name}": value for name, value in weights.items()}
        if self.readout_ is not None:
            tensors["references"] = torch.from_numpy(self._references)
            codes = np.searchsorted(self.classes_, self._reference_regions)
            tensors["reference_regions"] = torch.from_numpy(codes)
        return tensors

    @classmethod
    def load(cls, path, *, device="auto"):
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
        header, tensors = load_model(path, cls.__name__)
        embedder = cls(**header["params"]).set_params(device=device)
        embedder.n_times_, embedder.sfreq_ = header["n_times"], header["sfreq"]
        weights = {
            name.removeprefix("module."): value
            for name, value in tensors.items()
            if name.startswith("module.")
        }
        embedder.segment_embedder_ = embedder._make_segment_embedder().restore(
            weights, n_times=header["n_times"], n_labels=header["n_labels"]
        )
        regions = np.array(header["regions"], dtype=str)
        embeddings = tensors.get("references", torch.empty(0)).numpy()
        codes = tensors.get("reference_regions", torch.empty(0)).numpy()
        embedder._fit_readout(embeddings, regions[codes.astype(int)])
        return embedder

    @property
    def net_(self):
        """The trained skorch net."""
        return self.segment_embedder_.net_

    @property
    def history_(self):
        """The training curve."""
        return self.segment_embedder_.history_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        return tags

    def _make_segment_embedder(self):
        """Return an unfitted `SegmentEmbedder` with the parameters shared with it."""
        shared = SegmentEmbedder().get_params(deep=False)
        params = self.get_params(deep=False)
        return SegmentEmbedder(**{name: params[name] for name in shared})

    def _cut(self, X, y=None):
        """Cut recordings as those of the training were."""
        check_is_fitted(self, "segment_embedder_")
        return cut_segments(
            check_recordings(X),
            duration=self.duration,
            picks=self.picks,
            y=y,
            normalize=self.normalize,
            like=(self.n_times_, self.sfreq_),
        )

    def _embed(self, segments):
        """Return embeddings of channels, (n_channels, n_components)."""
        embeddings = self.segment_embedder_.transform(segments.data)
        sums = np.zeros((len(segments.channels.ch_name), self.n_components))
        np.add.at(sums, segments.channel, embeddings)
        if self.loss == "supcon":
            sums /= np.linalg.norm(sums, axis=1, keepdims=True).clip(min=1e-12)
        else:
            sums /= np.bincount(segments.channel)[:, None]
        return sums.astype(np.float32)

    def _fit_readout(self, references, regions):
        """Fit the classifier of embeddings, if there are regions."""
        self.classes_ = np.unique(regions.astype(str))
        self._references, self._reference_regions = references, regions.astype(str)
        self.readout_ = None
        if len(self.classes_):
            readout = BalancedNeighbors(self.n_neighbors, random_state=0)
            self.readout_ = readout.fit(references, self._reference_regions)

    def _check_readout(self):
        check_is_fitted(self, "segment_embedder_")
        if self.readout_ is None:
            raise ValueError(
                "The embedder was fitted on recordings without regions, so it cannot "
                "predict any. Call set_regions on some recordings, or give y, and fit "
                "again."
            )

    def _make_frame(self, channels, rows, embeddings, **columns):
        import pandas as pd

        table = {
            "subject": channels.subject[rows],
            "recording": channels.recording[rows],
            "ch_name": channels.ch_name[rows],
            "region": channels.region[rows],
            **columns,
        }
        components = {f"c{i}": values for i, values in enumerate(embeddings.T)}
        return pd.DataFrame(table | components)


def balanced_accuracy(truth, predicted):
    """Return the mean over true regions of the share that is predicted right.

    As scikit-learn's ``balanced_accuracy_score``, without a warning where a prediction
    is of a region that does not occur.
    """
    codes, correct = np.unique(truth, return_inverse=True)[1], truth == predicted
    return float(np.mean(np.bincount(codes, correct) / np.bincount(codes)))


def _check_regions(channels):
    """Raise if there are no two regions to tell apart."""
    regions = np.unique(channels.region[channels.has_region].astype(str))
    if len(regions) == 0:
        raise ValueError(
            "No channel of X has a region. Call set_regions on the recordings, or give "
            "y; without any regions, train with positives='channel'."
        )
    if len(regions) == 1:
        raise ValueError(
            f"All channels of X with a region are in {regions[0]!r}. Contrasts need "
            "two regions at least; or train with positives='channel'."
        )


def _label_channels(channels, positives):
    """Return what makes segments of channels similar, None where nothing does."""
    # one channel is the same in all recordings of a subject
    identity = [
        f"channel {name} of {subject}"
        for subject, name in zip(channels.subject, channels.ch_name, strict=True)
    ]
    if positives == "channel":
        return np.array(identity, dtype=object)
    if positives == "region":
        return channels.region
    return np.where(channels.has_region, channels.region, np.array(identity, object))


def _group_channels(channels):
    """Return the groups that batches are balanced over and validation holds out."""
    subjects = channels.subject
    if len(np.unique(subjects)) >= MIN_SUBJECTS:
        return subjects
    return _label_channels(channels, "channel").astype(str)


def _split(values, channels, X):
    """Split rows of channels into one item for each recording."""
    n_channels = np.bincount(channels.recording, minlength=len(check_recordings(X)))
    return np.split(values, np.cumsum(n_channels)[:-1])
