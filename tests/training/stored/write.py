"""Write a model file of the present format, and what its models give.

Run once for a new format, by ``python tests/training/stored/write.py``; files of
earlier formats stay as they are, since they show that these can still be read.
"""

from pathlib import Path

import mne
import numpy as np

import mne_funcmap as mf
from mne_funcmap.reconstruction import networks
from mne_funcmap.training.persistence import FORMAT_VERSION

FOLDER = Path(__file__).parent


def make_recordings():
    """Make three recordings that depend on nothing but a formula."""
    recordings = []
    for subject in range(3):
        rng = np.random.RandomState(subject)
        time = np.arange(1600) / 100
        source = np.sin(2 * np.pi * 6 * time) + 0.5 * rng.randn(1600)
        weights = [1.0, -0.5, -0.7, 0.3]
        data = [weight * source + 0.4 * rng.randn(1600) for weight in weights]
        names = ["A1", "B1", "B2", "C1"]
        info = mne.create_info(names, 100.0, "seeg")
        info["subject_info"] = {"his_id": f"sub-{subject}"}
        raw = mne.io.RawArray(1e-5 * np.array(data), info, verbose="error")
        recordings.append(mf.set_regions(raw, {name: name[0] for name in names}))
    return recordings


def compute(embedder, reconstructor, recordings):
    """Return what the models give for a recording, a dict of arrays."""
    predicted = reconstructor.predict(recordings[:1])[0].get_data()
    return {
        "embeddings": embedder.transform(recordings[2:])[0],
        "microvolts": 1e6 * predicted[:, ::80],
    }


def main():
    """Fit and write two models."""
    recordings = make_recordings()
    embedder = mf.FunctionalEmbedder(4, duration=2.0, max_epochs=2)
    embedder.fit(recordings[:2]).save(FOLDER / f"embedder-{FORMAT_VERSION}.safetensors")
    networks.MIN_GAIN = 1.0  # without the transformer, which would fill the file
    reconstructor = mf.MaskedRegionReconstructor(
        mf.IdentityUnion(["functional", "region"]),
        n_latents=4,
        max_epochs=2,
        net_params={"module__n_hidden": 8},
    )
    reconstructor = reconstructor.fit(recordings[1:]).adapt(recordings[:1])
    path = FOLDER / f"reconstructor-{FORMAT_VERSION}.safetensors"
    reconstructor.save(path, adapted=True)
    found = compute(embedder, reconstructor, recordings)
    np.savez_compressed(FOLDER / f"expected-{FORMAT_VERSION}.npz", **found)


if __name__ == "__main__":
    main()
