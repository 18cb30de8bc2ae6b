"""A process that outlives Python by a moment, and takes away what Python could not."""

from __future__ import annotations

import os
import subprocess
import threading

from ..errors import OutputError

# Reads what there is, one line each: `+d FOLDER`, `-d FOLDER`, `+g GROUP`, `-g GROUP`. When Python is gone, whatever ended it,
# it stops the groups of processes and removes the folders. It is no child of Python's, as those who end a tree of processes,
# such as joblib for its workers, would end it as well.
_SCRIPT = r"""
exec 3<&0
(
trap '' INT TERM HUP
set -f
newline='
'
folders= groups=
without() {
  kept= IFS=$newline
  for each in $1; do [ "$each" = "$2" ] || kept="$kept$each$newline"; done
  unset IFS
}
while IFS= read -r line; do
  case $line in
    +d*) folders="$folders${line#+d }$newline" ;;
    -d*) without "$folders" "${line#-d }"; folders=$kept ;;
    +g*) groups="$groups${line#+g }$newline" ;;
    -g*) without "$groups" "${line#-g }"; groups=$kept ;;
  esac
done
for group in $groups; do kill -s TERM -- "-$group"; done
waited=0
for group in $groups; do
  while kill -s 0 -- "-$group" && [ $waited -lt 100 ]; do sleep 0.1; waited=$((waited + 1)); done
  kill -s KILL -- "-$group"
done
IFS=$newline
for folder in $folders; do rm -rf -- "$folder"; done
) <&3 >/dev/null 2>&1 &
"""


class _Guard:
    """The guard of this process, which starts with the first line that it is told."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._input: int | None = None
        os.register_at_fork(after_in_child=self._forget)

    def tell(self, line: str) -> None:
        """Raises OutputError where there is no guard."""
        with self._lock:
            if self._input is None:
                self._input = self._start()
            try:
                os.write(self._input, os.fsencode(line) + b"\n")
            except OSError as failure:
                self._input = None
                raise OutputError(f"the process that cleans up is gone: {failure}") from failure

    @staticmethod
    def _start() -> int:
        read, write = os.pipe()
        try:
            subprocess.run(
                ["/bin/sh", "-c", _SCRIPT, "fgn-dist-guard"],
                stdin=read,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                check=True,
            )
        except BaseException:
            os.close(write)
            raise
        finally:
            os.close(read)
        return write

    def _forget(self) -> None:
        """A fork has a guard of its own, and does not keep that of its parent waiting."""
        self._lock = threading.Lock()
        if self._input is not None:
            os.close(self._input)
        self._input = None


guard = _Guard()
