"""Functional embeddings of intracranial recordings."""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["viz"],
    submod_attrs={
        "bids": ["read_recordings_bids"],
        "embedder": ["FunctionalEmbedder"],
        "evaluation": ["compare_embedders", "compare_identities"],
        "identity": ["IdentityUnion"],
        "pooling": ["WindowPooler"],
        "reconstructor": ["MaskedRegionReconstructor"],
        "preprocessing": ["RecordingPreprocessor"],
        "regions": ["get_regions", "rename_channels", "set_regions"],
        "report.html": ["make_report"],
        "segment_embedder": ["SegmentEmbedder"],
        "simulation.optimum": ["simulation_optimum"],
        "simulation.simulate": ["simulate_recordings"],
        "splits": ["cut_blocks", "cut_channels", "get_sessions"],
        "subjects": ["get_subjects"],
        "system": ["sys_info"],
        "training.persistence": ["read_model_info"],
        "viz": ["plot_embedding"],
    },
)
