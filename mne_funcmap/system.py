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
    fid.write("\nFurther dependencies of mne_funcmap\n")
    for name, text in _list_packages().items():
        fid.write(f"   {name:{WIDTH - 3}}{text}\n")


def _list_packages():
    """Return versions by name, and what torch computes on."""
    found = dict(_describe_torch())
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _describe_torch():
    """Yield what torch is built for, and the devices that it finds."""
    import torch

    build = torch.version.cuda or torch.version.hip
    yield "torch", f"{torch.__version__} ({f'CUDA {build}' if build else 'CPU'} build)"
    for index in range(torch.cuda.device_count()):
        device = torch.cuda.get_device_properties(index)
        memory = device.total_memory / 2**30
        yield f"cuda:{index}", f"{device.name}, {memory:.1f} GiB"
    if not torch.cuda.is_available():
        yield "CUDA devices", "none"
