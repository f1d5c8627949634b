"""What training tells of regions, to ask for channels that are not looked at."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from .studies import Study, append_studies


@dataclass(frozen=True)
class RegionSummary:
    """What training tells of the channels of each region.

    Attributes
    ----------
    identities : dict of str to ndarray of float32, shape (n_channels, n_components)
        Identities of the channels of each region.
    scales : dict of str to float
        Geometric mean of their standard deviations, in volts.
    """

    identities: dict
    scales: dict

    @cached_property
    def queries(self):
        """Mean identity of each region, a dict of ndarray, shape (n_components,)."""
        return {r: values.mean(axis=0) for r, values in self.identities.items()}

    def append(self, study, ch_names, region, identity):
        """Append channels that are known by their region alone.

        Parameters
        ----------
        study : Study
            Of other channels.
        ch_names : list of str
            Names of the channels.
        region : str
            Their region.
        identity : ndarray of float32, shape (n_channels, n_components)
            What stands for their identities.

        Returns
        -------
        study : Study
            Of all channels, without moments.
        """
        asked = Study(
            subject=study.subject,
            ch_names=np.array(ch_names),
            region=np.full(len(ch_names), region),
            identity=identity,
            mean=np.zeros(len(ch_names)),
            scale=np.full(len(ch_names), self.scales[region]),
        )
        return append_studies([replace(study, parts=()), asked])


def summarize_regions(studies, regions):
    """Summarize the channels of each region.

    Parameters
    ----------
    studies : list of Study
        The training recordings.
    regions : sequence of str
        Their regions.

    Returns
    -------
    summary : RegionSummary
        The summary.
    """
    identity = np.concatenate([study.mean_identity() for study in studies])
    region = np.concatenate([study.region for study in studies])
    scale = np.log(np.concatenate([study.scale for study in studies]))
    return RegionSummary(
        identities={r: identity[region == r] for r in regions},
        scales={r: float(np.exp(scale[region == r].mean())) for r in regions},
    )
