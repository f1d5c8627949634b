"""What a model file holds of a reconstructor: its identity, networks and studies."""

import numpy as np
import torch
from sklearn.frozen import FrozenEstimator

from .embedder import FunctionalEmbedder
from .identity import IDENTITIES, IdentityUnion
from .studies import Study

FITTED = ("coord_frame_", "regions_")  # of identities that learn little


def pack_identity(identity):
    """Return what a model file holds of a fitted identity.

    Parameters
    ----------
    identity : transformer
        A fitted identity of the package.

    Returns
    -------
    header : dict
        What JSON can hold.
    tensors : dict of str to torch.Tensor
        The weights.

    Raises
    ------
    ValueError
        If it is not of the package.
    """
    if isinstance(identity, FrozenEstimator):
        identity = identity.estimator
    if isinstance(identity, IdentityUnion):
        packed = [pack_identity(member) for member in identity.identities_]
        header = {
            "class": "IdentityUnion",
            "members": [of_member for of_member, _ in packed],
            "scales": [float(scale) for scale in identity.scales_],
        }
        tensors = [join_tensors(f"{i}", found) for i, (_, found) in enumerate(packed)]
        return header, {k: v for found in tensors for k, v in found.items()}
    name = type(identity).__name__
    if type(identity) is FunctionalEmbedder:
        header, tensors = identity.pack()
        return {"class": name, "header": header}, tensors
    if type(identity) not in IDENTITIES.values():
        raise ValueError(
            f"The identity {name} cannot be written to a model file: expected one of "
            f"{sorted(IDENTITIES)} or an IdentityUnion of them. Pickle the "
            "reconstructor instead."
        )
    fitted = {
        key: np.asarray(getattr(identity, key)).tolist()
        for key in FITTED
        if hasattr(identity, key)
    }
    return {"class": name, "params": identity.get_params(), "fitted": fitted}, {}


def unpack_identity(header, tensors, device):
    """Return the fitted identity that a model file holds.

    Parameters
    ----------
    header : dict
        As by `pack_identity`.
    tensors : dict of str to torch.Tensor
        As by `pack_identity`.
    device : str
        Where to compute from now on.

    Returns
    -------
    identity : transformer
        The fitted identity.
    """
    if header["class"] == "IdentityUnion":
        members = [
            unpack_identity(of_member, split_tensors(f"{i}", tensors), device)
            for i, of_member in enumerate(header["members"])
        ]
        union = IdentityUnion(members)
        union.identities_, union.scales_ = members, header["scales"]
        return union
    if header["class"] == "FunctionalEmbedder":
        return FunctionalEmbedder.unpack(header["header"], tensors, device)
    classes = {known.__name__: known for known in IDENTITIES.values()}
    identity = classes[header["class"]](**header["params"])
    for name, value in header["fitted"].items():
        setattr(identity, name, np.array(value) if name == "regions_" else value)
    identity.is_fitted_ = True
    return identity


def pack_study(study):
    """Return what a model file holds of a study.

    Parameters
    ----------
    study : Study
        A recording that was adapted to.

    Returns
    -------
    header : dict
        Names, regions and seconds.
    tensors : dict of str to torch.Tensor
        Identities, scales and moments.
    """
    header = {
        "subject": study.subject,
        "ch_names": study.ch_names.tolist(),
        "region": study.region.tolist(),
        "seconds": [seconds for _, seconds in study.parts],
    }
    tensors = {
        name: torch.from_numpy(np.ascontiguousarray(getattr(study, name)))
        for name in ("identity", "mean", "scale")
    }
    parts = {f"part{i}": moments for i, (moments, _) in enumerate(study.parts)}
    return header, tensors | parts


def unpack_study(header, tensors):
    """Return the study that a model file holds.

    Parameters
    ----------
    header : dict
        As by `pack_study`.
    tensors : dict of str to torch.Tensor
        As by `pack_study`.

    Returns
    -------
    study : Study
        The study.
    """
    seconds = header["seconds"]
    return Study(
        subject=header["subject"],
        ch_names=np.array(header["ch_names"]),
        region=np.array(header["region"]),
        **{name: tensors[name].numpy() for name in ("identity", "mean", "scale")},
        parts=tuple((tensors[f"part{i}"], of_one) for i, of_one in enumerate(seconds)),
    )


def join_tensors(prefix, tensors):
    """Return tensors under names that begin with a prefix."""
    return {f"{prefix}.{name}": value for name, value in tensors.items()}


def split_tensors(prefix, tensors):
    """Return the tensors whose names begin with a prefix, without it."""
    start = f"{prefix}."
    return {
        name.removeprefix(start): value
        for name, value in tensors.items()
        if name.startswith(start)
    }
