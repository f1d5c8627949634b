"""The network of an embedding: an encoder, and what it lies on."""

import inspect

from torch import nn


class Embedding(nn.Module):
    """An encoder, and the sphere that its embeddings may lie on.

    Parameters
    ----------
    encoder : type
        Class of the encoder.
    n_times : int
        Number of samples of a segment.
    n_components : int
        Length of the embedding.
    on_sphere : bool
        Whether embeddings are scaled to length one.
    precision : "auto" | "float32" | "bfloat16"
        In which an encoder computes that takes a ``precision``.
    **params : dict
        What else the encoder takes.

    Notes
    -----
    ``front_end`` maps segments, (batch, n_times), to features, (batch, ...), without
    anything learned; ``forward`` maps features to embeddings,
    (batch, n_components), so that training computes the features only once.
    """

    def __init__(
        self,
        encoder,
        n_times,
        n_components,
        *,
        on_sphere=True,
        precision="float32",
        **params,
    ):
        super().__init__()
        signature = inspect.signature(encoder).parameters
        known = {
            "n_times": n_times,
            "n_components": n_components,
            "precision": precision,
        }
        takes_all = any(p.kind is p.VAR_KEYWORD for p in signature.values())
        known = {k: v for k, v in known.items() if takes_all or k in signature}
        self.encoder = encoder(**known, **params)
        self.on_sphere = on_sphere

    @property
    def has_front_end(self):
        """Whether part of the encoder needs no training."""
        return hasattr(self.encoder, "front_end")

    @property
    def chunk(self):
        """Number of segments that a CPU embeds at a time."""
        return getattr(self.encoder, "CHUNK", 32)

    def front_end(self, segments):
        """Return what of an embedding needs no training, (batch, ...)."""
        return self.encoder.front_end(segments) if self.has_front_end else segments

    def forward(self, features):
        """Return embeddings of features, (batch, n_components)."""
        learned = self.encoder.head if self.has_front_end else self.encoder
        return self.project(learned(features))

    def project(self, embeddings):
        """Return embeddings on the sphere, if they belong there."""
        return nn.functional.normalize(embeddings) if self.on_sphere else embeddings

    def embed(self, segments):
        """Return embeddings of segments, (batch, n_components)."""
        return self(self.front_end(segments))

    def calibrate(self, features):
        """Let the encoder take the scale of its features from training data."""
        if hasattr(self.encoder, "calibrate"):
            device = next(self.parameters()).device
            self.encoder.to(features.device).calibrate(features)
            self.encoder.to(device)
