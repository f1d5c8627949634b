"""Identities: what tells the reconstructor what a channel is."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "union": ["IdentityUnion"],
        "vectors": [
            "AnatomicalIdentity",
            "ChannelIdentity",
            "NoIdentity",
            "RandomIdentity",
            "RegionIdentity",
        ],
    },
)
