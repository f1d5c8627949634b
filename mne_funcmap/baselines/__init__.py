"""Plain ways to tell, or to predict, what embedders and reconstructors should."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "classifiers": ["SpectralClassifier", "SupervisedNetwork", "UntrainedEmbedder"],
        "interpolation": [
            "DistanceGaussianProcess",
            "NearestChannel",
            "SplineInterpolation",
        ],
        "reconstructors": ["MeanPrediction", "PooledRidge", "RecordingRidge"],
    },
)
