"""Pictures: of embeddings, of scores, and of what was reconstructed."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "brain": ["plot_brain"],
        "embeddings": ["plot_embedding"],
        "matrices": ["plot_confusion", "plot_region_distances"],
        "over_time": ["plot_embedding_over_time"],
        "scores": ["plot_region_scores", "plot_scores"],
        "signals": ["plot_reconstruction", "plot_spectra"],
        "training": ["plot_history", "plot_learning_curve"],
    },
)
