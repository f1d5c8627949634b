import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_dir():
    """Folder of the real recordings; tests that need it are skipped without it."""
    folder = os.environ.get("MNE_FUNCMAP_DATA")
    if not folder:
        pytest.skip("MNE_FUNCMAP_DATA is not set")
    return Path(folder)
