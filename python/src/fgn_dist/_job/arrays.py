"""Arrays as files that the program maps, with one copy at most."""

from __future__ import annotations

import os
import pathlib

import numpy

from ..errors import OutputError
from .scratch import Scratch


def is_sparse(X) -> bool:
    """Whether X is a matrix or array of scipy.sparse."""
    return hasattr(X, "tocsr") and hasattr(X, "nnz")


def size(X) -> int:
    """Bytes of X as a file."""
    return 16 * X.nnz + 8 * X.shape[0] if is_sparse(X) else X.nbytes


def write(X, scratch: Scratch, name: str) -> str:
    """The path of a file with the array or the sparse matrix X.

    An array that is a whole .npy file already stays where it is.
    """
    if is_sparse(X):
        return _write_sparse(X, scratch.path / f"{name}.npz")
    file = mapped_file(X)
    if file is not None:
        return file
    path = scratch.path / f"{name}.npy"
    try:
        numpy.save(path, X, allow_pickle=False)
    except OSError as failure:
        raise OutputError(
            f"{path} cannot be written ({failure}); name a folder with more room in scratch_directory"
        ) from failure
    return str(path)


def _write_sparse(X, path: pathlib.Path) -> str:
    """As scipy.sparse.save_npz; without a copy of what is in order already."""
    rows = X.tocsr()
    if not rows.has_canonical_format:
        rows = rows.copy()
        rows.sum_duplicates()
    numpy.savez(
        path, format=numpy.bytes_("csr"), shape=numpy.array(rows.shape),
        data=rows.data, indices=rows.indices, indptr=rows.indptr,
    )  # fmt: skip
    return str(path)


def mapped_file(X) -> str | None:
    """The .npy file that X, a memory map, is the whole of; None for other arrays."""
    if not isinstance(X, numpy.memmap) or X.filename is None or not X.flags.c_contiguous:
        return None
    path = os.fspath(X.filename)
    try:
        with open(path, "rb") as file:
            version = numpy.lib.format.read_magic(file)
            read = numpy.lib.format.read_array_header_1_0 if version == (1, 0) else numpy.lib.format.read_array_header_2_0
            shape, is_fortran, kind = read(file)
            start = file.tell()
    except (OSError, ValueError):
        return None
    is_whole = shape == X.shape and kind == X.dtype and not is_fortran
    # A map for writing may have changes that the file does not show to others yet.
    if is_whole and X.offset == start and X.mode == "r" and _is_mapped(path, X.__array_interface__["data"][0]):
        return str(pathlib.Path(path).resolve())
    return None


def _is_mapped(path: str, address: int) -> bool:
    """Whether the file that has this path now is the one that is mapped at an address: another may have taken its place."""
    try:
        file = os.stat(path)
        with open("/proc/self/maps") as maps:
            for line in maps:
                extent, _, _, device, inode = line.split()[:5]
                begin, end = (int(number, 16) for number in extent.split("-"))
                if begin <= address < end:
                    major, minor = (int(number, 16) for number in device.split(":"))
                    return (os.makedev(major, minor), int(inode)) == (file.st_dev, file.st_ino)
    except OSError:
        pass
    return False


def plain(X) -> numpy.ndarray:
    """X as a NumPy array: also tables and lists; texts that pandas keeps as objects become texts."""
    if is_sparse(X):
        return X
    if not isinstance(X, numpy.ndarray):
        X = X.to_numpy() if hasattr(X, "to_numpy") else numpy.asarray(X)
    if X.dtype == object:
        X = numpy.array(X.tolist())
    return X.astype(numpy.float64) if X.dtype == numpy.longdouble else X


def readable(X):
    """X with values of a type that the program reads: numbers of other kinds become float64."""
    if is_sparse(X):
        if X.dtype.kind not in "fiub" or X.dtype.itemsize > 8:
            X = X.astype(numpy.float64)
        return X
    X = plain(X)
    if X.dtype.kind not in "fiub" or X.dtype.itemsize > 8:
        return X.astype(numpy.float64)
    return X
