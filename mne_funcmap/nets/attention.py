"""Running the transformer layers of torch, without what their attention copies."""

import torch
from torch import nn


def encode(encoder, tokens, mask=None):
    """Run a pre-LN encoder.

    The weights of attention are never left out, as they would fill the memory; all
    other dropout is that of the layers.

    Parameters
    ----------
    encoder : torch.nn.TransformerEncoder
        The layers.
    tokens : torch.Tensor, shape (n, n_tokens, n_dim)
        Sources.
    mask : torch.Tensor of bool | None, shape (n, 1, 1, n_tokens)
        Which of them are seen; None stands for all.

    Returns
    -------
    encoded : torch.Tensor, shape (n, n_tokens, n_dim)
        Encoded sources.
    """
    for layer in encoder.layers:
        found = _attend(layer.self_attn, layer.norm1(tokens), mask=mask)
        tokens = tokens + drop(found, layer.dropout1)
        tokens = tokens + drop(_feed(layer, layer.norm2(tokens)), layer.dropout2)
    return tokens if encoder.norm is None else encoder.norm(tokens)


def decode(decoder, tokens, memory, mask=None, memory_mask=None):
    """Run a pre-LN decoder, as `encode` does.

    Parameters
    ----------
    decoder : torch.nn.TransformerDecoder
        The layers.
    tokens : torch.Tensor, shape (n, n_tokens, n_dim)
        Queries.
    memory : torch.Tensor, shape (n_memories, n_sources, n_dim)
        Encoded sources, each for as many successive queries as there are to one.
    mask, memory_mask : torch.Tensor of bool | None, shape (n, 1, 1, n_tokens)
        Which of the queries, and of the sources, are seen.

    Returns
    -------
    decoded : torch.Tensor, shape (n, n_tokens, n_dim)
        Decoded queries.
    """
    for layer in decoder.layers:
        found = _attend(layer.self_attn, layer.norm1(tokens), mask=mask)
        tokens = tokens + drop(found, layer.dropout1)
        asked = layer.norm2(tokens).reshape(len(memory), -1, tokens.shape[2])
        found = _attend(layer.multihead_attn, asked, memory, mask=memory_mask)
        tokens = tokens + drop(found.view_as(tokens), layer.dropout2)
        tokens = tokens + drop(_feed(layer, layer.norm3(tokens)), layer.dropout3)
    return decoder.norm(tokens)


def _attend(attention, tokens, memory=None, *, mask):
    """Return what tokens attend to, in the memory or among themselves."""
    weight, bias = attention.in_proj_weight, attention.in_proj_bias
    if memory is None:
        parts = nn.functional.linear(tokens, weight, bias).chunk(3, dim=-1)
    else:
        n_dim = tokens.shape[-1]
        query = nn.functional.linear(tokens, weight[:n_dim], bias[:n_dim])
        both = nn.functional.linear(memory, weight[n_dim:], bias[n_dim:])
        parts = query, *both.chunk(2, dim=-1)
    shape = (attention.num_heads, attention.head_dim)
    heads = [part.unflatten(-1, shape).transpose(1, 2) for part in parts]
    found = nn.functional.scaled_dot_product_attention(*heads, attn_mask=mask)
    return attention.out_proj(found.transpose(1, 2).flatten(2))


def _feed(layer, tokens):
    """Return what the two linear layers make of tokens."""
    hidden = layer.activation(layer.linear1(tokens))
    return layer.linear2(drop(hidden, layer.dropout))


def drop(values, dropout):
    """Apply dropout, with a cheaper mask than that of torch on a CPU.

    Parameters
    ----------
    values : torch.Tensor
        Of any shape.
    dropout : torch.nn.Dropout
        Which share is left out, and whether at all.

    Returns
    -------
    kept : torch.Tensor
        Values of the same shape, some of them zero and the rest scaled up.
    """
    is_trivial = not dropout.training or dropout.p in (0, 1)
    if is_trivial or values.device.type != "cpu":
        return dropout(values)
    # four values share a random number, 16 bits each
    n_draws = -(-values.numel() // 4)
    bits = torch.empty(n_draws, dtype=torch.int64).random_(-(2**63), None)
    bits = bits.view(torch.int16)[: values.numel()].view(values.shape)
    mask = (bits >= round(dropout.p * 2**16) - 2**15).to(values.dtype)
    return values * mask.div_(1 - dropout.p)


def gather_sources(is_source):
    """Find the sources of each window, so that nothing is computed of other channels.

    Parameters
    ----------
    is_source : torch.Tensor of bool, shape (n, n_channels)
        Which channels are given.

    Returns
    -------
    rows : torch.Tensor of int, shape (n, n_sources)
        The sources in their order, then others where there are fewer than at most.
    shown : torch.Tensor of bool, shape (n, n_sources)
        Which of them are sources.
    """
    n_sources = int(is_source.sum(dim=1).max())
    order = is_source.byte().argsort(dim=1, descending=True, stable=True)
    rows = order[:, :n_sources]
    return rows, is_source.gather(1, rows)


def gather_rows(values, rows):
    """Return rows of each item.

    Parameters
    ----------
    values : torch.Tensor, shape (n, n_channels, n_columns)
        Items.
    rows : torch.Tensor of int, shape (n, n_rows)
        Which rows of each.

    Returns
    -------
    found : torch.Tensor, shape (n, n_rows, n_columns)
        The rows.
    """
    return values[torch.arange(len(values), device=values.device)[:, None], rows]
