"""The models that comparisons are made of unless others are given."""

from ..baselines.classifiers import (
    SpectralClassifier,
    SupervisedNetwork,
    UntrainedEmbedder,
)
from ..baselines.interpolation import (
    DistanceGaussianProcess,
    NearestChannel,
    SplineInterpolation,
)
from ..baselines.reconstructors import MeanPrediction, PooledRidge, RecordingRidge
from ..embedder import FunctionalEmbedder
from ..identity.union import make_identity
from ..reconstructor import MaskedRegionReconstructor
from ..segment_embedder import SegmentEmbedder

EMBEDDERS = (
    "embedding",
    "embedding-context",
    "supervised",
    "supervised-context",
    "untrained",
    "spectrum-lda",
    "spectrum-logistic",
    "spectrum-neighbors",
    "rich-lda",
    "rich-logistic",
    "rich-neighbors",
    "majority",
)
SLOW_EMBEDDERS = ("embedding-cnn", "supervised-cnn")
DEFAULT_IDENTITIES = ("functional", "anatomical", "random", "none")


def make_embedders(random_state=0, names=EMBEDDERS):
    """Make unfitted models that tell the region of a channel.

    Parameters
    ----------
    random_state : int
        Seed of those that draw.
    names : sequence of str
        Which ones: ``"embedding"``, ``"supervised"`` and ``"untrained"``; with
        ``"-context"`` the same of channels together with the others of their
        recording, and with ``"-cnn"`` by the convolutional encoder;
        ``"spectrum-lda"`` and so on, of two kinds of features and three classifiers;
        ``"majority"``.

    Returns
    -------
    models : dict of str to estimator
        Recordings in, regions out.
    """
    return {name: _make_embedder(name, random_state) for name in names}


def list_baselines(models):
    """List the plain models, among which the best is what others are compared to.

    Parameters
    ----------
    models : dict of str to estimator
        All models.

    Returns
    -------
    names : list of str
        Those that read spectra or richer features.
    """
    return [
        name
        for name, model in models.items()
        if isinstance(model, SpectralClassifier) and model.classifier != "majority"
    ]


def _make_embedder(name, random_state):
    """Make one model."""
    kind, _, option = name.partition("-")
    context = option == "context"
    encoder = option if option == "cnn" else "spectral"
    network = {"encoder": encoder, "random_state": random_state}
    if kind == "embedding":
        return FunctionalEmbedder(context=context, **network)
    if kind == "supervised":
        return SupervisedNetwork(SegmentEmbedder(**network), context=context)
    if kind == "untrained":
        return UntrainedEmbedder(**network)
    if kind == "majority":
        return SpectralClassifier(classifier="majority")
    return SpectralClassifier(kind, classifier=option)


def make_reconstructors(identities=None, random_state=0):
    """Make unfitted reconstructors.

    Parameters
    ----------
    identities : None | list of str | dict of str to object
        Their identities, as for :func:`~mne_funcmap.compare_identities`.
    random_state : int
        Their seed.

    Returns
    -------
    models : dict of str to MaskedRegionReconstructor
        The models.
    """
    if isinstance(identities, str):
        raise TypeError(
            f"identities must be a list or a dict, got the string {identities!r}: give "
            f"[{identities!r}]."
        )
    chosen = DEFAULT_IDENTITIES if identities is None else identities
    if not hasattr(chosen, "items"):
        chosen = {identity: identity for identity in chosen}
    models = {
        name: _make_reconstructor(name, identity, random_state)
        for name, identity in chosen.items()
    }
    if identities is None:
        models["functional, by region"] = MaskedRegionReconstructor(
            query="region", random_state=random_state
        )
    return models


def _make_reconstructor(name, identity, random_state):
    """Make one model, or say what is wrong with its identity."""
    if isinstance(identity, MaskedRegionReconstructor):
        return identity
    if hasattr(identity, "evaluate"):
        raise TypeError(
            f"identities holds {name!r}, {str(identity)[:80]}, which is no identity "
            f"but a model: give it as models={{{name!r}: ...}}."
        )
    make_identity(identity)
    return MaskedRegionReconstructor(identity, random_state=random_state)


def make_reconstruction_baselines():
    """Make unfitted plain models that predict withheld regions.

    Returns
    -------
    models : dict of str to estimator
        The models.
    """
    return {
        "ridge of the recording": RecordingRidge(),
        "pooled ridge": PooledRidge(),
        "Gaussian process": DistanceGaussianProcess(),
        "nearest channel": NearestChannel(),
        "spline interpolation": SplineInterpolation(),
        "mean": MeanPrediction(),
    }


def list_reconstruction_baselines(models):
    """List the plain models, among which the best is what others are compared to.

    Parameters
    ----------
    models : dict of str to estimator
        All models.

    Returns
    -------
    names : list of str
        Those that are not reconstructors with identities.
    """
    return [
        name
        for name, model in models.items()
        if not isinstance(model, MaskedRegionReconstructor)
    ]
