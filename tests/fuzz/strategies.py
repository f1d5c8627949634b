"""Recordings as they may come: recipes that hypothesis draws, and what they make."""

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import mne
import numpy as np
from hypothesis import strategies as st

from mne_funcmap.regions import set_regions

SFREQ = 100.0
N_TIMES = 100  # samples of a segment of the models
ELECTRODES = ("seeg", "ecog", "dbs", "eeg")
OTHERS = ("misc", "stim", "eog", "mag")
REGIONS = ("A", "B", "C", "D")
LAYOUTS = ("plain", "read-only", "memmap", "big-endian", "strided", "float32", "int")

# what makes a channel useless as a whole, and what only damages some of it
DEAD = ("nan", "flat", "huge", "inf")
DAMAGED = ("some nan", "some inf", "clipped", "steps", "denormal", "half flat", "jump")
KINDS = ("raw", "epochs", "raw file", "epochs file")
LOST = ("vanished raw", "vanished epochs", "cut raw", "cut epochs")

texts = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\u2028\u2029"),
    min_size=1,
    max_size=12,
).filter(str.strip)
plain_names = st.sampled_from([f"{shaft}{i}" for shaft in "LR" for i in range(1, 6)])
odd_names = st.one_of(
    texts,
    plain_names.map(lambda name: f" {name} "),
    plain_names.map(lambda name: name * 40),
    st.sampled_from(["A/B", "α1", "L1-L2", "a:b", "1", "%s", "{x}", "None", "é", "é"]),
)
scales = st.one_of(st.just(1e-5), st.floats(-12, 6).map(lambda power: 10.0**power))
annotations = st.tuples(
    st.floats(-1.0, 4.0),
    st.one_of(st.just(0.0), st.floats(0.0, 5.0)),
    st.sampled_from(
        ["BAD_x", "bad", "BAD boundary", "EDGE boundary", "edge", "stimulus", "a/b"]
    ),
    st.lists(st.integers(0, 9), max_size=2),
)
subjects = st.sampled_from(["sub-1", "sub-2", "sub-9", "Müller", "0", "", None])


