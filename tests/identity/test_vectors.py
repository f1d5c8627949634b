import subprocess
import sys

import mne
import numpy as np
import pytest
from scipy.stats import ortho_group
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator

from mne_funcmap.embedder import FunctionalEmbedder
from mne_funcmap.identity.cross_fitting import check_identities, cross_fit
from mne_funcmap.identity.scaled import find_scale
from mne_funcmap.identity.union import IdentityUnion, make_identity
from mne_funcmap.identity.vectors import (
    IDENTITIES,
    AnatomicalIdentity,
    ChannelIdentity,
    NoIdentity,
    RandomIdentity,
    RegionIdentity,
)
from mne_funcmap.recordings.positions import WAVELENGTHS, embed_positions, get_positions
from mne_funcmap.regions import set_regions

SIMPLE = [AnatomicalIdentity, RegionIdentity, ChannelIdentity, RandomIdentity]


def place(raw, coord_frame="mni_tal", seed=0):
    """Set a montage, and return the positions in channel order."""
    points = np.random.default_rng(seed).uniform(-0.06, 0.06, (len(raw.ch_names), 3))
    ch_pos = dict(zip(raw.ch_names, points, strict=True))
    montage = mne.channels.make_dig_montage(ch_pos, coord_frame=coord_frame)
    raw.set_montage(montage, verbose="error")  # there are no fiducials
    return points


@pytest.fixture
def recordings(make_coupled):
    X = [
        make_coupled("sub-1", "ABC"),
        make_coupled("sub-2", "CD", n_channels=3),
        make_coupled("sub-3", "DBA", n_channels=1),
    ]
    for seed, raw in enumerate(X):
        place(raw, seed=seed)
    return X


# All of them


@pytest.mark.parametrize("make", [*SIMPLE, NoIdentity, IdentityUnion])
def test_one_row_for_each_channel(make, recordings):
    identity = make()
    with pytest.raises(NotFittedError):
        identity.transform(recordings)
    Z = identity.fit(recordings[:2]).transform(recordings)
    assert [len(z) for z in Z] == [6, 6, 3]
    assert len({z.shape[1] for z in Z}) == 1
    for z in Z:
        assert z.dtype == np.float32
        assert np.isfinite(z).all()


@pytest.mark.parametrize("make", [*SIMPLE, NoIdentity, IdentityUnion])
def test_rows_follow_the_channels_that_take_part(make, recordings):
    identity = make().fit(recordings)
    raw = recordings[0].copy()
    raw.set_channel_types({"A2": "misc"}, on_unit_change="ignore")
    raw.info["bads"] = ["B1"]
    if make is not ChannelIdentity:  # numbers what it is given
        (z,) = identity.transform(recordings[:1])
        order = [5, 0, 2, 3, 1, 4]
        raw.reorder_channels([raw.ch_names[i] for i in order])
        np.testing.assert_array_equal(identity.transform(raw)[0], z[[5, 0, 3, 4]])
    else:
        np.testing.assert_array_equal(identity.transform(raw)[0], np.eye(4, 512))


@pytest.mark.parametrize("make", [*SIMPLE, NoIdentity])
def test_picks(make, recordings):
    identity = make(picks=["C1", "D1"]).fit(recordings)
    assert [len(z) for z in identity.transform(recordings)] == [1, 2, 1]
    assert clone(identity).picks == ["C1", "D1"]


# Anatomical


def test_features_of_positions():
    points = np.array([[0.0, 0.0, 0.0], [0.1, -0.05, 0.2]])
    features = embed_positions(points)
    assert features.shape == (2, 27)
    at_origin = np.r_[np.zeros(3), np.tile([0, 0, 0, 1, 1, 1], 4)]
    np.testing.assert_array_equal(features[0], at_origin)
    np.testing.assert_allclose(features[1, :3], [1.0, -0.5, 2.0])
    for index, wavelength in enumerate(WAVELENGTHS):
        phase = 2 * np.pi * points[1] / wavelength
        at = 3 + 6 * index
        np.testing.assert_allclose(features[1, at : at + 3], np.sin(phase))
        np.testing.assert_allclose(features[1, at + 3 : at + 6], np.cos(phase))
    assert WAVELENGTHS == (0.4, 0.2, 0.1, 0.05)


def test_anatomical(recordings):
    points = place(recordings[2], seed=7)
    identity = AnatomicalIdentity().fit(recordings)
    assert identity.coord_frame_ == "mni_tal"
    found = identity.transform(recordings)[2]
    np.testing.assert_allclose(found, embed_positions(points), atol=1e-5)


