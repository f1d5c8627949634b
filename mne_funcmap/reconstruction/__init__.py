"""What reconstructors are made of: moments, networks, adaptation, files."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={"band_measures": ["compute_coherence", "correlate_envelopes"]},
)
