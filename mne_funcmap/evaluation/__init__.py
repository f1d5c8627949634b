"""Scores over subjects, beside baselines and chance, and how far to trust them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "clusters": ["measure_clusters"],
        "embedders": ["compare_embedders", "cross_val_regions", "summarize"],
        "identities": [
            "compare_identities",
            "cross_val_reconstruct",
            "split_begin",
            "summarize_reconstruction",
        ],
        "permutation": ["permutation_test"],
    },
)
