"""Plain ways to tell, or to predict, what embedders and reconstructors should.

Those that tell the region of a channel take the same recordings, cut into the same
segments, as `FunctionalEmbedder`; those that predict withheld regions are asked and
measured as `MaskedRegionReconstructor` is. They can be cross-validated side by side.
"""

from __future__ import annotations

import warnings
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np
import torch
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import make_scorer
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils._param_validation import Interval, StrOptions

from ..embedder import FunctionalEmbedder
from ..embedding.metrics import balanced_accuracy
from ..embedding.network_classifier import NetworkClassifier
from ..embedding.readout import BalancedNeighbors
from ..embedding.region_classifier import MEMORY_CONSTRAINT, RegionClassifier
from ..embedding.training import Samples, encode_labels
from ..nets.encoders import ENCODERS
from ..recordings.measured import by_channel
from ..recordings.storage import take_rows
from ..segment_embedder import SegmentEmbedder
from .spectra import FEATURES, read_spectra

if TYPE_CHECKING:
    from typing import Literal

    from ..hints import Memory, Picks

CLASSIFIERS = ("lda", "logistic", "neighbors", "majority")
PENALTIES = (1e-3, 1e-2, 1e-1, 1.0)  # inverse strengths to choose from
N_INNER_FOLDS = 5

_PARAMETER_CONSTRAINTS = {
    "duration": [Interval(Real, 0, None, closed="neither"), None],
    "picks": [str, list, tuple, None],
    **MEMORY_CONSTRAINT,
}


class SpectralClassifier(RegionClassifier):
    """Tell the region of a channel from its power spectrum.

    Parameters
    ----------
    features : "spectrum" | "rich"
        The log power spectrum of the z-scored channel, averaged over its segments; or
        beside it the log amplitude before z-scoring, and in broad bands the spread
        of log power over time and its burstiness.
    classifier : "lda" | "logistic" | "neighbors" | "majority"
        Linear discriminant analysis with automatic shrinkage and equal priors;
        logistic regression with balanced regions, its penalty chosen by
        cross-validation over the training subjects; the 5 nearest neighbours among
        equally many references of each region; or the commonest region, for
        comparison.
    train_on : "channels" | "segments"
        Whether a training sample is the average of a channel or a single segment;
        the latter suits `predict_segments`.
    duration : float | None
        Seconds of a segment; None stands for 10 s of Raw and whole epochs.
    picks : None | str | list of str
        Channel types, or names, that take part; None stands for good sEEG, ECoG, DBS
        and EEG channels.
    memory : None | str | path-like | joblib.Memory
        Folder in which features are kept, as for `FunctionalEmbedder`.

    Attributes
    ----------
    classes_ : ndarray of str, shape (n_regions,)
        The regions seen in training.
    classifier_ : sklearn.base.ClassifierMixin
        The fitted classifier of features.
    n_times_ : int
        Number of samples of a segment.
    sfreq_ : float
        Sampling rate in Hz.

    Notes
    -----
    Spectra are those of Hann windows of 4 s that overlap by a half, from 0.5 Hz to
    40 % of the sampling rate, averaged in bands of 5 % of their frequency.

    Examples
    --------
    >>> import mne_funcmap as mf
    >>> from mne_funcmap.baselines import SpectralClassifier
    >>> X = mf.simulate_recordings(n_subjects=3, n_sessions=1, duration=20.0)
    >>> baseline = SpectralClassifier(classifier="lda").fit(X[:2])
    >>> baseline.predict(X[2:])[0][:2]
    array(['GPi', 'GPi'], dtype='<U5')
    """

    _parameter_constraints = {
        "features": [StrOptions(set(FEATURES))],
        "classifier": [StrOptions(set(CLASSIFIERS))],
        "train_on": [StrOptions({"channels", "segments"})],
        **_PARAMETER_CONSTRAINTS,
    }

    def __init__(
        self,
        features: Literal["spectrum", "rich"] = "spectrum",
        *,
        classifier: Literal["lda", "logistic", "neighbors", "majority"] = "logistic",
        train_on: Literal["channels", "segments"] = "channels",
        duration: float | None = None,
        picks: Picks = None,
        memory: Memory = None,
    ) -> None:
        self.features = features
        self.classifier = classifier
        self.train_on = train_on
        self.duration = duration
        self.picks = picks
        self.memory = memory

    def _learn(self, source):
        """Fit the classifier to the features of channels, or of segments."""
        channels = source.channels
        divide = by_channel if self.train_on == "channels" else None
        units = self._collect(source, divide)
        known = channels.has_region[units.channel]
        rows = units.channel[known]
        regions = channels.region[rows].astype(str)
        classifier = _make_classifier(self.classifier, regions, channels.subject[rows])
        with warnings.catch_warnings():
            # a region with one channel: its covariance counts as zero
            warnings.filterwarnings("ignore", "Only one sample available")
            self.classifier_ = classifier.fit(units.values[known], regions)

    def _collect(self, source, divide=by_channel):
        """Return the features of units of segments, a `Units`."""
        return read_spectra(source, self.features, divide, self.memory)

    def _read(self, features):
        """Return probabilities of features, (n_units, n_regions)."""
        return self.classifier_.predict_proba(features)