def test_head_frame(recordings):
    for raw in recordings:
        points = place(raw, "head")
    identity = AnatomicalIdentity().fit(recordings)
    assert identity.coord_frame_ == "head"
    found = identity.transform(recordings)[2]
    np.testing.assert_allclose(found, embed_positions(points), atol=1e-5)


def test_mixed_frames(recordings):
    place(recordings[1], "head")
    expected = r"'mni_tal' in recording 0 \(subject 'sub-1'\) and in 'head' in "
    with pytest.raises(ValueError, match=expected + r"recording 1 \(subject 'sub-2'\)"):
        AnatomicalIdentity().fit(recordings)


def test_frame_differs_from_training(recordings):
    identity = AnatomicalIdentity().fit(recordings[:1])
    place(recordings[2], "head")
    expected = r"recording 1 \(subject 'sub-3'\).*'head'; in training .*'mni_tal'"
    with pytest.raises(ValueError, match=expected):
        identity.transform(recordings[1:])


def test_frame_that_is_not_common(recordings):
    place(recordings[1], "mri")
    expected = r"recording 1 \(subject 'sub-2'\) are in the frame 'mri'.*'mni_tal'"
    with pytest.raises(ValueError, match=expected):
        AnatomicalIdentity().fit(recordings)


def test_no_montage(make_coupled, recordings):
    recordings[1] = make_coupled("sub-2")
    expected = r"recording 1 \(subject 'sub-2'\) has no positions.*set_montage"
    with pytest.raises(ValueError, match=expected):
        AnatomicalIdentity().fit(recordings)
    identity = AnatomicalIdentity().fit(recordings[:1])
    with pytest.raises(ValueError, match=expected):
        identity.transform(recordings)


def test_channel_without_position(recordings):
    identity = AnatomicalIdentity().fit(recordings)
    recordings[1].info["chs"][2]["loc"][:3] = np.nan
    expected = r"recording 1 \(subject 'sub-2'\) for the channels C3\. .*info\['bads'\]"
    with pytest.raises(ValueError, match=expected):
        identity.transform(recordings)
    recordings[1].info["bads"] = ["C3"]
    assert len(identity.transform(recordings)[1]) == 5


def test_get_positions(recordings):
    points = place(recordings[0])
    positions, frame = get_positions(recordings[0])
    assert frame == "mni_tal"
    np.testing.assert_allclose(positions["A2"], points[1])


# Region, channel, none


def test_region(recordings):
    identity = RegionIdentity().fit(recordings[:2])
    assert identity.regions_.tolist() == ["A", "B", "C", "D"]
    set_regions(recordings[2], {"B1": "elsewhere"})
    (z,) = identity.transform(recordings[2:])
    np.testing.assert_array_equal(z, [[0, 0, 0, 1], [0, 0, 0, 0], [1, 0, 0, 0]])


def test_region_of_channel_without_one(recordings):
    set_regions(recordings[0], {})
    recordings[0].annotations.delete(
        np.flatnonzero(recordings[0].annotations.description == "region/A")
    )
    identity = RegionIdentity().fit(recordings)
    z = identity.transform(recordings)[0]
    assert (z[:2] == 0).all()
    np.testing.assert_array_equal(z[2:].sum(axis=1), 1)


def test_channel(recordings):
    Z = ChannelIdentity().fit(recordings[:1]).transform(recordings)
    for z in Z:
        np.testing.assert_array_equal(z, np.eye(len(z), 512))


def test_too_many_channels_to_number():
    ch_names = [f"A{i}" for i in range(513)]
    raw = mne.io.RawArray(
        np.zeros((513, 10)), mne.create_info(ch_names, 100.0, "seeg"), verbose="error"
    )
    raw.info["subject_info"] = {"his_id": "sub-1"}
    identity = ChannelIdentity().fit([raw])
    with pytest.raises(ValueError, match=r"subject 'sub-1'\) has 513 channels.*512"):
        identity.transform([raw])
    raw.info["bads"] = ["A5"]
    assert identity.transform([raw])[0].shape == (512, 512)


def test_none(recordings):
    Z = NoIdentity().fit(recordings[:1]).transform(recordings)
    assert all((z == 0).all() for z in Z)
    assert [z.shape for z in Z] == [(6, 1), (6, 1), (3, 1)]