@dataclass(frozen=True)
class Recipe:
    """What a recording is made of.

    Attributes
    ----------
    kind : str
        One of `KINDS`, or of `LOST`: a file that is gone or cut off.
    channels : tuple of (str, str, str | None)
        Name, type, and region.
    length : int
        Samples of Raw, or of an epoch.
    n_epochs : int
        Number of epochs.
    scale, offset : float
        Standard deviation in volts, and mean in standard deviations.
    damages : tuple of (int, str)
        Channel (modulo their number), and one of `DEAD` and `DAMAGED`.
    bads : tuple of int
        Bad channels, modulo their number.
    marks : tuple
        Annotations: onset, duration, description, channels.
    """

    kind: str = "raw"
    channels: tuple = (("L1", "seeg", "A"), ("L2", "seeg", "B"), ("L3", "seeg", "C"))
    sfreq: float = SFREQ
    length: int = 300
    n_epochs: int = 3
    scale: float = 1e-5
    offset: float = 0.0
    damages: tuple = ()
    bads: tuple = ()
    marks: tuple = ()
    layout: str = "plain"
    subject: str | None = "sub-1"
    first_samp: int = 0
    seed: int = 0

    @property
    def is_epochs(self):
        """Whether it is Epochs."""
        return "epochs" in self.kind

    @property
    def good(self):
        """The channels that take part, (name, region)."""
        bads = {bad % len(self.channels) for bad in self.bads}
        return [
            (name, region)
            for index, (name, ch_type, region) in enumerate(self.channels)
            if ch_type in ELECTRODES and index not in bads
        ]

    @property
    def dead(self):
        """The names of channels that take part and have no usable sample."""
        names = {name for name, _ in self.good}
        found = [
            self.channels[index % len(self.channels)][0]
            for index, damage in self.damages
            if damage in DEAD
        ]
        return [name for name in found if name in names]

    @property
    def is_sound(self):
        """Whether nothing is the matter with it."""
        return (
            self.kind not in LOST
            and len(self.good) > 0
            and self.sfreq == SFREQ
            and (self.length >= 2 * N_TIMES or self.is_epochs)
            and (not self.is_epochs or (self.length >= N_TIMES and self.n_epochs > 0))
            and not any(damage != "denormal" for _, damage in self.damages)
            and not any(text.lower()[:3] == "bad" for _, _, text, _ in self.marks)
            and not any(text.startswith("EDGE") for _, _, text, _ in self.marks)
            and self.layout != "int"
        )

    @property
    def _can_be_written(self):
        """Whether it is to be a file, and MNE writes such names, and epochs."""
        is_empty = not (self.n_epochs if self.is_epochs else self.length)
        is_ascii = all(name.isascii() for name, _, _ in self.channels)
        return " " in self.kind and is_ascii and not is_empty

    def make(self, folder):
        """Make the recording; files are in a folder."""
        rng = np.random.default_rng(self.seed)
        names, types, regions = zip(*self.channels, strict=True)
        info = mne.create_info(list(names), self.sfreq, list(types), verbose="error")
        if self.subject is not None:
            info["subject_info"] = {"his_id": self.subject}
        # MNE makes no empty ones, but leaves them behind
        n_epochs = max(self.n_epochs, 1) if self.is_epochs else 1
        length = max(self.length, 1) if self.is_epochs else self.length
        data = rng.standard_normal((n_epochs, len(names), length)).cumsum(axis=2)
        data = self._damage(self.scale * (data + self.offset))
        if self.is_epochs:
            tmin = self.first_samp / self.sfreq
            events = length * np.arange(n_epochs)[:, None] + np.array([[0, 0, 1]])
            inst = mne.EpochsArray(data, info, events, tmin, verbose="error")
            inst = inst[: self.n_epochs]
        else:
            inst = mne.io.RawArray(data[0], info, self.first_samp, verbose="error")
        inst.info["bads"] = sorted({names[bad % len(names)] for bad in self.bads})
        self._annotate(inst, names)
        known = {
            name: region
            for name, region in zip(names, regions, strict=True)
            if region is not None
        }
        set_regions(inst, known)
        if self._can_be_written:
            return self._through_file(inst, folder)
        inst._data = self._lay_out(inst._data, folder)
        return inst

    def _damage(self, data):
        """Return data, (n_epochs, n_channels, length), with damages."""
        half = data.shape[2] // 2
        with np.errstate(over="ignore"):
            for index, damage in self.damages:
                channel = data[:, index % data.shape[1]]
                if damage in ("nan", "some nan"):
                    channel[..., : half if "some" in damage else None] = np.nan
                elif damage in ("inf", "some inf"):
                    channel[..., : half if "some" in damage else None] = -np.inf
                elif damage in ("flat", "half flat"):
                    channel[..., : half if "half" in damage else None] = 1e-5
                elif damage == "huge":
                    channel[...] = 1e300
                elif damage == "clipped":
                    low, high = self.scale * (self.offset + np.array([-1, 1]))
                    np.clip(channel, low, high, out=channel)
                elif damage == "steps":
                    step = 5 * self.scale
                    np.round(channel / step, out=channel)
                    channel *= step
                elif damage == "denormal":
                    channel[..., ::7] = 5e-324
                elif damage == "jump":
                    channel[..., half:] += 1e6 * self.scale
        return data

    def _annotate(self, inst, names):
        """Annotate a recording, in place."""
        onset, duration, text, rows = zip(
            *self.marks or [((), (), (), ())], strict=True
        )
        if self.marks:
            of = [sorted({names[row % len(names)] for row in one}) for one in rows]
            marks = mne.Annotations(onset, duration, text, ch_names=of)
            # what lies outside is left out, with a warning
            inst.set_annotations(marks, verbose="error")

    def _lay_out(self, data, folder):
        """Return data that lie otherwise in memory."""
        if self.layout == "memmap":
            file = Path(folder) / "data.npy"
            np.save(file, data)
            return np.load(file, mmap_mode="r") if data.size else data
        if self.layout == "big-endian":
            return data.astype(">f8")
        if self.layout == "float32":
            with np.errstate(over="ignore"):
                return data.astype(np.float32)
        if self.layout == "int":
            limit = 3e4 * self.scale
            finite = np.nan_to_num(data).clip(-limit, limit)
            return (finite / self.scale).astype(np.int16)
        if self.layout == "strided":
            return np.repeat(data, 2, axis=-1)[..., ::2]
        data.flags.writeable = self.layout != "read-only"
        return data

    def _through_file(self, inst, folder):
        """Return a recording that was written and is not loaded."""
        file = Path(folder) / f"one recording_{'epo' if self.is_epochs else 'raw'}.fif"
        inst.save(file, fmt="double", overwrite=True, verbose="error")
        if self.is_epochs:
            inst = mne.read_epochs(file, preload=False, verbose="error")
        else:
            inst = mne.io.read_raw_fif(file, verbose="error")
        if "vanished" in self.kind:
            file.unlink()
        elif "cut" in self.kind:
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 3])
        return inst


