"""Time the training of the paper's transformer against a straightforward one.

The straightforward implementation follows the description in Javadzadeh et al.
(arXiv:2510.27090) with the layers of torch as they are: every channel gives a token
for each patch, withheld and padding ones are masked, the identity is repeated for every
patch and concatenated, and dropout is everywhere where torch's layers have it, also on
attention weights. Both have the same parameters, and take the same steps: forward,
loss, backward, gradient clipping, AdamW. A third, the straightforward one without
dropout of attention weights, shows how much that alone is.

Run ``python benchmarks/bench_transformer.py``; all threads that torch finds are used.
"""

import argparse

import torch
from bench_front_end import time_in_turns
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mne_funcmap.nets.reconstruction import RegionTransformer, WindowLoss, encode_time

N_IDENTITY, DROPOUT, LR = 32, 0.2, 2e-4
CASES = {
    "19 channels, 100 Hz": {"sfreq": 100.0},
    "19 channels, 200 Hz": {"sfreq": 200.0},
    # with more windows, attention weights of the straightforward one fill the memory
    "8 to 40 channels, 100 Hz": {
        "sfreq": 100.0,
        "n_channels": (8, 40),
        "batch_size": 8,
    },
}


class StraightTransformer(nn.Module):
    """The transformer as described, 1.37 M parameters.

    Parameters
    ----------
    sfreq : float
        Sampling rate in Hz.
    dropout_attention : bool
        Whether attention weights are left out as well.
    """

    def __init__(self, *, sfreq, n_dim=128, dropout_attention=True):
        super().__init__()
        self.n_patch = round(0.025 * sfreq)
        self.n_times = int(sfreq)
        self.n_patches = -(-self.n_times // self.n_patch)
        self.patch = nn.Conv1d(1, n_dim, self.n_patch, stride=self.n_patch)
        self.base = nn.Parameter(0.02 * torch.randn(self.n_patches, n_dim))
        self.identity = nn.Linear(N_IDENTITY, n_dim)
        self.fuse = nn.Linear(2 * n_dim, n_dim)
        self.mark = nn.Parameter(0.02 * torch.randn(2, n_dim))
        self.norm = nn.LayerNorm(n_dim)
        time = encode_time(self.n_patches, n_dim)
        self.register_buffer("time", time, persistent=False)
        settings = {"d_model": n_dim, "nhead": 4, "dim_feedforward": 384}
        settings |= {"dropout": DROPOUT, "activation": "gelu"}
        settings |= {"batch_first": True, "norm_first": True}
        self.encoder = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(**settings),
            3,
            norm=nn.LayerNorm(n_dim),
            enable_nested_tensor=False,
        )
        self.decoder = nn.TransformerDecoder(
            nn.TransformerDecoderLayer(**settings), 3, norm=nn.LayerNorm(n_dim)
        )
        self.head = nn.Linear(n_dim, self.n_patch)
        if not dropout_attention:
            for layer in self.modules():
                if isinstance(layer, nn.MultiheadAttention):
                    layer.dropout = 0.0

    def forward(self, windows, identity, is_source, targets, counts):
        """Predict withheld channels, (n, n_targets, n_times)."""
        n, n_channels, _ = windows.shape
        place = self.identity(identity)
        missing = self.n_patches * self.n_patch - self.n_times
        padded = nn.functional.pad(windows, (0, missing))
        patches = self.patch(padded.reshape(n * n_channels, 1, -1)).transpose(1, 2)
        patches = patches.reshape(n, n_channels, self.n_patches, -1)
        sources = self.make_tokens(patches, place, self.mark[0])
        hidden = ~is_source.repeat_interleave(self.n_patches, dim=1)
        encoded = self.encoder(sources, src_key_padding_mask=hidden)
        asked = place[torch.arange(n)[:, None], targets]
        base = self.base.expand(*asked.shape[:2], -1, -1)
        decoded = self.decoder(
            self.make_tokens(base, asked, self.mark[1]),
            encoded,
            tgt_key_padding_mask=~counts.repeat_interleave(self.n_patches, dim=1),
            memory_key_padding_mask=hidden,
        )
        return self.head(decoded).reshape(n, asked.shape[1], -1)[..., : self.n_times]

    def make_tokens(self, patches, place, mark):
        """Return tokens, (n, n_channels * n_patches, n_dim)."""
        place = place[:, :, None].expand_as(patches)
        fused = self.fuse(torch.cat([patches, place], dim=-1))
        return self.norm(fused + mark + self.time).flatten(1, 2)