# Random


def test_random_vectors_belong_to_channels(recordings):
    identity = RandomIdentity(random_state=3).fit(recordings[:1])
    Z = identity.transform(recordings)
    backwards = RandomIdentity(random_state=3).fit(recordings[2:])
    for z, other in zip(Z, backwards.transform(recordings[::-1])[::-1], strict=True):
        np.testing.assert_array_equal(z, other)
    alone = recordings[0].copy().pick(["C1", "A2"])
    np.testing.assert_array_equal(identity.transform([alone])[0], Z[0][[4, 1]])
    again = recordings[0].copy().crop(1.0, 2.0)
    again._data *= 2
    np.testing.assert_array_equal(identity.transform([again])[0], Z[0])


def test_random_vectors_differ(recordings):
    (z,) = RandomIdentity().fit(recordings).transform(recordings[:1])
    assert len(np.unique(z, axis=0)) == 6
    assert z.shape == (6, 32)
    (other,) = RandomIdentity(random_state=1).fit(recordings).transform(recordings[:1])
    recordings[0].info["subject_info"] = {"his_id": "sub-9"}
    (of_other,) = RandomIdentity().fit(recordings).transform(recordings[:1])
    for changed in (other, of_other):
        assert (np.abs(changed - z).max(axis=1) > 0.5).all()


def test_random_vectors_are_normal(recordings):
    identity = RandomIdentity().fit(recordings)
    Z = []
    for subject in range(20):
        recordings[0].info["subject_info"] = {"his_id": f"sub-{subject}"}
        Z += identity.transform(recordings[:1])
    values = np.concatenate(Z)
    assert values.mean() == pytest.approx(0, abs=0.06)
    assert values.std() == pytest.approx(1, abs=0.06)
    correlations = np.corrcoef(values)[np.triu_indices(len(values), 1)]
    assert np.square(correlations).mean() == pytest.approx(1 / 31, rel=0.1)


SCRIPT = """
import mne, numpy as np
from mne_funcmap.identity import RandomIdentity
raw = mne.io.RawArray(
    np.zeros((2, 10)), mne.create_info(["C1", "A2"], 100.0, "seeg"), verbose="error"
)
raw.info["subject_info"] = {"his_id": "sub-1"}
print(*RandomIdentity(random_state=3).fit([raw]).transform([raw])[0][:, 0])
"""


def test_random_vectors_are_the_same_in_another_process(recordings):
    (z,) = RandomIdentity(random_state=3).fit(recordings).transform(recordings[:1])
    found = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True
    ).stdout.split()
    np.testing.assert_allclose(list(map(float, found)), z[[4, 1], 0], rtol=1e-5)


def test_random_needs_an_int(recordings):
    for seed in (None, np.random.default_rng(0)):
        with pytest.raises(ValueError, match="must be an int"):
            RandomIdentity(random_state=seed).fit(recordings)


def test_random_does_not_touch_global_state(recordings):
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    RandomIdentity().fit(recordings).transform(recordings)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


# What a user may give


def test_make_identity_by_name():
    assert isinstance(make_identity("functional"), FunctionalEmbedder)
    for name, expected in IDENTITIES.items():
        identity = make_identity(name, picks=["A1"], random_state=4)
        assert type(identity) is expected
        assert identity.picks == ["A1"]
    assert make_identity("random", random_state=4).random_state == 4
    assert make_identity("functional", random_state=4).random_state == 4


def test_make_identity_clones():
    given = RandomIdentity(random_state=5)
    made = make_identity(given, random_state=1)
    assert made is not given
    assert made.random_state == 5
    frozen = FrozenEstimator(given)
    assert make_identity(frozen) is frozen


def test_unknown_identity():
    with pytest.raises(ValueError, match="'anatomy' is unknown.*'anatomical'"):
        make_identity("anatomy")


@pytest.mark.parametrize("identity", [None, 3, ["region"], BaseEstimator()])
def test_identity_of_wrong_type(identity):
    with pytest.raises(TypeError, match="'region'.* or a transformer"):
        make_identity(identity)


def test_identity_that_is_a_class():
    with pytest.raises(TypeError, match=r"the class RandomIdentity: give an object"):
        make_identity(RandomIdentity)


# Several side by side


