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


def program() -> str:
    """The path of fgn-dist: FGN_DIST_PROGRAM of the environment, or else what the package carries, or PATH has.

    Raises LaunchError where there is none, or where it has another version.
    """
    named = os.environ.get("FGN_DIST_PROGRAM")
    carried = pathlib.Path(__file__).parents[1] / "bin" / "fgn-dist"
    # An environment's own folder of programs need not be in PATH.
    beside = pathlib.Path(sys.executable).parent / "fgn-dist"
    candidates = [named] if named else [str(carried), str(beside), shutil.which("fgn-dist")]
    for candidate in candidates:
        if candidate and os.access(candidate, os.X_OK):
            path = str(pathlib.Path(candidate).resolve())
            _check_version(path)
            return path
    raise LaunchError(
        f"FGN_DIST_PROGRAM={named} is not a program"
        if named
        else "there is no fgn-dist; build it and put it into PATH, or name it in FGN_DIST_PROGRAM"
    )


@functools.lru_cache
def _check_version(path: str) -> None:
    try:
        result = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    except OSError as failure:
        raise LaunchError(f"{path} does not start: {failure}") from failure
    if result.returncode != 0:
        raise LaunchError(f"{path} does not start: {result.stderr.strip() or result.returncode}")
    found = result.stdout.strip()
    if found.split(".")[:2] != PROGRAM_VERSION.split("."):
        raise LaunchError(f"{path} is version {found}, and this package needs {PROGRAM_VERSION}")


@functools.lru_cache
def _mpirun_kind(launcher: str) -> str:
    """`openmpi` or `mpich`, by what the launcher says of itself. Raises LaunchError without one."""
    path = shutil.which(launcher)
    if path is None:
        raise LaunchError(f"there is no {launcher} for several ranks; install Open MPI, or pass launcher=")
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
    return result
