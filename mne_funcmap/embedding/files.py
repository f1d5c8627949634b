"""What a model file holds of an embedder."""

import numpy as np
import torch

from ..training.persistence import check_params


def pack_embedder(embedder):
    """Return what a model file holds of a fitted embedder.

    Parameters
    ----------
    embedder : FunctionalEmbedder
        The embedder.

    Returns
    -------
    header : dict
        The parameters, and what else JSON can hold.
    tensors : dict of str to torch.Tensor
        The weights and the references of the read-out.
    """
    of_place = {"callbacks": None, "memory": None, "verbose": None}
    params = embedder.get_params() | of_place
    check_params(params)
    header = {
        "params": params,
        "n_times": embedder.n_times_,
        "sfreq": embedder.sfreq_,
        "regions": embedder.classes_.tolist(),
        "n_labels": len(embedder.segment_embedder_.classes_),
    }
    weights = embedder.net_.module_.state_dict()
    tensors = {f"module.{name}": value for name, value in weights.items()}
    if embedder.readout_ is not None:
        tensors["references"] = torch.from_numpy(embedder.references_)
        codes = np.searchsorted(embedder.classes_, embedder.reference_regions_)
        tensors["reference_regions"] = torch.from_numpy(codes)
    return header, tensors


def unpack_embedder(cls, header, tensors, device):
    """Return the embedder that a model file holds.

    Parameters
    ----------
    cls : type
        `FunctionalEmbedder`, or a subclass.
    header : dict
        As by `pack_embedder`.
    tensors : dict of str to torch.Tensor
        As by `pack_embedder`.
    device : str
        Where to compute from now on.

    Returns
    -------
    embedder : FunctionalEmbedder
        The fitted embedder, without a training curve.
    """
    embedder = cls(**header["params"]).set_params(device=device)
    embedder.n_times_, embedder.sfreq_ = header["n_times"], header["sfreq"]
    weights = {
        name.removeprefix("module."): value
        for name, value in tensors.items()
        if name.startswith("module.")
    }
    embedder.segment_embedder_ = embedder.make_segment_embedder().restore(
        weights, n_times=header["n_times"], n_labels=header["n_labels"]
    )
    embedder.classes_ = np.array(header["regions"], dtype=str)
    embeddings = tensors.get("references", torch.empty(0)).numpy()
    codes = tensors.get("reference_regions", torch.empty(0)).numpy()
    embedder.fit_readout(embeddings, embedder.classes_[codes.astype(int)])
    return embedder
