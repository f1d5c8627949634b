"""What annotations of public functions are called.

Editors and type checkers read them; nothing is imported from here when code runs.
"""

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike

import joblib
import numpy as np
from mne import BaseEpochs
from mne.io import BaseRaw
from sklearn.base import BaseEstimator
from sklearn.model_selection import BaseCrossValidator

Recording = BaseRaw | BaseEpochs
Recordings = Recording | Sequence[BaseRaw] | Sequence[BaseEpochs]
Labels = Sequence[Mapping[str, str | None] | Sequence[str | None]]
Picks = str | Sequence[str] | None
AnyPath = str | PathLike[str]
Memory = AnyPath | joblib.Memory | None
Models = Mapping[str, BaseEstimator]
Bands = Mapping[str, tuple[float, float]]
Splits = BaseCrossValidator | Iterable[tuple[np.ndarray, np.ndarray]]
Seed = int | np.random.RandomState | None
Verbose = bool | str | int | None
