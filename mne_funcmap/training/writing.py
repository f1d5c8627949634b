"""Files that are written whole, or not at all."""

import contextlib
import os
from pathlib import Path
from secrets import token_hex


def write_whole(path, data, what="The file"):
    """Write a file; an earlier one is replaced only by one that is complete.

    The data go to another name beside it and are synced before it is renamed, so that
    nothing that stops the program or the machine leaves half a file.

    Parameters
    ----------
    path : path-like
        The file.
    data : bytes
        What is to be in it.
    what : str
        What it is, for the error.

    Raises
    ------
    OSError
        If that is not possible, such as on a full disk. An earlier file is then as it
        was.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{token_hex(4)}.partial")
    try:
        try:
            with open(partial, "xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        _sync_folder(path.parent)
    except OSError as error:
        raise OSError(
            error.errno,
            f"{what} could not be written ({error.strerror or error}); what was there "
            "before is as it was. Check the folder and the space in it, or choose "
            "another",
            os.fspath(path),
        ) from error


def _sync_folder(folder):
    """Make sure that a renamed file is found after a crash."""
    if os.name == "nt":  # pragma: no cover, Windows opens no folders
        return
    with contextlib.suppress(OSError):  # not every file system can, and it is written
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
