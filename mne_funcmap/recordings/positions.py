"""Where channels lie."""

import mne
import numpy as np

from ..subjects import describe, shorten_list

WAVELENGTHS = (0.4, 0.2, 0.1, 0.05)  # metres, of Fourier features
COMMON_FRAMES = ("mni_tal", "head")


def get_positions(recording, index=None):
    """Get the positions of the channels of a recording.

    Parameters
    ----------
    recording : mne.io.Raw | mne.Epochs
        The recording.
    index : int | None
        Its index, for messages.

    Returns
    -------
    positions : dict of str to ndarray, shape (3,)
        Metres; nan where unknown.
    frame : str
        "mni_tal" or "head".

    Raises
    ------
    ValueError
        If there are no positions, or the frame is not a common one.
    """
    montage = recording.get_montage()
    if montage is None:
        raise ValueError(
            f"{describe(index, recording)} has no positions. Set a montage in MNI "
            "space, as by recording.set_montage(mne.channels.make_dig_montage(ch_pos, "
            "coord_frame='mni_tal')). Other identities need no positions. See "
            "'Preparing recordings' in the user guide."
        )
    found = montage.get_positions()
    if found["coord_frame"] not in COMMON_FRAMES:
        raise ValueError(
            f"Positions of {describe(index, recording)} are in the frame "
            f"{found['coord_frame']!r}: expected one that subjects share, "
            f"{' or '.join(map(repr, COMMON_FRAMES))}. Transform the montage, as by "
            "mne.transforms or montage.apply_trans. See 'Choosing an identity' in the "
            "user guide."
        )
    return found["ch_pos"], found["coord_frame"]


def locate_channels(recording, ch_names, index=None):
    """Get the positions of some channels, none of which may be missing.

    Parameters
    ----------
    recording : mne.io.Raw | mne.Epochs
        The recording.
    ch_names : sequence of str
        The channels.
    index : int | None
        Index of the recording, for messages.

    Returns
    -------
    points : ndarray, shape (n_channels, 3)
        Metres.

    Raises
    ------
    ValueError
        As by `get_positions`, or if channels have no position.
    """
    positions, _ = get_positions(recording, index)
    unknown = np.full(3, np.nan)
    points = np.array([positions.get(ch_name, unknown) for ch_name in ch_names])
    missing = np.array(ch_names)[~np.isfinite(points).all(axis=1)]
    if len(missing):
        raise ValueError(
            f"No position in {describe(index, recording)} for the channels "
            f"{shorten_list(missing)}. Set a montage that has them, add them to "
            "info['bads'], or use another identity."
        )
    return points


def name_frame(recording, frame):
    """Name the frame of the positions of a recording, in place.

    Parameters
    ----------
    recording : mne.io.Raw | mne.Epochs
        The recording, with positions, which stay as they are.
    frame : str
        Their frame.
    """
    positions = recording.get_montage().get_positions()["ch_pos"]
    montage = mne.channels.make_dig_montage(positions, coord_frame=frame)
    # no fiducials are needed, so no warning that there are none
    recording.set_montage(montage, on_missing="ignore", verbose="ERROR")


def embed_positions(points):
    """Return positions and their Fourier features.

    Parameters
    ----------
    points : ndarray, shape (n_channels, 3)
        Positions in metres.

    Returns
    -------
    features : ndarray, shape (n_channels, 27)
        The positions in units of 10 cm, then sines and cosines of each coordinate.
    """
    phases = [2 * np.pi * points / wavelength for wavelength in WAVELENGTHS]
    waves = [wave(phase) for phase in phases for wave in (np.sin, np.cos)]
    return np.concatenate([10 * points, *waves], axis=1)
