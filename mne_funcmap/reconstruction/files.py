"""What a model file holds of a reconstructor: its identity, networks and studies."""

import numpy as np
import torch
from sklearn.frozen import FrozenEstimator

from ..embedder import FunctionalEmbedder
from ..embedding.files import pack_embedder, unpack_embedder
from ..fitted import list_facts
from ..identity.union import IdentityUnion
from ..identity.vectors import IDENTITIES
from ..nets.mixing import FilterBank, LinearPath
from ..nets.reconstruction import MixedTransformer, RegionTransformer
from ..training.checks import check_clock, check_facts, check_names, check_weights
from ..training.persistence import (
    join_tensors,
    pack_params,
    split_tensors,
)
from ..training.runtime import make_restored, read_module_params, seeded_torch
from .adaptation import WeightPrior
from .networks import Networks
from .region_summary import RegionSummary
from .studies import Study, group_studies

# attributes of a reconstructor that JSON can hold
PLAIN = ("n_times_", "sfreq_")
FITTED = ("coord_frame_", "regions_")  # of identities that learn little


def pack_reconstructor(rec, *, references=True, adapted=None):
    """Return what a model file holds of a fitted reconstructor.

    Parameters
    ----------
    rec : MaskedRegionReconstructor
        The reconstructor.
    references : bool
        Whether identities of training channels are in it, or only their means.
    adapted : bool | None
        Whether what it was adapted to is in it. None: it was adapted to nothing.

    Returns
    -------
    header : dict
        The parameters, and what else JSON can hold.
    tensors : dict of str to torch.Tensor
        Weights, identities of regions, and what was adapted to.
    """
    _check_adapted(rec, adapted)
    params = rec.get_params(deep=False) | {"identity": "none"}
    if rec.target_regions is not None:
        params["target_regions"] = [str(region) for region in rec.target_regions]
    identity, tensors = pack_identity(rec.identity_, references)
    tensors = join_tensors("identity", tensors) | pack_nets(rec)
    for i, region in enumerate(rec.regions_):
        values = rec.region_summary_.identities[region]
        values = values if references else values.mean(axis=0, keepdims=True)
        tensors[f"region.{i}"] = torch.from_numpy(np.ascontiguousarray(values))
    tensors["identity_mean"] = torch.from_numpy(rec.scaled_identity_.mean)
    studies = [
        pack_study(study)
        for name in (sorted(rec.adapted_) if adapted else [])
        for study in rec.known_[name]
    ]
    for i, (_, of_study) in enumerate(studies):
        tensors |= join_tensors(f"study{i}", of_study)
    header = {name: getattr(rec, name) for name in PLAIN} | {
        "params": pack_params(params),
        "training": list_facts(rec),
        "identity": identity,
        "identity_scale": rec.scaled_identity_.scale,
        "regions": rec.regions_.tolist(),
        "scales": [rec.region_summary_.scales[region] for region in rec.regions_],
        "studies": [of_study for of_study, _ in studies],
        "networks": {
            "n_epochs": rec.n_epochs_,
            "valid_r": rec.valid_r_,
            "interrupted": rec.interrupted_,
        },
    }
    return header, tensors


def check_reconstructor(header, tensors):
    """Raise ValueError unless what a file says of a reconstructor fits together.

    Parameters
    ----------
    header : dict
        As by `pack_reconstructor`.
    tensors : dict of str to torch.Tensor
        As by `pack_reconstructor`.
    """
    check_clock(header["n_times_"], header["sfreq_"])
    check_facts(header.get("training", {}))
    check_names(header["regions"])
    scales = [header["identity_scale"], *header["scales"]]
    if not all(isinstance(one, float) and 0 < one < np.inf for one in scales):
        raise ValueError(f"Scales are not positive numbers: {scales}.")
    width = tensors["identity_mean"].shape
    identities = [tensors[f"region.{i}"] for i in range(len(header["regions"]))]
    if len(width) != 1 or len(header["scales"]) != len(identities):
        raise ValueError("Scales or identities are not as many as regions.")
    for values in [*identities, tensors["identity_mean"][None]]:
        if values.ndim != 2 or values.shape[1:] != width or not len(values):
            raise ValueError(f"An identity has shape {tuple(values.shape)}.")
        if not (values.is_floating_point() and values.isfinite().all()):
            raise ValueError("An identity is not finite, or of no numbers.")
    _check_networks(**header["networks"])
    n_filters = FilterBank(header["sfreq_"], header["n_times_"]).n_filters
    for index, study in enumerate(header["studies"]):
        of_study = split_tensors(f"study{index}", tensors)
        _check_study(study, of_study, width, n_filters)


