"""Plain ways to tell, or to predict, what embedders and reconstructors should.

Those that tell the region of a channel take the same recordings, cut into the same
segments, as `FunctionalEmbedder`; those that predict withheld regions are asked and
measured as `MaskedRegionReconstructor` is. They can be cross-validated side by side.
"""

import warnings
from numbers import Real

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
from sklearn.utils.validation import validate_data

from .classification import RegionClassifier
from .context import find_segment_context, pool
from .embedder import FunctionalEmbedder
from .metrics import balanced_accuracy
from .nets.encoders import ENCODERS
from .position_baselines import (
    DistanceGaussianProcess,
    NearestChannel,
    SplineInterpolation,
)
from .readout import BalancedNeighbors
from .reconstruction_baselines import MeanPrediction, PooledRidge, RecordingRidge
from .segment_embedder import SegmentEmbedder
from .spectra import compute_rich_features, compute_spectrum
from .training import apply_in_chunks, draw_seed, seeded_torch

__all__ = [
    "SpectralClassifier",
    "SupervisedNetwork",
    "UntrainedEmbedder",
    "RecordingRidge",
    "PooledRidge",
    "NearestChannel",
    "DistanceGaussianProcess",
    "SplineInterpolation",
    "MeanPrediction",
]

FEATURES = {"spectrum": compute_spectrum, "rich": compute_rich_features}
CLASSIFIERS = ("lda", "logistic", "neighbors", "majority")
PENALTIES = (1e-3, 1e-2, 1e-1, 1.0)  # inverse strengths to choose from
N_INNER_FOLDS = 5

_PARAMETER_CONSTRAINTS = {
    "duration": [Interval(Real, 0, None, closed="neither"), None],
    "picks": [str, list, tuple, None],
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
        features="spectrum",
        *,
        classifier="logistic",
        train_on="channels",
        duration=None,
        picks=None,
    ):
        self.features = features
        self.classifier = classifier
        self.train_on = train_on
        self.duration = duration
        self.picks = picks

    def _learn(self, segments):
        """Fit the classifier to the features of channels, or of segments."""
        channels = segments.channels
        channel = np.arange(len(channels.ch_name))
        unit = segments.channel
        if self.train_on == "segments":
            channel, unit = segments.channel, np.arange(len(segments.channel))
        known = channels.has_region[channel]
        features = FEATURES[self.features](segments, unit)[known]
        regions = channels.region[channel][known].astype(str)
        subjects = channels.subject[channel][known]
        classifier = _make_classifier(self.classifier, regions, subjects)
        with warnings.catch_warnings():
            # a region with one channel: its covariance counts as zero
            warnings.filterwarnings("ignore", "Only one sample available")
            self.classifier_ = classifier.fit(features, regions)

    def _read(self, segments, unit):
        """Return probabilities of units of segments, (n_units, n_regions)."""
        features = FEATURES[self.features](segments, unit)
        return self.classifier_.predict_proba(features)


class SupervisedNetwork(RegionClassifier):
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
        self, segment_embedder=None, *, context=False, duration=None, picks=None
    ):
        self.segment_embedder = segment_embedder
        self.context = context
        self.duration = duration
        self.picks = picks

    def _learn(self, segments):
        """Train the network on the segments whose region is known."""
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
        self.network_ = template.set_params(
            across_groups=False, net_params=(template.net_params or {}) | supervised
        )
        channels = segments.channels
        known = channels.has_region[segments.channel]
        channel = segments.channel[known]
        self.network_.fit(
            segments.data[known],
            channels.region[channel].astype(str),
            groups=channels.subject[channel],
            units=channel,
            context=find_segment_context(segments, known) if self.context else None,
        )

    def _read(self, segments, unit):
        """Return mean probabilities of units of segments, (n_units, n_regions)."""
        context = find_segment_context(segments) if self.context else None
        hidden = self.network_.transform(segments.data, units=unit, context=context)
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

    def _make_segment_embedder(self):
        embedder = super()._make_segment_embedder()
        return _UntrainedSegmentEmbedder(**embedder.get_params(deep=False))


class _UntrainedSegmentEmbedder(SegmentEmbedder):
    """A `SegmentEmbedder` with random weights."""

    def fit(self, X, y, groups=None, units=None, auxiliary=None, context=None):
        """Initialize the network and let it take the scale of its features."""
        self._validate_params()
        X, y = validate_data(self, X, y, dtype=np.float32)
        self.classes_ = np.unique(y)
        seed = draw_seed(self.random_state)
        with seeded_torch(seed):
            self.net_ = self._make_net(None, seed).initialize()
        module = self.net_.module_
        features = apply_in_chunks(
            module.front_end, X, device=self.net_.device, chunk=module.chunk
        )
        if module.has_front_end and units is not None:
            units = np.unique(units, return_inverse=True)[1]
            features = pool(features, units, context)
        module.calibrate(features)
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