def unique_channels(channels):
    """Leave out channels whose name another has."""
    return tuple({channel[0]: channel for channel in channels}.values())


def channels(names=plain_names, types=ELECTRODES, regions=REGIONS, max_size=6):
    """Draw the channels of a recording."""
    region = st.sampled_from([None, *regions])
    channel = st.tuples(names, st.sampled_from(types), region)
    return st.lists(channel, min_size=1, max_size=max_size).map(unique_channels)


# nothing is the matter with these, whatever the unit
sound_recipes = st.builds(
    Recipe,
    kind=st.sampled_from(KINDS),
    channels=st.one_of(channels(), channels(st.one_of(plain_names, odd_names))),
    length=st.just(300) | st.integers(2 * N_TIMES, 420),
    n_epochs=st.integers(1, 4),
    scale=scales,
    offset=st.just(0.0) | st.floats(-1e3, 1e3),
    layout=st.sampled_from([one for one in LAYOUTS if one not in ("int", "float32")]),
    subject=subjects,
    first_samp=st.sampled_from([0, 0, 5, 12345]),
    seed=st.integers(0, 99),
)

# with channels that take part, and of which one region can be predicted from others
useful_recipes = sound_recipes.filter(lambda one: one.good)
labelled_recipes = sound_recipes.filter(
    lambda one: len({region for _, region in one.good} - {None}) > 1
)

# and these may have anything
recipes = st.builds(
    Recipe,
    kind=st.sampled_from([*KINDS, *KINDS, *KINDS, *LOST]),
    channels=st.one_of(
        channels(),
        channels(st.one_of(plain_names, odd_names), ELECTRODES * 3 + OTHERS),
    ),
    sfreq=st.sampled_from([SFREQ] * 12 + [SFREQ + 1e-6, 99.0, 1.0, 1e4]),
    length=st.just(300) | st.integers(0, 420),
    n_epochs=st.integers(0, 4),
    scale=scales,
    offset=st.just(0.0) | st.floats(-1e6, 1e6),
    damages=st.lists(
        st.tuples(st.integers(0, 9), st.sampled_from([*DAMAGED, *DAMAGED, *DEAD])),
        max_size=2,
    ).map(tuple),
    bads=st.lists(st.integers(0, 9), max_size=2).map(tuple),
    marks=st.lists(annotations, max_size=3).map(tuple),
    layout=st.sampled_from(LAYOUTS),
    subject=subjects,
    first_samp=st.sampled_from([0, 0, 5, 12345]),
    seed=st.integers(0, 99),
)


# or some are as they should be
mixed_recipes = st.one_of(sound_recipes, sound_recipes, recipes)


def lists_of(one, max_size=3):
    """Draw a list of recipes."""
    return st.lists(one, min_size=1, max_size=max_size)


@contextmanager
def recordings(recipes):
    """Make recordings whose files last as long as the context."""
    with ExitStack() as stack:
        folders = [stack.enter_context(TemporaryDirectory()) for _ in recipes]
        X = [one.make(folder) for one, folder in zip(recipes, folders, strict=True)]
        try:
            yield X
        finally:  # MNE leaves the files of epochs open
            for one in X:
                for part in getattr(one, "_raw", None) or []:
                    part.fid.close()
