"""Functional embeddings of intracranial recordings."""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["viz"],
    submod_attrs={
        "bids": ["read_recordings_bids"],
        "embedder": ["FunctionalEmbedder"],
        "evaluation": ["compare_embedders"],
        "optimum": ["simulation_optimum"],
        "identity_union": ["IdentityUnion"],
        "pooling": ["WindowPooler"],
        "reconstruction_scores": ["compare_identities"],
        "reconstructor": ["MaskedRegionReconstructor"],
        "preprocessing": ["RecordingPreprocessor"],
        "regions": ["get_regions", "rename_channels", "set_regions"],
        "report": ["make_report"],
        "segment_embedder": ["SegmentEmbedder"],
        "simulation": ["simulate_recordings"],
        "splits": ["cut_blocks", "cut_channels", "get_sessions"],
        "subjects": ["get_subjects"],
        "viz": ["plot_embedding"],
    },
)