class SupervisedNetwork(NetworkClassifier):
    """Tell the region of a channel by a network trained with cross-entropy.

    The encoder, batches, search for the number of epochs and optimiser are those of an
    embedder; the loss differs, that of a linear layer on what the encoder gives, and
    the penalty on weights that suits it.
    The segments of a channel are averaged as there.

    Parameters
    ----------
    segment_embedder : SegmentEmbedder | None
        What to take all but the loss from; None stands for its defaults.
    context : bool
        Whether a channel is read together with the others of its recording, as by
        `FunctionalEmbedder`.
    duration : float | None
        Seconds of a segment; None stands for 10 s of Raw and whole epochs.
    picks : None | str | list of str
        Channel types, or names, that take part; None stands for good sEEG, ECoG, DBS
        and EEG channels.
    memory : None | str | path-like | joblib.Memory
        Folder in which features are kept, as for `FunctionalEmbedder`.

    Attributes
    ----------
    classes_ : ndarray of str, shape (n_regions,)
        The regions seen in training.
    network_ : SegmentEmbedder
        The trained network.
    n_times_ : int
        Number of samples of a segment.
    sfreq_ : float
        Sampling rate in Hz.
    """

    _parameter_constraints = {
        "segment_embedder": [SegmentEmbedder, None],
        "context": ["boolean"],
        **_PARAMETER_CONSTRAINTS,
    }

    def __init__(
        self,
        segment_embedder: SegmentEmbedder | None = None,
        *,
        context: bool = False,
        duration: float | None = None,
        picks: Picks = None,
        memory: Memory = None,
    ) -> None:
        self.segment_embedder = segment_embedder
        self.context = context
        self.duration = duration
        self.picks = picks
        self.memory = memory

    def _learn(self, source):
        """Train the network on the segments whose region is known."""
        self.network_ = network = self._make_network()
        front_end = network.begin(source.n_times)
        divide = by_channel if network.has_front_end else None
        units = self._collect_training(source, front_end, divide)
        channels = source.channels
        known = channels.has_region[units.channel]
        rows = units.channel[known]
        regions, subjects = channels.region[rows], channels.subject[rows]
        features = take_rows(units.values, known)
        network.fit_features(features, regions.astype(str), groups=subjects)

    @property
    def _network(self):
        return self.network_

    def _make_network(self):
        """Return an untrained `SegmentEmbedder` with another loss."""
        template = clone(self.segment_embedder or SegmentEmbedder())
        encoder = ENCODERS.get(template.encoder, template.encoder)
        if template.weight_decay is None:
            template.set_params(**getattr(encoder, "SUPERVISED_RECIPE", {}))
        supervised = {
            "module__on_sphere": False,
            "criterion": _LinearCrossEntropy,
            "criterion__n_components": template.n_components,
            "criterion__n_regions": len(self.classes_),
        }
        if self.context:
            supervised["module__context"] = True
        return template.set_params(
            across_groups=False, net_params=(template.net_params or {}) | supervised
        )

    def _read(self, hidden):
        """Return probabilities of what the encoder gives, (n_units, n_regions)."""
        layer = self.network_.net_.criterion_.linear.cpu()
        with torch.inference_mode():
            return layer(torch.from_numpy(hidden)).softmax(dim=1).numpy()