def _check_networks(*, valid_r=None, **facts):
    """Raise ValueError unless what a file tells of the networks are numbers."""
    unknown = facts.keys() - {"n_epochs", "interrupted"}
    if unknown:
        raise ValueError(f"Nothing is known of networks' {sorted(unknown)}.")
    check_facts(facts | (valid_r or {}))


def _check_study(header, tensors, width, n_filters):
    """Raise ValueError unless what a file says of a study fits together."""
    check_names(header["ch_names"])
    n_channels = len(header["ch_names"])
    shapes = {
        "identity": (n_channels, *width),
        "mean": (n_channels,),
        "scale": (n_channels,),
    }
    odd = [name for name, shape in shapes.items() if tensors[name].shape != shape]
    odd += [name for name in shapes if not tensors[name].isfinite().all()]
    if odd or not (tensors["scale"] > 0).all():
        raise ValueError(f"Studies do not fit their channels: {odd or 'scale'}.")
    if tensors["identity"].dtype != torch.float32:
        raise ValueError(f"Identities of a study are {tensors['identity'].dtype}.")
    regions = header["region"]
    if not isinstance(regions, list) or len(regions) != n_channels:
        raise ValueError(f"Regions of a study are {regions!r}.")
    if not all(isinstance(name, str) for name in [header["subject"], *regions]):
        raise ValueError("The subject or the regions of a study are no names.")
    shape = (n_channels, n_filters) * 2
    for part, seconds in enumerate(header["seconds"]):
        moments = tensors[f"part{part}"]
        if (moments.shape, moments.dtype) != (shape, torch.float32):
            raise ValueError(f"Moments of a study are no float32 of shape {shape}.")
        if not moments.isfinite().all():
            raise ValueError("Moments of a study are not finite.")
        if not (isinstance(seconds, float | int) and 0 < seconds < np.inf):
            raise ValueError(f"A study lasts {seconds!r} s.")


def _check_adapted(rec, adapted):
    """Raise ValueError unless it is said whether names may be in the file."""
    if rec.adapted_ and adapted is None:
        raise ValueError(
            f"The reconstructor was adapted to recordings of {sorted(rec.adapted_)}, "
            "and a file with that holds the names of these subjects and of their "
            "channels. Say adapted=True to write them, or adapted=False to leave out "
            "what was adapted to. See 'Saving and sharing models' in the user guide."
        )


def pack_nets(rec):
    """Return the weights of a reconstructor's networks, a dict of tensors."""
    tensors = join_tensors("net", rec.net_.module_.state_dict())
    if rec.architecture == "mixed":
        tensors |= join_tensors("prior", rec.prior_.state_dict())
    if rec.residual_net_ is not None:
        weights = rec.residual_net_.module_.residual.state_dict()
        tensors |= join_tensors("residual", weights)
    return tensors


