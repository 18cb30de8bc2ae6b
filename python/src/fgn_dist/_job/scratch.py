"""Folders for what Python and the program hand to each other."""

from __future__ import annotations

import os
import pathlib
import shutil
import tempfile

from ..errors import OutputError
from .guard import guard


class Scratch:
    """A temporary folder that is removed at the end of a `with` block, and by a guard where Python does not live so long.

    In /dev/shm, so that arrays are handed over in memory, where it has room for `size` bytes; else where `tempfile` makes
    folders. `parent` is another place, as for hosts that share a file system; `name` makes it the same folder each time.
    """

    def __init__(self, size: int = 0, parent: str | os.PathLike | None = None, name: str | None = None):
        place = parent or self._place(size)
        if name is None:
            self.path = pathlib.Path(tempfile.mkdtemp(prefix=f"fgn-dist-{os.getpid()}-", dir=place))
        else:
            self.path = pathlib.Path(place or tempfile.gettempdir()) / f"fgn-dist-{name}"
            shutil.rmtree(self.path, ignore_errors=True)
            self.path.mkdir(mode=0o700)
        try:
            guard.tell(f"+d {self.path}")
        except BaseException:
            shutil.rmtree(self.path, ignore_errors=True)
            raise
        self._group: int | None = None

    @staticmethod
    def _place(size: int) -> str | None:
        try:
            memory = os.statvfs("/dev/shm")
        except OSError:
            return None
        free = memory.f_bavail * memory.f_frsize
        return "/dev/shm" if free > size + (64 << 20) and os.access("/dev/shm", os.W_OK) else None

    def watch(self, group: int) -> None:
        """Tells the guard which process group to stop with this Python."""
        self._group = group
        guard.tell(f"+g {group}")

    def __enter__(self) -> Scratch:
        return self

    def __exit__(self, *_) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        try:
            if self._group is not None:
                guard.tell(f"-g {self._group}")
            guard.tell(f"-d {self.path}")
        except OutputError:
            pass  # Nothing is left to clean up.
