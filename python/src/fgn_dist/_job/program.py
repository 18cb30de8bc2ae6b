"""The compiled program: where it is, and which launcher starts it on several ranks."""

from __future__ import annotations

import functools
import os
import pathlib
import re
import shutil
import subprocess
import sys

from ..errors import LaunchError

#: The program's version that this package speaks to: its first two numbers.
PROGRAM_VERSION = "0.2"

_CARRIED = pathlib.Path(__file__).parents[1] / "bin" / "fgn-dist"
_REMEDY = "install Open MPI, or `pip install 'fgn-dist[mpi]'`"


def program() -> str:
    """The path of fgn-dist: FGN_DIST_PROGRAM of the environment, or else what the package carries, or PATH has.

    Raises LaunchError where there is none, or where it has another version.
    """
    named = os.environ.get("FGN_DIST_PROGRAM")
    # An environment's own folder of programs need not be in PATH.
    beside = pathlib.Path(sys.executable).parent / "fgn-dist"
    candidates = [named] if named else [str(_CARRIED), str(beside), shutil.which("fgn-dist")]
    for candidate in candidates:
        if candidate and os.access(candidate, os.X_OK):
            path = str(pathlib.Path(candidate).resolve())
            _libraries(path)
            return path
    raise LaunchError(
        f"FGN_DIST_PROGRAM={named} is not a program"
        if named
        else "there is no fgn-dist; build it and put it into PATH, or name it in FGN_DIST_PROGRAM"
    )


@functools.lru_cache
def _libraries(path: str) -> str | None:
    """LD_LIBRARY_PATH for the program, or None where it needs none.

    A wheel has a stand-in for libmpi, which is enough for one process, and is used only where there is no other.
    Raises LaunchError where the program does not start, or has another version.
    """
    libraries = None
    stand_in = pathlib.Path(path).parent.parent / "lib" / "libmpi.so.40"
    result = _told_version(path, None)
    if result.returncode != 0 and "libmpi.so" in result.stderr and stand_in.exists():
        # Behind what is there, which counts first.
        libraries = ":".join(filter(None, [os.environ.get("LD_LIBRARY_PATH"), str(stand_in.parent)]))
        result = _told_version(path, libraries)
    if result.returncode != 0:
        raise LaunchError(f"{path} does not start: {result.stderr.strip() or result.returncode}")
    found = result.stdout.strip()
    if found.split(".")[:2] != PROGRAM_VERSION.split("."):
        raise LaunchError(f"{path} is version {found}, and this package needs {PROGRAM_VERSION}")
    return libraries


def _told_version(path: str, libraries: str | None) -> subprocess.CompletedProcess[str]:
    variables = os.environ if libraries is None else {**os.environ, "LD_LIBRARY_PATH": libraries}
    try:
        return subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, env=variables
        )
    except OSError as failure:
        raise LaunchError(f"{path} does not start: {failure}") from failure


def _beside_library(path: str) -> str | None:
    """The mpirun of the environment's own MPI, such as the one of PyPI, where the program of a wheel finds that library."""
    folders = _CARRIED.resolve().parents
    if path != str(_CARRIED.resolve()) or len(folders) < 6 or not (folders[4] / "libmpi.so.40").exists():
        return None
    mpirun = folders[5] / "bin" / "mpirun"
    return str(mpirun) if os.access(mpirun, os.X_OK) else None


@functools.lru_cache
def _mpirun_kind(launcher: str) -> str:
    """`openmpi` or `mpich`, by what the launcher says of itself. Raises LaunchError without one."""
    path = shutil.which(launcher)
    if path is None:
        raise LaunchError(f"there is no {launcher} for several ranks; {_REMEDY}, or pass launcher=")
    told = subprocess.run([path, "--version"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return "openmpi" if re.search(r"open\s?mpi|open-?rte|prte", told.stdout + told.stderr, re.IGNORECASE) else "mpich"


def launch_command(command: list[str], ranks: int, hosts, launcher) -> list[str]:
    """`command` on `ranks` ranks.

    `launcher` is `mpirun` or another name or path of one, `srun`, or a function of (command, ranks, hosts) that returns
    the whole list of arguments; `hosts` a host file's path, or a list of names such as `["a", "b:4"]`.
    """
    if callable(launcher):
        return [str(argument) for argument in launcher(command, ranks, hosts)]
    if ranks == 1 and hosts is None:
        return command
    if _libraries(command[0]) is not None:
        raise LaunchError(f"there is no Open MPI (libmpi.so.40) for several ranks; {_REMEDY}")
    if launcher == "mpirun":
        launcher = _beside_library(command[0]) or launcher
    name = os.path.basename(launcher)
    if name == "srun":
        where = ["--nodelist", ",".join(host.split(":")[0] for host in hosts)] if isinstance(hosts, (list, tuple)) else []
        if hosts is not None and not where:
            where = ["--nodefile", os.fspath(hosts)]
        return [launcher, "--mpi=pmix", "--ntasks", str(ranks), *where, *command]
    is_open = _mpirun_kind(launcher) == "openmpi"
    options = ["--oversubscribe", "--bind-to", "none"] if is_open else []
    if isinstance(hosts, (list, tuple)):
        options += ["--host" if is_open else "-hosts", ",".join(hosts)]
    elif hosts is not None:
        options += ["--hostfile" if is_open else "-f", os.fspath(hosts)]
    return [launcher, *options, "-np", str(ranks), *command]


def environment(threads: int | None, ranks: int) -> dict[str, str]:
    """The environment of the program. In containers, where root is the usual user, Open MPI wants to be told twice."""
    # A crash ends the program at once, instead of in a search for its place that may not end.
    result = {"SWIFT_BACKTRACE": "enable=no", **os.environ}
    if ranks == 1:
        # Within an allocation of several tasks, too.
        result["FGN_SINGLE_PROCESS"] = "1"
    if threads is not None:
        result["OPENBLAS_NUM_THREADS"] = str(threads)
    if ranks > 1 and os.geteuid() == 0:
        result |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    return result | _found(program())


def _found(path: str) -> dict[str, str]:
    """The variables by which the program finds its libraries, and its own launcher first."""
    result = {}
    libraries, mpirun = _libraries(path), _beside_library(path)
    if libraries is not None:
        result["LD_LIBRARY_PATH"] = libraries
    if mpirun is not None:
        result["PATH"] = os.path.dirname(mpirun) + ":" + os.environ.get("PATH", os.defpath)
    return result


def main() -> None:
    """The command `fgn-dist` that a wheel installs: becomes the program of the wheel.

    No other one, as that could be this command again.
    """
    path = str(_CARRIED.resolve())
    if not os.access(path, os.X_OK):
        sys.exit(f"fgn-dist: error: there is no {path}; this command is that of a wheel with the program")
    try:
        os.execve(path, [path, *sys.argv[1:]], os.environ | _found(path))
    except LaunchError as failure:
        sys.exit(f"fgn-dist: error: {failure}")