class _LinearCrossEntropy(torch.nn.Module):
    """Cross-entropy of a linear layer, which is trained with the encoder."""

    def __init__(self, n_components, n_regions):
        super().__init__()
        self.linear = torch.nn.Linear(n_components, n_regions)

    def forward(self, embeddings, labels):
        """Return the loss of a batch, a scalar, in which labels count equally."""
        logits = self.linear(embeddings)
        sizes = labels.bincount(minlength=logits.shape[1]).clamp(min=1)
        weight = 1 / sizes.to(logits.dtype)
        return torch.nn.functional.cross_entropy(logits, labels, weight)


class UntrainedEmbedder(FunctionalEmbedder):
    """The embedder before training: what the encoder's design alone achieves.

    Weights are random, inputs are scaled as in training, and regions are read out from
    the embeddings as by `FunctionalEmbedder`, whose parameters it has.
    """

    def make_segment_embedder(self) -> SegmentEmbedder:
        """Make what embeds segments, with random weights.

        Returns
        -------
        segment_embedder : SegmentEmbedder
            Unfitted.
        """
        embedder = super().make_segment_embedder()
        return _UntrainedSegmentEmbedder(**embedder.get_params(deep=False))


class _UntrainedSegmentEmbedder(SegmentEmbedder):
    """A `SegmentEmbedder` with random weights."""

    def fit_features(self, features, y, groups=None, auxiliary=None):
        """Initialize the network and let it take the scale of its features."""
        self.classes_, labels, n_labels = encode_labels(y, auxiliary)
        samples = Samples(features, labels, labels, n_labels, False)
        self.net_ = self.__dict__.pop("_start")
        self.net_.module_.calibrate(samples.sample_features())
        self.history_, self.search_history_ = self.net_.history, None
        return self


def _make_classifier(name, regions, subjects):
    """Return an unfitted classifier of features."""
    if name == "majority":
        return DummyClassifier(strategy="most_frequent")
    if name == "lda":
        n_regions = len(np.unique(regions))
        priors = np.full(n_regions, 1 / n_regions)
        return LinearDiscriminantAnalysis("lsqr", shrinkage="auto", priors=priors)
    if name == "neighbors":
        return make_pipeline(StandardScaler(), BalancedNeighbors(random_state=0))
    logistic = LogisticRegression(class_weight="balanced", max_iter=1000)
    splits = _split_subjects(regions, subjects)
    if not splits:
        return make_pipeline(StandardScaler(), logistic.set_params(C=1e-2))
    return GridSearchCV(
        make_pipeline(StandardScaler(), logistic),
        {"logisticregression__C": PENALTIES},
        cv=splits,
        scoring=make_scorer(balanced_accuracy),
    )


def _split_subjects(regions, subjects):
    """Return the splits over subjects that leave two regions to train on."""
    n_subjects = len(np.unique(subjects))
    if n_subjects < 2:
        return []
    splitter = GroupKFold(min(N_INNER_FOLDS, n_subjects))
    splits = splitter.split(regions, groups=subjects)
    return [(train, test) for train, test in splits if len(set(regions[train])) > 1]
