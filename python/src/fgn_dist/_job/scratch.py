"""Folders for what Python and the program hand to each other."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import tempfile

from ..errors import OutputError

# Waits for words from Python. When Python is gone without `done`, whatever ended it, it stops what runs and takes the
# folder away. $1 is the folder; a group is that of the program or of its launcher.
_GUARD = """
trap '' INT TERM HUP
group=
while read -r word number; do
  case $word in
    group) group=$number ;;
    done) exit 0 ;;
  esac
done
if [ -n "$group" ] && kill -s TERM -- "-$group" 2>/dev/null; then
  waited=0
  while kill -s 0 -- "-$group" 2>/dev/null && [ $waited -lt 100 ]; do sleep 0.1; waited=$((waited + 1)); done
  kill -s KILL -- "-$group" 2>/dev/null
fi
rm -rf -- "$1"
"""


class Scratch:
    """A temporary folder that is removed at the end of a `with` block, and by a guard where Python does not live so long.

    In /dev/shm, so that arrays are handed over in memory, where it has room for `size` bytes; else where `tempfile` makes
    folders. `parent` is another place, as for hosts that share a file system; `name`
    makes the folder the same one each time.
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
            self._guard = subprocess.Popen(
                ["/bin/sh", "-c", _GUARD, "fgn-dist-guard", str(self.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except BaseException:
            shutil.rmtree(self.path, ignore_errors=True)
            raise

    @staticmethod
    def _place(size: int) -> str | None:
        try:
            memory = os.statvfs("/dev/shm")
        except OSError:
            return None
        free = memory.f_bavail * memory.f_frsize
        return "/dev/shm" if free > size + (64 << 20) and os.access("/dev/shm", os.W_OK) else None

    def watch(self, group: int) -> None:
        """Tells the guard which process group to stop."""
        self._tell(f"group {group}\n")

    def _tell(self, line: str) -> None:
        try:
            self._guard.stdin.write(line.encode())
            self._guard.stdin.flush()
        except OSError as failure:
            raise OutputError(f"the guard of {self.path} is gone: {failure}") from failure

    def __enter__(self) -> Scratch:
        return self

    def __exit__(self, *_) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        try:
            self._tell("done\n")
            self._guard.stdin.close()
        except OSError:
            pass
        self._guard.wait()
