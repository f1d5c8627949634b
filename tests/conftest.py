import os
import signal
import zlib
from pathlib import Path

import mne
import numpy as np
import pytest

from mne_funcmap.nets.reconstruction import MixedTransformer
from mne_funcmap.reconstruction import transformer_fit
from mne_funcmap.reconstruction.adaptation import learn_prior
from mne_funcmap.regions import set_regions

# what the channels of a region make of three sources, in every subject
MIXING = {
    "A": [1.0, 0.5, 0.0],
    "B": [-0.9, 0.6, 0.2],
    "C": [0.3, 1.0, -0.4],
    "D": [-0.2, -1.0, 0.5],
}
VOLTS = {"A": 2e-5, "B": 5e-5, "C": 1e-4, "D": 3e-5}


@pytest.fixture(scope="session")
def data_dir():
    """Folder of the real recordings; tests that need it are skipped without it."""
    folder = os.environ.get("MNE_FUNCMAP_DATA")
    if not folder:
        pytest.skip("MNE_FUNCMAP_DATA is not set")
    return Path(folder)


@pytest.fixture(scope="session", autouse=True)
def ctrl_c():
    """Ctrl-C does what it does in a terminal, also where it is ignored, as in jobs."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session", autouse=True)
def short_training():
    """What is beside the linear path has little to learn from small data."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(learn_prior.__kwdefaults__, "n_steps", 10)
        patch.setitem(MixedTransformer.RECIPE, "max_epochs", 1)
        patch.setitem(MixedTransformer.RECIPE, "max_windows", 16)
        patch.setattr(transformer_fit, "MAX_VALIDATION", 32)
        yield


@pytest.fixture(scope="session")
def make_coupled():
    """Make a short recording whose regions mix common sources, with both signs."""
    return _make_coupled


@pytest.fixture
def X(make_coupled):
    """Small recordings of four subjects; three to train on."""
    return [
        make_coupled(f"sub-{i}", "ABC", n_channels=1, duration=12.0) for i in range(4)
    ]


def _make_coupled(
    subject="sub-1",
    regions="ABCD",
    *,
    n_channels=2,
    duration=20.0,
    sfreq=100.0,
    seed=None,
    first_samp=0,
):
    rng = np.random.default_rng(zlib.crc32(subject.encode()) if seed is None else seed)
    n_times = round(duration * sfreq)
    sources = rng.standard_normal((3, n_times + 4))
    sources = sum(sources[:, lag : lag + n_times] for lag in range(5)) / np.sqrt(5)
    ch_names = [f"{region}{i + 1}" for region in regions for i in range(n_channels)]
    data = np.array(
        [
            VOLTS[name[0]]
            * (MIXING[name[0]] @ sources + 0.4 * rng.standard_normal(n_times))
            for name in ch_names
        ]
    )
    info = mne.create_info(ch_names, sfreq, "seeg")
    info["subject_info"] = {"his_id": subject}
    raw = mne.io.RawArray(data, info, first_samp=first_samp, verbose="error")
    return set_regions(raw, {name: name[0] for name in ch_names})