def test_union(recordings):
    union = IdentityUnion(["anatomical", "region", RandomIdentity(random_state=2)])
    joined = union.fit_transform(recordings)
    members = [AnatomicalIdentity(), RegionIdentity(), RandomIdentity(random_state=2)]
    widths = [27, 4, 32]
    at = 0
    for member, width in zip(members, widths, strict=True):
        Z = member.fit(recordings).transform(recordings)
        spread = np.sqrt(np.concatenate(Z).var(axis=0).sum())
        for found, z in zip(joined, Z, strict=True):
            np.testing.assert_allclose(found[:, at : at + width], z / spread, atol=1e-6)
        of_all = np.concatenate(joined)[:, at : at + width]
        assert of_all.var(axis=0).sum() == pytest.approx(1, rel=1e-4)
        at += width
    assert joined[0].shape == (6, at)
    # new recordings are scaled as the training ones were
    np.testing.assert_array_equal(union.transform(recordings[1:2])[0], joined[1])


def test_union_of_something_constant(recordings):
    joined = IdentityUnion(["none", "region"]).fit(recordings).transform(recordings)
    assert np.isfinite(joined[0]).all()
    assert (joined[0][:, 0] == 0).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scale_is_found_of_what_differs(dtype):
    """Identities that are all the same would be blown up by what rounding leaves."""
    row = np.array([0.1, 1000.7, -0.3], dtype)
    assert find_scale(np.tile(row, (7, 1))) == 1
    assert find_scale(np.zeros((3, 2), dtype)) == 1
    values = np.random.default_rng(0).standard_normal((50, 3)).astype(dtype)
    expected = np.sqrt(values.astype(float).var(axis=0).sum())
    for size in (1e-12, 1.0, 1e6):
        found = find_scale(dtype(size) * values)
        assert found == pytest.approx(size * expected, rel=1e-6)


def test_union_passes_picks_and_seed_on(recordings):
    union = IdentityUnion(["random", "none"], picks=["C1"], random_state=6)
    assert [len(z) for z in union.fit(recordings[:2]).transform(recordings[:2])] == [
        1,
        1,
    ]
    assert union.identities_[0].random_state == 6
    assert union.identities == ["random", "none"]
    assert clone(union).get_params()["random_state"] == 6


@pytest.mark.parametrize("identities", ["region", [], ()])
def test_union_of_nothing(identities, recordings):
    with pytest.raises(ValueError, match="must be a list"):
        IdentityUnion(identities).fit(recordings)


# Cross-fitting


class Remembering(TransformerMixin, BaseEstimator):
    """Knows a vector for every channel, and remembers the subjects of its training.

    Channels of these have one component more, and each training has a rotation of its
    own, as embeddings do.
    """

    calls = []  # (subjects fitted on, subjects transformed)

    def __init__(self, rotate=True):
        self.rotate = rotate

    def fit(self, X, y=None):
        assert {raw.n_times for raw in X} == {2000}
        self.subjects_ = {raw.info["subject_info"]["his_id"] for raw in X}
        self.rotation_ = np.eye(6)
        if self.rotate:
            seed = sum(int(subject[4:]) ** 3 for subject in self.subjects_)
            self.rotation_ = ortho_group.rvs(6, random_state=seed)
        return self

    def transform(self, X):
        assert {raw.n_times for raw in X} == {500}
        subjects = [raw.info["subject_info"]["his_id"] for raw in X]
        self.calls.append((self.subjects_, subjects))
        return [
            draw_vectors(raw, subject in self.subjects_) @ self.rotation_
            for raw, subject in zip(X, subjects, strict=True)
        ]


def draw_vectors(raw, known):
    """What `Remembering` returns, before rotation."""
    identity = RandomIdentity().fit([raw]).transform([raw])[0][:, :6].copy()
    identity[:, 5] = 3.0 * known
    return identity


@pytest.fixture
def cohort(make_coupled):
    """Recordings, subjects, pieces, and whose these are; one subject has two."""
    Remembering.calls.clear()
    subjects = ["sub-1", "sub-2", "sub-1", "sub-3", "sub-4"]
    X = [make_coupled(s, "AB", seed=i) for i, s in enumerate(subjects)]
    owner = np.array([0, 1, 1, 2, 3, 3, 4])
    begins = np.array([0, 0, 5, 0, 0, 7, 0])
    pieces = [
        X[i].copy().crop(begin, begin + 5.0, include_tmax=False)
        for i, begin in zip(owner, begins, strict=True)
    ]
    yield X, np.array(subjects), pieces, owner
    Remembering.calls.clear()


