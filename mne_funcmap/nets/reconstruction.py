"""Transformers that predict the windows of withheld channels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn

from .attention import decode, encode, gather_rows, gather_sources
from .precision import in_precision

if TYPE_CHECKING:
    from typing import Any, Literal, Self

    from .mixing import LinearPath

PATCH = 0.025  # seconds


class RegionTransformer(nn.Module):
    """The encoder-decoder transformer of the paper, over channels and patches of time.

    A signal flows as follows, with P patches of 25 ms::

        windows (n, n_channels, n_times), zero where withheld
            -> convolution of each patch          (n, n_sources, P, n_dim)
            beside the projected identity         (n, n_sources, P, 2 n_dim)
            -> linear, mark of a source, time, LayerNorm
            -> encoder over all tokens of sources (n, n_sources * P, n_dim)
        queries: a base for each patch beside the projected identity of the target
            -> linear, mark of a query, time, LayerNorm
            -> decoder, which attends to the encoded sources
                                                  (n, n_targets * P, n_dim)
            -> linear: the samples of each patch  (n, n_targets, n_times)

    Withheld channels have no tokens, and those that are padding are masked in every
    attention. What is linear on the way to a token is composed first, so that the
    convolution and its part of the linear layer are one map of a patch, and the
    identity is mapped once for all patches.

    Parameters
    ----------
    n_identity : int
        Length of an identity.
    sfreq : float
        Sampling rate in Hz.
    n_times : int
        Number of samples of a window.
    n_dim, n_heads, n_layers, n_forward : int
        Width of tokens, attention heads, layers of encoder and of decoder, and width
        of the feed-forward layers.
    dropout : float
        Share of units left out in training; not of attention weights.
    precision : "auto" | "float32" | "bfloat16"
        As for `is_short`.
    """

    RECIPE = {"max_epochs": 150, "batch_size": 128, "lr": 2e-4, "weight_decay": 1e-2}

    def __init__(
        self,
        *,
        n_identity: int,
        sfreq: float,
        n_times: int,
        n_dim: int = 128,
        n_heads: int = 4,
        n_layers: int = 3,
        n_forward: int = 384,
        dropout: float = 0.2,
        precision: Literal["auto", "float32", "bfloat16"] = "float32",
    ) -> None:
        super().__init__()
        self.n_times, self.precision = n_times, precision
        n_patch = min(n_times, max(2, round(PATCH * sfreq)))
        n_patches = -(-n_times // n_patch)
        self.patch = nn.Conv1d(1, n_dim, n_patch, stride=n_patch)
        self.base = nn.Parameter(0.02 * torch.randn(n_patches, n_dim))
        self.identity = nn.Linear(n_identity, n_dim)
        self.fuse = nn.Linear(2 * n_dim, n_dim)
        self.mark = nn.Parameter(0.02 * torch.randn(2, n_dim))
        self.norm = nn.LayerNorm(n_dim)
        self.register_buffer("time", encode_time(n_patches, n_dim), persistent=False)
        settings = {
            "d_model": n_dim,
            "nhead": n_heads,
            "dim_feedforward": n_forward,
            "dropout": dropout,
            "activation": "gelu",
            "batch_first": True,
            "norm_first": True,
        }
        self.encoder = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(**settings),
            n_layers,
            norm=nn.LayerNorm(n_dim),
            enable_nested_tensor=False,
        )
        self.decoder = nn.TransformerDecoder(
            nn.TransformerDecoderLayer(**settings), n_layers, norm=nn.LayerNorm(n_dim)
        )
        self.head = nn.Linear(n_dim, n_patch)

    @in_precision
    def forward(
        self,
        windows: torch.Tensor,
        identity: torch.Tensor,
        is_source: torch.Tensor,
        targets: torch.Tensor,
        counts: torch.Tensor,
    ) -> torch.Tensor:
        """Predict withheld channels.

        Parameters
        ----------
        windows : torch.Tensor, shape (n, n_channels, n_times)
            Windows, z-scored; zero where withheld.
        identity : torch.Tensor, shape (n, n_channels, n_identity)
            Identities; anything for channels that are padding.
        is_source : torch.Tensor of bool, shape (n, n_channels)
            Which channels are given.
        targets : torch.Tensor of int, shape (n, n_targets)
            Which channels are withheld.
        counts : torch.Tensor of bool, shape (n, n_targets)
            Which of the targets are no padding.

        Returns
        -------
        predicted : torch.Tensor, shape (n, n_targets, n_times)
            What the others predict.
        """
        place = self.identity(identity)
        encoded, shown = self._encode(windows, place, is_source)
        base = nn.functional.linear(self.base, self._split_fuse()[0])
        queries = self._make_tokens(base, gather_rows(place, targets), self.mark[1])
        decoded = decode(
            self.decoder,
            queries.flatten(1, 2),
            encoded,
            self._mask(counts),
            self._mask(shown),
        )
        predicted = self.head(decoded).unflatten(1, queries.shape[1:3])
        return predicted.flatten(2)[..., : self.n_times]

    @in_precision
    def encode(
        self, windows: torch.Tensor, identity: torch.Tensor, is_source: torch.Tensor
    ) -> torch.Tensor:
        """Return the mean of the encoded sources, (n, n_dim).

        Parameters
        ----------
        windows, identity, is_source : torch.Tensor
            As by `forward`.

        Returns
        -------
        features : torch.Tensor, shape (n, n_dim)
            Means over channels and patches.
        """
        encoded, shown = self._encode(windows, self.identity(identity), is_source)
        shown = shown.repeat_interleave(len(self.base), dim=1)[..., None]
        return (encoded * shown).sum(dim=1) / shown.sum(dim=1)

    def _encode(self, windows, place, is_source):
        """Return the encoded tokens of sources, and which channels are no padding."""
        rows, shown = gather_sources(is_source)
        of_patches = self._split_fuse()[0]
        # what is convolved and then fused is a linear map of the patch
        weight = of_patches @ self.patch.weight[:, 0]
        bias = of_patches @ self.patch.bias
        missing = len(self.base) * weight.shape[1] - self.n_times
        patches = nn.functional.pad(gather_rows(windows, rows), (0, missing))
        patches = patches.unflatten(2, (len(self.base), -1))
        fused = nn.functional.linear(patches, weight, bias)
        tokens = self._make_tokens(fused, gather_rows(place, rows), self.mark[0])
        return encode(self.encoder, tokens.flatten(1, 2), self._mask(shown)), shown

    def _split_fuse(self):
        """Return the weights of patches and of identities."""
        return self.fuse.weight.chunk(2, dim=1)

    def _make_tokens(self, fused, place, mark):
        """Return tokens of fused patches and identities, (n, n_channels, P, n_dim)."""
        place = nn.functional.linear(place, self._split_fuse()[1], self.fuse.bias)
        return self.norm(fused + (place + mark)[:, :, None] + self.time)

    def _mask(self, shown):
        """Return which tokens are seen, (n, 1, 1, n_tokens), or None if all are."""
        if shown.all():
            return None
        return shown.repeat_interleave(len(self.base), dim=1)[:, None, None]


class ResidualTransformer(nn.Module):
    """What the linear path leaves, read from its latent sources and its prediction.

    A transformer over patches of time alone, so that its cost does not grow with the
    number of sources::

        latent sources (n, K, n_times) -> convolution of each patch, time -> encoder
                                                  (n, P, n_dim)
        linear prediction (n, n_targets, n_times) -> convolution of each patch, beside
            the projected identity -> linear, time -> decoder
                                                  (n * n_targets, P, n_dim)
            -> linear, at first zero: added to the linear prediction

    Parameters
    ----------
    n_identity : int
        Length of an identity.
    n_latents : int
        Number of latent sources.
    sfreq : float
        Sampling rate in Hz.
    n_times : int
        Number of samples of a window.
    n_dim, n_heads, n_layers, n_forward, dropout, precision
        As for `RegionTransformer`.
    """

    def __init__(
        self,
        *,
        n_identity: int,
        n_latents: int,
        sfreq: float,
        n_times: int,
        n_dim: int = 64,
        n_heads: int = 4,
        n_layers: int = 2,
        n_forward: int = 128,
        dropout: float = 0.1,
        precision: str = "float32",
    ) -> None:
        super().__init__()
        self.n_times, self.precision = n_times, precision
        n_patch = min(n_times, max(2, round(2 * PATCH * sfreq)))
        self.n_patches = -(-n_times // n_patch)
        self.latents = nn.Conv1d(n_latents, n_dim, n_patch, stride=n_patch)
        self.prediction = nn.Conv1d(1, n_dim, n_patch, stride=n_patch)
        self.identity = nn.Linear(n_identity, n_dim)
        self.fuse = nn.Linear(2 * n_dim, n_dim)
        self.register_buffer(
            "time", encode_time(self.n_patches, n_dim), persistent=False
        )
        settings = {
            "d_model": n_dim,
            "nhead": n_heads,
            "dim_feedforward": n_forward,
            "dropout": dropout,
            "activation": "gelu",
            "batch_first": True,
            "norm_first": True,
        }
        self.encoder = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(**settings), n_layers, enable_nested_tensor=False
        )
        self.decoder = nn.TransformerDecoder(
            nn.TransformerDecoderLayer(**settings), n_layers, norm=nn.LayerNorm(n_dim)
        )
        self.head = nn.Linear(n_dim, n_patch)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    @in_precision
    def forward(
        self, latents: torch.Tensor, prediction: torch.Tensor, identity: torch.Tensor
    ) -> torch.Tensor:
        """Return what is to be added to the linear prediction.

        Parameters
        ----------
        latents : torch.Tensor, shape (n, n_latents, n_times)
            Latent sources.
        prediction : torch.Tensor, shape (n, n_targets, n_times)
            Of the linear path.
        identity : torch.Tensor, shape (n, n_targets, n_identity)
            Identities of the targets.

        Returns
        -------
        residual : torch.Tensor, shape (n, n_targets, n_times)
            The rest.
        """
        n_targets = prediction.shape[1]
        missing = self.n_patches * self.head.out_features - self.n_times
        latents = nn.functional.pad(latents, (0, missing))
        encoded = encode(self.encoder, self.latents(latents).mT + self.time)
        prediction = nn.functional.pad(prediction, (0, missing)).flatten(0, 1)
        patches = self.prediction(prediction[:, None]).mT
        place = self.identity(identity).flatten(0, 1)[:, None].expand_as(patches)
        queries = self.fuse(torch.cat([patches, place], dim=-1)) + self.time
        decoded = decode(self.decoder, queries, encoded)
        residual = self.head(decoded).flatten(1)[:, : self.n_times]
        return residual.unflatten(0, (-1, n_targets))


class MixedTransformer(nn.Module):
    """A linear path that stays as it is, and a transformer of what it leaves.

    Parameters
    ----------
    linear : LinearPath
        The trained linear path.
    **params : dict
        Parameters of `ResidualTransformer`.
    """

    RECIPE = {
        "max_epochs": 30,
        "max_windows": 512,
        "batch_size": 32,
        "lr": 3e-3,
        "weight_decay": 1e-2,
    }

    def __init__(self, linear: LinearPath, **params: Any) -> None:
        super().__init__()
        self.linear = linear.requires_grad_(False)
        self.residual = ResidualTransformer(**params)

    def train(self, mode: bool = True) -> Self:
        """Set the mode of the transformer; the linear path is not trained."""
        super().train(mode)
        self.linear.eval()
        return self

    def forward(
        self,
        windows: torch.Tensor,
        identity: torch.Tensor,
        is_source: torch.Tensor,
        targets: torch.Tensor,
        counts: torch.Tensor,
    ) -> torch.Tensor:
        """Predict withheld channels, as `RegionTransformer` does."""
        asked = gather_rows(identity, targets)
        latents = self.linear.combine(windows, self._estimate(identity, is_source))
        prediction = self.linear.read_out(self.linear.hidden(asked)) @ latents
        return prediction + self.residual(latents, prediction, asked)

    def _estimate(self, identity, is_source):
        """Return weights of the latent sources, once for all windows of a case."""
        n_channels = is_source.shape[1]
        described = torch.cat([is_source, identity.flatten(1)], dim=1)
        cases, case = torch.unique(described, dim=0, return_inverse=True)
        is_source, identity = cases.tensor_split([n_channels], dim=1)
        identity = identity.unflatten(1, (n_channels, -1))
        return self.linear.estimate(identity, is_source.bool())[case]


class WindowLoss(nn.Module):
    """Mean squared error and correlation of withheld windows.

    Parameters
    ----------
    correlation : float
        Weight of 1 - r beside the mean squared error.
    """

    def __init__(self, correlation=0.05):
        super().__init__()
        self.correlation = correlation

    def forward(self, predicted, truth):
        """Return the loss, a scalar.

        Parameters
        ----------
        predicted : torch.Tensor, shape (n, n_targets, n_times)
            Predictions.
        truth : dict
            ``windows``, of the same shape, and ``counts``, which of them are no
            padding.
        """
        true, counts = truth["windows"], truth["counts"]
        error = (predicted - true).square().mean(dim=-1)
        predicted = predicted - predicted.mean(dim=-1, keepdim=True)
        true = true - true.mean(dim=-1, keepdim=True)
        r = nn.functional.cosine_similarity(predicted, true, dim=-1, eps=1e-6)
        # what is padding is multiplied by zero: to pick the rest would wait for a GPU
        loss = (error + self.correlation * (1 - r)) * counts
        return loss.sum() / self.count(truth)

    def count(self, truth):
        """Return over how many channels the loss is a mean, a scalar tensor."""
        return truth["counts"].sum()


def encode_time(n_patches, n_dim):
    """Return sinusoidal positions in time (Vaswani et al. 2017), (n_patches, n_dim)."""
    place = torch.arange(n_patches)[:, None]
    rate = torch.exp(-math.log(10_000.0) * torch.arange(0, n_dim, 2) / n_dim)
    code = torch.zeros(n_patches, n_dim)
    code[:, 0::2], code[:, 1::2] = torch.sin(place * rate), torch.cos(place * rate)
    return code
