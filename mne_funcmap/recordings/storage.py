"""Rows of arrays that are too many for the memory, in a file that vanishes by itself.

The file has no name: when nobody uses it any more, also after a crash, its space is
free again.
"""

import tempfile
from dataclasses import dataclass, replace

import numpy as np


class RowFile:
    """Write arrays one after another into a file.

    Parameters
    ----------
    folder : path-like | None
        Where the file is; None stands for the system's folder for temporary files,
        that of the variable ``TMPDIR``.
    """

    def __init__(self, folder=None):
        self.folder = str(folder or tempfile.gettempdir())
        self.file = tempfile.TemporaryFile(dir=folder, prefix="mne_funcmap-")  # noqa: SIM115

    def __del__(self):
        """Close the file, which is then gone, with the last rows that need it."""
        if hasattr(self, "file"):
            self.file.close()

    def append(self, rows):
        """Write an array, and return where it is.

        Parameters
        ----------
        rows : ndarray, shape (n_rows, ...)
            The array.

        Returns
        -------
        stored : StoredRows
            The same rows, in the file.

        Raises
        ------
        OSError
            If the disk is full.
        """
        offset = self.file.seek(0, 2)
        try:
            # numpy's own tofile says nothing of a disk that is full
            self.file.write(np.ascontiguousarray(rows))
            self.file.flush()
        except OSError as error:
            raise OSError(
                f"{rows.nbytes / 1e6:.0f} MB more do not fit into a file in "
                f"{self.folder!r}, which has {offset / 1e6:.0f} MB: {error}. Set "
                "memory, or the variable TMPDIR, to a folder with more room, or load "
                "the recordings."
            ) from error
        return StoredRows(self, offset, rows.shape, rows.dtype)


@dataclass(frozen=True)
class StoredRows:
    """Rows in a file, of which those that are asked for are read.

    Attributes
    ----------
    store : RowFile
        The file.
    offset : int
        Where in the file they begin, in bytes.
    whole : tuple of int
        Shape of all that was written there.
    dtype : numpy.dtype
        Their type.
    rows : ndarray of int | None
        Which of them; None stands for all.
    """

    store: RowFile
    offset: int
    whole: tuple
    dtype: np.dtype
    rows: np.ndarray | None = None

    def __len__(self):
        return self.whole[0] if self.rows is None else len(self.rows)

    @property
    def shape(self):
        """The shape of the rows together."""
        return (len(self), *self.whole[1:])

    def __getitem__(self, rows):
        """Read rows, by a slice or their numbers, into an array."""
        if 0 in self.shape:
            return np.empty((0, *self.whole[1:]), self.dtype)
        chosen = rows if self.rows is None else self.rows[rows]
        # mapped anew each time: what was read before is not counted as ours
        mapped = np.memmap(self.store.file, self.dtype, "r", self.offset, self.whole)
        return np.array(mapped[chosen])

    def take(self, rows):
        """Return some of the rows, which are not read yet.

        Parameters
        ----------
        rows : ndarray of int | ndarray of bool | slice
            Which ones.

        Returns
        -------
        stored : StoredRows
            These rows.
        """
        of_all = np.arange(self.whole[0]) if self.rows is None else self.rows
        return replace(self, rows=of_all[rows])


def join_stored(parts):
    """Return as one what was appended to a file one after the other.

    Parameters
    ----------
    parts : list of StoredRows
        The parts, in order, of one type and length of row.

    Returns
    -------
    stored : StoredRows
        All their rows.
    """
    n_rows = sum(map(len, parts))
    return replace(parts[0], whole=(n_rows, *parts[0].whole[1:]))


def take_rows(values, rows):
    """Return some rows of an array, or of a file, which are then not read yet.

    Parameters
    ----------
    values : torch.Tensor | ndarray | StoredRows
        The rows.
    rows : ndarray of int | ndarray of bool
        Which ones.

    Returns
    -------
    taken : torch.Tensor | ndarray | StoredRows
        These rows.
    """
    return values.take(rows) if isinstance(values, StoredRows) else values[rows]
