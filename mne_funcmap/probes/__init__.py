"""Questions to embeddings beyond accuracy: each a function that returns a table."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "band_power": ["BandPower"],
        "decoding": ["probe_decoding"],
        "distances": ["probe_distances"],
        "features": ["SpectrumTransformer"],
        "label_noise": ["probe_label_noise"],
        "label_share": ["probe_label_share"],
        "learning_curves": ["probe_learning_curve"],
        "mantel": ["mantel_test"],
        "region_matrix": ["probe_region_matrix"],
        "sessions": ["probe_session_similarity", "probe_sessions"],
        "stability": ["probe_duration", "probe_stability"],
        "subject": ["probe_subject"],
        "traits": ["probe_trait", "read_trait"],
        "unseen_regions": ["probe_unseen_regions"],
    },
)
