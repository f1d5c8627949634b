"""RecordingPreprocessor on recordings of any kind."""

from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mne_funcmap as mf
from mne_funcmap.regions import get_regions
from tests.fuzz.properties import allowed, attempt, cases, describe_state
from tests.fuzz.strategies import lists_of, mixed_recipes, recordings

parameters = st.fixed_dictionaries(
    {},
    optional={
        "notch": st.sampled_from([False, True, 20.0, 45.0, 49.9]),
        "l_freq": st.sampled_from([None, 0.1, 1.0, 30.0]),
        "h_freq": st.sampled_from([None, 5.0, 40.0, 49.0]),
        "sfreq": st.sampled_from([None, 0.5, 10.0, 50.0, 99.9, 128.0]),
        "reference": st.sampled_from([None, "average", "bipolar", "L1", ["L1", "L2"]]),
    },
)

# MNE says so where a recording is short, which these are
SHORT = ("filter_length", "Filter length")


@given(lists_of(mixed_recipes, 2), parameters, st.booleans())
@cases(12, 220)
def test_transform(drawn, params, is_kept):
    with recordings(drawn) as X, allowed(*SHORT), TemporaryDirectory() as folder:
        before = describe_state(X)
        preprocessor = mf.RecordingPreprocessor(
            **params, memory=folder if is_kept else None
        )
        named = r"[Rr]ecording \d|[Tt]he recording|l_freq must"
        Y, error = attempt(preprocessor.transform, X, named=named)
        assert describe_state(X) == before
        if error is not None:
            return
        for recipe, one, new in zip(drawn, X, Y, strict=True):
            good = [name for name in new.ch_names if name not in new.info["bads"]]
            types = dict(zip(new.ch_names, new.get_channel_types(), strict=True))
            picks = [name for name in good if types[name] in ("seeg", "ecog", "dbs")]
            if picks and len(getattr(new, "events", "x")):
                assert np.isfinite(new.get_data(picks=picks)).all()
            expected = params.get("sfreq") or one.info["sfreq"]
            assert new.info["sfreq"] == pytest.approx(expected)
            if params.get("reference") != "bipolar":
                assert new.ch_names == one.ch_names
                assert get_regions(new) == get_regions(one)
            assert recipe.is_epochs == hasattr(new, "events")
