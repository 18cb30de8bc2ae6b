"""Other formats at the door: Parquet, Arrow and HDF5 files become the arrays that the program maps.

Rows are read and written in blocks, so that files may be larger than memory.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy

#: Rows at a time.
BLOCK = 1 << 14


class Converted(NamedTuple):
    """What was written."""

    features: pathlib.Path
    #: None where there are no labels.
    labels: pathlib.Path | None
    #: The labels that class numbers stand for, in their order.
    classes: list
    #: The names of the features; empty for HDF5.
    columns: list[str]


def convert(
    source: str | os.PathLike | list,
    features: str | os.PathLike,
    labels: str | os.PathLike | None = None,
    *,
    label: str | None = None,
    columns: list[str] | None = None,
    dtype=None,
) -> Converted:
    """Writes features, and labels as class numbers, as .npy files.

    Parameters
    ----------
    source
        A Parquet, Arrow or Feather file, a list of them, or a folder of Parquet files; or `file.h5:path` for a dataset of
        HDF5, with n rows.
    features, labels
        The .npy files to write. They appear when they are complete.
    label
        The column with the labels; for HDF5 the path of their dataset.
    columns
        The columns that are features; None: all but the label. A column of lists of one length, as embeddings are, counts
        for as many features.
    dtype
        The type of the features; None: that of all columns together.

    Raises ValueError for missing values, with their row and column.
    """
    if (labels is None) != (label is None):
        raise ValueError("labels, the file to write, and label, where they are, go together")
    if labels is not None and pathlib.Path(features).resolve() == pathlib.Path(labels).resolve():
        raise ValueError(f"features and labels cannot both be {features}")
    reader = _HDF5(source, label) if _is_hdf5(source) else _Tables(source, label, columns)
    kind = numpy.dtype(dtype) if dtype is not None else reader.dtype
    paths = [pathlib.Path(path) for path in (features, labels) if path is not None]
    parts = [path.with_name(f".{path.name}.part") for path in paths]
    try:
        known = _write(reader, kind, parts)
        for part, path in zip(parts, paths, strict=True):
            part.replace(path)
    finally:
        for part in parts:
            part.unlink(missing_ok=True)
    return Converted(paths[0], paths[1] if labels is not None else None, known, reader.columns)


def _write(reader, kind: numpy.dtype, parts: list[pathlib.Path]) -> list:
    """Fills the files; returns the labels that were found, sorted."""
    target = numpy.lib.format.open_memmap(parts[0], "w+", kind, (reader.rows, reader.width))
    numbers = numpy.lib.format.open_memmap(parts[1], "w+", numpy.int32, (reader.rows,)) if len(parts) > 1 else None
    known: dict = {}
    row = 0
    for block, names in reader.blocks():
        if block.dtype.kind == "f" and not numpy.isfinite(block).all():
            place = numpy.argwhere(~numpy.isfinite(block))[0]
            raise ValueError(f"row {row + place[0]} has no number in {reader.name(place[1])}; fill it in, or leave it out")
        target[row : row + len(block)] = _cast(block, kind, row, reader)
        if numbers is not None:
            # A label that is no number, which equals nothing, is none.
            labels = [name if name == name else None for name in names]
            numbers[row : row + len(block)] = [known.setdefault(name, len(known)) for name in labels]
        row += len(block)
    if None in known:
        raise ValueError("a row has no label; fill it in, or leave the row out")
    order = sorted(known)
    if numbers is not None:
        places = numpy.empty(len(known), dtype=numpy.int32)
        for place, name in enumerate(order):
            places[known[name]] = place
        for start in range(0, len(numbers), BLOCK):
            numbers[start : start + BLOCK] = places[numbers[start : start + BLOCK]]
        numbers.flush()
    target.flush()
    return order


def _cast(block: numpy.ndarray, kind: numpy.dtype, row: int, reader) -> numpy.ndarray:
    """The block as `kind`. Raises ValueError for a number that this does not hold."""
    if numpy.can_cast(block.dtype, kind):
        return block
    with numpy.errstate(all="ignore"):
        cast = block.astype(kind)
    # Fractions are rounded to the precision of floats, and to nothing else.
    wrong = ~numpy.isfinite(cast) if kind.kind == "f" else cast != block
    if wrong.any():
        place = numpy.argwhere(wrong)[0]
        raise ValueError(
            f"row {row + place[0]} has {block[tuple(place)]} in {reader.name(place[1])}, which {kind} does not hold"
        )
    return cast


def _is_hdf5(source) -> bool:
    if not isinstance(source, (str, os.PathLike)):
        return False
    path = os.fspath(source)
    if path.endswith((".h5", ".hdf5", ".hdf")):
        raise ValueError(f"name a dataset of the file, as in {path}:images")
    return any(ending in path for ending in (".h5:", ".hdf5:", ".hdf:"))


class _Tables:
    """Columns of Arrow's formats."""

    def __init__(self, source, label: str | None, columns: list[str] | None):
        import pyarrow.dataset

        paths = [os.fspath(path) for path in source] if isinstance(source, list) else os.fspath(source)
        first = pathlib.Path(paths[0] if isinstance(paths, list) else paths)
        form = "parquet" if first.is_dir() or first.suffix in (".parquet", ".pq") else "feather"
        self._set = pyarrow.dataset.dataset(paths, format=form)
        names = self._set.schema.names
        for name in [*([label] if label is not None else []), *(columns or [])]:
            if name not in names:
                raise ValueError(f"{source} has no column {name!r}; it has {', '.join(names[:20])}")
        self._label = label
        if label is not None and label in (columns or []):
            raise ValueError(f"the column {label!r} cannot be the label and a feature")
        self._chosen = columns or [name for name in names if name != label]
        self.rows = self._set.count_rows()
        if self.rows == 0:
            raise ValueError(f"{source} has no rows")
        head = self._set.head(1, columns=self._chosen)
        parts = [_numbers(head.column(name), name) for name in self._chosen]
        self._widths = [part.shape[1] for part in parts]
        self.width = sum(self._widths)
        self.dtype = numpy.result_type(*[part.dtype for part in parts])
        self.columns = [
            name if width == 1 else f"{name}[{index}]"
            for name, width in zip(self._chosen, self._widths, strict=True)
            for index in range(width)
        ]

    def name(self, index: int) -> str:
        return f"column {self.columns[index]}"

    def blocks(self) -> Iterator[tuple[numpy.ndarray, list | None]]:
        wanted = [*self._chosen, *([self._label] if self._label is not None else [])]
        for batch in self._set.to_batches(columns=wanted, batch_size=BLOCK):
            if batch.num_rows == 0:
                continue
            parts = [_numbers(batch.column(name), name) for name in self._chosen]
            for part, width, name in zip(parts, self._widths, self._chosen, strict=True):
                if part.shape[1] != width:
                    raise ValueError(f"the lists in column {name} are of several lengths")
            names = batch.column(self._label).to_pylist() if self._label is not None else None
            yield numpy.concatenate(parts, axis=1), names


