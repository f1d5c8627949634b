"""What a model file holds of an embedder."""

import numpy as np
import torch

from ..fitted import list_facts, restore_facts
from ..training.checks import check_clock, check_facts, check_names
from ..training.persistence import (
    join_tensors,
    pack_params,
    split_tensors,
    unpack_params,
)

TOLD = ("n_epochs_", "valid_score_", "interrupted_")  # of the training


def pack_embedder(embedder, *, references=True):
    """Return what a model file holds of a fitted embedder.

    Parameters
    ----------
    embedder : FunctionalEmbedder
        The embedder.
    references : bool
        Whether embeddings of training channels are in it, which the read-out needs.

    Returns
    -------
    header : dict
        The parameters, and what else JSON can hold.
    tensors : dict of str to torch.Tensor
        The weights and the references of the read-out.
    """
    header = {
        "params": pack_params(embedder.get_params()),
        "n_times": embedder.n_times_,
        "sfreq": embedder.sfreq_,
        "regions": embedder.classes_.tolist(),
        "n_labels": len(embedder.segment_embedder_.classes_),
        "training": list_facts(embedder)
        | {name: getattr(embedder.segment_embedder_, name, None) for name in TOLD},
    }
    tensors = join_tensors("module", embedder.net_.module_.state_dict())
    if references and embedder.readout_ is not None:
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
    embedder = cls(**unpack_params(header["params"])).set_params(device=device)
    embedder._validate_params()
    _check_embedder(header, tensors, embedder.n_components)
    embedder.n_times_, embedder.sfreq_ = header["n_times"], header["sfreq"]
    embedder.segment_embedder_ = embedder.make_segment_embedder().restore(
        split_tensors("module", tensors),
        n_times=header["n_times"],
        n_labels=header["n_labels"],
    )
    embedder.classes_ = np.array(header["regions"], dtype=str)
    embeddings = tensors.get("references", torch.empty(0)).numpy()
    codes = tensors.get("reference_regions", torch.empty(0, dtype=torch.int64)).numpy()
    embedder.fit_readout(embeddings, embedder.classes_[codes])
    training = header.get("training", {})  # not in format 1
    told = {name: training[name] for name in TOLD if name in training}
    vars(embedder.segment_embedder_).update(told)
    restore_facts(embedder, training)
    return embedder


def _check_embedder(header, tensors, n_components):
    """Raise ValueError unless what a file says of an embedder fits together."""
    check_clock(header["n_times"], header["sfreq"])
    check_facts(header.get("training", {}), optional=TOLD)
    check_names(header["regions"])
    n_labels = header["n_labels"]
    if not (isinstance(n_labels, int) and n_labels >= len(header["regions"])):
        raise ValueError(f"n_labels={n_labels!r} is too few, or no number.")
    others = [name for name in tensors if not name.startswith("module.")]
    if not others:
        return
    if sorted(others) != ["reference_regions", "references"]:
        raise ValueError(f"There are tensors that nothing needs, or too few: {others}.")
    references, codes = tensors["references"], tensors["reference_regions"]
    expected = [(len(codes), n_components), torch.float32, torch.int64]
    if [tuple(references.shape), references.dtype, codes.dtype] != expected:
        raise ValueError(f"References do not have shape and types {expected}.")
    in_range = (codes >= 0) & (codes < len(header["regions"]))
    if not (in_range.all() and references.isfinite().all()):
        raise ValueError("References are not finite, or of regions that are not there.")
