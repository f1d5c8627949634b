"""Encoders: a batch of segments in, a batch of embeddings out.

An encoder is a ``torch.nn.Module`` that maps (batch, n_times) to
(batch, n_components). It may keep a ``front_end``, a module without parameters that
is computed once per segment before training; ``forward`` then starts with it, and
``embed_features`` goes on from its output, shape (batch, n_features). ``CHUNK`` is the
number of segments that a CPU embeds fastest at a time, 32 where it is not given.
"""

import torch
from torch import nn

from .precision import in_precision
from .spectra import TINY, SpectralFeatures


class ConvEncoder(nn.Module):
    """The convolutional encoder of Javadzadeh et al. (arXiv:2510.27090).

    Blocks of convolution, batch normalisation, GELU, maximum pooling and dropout,
    then an average over ten stretches of time and two linear layers. The signal is
    standardised first, so the embedding does not depend on its scale. The first
    filters start as sinusoids of all frequencies, from which weak lines are found much
    earlier than from random numbers::

        (batch, n_times) -> (batch, 1, n_times) -> blocks -> (batch, n_filters, n)
                         -> (batch, n_filters * 10) -> (batch, n_components)

    Parameters
    ----------
    n_times : int
        Number of samples of a segment; any, since the pooling adapts.
    n_components : int
        Length of the embedding.
    size : {"small", "large"}
        Four blocks of 64 filters, 117,504 parameters with 32 components; or six
        blocks of 64 and 128 filters for many subjects, 692,288 parameters.
    dropout : float
        Share of features dropped in training.
    precision : "auto" | "float32" | "bfloat16"
        As for `is_short`.
    """

    RECIPE = {
        "max_epochs": 3,
        "batch_size": 64,
        "lr": 3e-3,
        "weight_decay": 0.08,
        "temperature": 0.2,
    }
    LAYERS = {  # filters, kernel, stride, pooled
        "small": [(64, 15, 4, True), (64, 11, 2, True), (64, 7, 2, True)]
        + [(64, 5, 2, True)],
        "large": [(64, 15, 4, True), (128, 11, 2, True), (128, 11, 2, True)]
        + [(128, 11, 2, True), (128, 7, 2, False), (128, 5, 2, False)],
    }
    N_STRETCHES = 10

    def __init__(
        self,
        n_times,
        n_components=32,
        *,
        size="small",
        dropout=0.0,
        precision="float32",
    ):
        super().__init__()
        self.precision = precision
        blocks, n_filters = [], 1
        for n_out, kernel, stride, pooled in self.LAYERS[size]:
            blocks += [
                nn.Conv1d(n_filters, n_out, kernel, stride, padding=kernel // 2),
                nn.BatchNorm1d(n_out),
                nn.GELU(),
                nn.MaxPool1d(3, 2, padding=1) if pooled else nn.Identity(),
                nn.Dropout(dropout),
            ]
            n_filters = n_out
        self.blocks = nn.Sequential(*blocks)
        _start_as_sinusoids(self.blocks[0])
        self.projection = nn.Sequential(
            nn.Flatten(),
            nn.Linear(n_filters * self.N_STRETCHES, n_components),
            nn.Dropout(dropout),
            nn.Linear(n_components, n_components),
        )

    @in_precision
    def forward(self, segments):
        """Return the embeddings of a batch of segments."""
        signal = standardize_segments(segments)
        filtered = self.blocks(signal[:, None])
        stretches = nn.functional.adaptive_avg_pool1d(filtered, self.N_STRETCHES)
        return self.projection(stretches)


def standardize_segments(segments):
    """Centre and scale every segment, without overflow whatever its unit.

    Parameters
    ----------
    segments : torch.Tensor, shape (batch, n_times)
        Signals in any unit.

    Returns
    -------
    standardized : torch.Tensor, shape (batch, n_times)
        Mean 0 and variance 1; zeros where the segment is constant.
    """
    peak = segments.abs().amax(dim=1, keepdim=True)
    segments = segments / peak.clamp(min=TINY)
    segments = segments - segments.mean(dim=1, keepdim=True)
    scale = segments.std(dim=1, correction=0, keepdim=True)
    # what rounding leaves of a constant is not a signal
    constant = scale < 1e-6
    return segments * (~constant / scale.masked_fill(constant, 1.0))


def _start_as_sinusoids(convolution):
    """Fill filters with sinusoids from 0 to half the sampling rate."""
    n_filters, _, n_samples = convolution.weight.shape
    frequency = (torch.arange(n_filters)[:, None] + 0.5) / (2 * n_filters)
    cycles = frequency * torch.arange(n_samples) + torch.rand(n_filters, 1)
    waves = nn.functional.normalize(torch.cos(2 * torch.pi * cycles))
    with torch.no_grad():
        # as large as torch would draw them
        convolution.weight[:, 0] = waves / 3**0.5
        convolution.bias.zero_()


class SpectralEncoder(nn.Module):
    """A linear map of bounded features of the spectrum.

    The front end computes the features, which training needs only once; the head is
    what learns::

        (batch, n_times) -> front_end -> (batch, n_features) -> head
                         -> (batch, n_components)

    The last component is constant. On the sphere, what the features do not tell apart
    then lies between the regions, at the pole, and the penalty on the weights has
    something to act on: without it, only the direction of the map would count. The
    low temperature of the recipe keeps embeddings around the pole, where the
    contrastive loss is close to that of a linear classifier.

    Parameters
    ----------
    n_times : int
        Number of samples of a segment.
    n_components : int
        Length of the embedding, 2 at least.
    context : bool
        Whether the head also takes features of the context, as by `ShrinkContext`.
    """

    RECIPE = {
        "max_epochs": 4,
        "batch_size": 1024,
        "lr": 2e-2,
        "weight_decay": 350.0,
        "temperature": 0.05,
    }
    CHUNK = 128
    # off the sphere, long steps blow the embedding up
    PAIRWISE_RECIPE = {"lr": 5e-3, "max_epochs": 8}
    # two linear layers in a row share the penalty
    SUPERVISED_RECIPE = {"weight_decay": 200.0}
    CONTEXT_SCALE = 0.5  # of the recording, over the channel

    def __init__(self, n_times, n_components=32, *, context=False):
        super().__init__()
        self.context = context
        # what is computed here must be, also where weights are only described
        with torch.device("cpu"):
            self.front_end = SpectralFeatures(n_times)
        scale = self.front_end.group_scale
        layers = []
        if context:
            layers = [ShrinkContext(len(scale))]
            scale = torch.cat([scale, self.CONTEXT_SCALE * scale])
        n_learned = max(n_components - 1, 1)
        self.head = nn.Sequential(
            *layers,
            Standardize(scale),
            nn.Linear(len(scale), n_learned, bias=False),
            nn.ConstantPad1d((0, n_components - n_learned), 1.0),
        )

    def forward(self, segments):
        """Return the embeddings of a batch of segments."""
        features = self.front_end(segments)
        if self.context:  # nothing is known of it
            nothing = torch.zeros_like(features)
            features = torch.cat([features, nothing, nothing[:, :1]], dim=1)
        return self.head(features)

    def calibrate(self, features):
        """Take mean and scale of the features from training data."""
        for layer in self.head[:-2]:
            layer.calibrate(features)
            features = layer(features)


class ShrinkContext(nn.Module):
    """Tell how a recording as a whole differs from those of the training.

    The difference is shrunk where it is known from few channels.

    Parameters
    ----------
    n_features : int
        Number of features of a channel.
    """

    def __init__(self, n_features):
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_features))

    def calibrate(self, features):
        """Take the mean of channels, (batch, 2 * n_features + 1)."""
        self.mean.copy_(features[:, : len(self.mean)].mean(dim=0))

    def forward(self, features):
        """Return features, (batch, 2 * n_features), of (batch, 2 * n_features + 1).

        In come the features of a channel, the mean of its recording, and the share of
        the difference that is kept.
        """
        n_features = len(self.mean)
        own, whole, share = features.split([n_features, n_features, 1], dim=1)
        return torch.cat([own, share * (whole - self.mean)], dim=1)


class Standardize(nn.Module):
    """Centre and scale features by what was seen in training, and bound them.

    A hyperbolic tangent keeps what lies within about one standard deviation and holds
    back what lies far out: signals of other patients have features that no training
    channel had.

    Parameters
    ----------
    target : torch.Tensor, shape (n_features,)
        Standard deviation that each feature gets, before it is bounded.
    """

    BOUND = 1.5  # standard deviations

    def __init__(self, target):
        super().__init__()
        self.register_buffer("target", target.clone(), persistent=False)
        self.register_buffer("mean", torch.zeros(len(target)))
        self.register_buffer("scale", torch.ones(len(target)))

    def calibrate(self, features):
        """Set mean and scale, (n_features,), from (n_samples, n_features)."""
        scale = features.std(dim=0, correction=0)
        self.mean.copy_(features.mean(dim=0))
        # a feature that never varied tells nothing, and must not explode later
        self.scale.copy_(scale.masked_fill(scale < 1e-6, float("inf")))

    def forward(self, features):
        """Return bounded features, (batch, n_features)."""
        standard = (features - self.mean) / self.scale
        return torch.tanh(standard / self.BOUND) * self.BOUND * self.target


ENCODERS = {"spectral": SpectralEncoder, "cnn": ConvEncoder}