def draw_batch(*, sfreq, batch_size, n_channels=(19, 19), n_regions=5, seed=0):
    """Draw a batch of noise, in each window of which a region is withheld.

    Parameters
    ----------
    sfreq : float
        Sampling rate in Hz; windows are of one second.
    batch_size : int
        Number of windows.
    n_channels : tuple of int
        Fewest and most channels of a recording, evenly spread.
    n_regions : int
        Number of regions, in which channels take turns.
    seed : int
        Seed.

    Returns
    -------
    given, truth : dict of torch.Tensor
        What the transformer is given, and what its loss is.
    """
    rng = torch.Generator().manual_seed(seed)
    sizes = torch.linspace(*n_channels, batch_size).round().int()
    channel = torch.arange(n_channels[1])
    exists = channel < sizes[:, None]
    region = torch.randint(n_regions, (batch_size, 1), generator=rng)
    is_target = exists & (channel % n_regions == region)
    n_targets = is_target.sum(dim=1)
    counts = torch.arange(int(n_targets.max())) < n_targets[:, None]
    targets = torch.zeros(counts.shape, dtype=torch.int64)
    targets[counts] = is_target.nonzero()[:, 1]
    shape = (batch_size, n_channels[1])
    is_source = exists & ~is_target
    windows = torch.randn(*shape, int(sfreq), generator=rng)
    given = {
        "windows": windows * is_source[..., None],
        "identity": torch.randn(*shape, N_IDENTITY, generator=rng),
        "is_source": is_source,
        "targets": targets,
        "counts": counts,
    }
    truth = windows[torch.arange(batch_size)[:, None], targets]
    return given, {"windows": truth, "counts": counts}


def make_step(module, batch):
    """Return a function that takes one step of training, which returns the loss."""
    optimizer = torch.optim.AdamW(module.parameters(), lr=LR, betas=(0.9, 0.99))
    criterion = WindowLoss()
    given, truth = batch

    def step():
        optimizer.zero_grad()
        loss = criterion(module.train()(**given), truth)
        loss.backward()
        nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
        return loss.item()

    return step


def make_modules(sfreq):
    """Return the three transformers, with the same weights."""
    torch.manual_seed(0)
    modules = {
        "ours": RegionTransformer(
            n_identity=N_IDENTITY, sfreq=sfreq, n_times=int(sfreq), dropout=DROPOUT
        ),
        "straight": StraightTransformer(sfreq=sfreq),
        "kept attention": StraightTransformer(sfreq=sfreq, dropout_attention=False),
    }
    for module in modules.values():
        module.load_state_dict(modules["ours"].state_dict())
    return modules


def measure(*, sfreq, n_channels=(19, 19), batch_size=32, n_repeats=3):
    """Time steps of training.

    Parameters
    ----------
    sfreq : float
        Sampling rate in Hz.
    n_channels : tuple of int
        Fewest and most channels.
    batch_size : int
        Number of windows in a batch.
    n_repeats : int
        How often a step is timed; the least counts.

    Returns
    -------
    result : dict
        ``batch_size``; ``ratio`` of windows per second, ours over the straightforward
        one; ``of_kept``, over that which keeps attention weights; ``rates``, the
        windows per second; ``difference``, the largest one between both predictions,
        in standard deviations, without dropout; ``flops``, floating point operations
        per second of ours, in products.
    """
    batch = draw_batch(sfreq=sfreq, n_channels=n_channels, batch_size=batch_size)
    modules = make_modules(sfreq)
    counts = batch[0]["counts"]
    with torch.no_grad():
        ours, straight, _ = (m.eval()(**batch[0])[counts] for m in modules.values())
    steps = {name: make_step(module, batch) for name, module in modules.items()}
    seconds = time_in_turns(steps, n_repeats)
    rates = {name: batch_size / s for name, s in seconds.items()}
    return {
        "batch_size": batch_size,
        "ratio": rates["ours"] / rates["straight"],
        "of_kept": rates["ours"] / rates["kept attention"],
        "rates": rates,
        "difference": float((ours - straight).abs().max() / straight.std()),
        "flops": count_flops(steps["ours"]) * rates["ours"] / batch_size,
    }


def measure_all(**options):
    """Measure all cases, as by `measure`, a dict."""
    return {name: measure(**options | case) for name, case in CASES.items()}


def count_flops(step):
    """Count the floating point operations of products in a step of training."""
    counter = FlopCounterMode(display=False)
    with counter:
        step()
    return counter.get_total_flops()


def main():
    """Measure all cases and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=32)
    args = parser.parse_args()
    print(f"{torch.get_num_threads()} threads")
    found = measure_all(batch_size=args.batch_size, n_repeats=args.repeats)
    print("\n".join(format_transformer(found)))


def format_transformer(found):
    """Return the lines of a table, the ratio first."""
    lines = []
    for name, one in found.items():
        rates = ", ".join(f"{k} {v:.1f}" for k, v in one["rates"].items())
        lines += [
            f"{name}, batches of {one['batch_size']}: {one['ratio']:.2f} times; "
            f"{one['of_kept']:.2f} with attention weights kept",
            f"  windows per second: {rates}; {one['flops'] / 1e9:.0f} GFLOP/s; "
            f"difference {one['difference']:.1e}",
        ]
    return lines


if __name__ == "__main__":
    main()