@pytest.mark.parametrize("rotate", [False, True])
def test_cross_fitted_channels_were_not_seen(cohort, rotate):
    _, _, pieces, _ = cohort
    identity = Remembering(rotate)
    crossed = cross_fit(identity, *cohort)
    assert identity.subjects_ == {"sub-1", "sub-2", "sub-3", "sub-4"}
    for found, piece in zip(crossed, pieces, strict=True):
        expected = draw_vectors(piece, known=False) @ identity.rotation_
        np.testing.assert_allclose(found, expected, atol=1e-5)
        assert found.dtype == np.float32


def test_cross_fitting_holds_out_subjects(cohort):
    cross_fit(Remembering(), *cohort)
    held_out = [
        (fitted, transformed)
        for fitted, transformed in Remembering.calls
        if not fitted & set(transformed)
    ]
    of_pieces = cohort[1][cohort[3]]
    assert sorted(sum((found for _, found in held_out), [])) == sorted(of_pieces)
    for fitted, transformed in held_out:
        assert fitted | set(transformed) == set(cohort[1])


def test_two_subjects_are_not_cross_fitted(cohort):
    X, groups = (values[:3] for values in cohort[:2])
    pieces, owner = (values[:4] for values in cohort[2:])
    identity = Remembering()
    crossed = cross_fit(identity, X, groups, pieces, owner)
    assert len(Remembering.calls) == 1
    for found, piece in zip(crossed, pieces, strict=True):
        expected = draw_vectors(piece, known=True) @ identity.rotation_
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_frozen_identity_is_used_as_it_is(cohort):
    X, groups, pieces, owner = cohort
    fitted = Remembering().fit(X[1:2])
    crossed = cross_fit(make_identity(FrozenEstimator(fitted)), *cohort)
    assert fitted.subjects_ == {"sub-2"}
    assert Remembering.calls == [({"sub-2"}, list(groups[owner]))]
    for found, expected in zip(crossed, fitted.transform(pieces), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_what_learns_nothing_is_not_cross_fitted(cohort):
    X, _, pieces, _ = cohort
    crossed = cross_fit(RegionIdentity(), *cohort)
    for found, expected in zip(
        crossed, RegionIdentity().fit(X).transform(pieces), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_members_of_a_union_are_cross_fitted(cohort):
    _, _, pieces, _ = cohort
    union = IdentityUnion([Remembering(), "region"])
    crossed = cross_fit(union, *cohort)
    member = union.identities_[0]
    expected = [draw_vectors(piece, False) @ member.rotation_ for piece in pieces]
    spread = np.sqrt(np.concatenate(expected).var(axis=0).sum())
    for found, values, piece in zip(crossed, expected, pieces, strict=True):
        np.testing.assert_allclose(found[:, :6], values / spread, atol=1e-5)
        known = union.transform([piece])[0]
        np.testing.assert_array_equal(found[:, 6:], known[:, 6:])
        np.testing.assert_allclose(
            known[:, :6],
            draw_vectors(piece, True) @ member.rotation_ / spread,
            atol=1e-5,
        )


@pytest.mark.parametrize("shape", [(5, 2), (7, 2), (6,)])
def test_identity_of_wrong_shape(make_coupled, shape):
    raw = make_coupled("sub-1", "ABC")
    check_identities([np.zeros((6, 2))], [raw])
    with pytest.raises(ValueError, match=r"'sub-1'\) have the shape .*\(6, n_comp"):
        check_identities([np.zeros(shape)], [raw])


@pytest.mark.parametrize("identity", [[[1, 2]] * 5 + [[1]], [["a"]] * 6])
def test_identity_that_is_no_array(make_coupled, identity):
    with pytest.raises(ValueError, match="'sub-1'.* must be an array"):
        check_identities([identity], [make_coupled("sub-1", "ABC")])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_identity_that_is_not_finite(make_coupled, value):
    identity = np.zeros((6, 2))
    identity[4, 1] = value
    with pytest.raises(ValueError, match=r"'sub-1'\) is not finite for C1\."):
        check_identities([identity], [make_coupled("sub-1", "ABC")])


def test_cross_fitted_identities_are_checked(cohort):
    class Failing(Remembering):
        """Returns nan for recordings it was not fitted on."""

        def transform(self, X):
            return [values / (values[:, [5]] > 0) for values in super().transform(X)]

    with np.errstate(all="ignore"), pytest.raises(ValueError, match="is not finite"):
        cross_fit(Failing(rotate=False), *cohort)
