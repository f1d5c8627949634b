"""What a bug report needs to tell of the machine and of what is installed."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import mne

from . import __version__

if TYPE_CHECKING:
    from typing import Literal, TextIO

# beside those that MNE lists
PACKAGES = (
    "skorch",
    "safetensors",
    "joblib",
    "lazy-loader",
    "accelerate",
    "dask",
    "distributed",
    "umap-learn",
)
WIDTH = 21  # as MNE's


def sys_info(
    fid: TextIO | None = None,
    show_paths: bool = False,
    *,
    dependencies: Literal["user", "developer"] = "user",
    unicode: bool | Literal["auto"] = "auto",
) -> None:
    """Print versions, processors and graphics cards, for a bug report.

    Nothing is looked up on the internet.

    Parameters
    ----------
    fid : file-like | None
        Where to write; None stands for the standard output.
    show_paths : bool
        Whether MNE tells where its dependencies are installed.
    dependencies : "user" | "developer"
        Which of its dependencies MNE lists.
    unicode : bool | "auto"
        Whether MNE draws with characters beyond ASCII.

    See Also
    --------
    mne.sys_info : All but the first and last lines.

    Examples
    --------
    >>> import mne_funcmap as mf
    >>> mf.sys_info()  # doctest: +ELLIPSIS
    mne_funcmap          ...
    Platform             ...
    """
    fid = sys.stdout if fid is None else fid
    fid.write(f"{'mne_funcmap':{WIDTH}}{__version__}\n")
    mne.sys_info(
        fid,
        show_paths,
        dependencies=dependencies,
        unicode=unicode,
        check_version=False,
    )
    _write(fid, "Further dependencies of mne_funcmap", _list_packages())
    _write(fid, "Devices", _list_devices())


def _write(fid, title, items):
    """Write a section."""
    fid.write(f"\n{title}\n")
    for name, text in items:
        fid.write(f"   {name:{WIDTH - 3}}{text}\n")


def _list_packages():
    """Yield names and versions of packages."""
    import torch

    build = torch.version.cuda or torch.version.hip
    yield "torch", f"{torch.__version__} ({f'CUDA {build}' if build else 'CPU'} build)"
    for name in PACKAGES:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            yield name, "not installed"


def _list_devices():
    """Yield what torch computes on beside the CPU."""
    import torch

    for index in range(torch.cuda.device_count()):
        device = torch.cuda.get_device_properties(index)
        memory = device.total_memory / 2**30
        yield f"cuda:{index}", f"{device.name}, {memory:.1f} GiB"
    if not torch.cuda.is_available():
        yield "CUDA devices", "none"
