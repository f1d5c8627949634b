"""The models that comparisons are made of unless others are given."""

from .baselines import SpectralClassifier, SupervisedNetwork, UntrainedEmbedder
from .embedder import FunctionalEmbedder
from .segment_embedder import SegmentEmbedder

EMBEDDERS = (
    "embedding",
    "supervised",
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


def make_embedders(random_state=0, names=EMBEDDERS):
    """Make unfitted models that tell the region of a channel.

    Parameters
    ----------
    random_state : int
        Seed of those that draw.
    names : sequence of str
        Which ones: ``"embedding"``, ``"supervised"`` and ``"untrained"``, or with
        ``"-cnn"`` the convolutional encoder; ``"spectrum-lda"`` and so on, of two
        kinds of features and three classifiers; ``"majority"``.

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
    network = {"encoder": option or "spectral", "random_state": random_state}
    if kind == "embedding":
        return FunctionalEmbedder(**network)
    if kind == "supervised":
        return SupervisedNetwork(SegmentEmbedder(**network))
    if kind == "untrained":
        return UntrainedEmbedder(**network)
    if kind == "majority":
        return SpectralClassifier(classifier="majority")
    return SpectralClassifier(kind, classifier=option)