def _numbers(column, name: str) -> numpy.ndarray:
    """A column as rows × numbers; a missing value is a NaN."""
    import pyarrow
    import pyarrow.compute

    if isinstance(column, pyarrow.ChunkedArray):
        column = column.combine_chunks()
    kind = column.type
    if pyarrow.types.is_fixed_size_list(kind) or pyarrow.types.is_list(kind) or pyarrow.types.is_large_list(kind):
        if column.null_count:
            raise ValueError(f"column {name} has rows without a list")
        lengths = pyarrow.compute.list_value_length(column).unique()
        if len(lengths) > 1:
            raise ValueError(f"the lists in column {name} are of several lengths")
        return _numbers(column.flatten(), name).reshape(len(column), -1)
    if not (pyarrow.types.is_integer(kind) or pyarrow.types.is_floating(kind) or pyarrow.types.is_boolean(kind)):
        raise ValueError(f"column {name} has values of type {kind}; name the columns of numbers in columns=")
    if pyarrow.types.is_boolean(kind):
        # As objects, missing truth values would become false.
        column = column.cast(pyarrow.uint8())
    values = column.to_numpy(zero_copy_only=False).reshape(-1, 1)
    return values.astype(bool) if pyarrow.types.is_boolean(kind) and not column.null_count else values


class _HDF5:
    """Datasets of one HDF5 file."""

    columns: list[str] = []

    def __init__(self, source, label: str | None):
        import h5py

        path, _, name = os.fspath(source).rpartition(":")
        file = h5py.File(path, "r")
        for wanted in [name, *([label] if label is not None else [])]:
            if not isinstance(file.get(wanted), h5py.Dataset):
                raise ValueError(f"{path} has no dataset {wanted!r}")
        self._values, self._labels = file[name], file[label] if label is not None else None
        self.rows = len(self._values)
        if self._labels is not None and len(self._labels) != self.rows:
            raise ValueError(f"{path} has {self.rows} rows in {name} and {len(self._labels)} in {label}")
        if self._values.ndim < 2 or self._values.dtype.kind not in "fiub":
            raise ValueError(f"{path}:{name} is no array of numbers with an axis of rows and one of features")
        self.width, self.dtype = int(numpy.prod(self._values.shape[1:])), self._values.dtype

    def name(self, index: int) -> str:
        return f"feature {index}"

    def blocks(self) -> Iterator[tuple[numpy.ndarray, list | None]]:
        for start in range(0, self.rows, BLOCK):
            block = self._values[start : start + BLOCK].reshape(-1, self.width)
            names = None
            if self._labels is not None:
                names = [
                    name.decode() if isinstance(name, bytes) else name for name in self._labels[start : start + BLOCK].tolist()
                ]
            yield block, names
