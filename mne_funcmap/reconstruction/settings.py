"""How the networks of a reconstructor are made and trained."""

from dataclasses import dataclass

from ..training.checkpoints import Checkpoints


@dataclass(frozen=True)
class Settings:
    """How networks are made and trained.

    Attributes
    ----------
    n_identity, sfreq, n_times
        What every network is told, as for `LinearPath`.
    n_latents : int
        Number of latent sources of the linear path.
    recipe : dict
        What is set of ``max_epochs``, ``batch_size``, ``lr``, ``weight_decay`` and, of
        transformers, ``max_windows`` in an epoch; the rest is the ``RECIPE`` of the
        network.
    patience : int
        Epochs without improvement after which training stops.
    callbacks : list
        Further callbacks of skorch.
    net_params : dict
        Further parameters of the skorch net.
    device : str
        Where to compute.
    precision : "auto" | "float32" | "bfloat16"
        In which transformers compute.
    seed : int
        Seed.
    threshold : float
        By what share the error of a transformer must be lower to count as improved.
    together : bool
        Whether the processes that were launched together train one net.
    checkpoints : Checkpoints
        Files that keep the states of trainings.
    """

    n_identity: int
    sfreq: float
    n_times: int
    n_latents: int
    recipe: dict
    patience: int
    callbacks: list
    net_params: dict
    device: str
    precision: str
    seed: int
    threshold: float = 1e-4
    together: bool = False
    checkpoints: Checkpoints = Checkpoints()

    @property
    def module(self):
        """Parameters of every network."""
        return {
            "n_identity": self.n_identity,
            "sfreq": self.sfreq,
            "n_times": self.n_times,
        }

    @property
    def linear(self):
        """Parameters of the linear path, and of what stands beside it."""
        return self.module | {"n_latents": self.n_latents}