def unpack_networks(header, tensors, architecture, settings):
    """Return the networks that a model file holds.

    Parameters
    ----------
    header : dict
        What training told.
    tensors : dict of str to torch.Tensor
        As by `pack_reconstructor`.
    architecture : str
        That of the reconstructor.
    settings : Settings
        How they are made.

    Returns
    -------
    networks : Networks
        The networks, without training curves.
    """
    device, overrides = settings.device, read_module_params(settings.net_params)
    precision = {"precision": settings.precision}
    weights = split_tensors("net", tensors)
    if architecture == "transformer":
        params = settings.module | precision | overrides
        net = make_restored(RegionTransformer, params, weights, device)
        return Networks(net, **header)
    net = make_restored(LinearPath, settings.linear | overrides, weights, device)
    params = {
        "n_identity": settings.n_identity,
        "n_filters": net.module_.bank.n_filters,
    }
    check_weights(WeightPrior, params, split_tensors("prior", tensors))
    with seeded_torch(0):
        prior = WeightPrior(**params)
    prior.load_state_dict(split_tensors("prior", tensors))
    networks = Networks(net, prior, **header)
    weights = {k: v for k, v in tensors.items() if k.startswith("residual.")}
    if weights:
        weights |= join_tensors("linear", net.module_.state_dict())
        params = settings.linear | precision | {"linear": net.module_}
        residual_net = make_restored(MixedTransformer, params, weights, device)
        networks.residual_net = residual_net
    return networks


def pack_identity(identity, references=True):
    """Return what a model file holds of a fitted identity.

    Parameters
    ----------
    identity : transformer
        A fitted identity of the package.
    references : bool
        As for `pack_embedder`.

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
        packed = [pack_identity(member, references) for member in identity.identities_]
        header = {
            "class": "IdentityUnion",
            "members": [of_member for of_member, _ in packed],
            "scales": [float(scale) for scale in identity.scales_],
        }
        tensors = [join_tensors(f"{i}", found) for i, (_, found) in enumerate(packed)]
        return header, {k: v for found in tensors for k, v in found.items()}
    name = type(identity).__name__
    if type(identity) is FunctionalEmbedder:
        header, tensors = pack_embedder(identity, references=references)
        return {"class": name, "header": header}, tensors
    if type(identity) not in IDENTITIES.values():
        raise ValueError(
            f"The identity {name} cannot be written to a model file: expected one of "
            f"{sorted(IDENTITIES)} or an IdentityUnion of them, since loading another "
            "would run code that is not of the package. Pickle the reconstructor "
            "instead, among people who trust each other."
        )
    fitted = {
        key: np.asarray(getattr(identity, key)).tolist()
        for key in FITTED
        if hasattr(identity, key)
    }
    params = pack_params(identity.get_params())
    return {"class": name, "params": params, "fitted": fitted}, {}


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
        scales = header["scales"]
        if len(scales) != len(members) or not all(scale > 0 for scale in scales):
            raise ValueError(f"A union of {len(members)} identities has {scales}.")
        union = IdentityUnion(members)
        union.identities_, union.scales_ = members, header["scales"]
        return union
    if header["class"] == "FunctionalEmbedder":
        return unpack_embedder(FunctionalEmbedder, header["header"], tensors, device)
    classes = {known.__name__: known for known in IDENTITIES.values()}
    identity = classes[header["class"]](**header["params"])
    for name in FITTED:
        if name in header["fitted"]:
            value = header["fitted"][name]
            setattr(identity, name, np.array(value) if name == "regions_" else value)
    identity.is_fitted_ = True
    return identity


def unpack_regions(regions, scales, tensors):
    """Return the summary of regions that a model file holds.

    Parameters
    ----------
    regions : sequence of str
        The regions.
    scales : list of float
        Their scales in volts.
    tensors : dict of str to torch.Tensor
        As by `pack_reconstructor`.

    Returns
    -------
    summary : RegionSummary
        The summary.
    """
    identities = {r: tensors[f"region.{i}"].numpy() for i, r in enumerate(regions)}
    return RegionSummary(identities, dict(zip(regions, scales, strict=True)))


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


def unpack_studies(headers, tensors):
    """Return the studies that a model file holds, by subject."""
    return group_studies(
        unpack_study(header, split_tensors(f"study{i}", tensors))
        for i, header in enumerate(headers)
    )
