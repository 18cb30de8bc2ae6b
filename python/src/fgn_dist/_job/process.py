"""Runs the program, alone or on ranks, and answers for its end."""

from __future__ import annotations

import operator
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable
from typing import NamedTuple

from ..errors import LaunchError, StoppedError, error_of
from .program import environment, launch_command, program
from .scratch import Scratch


class Launch(NamedTuple):
    """How the program is started: on one process, or on ranks; see `fgn_dist.train`."""

    ranks: int = 1
    hosts: object = None
    launcher: object = "mpirun"
    threads: int | None = None


#: One process with the threads of its own choice.
ALONE = Launch()


def run(arguments: list[str], scratch: Scratch, launch: Launch = ALONE, watch: Callable[[], None] | None = None) -> str:
    """Runs `fgn-dist ARGUMENTS` to its end, and returns what it printed.

    `watch` is called now and then, and once at the end. At a KeyboardInterrupt the program is asked to save and stop,
    and the exception goes on when it has; at a second one it is killed. Raises FGNError with the program's line.
    """
    ranks, threads = _count("ranks", launch.ranks), launch.threads
    if threads is not None:
        threads = _count("threads", threads)
    command = launch_command([program(), *arguments], ranks, launch.hosts, launch.launcher)
    outputs = [scratch.path / name for name in ("output.txt", "errors.txt")]
    with open(outputs[0], "wb") as output, open(outputs[1], "wb") as errors:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                env=environment(threads, ranks),
                start_new_session=True,
            )
        except OSError as failure:
            raise LaunchError(f"{command[0]} does not start: {failure}") from failure
    try:
        scratch.watch(process.pid)
        _wait(process, watch)
    except BaseException as reason:
        stopped = _stop(process, launched=command[0] != program(), patient=isinstance(reason, KeyboardInterrupt))
        if watch is not None and stopped:
            watch()
        raise
    if watch is not None:
        watch()
    text = outputs[0].read_text(errors="replace")
    if process.returncode != 0:
        raise error_of(process.returncode, outputs[1].read_text(errors="replace"))
    return text


def _count(name: str, value) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = 0
    if number < 1:
        raise ValueError(f"{name} must be a whole number, 1 or more, not {value!r}")
    return number


def _wait(process: subprocess.Popen, watch: Callable[[], None] | None) -> None:
    """Waits for the end; `Popen.wait` with a time limit would look for it only 20 times a second."""
    if watch is None or not hasattr(os, "pidfd_open"):
        while watch is not None and process.poll() is None:
            time.sleep(0.1)
            watch()
        process.wait()
        return
    descriptor = os.pidfd_open(process.pid)
    try:
        while not select.select([descriptor], [], [], 0.2)[0]:
            watch()
    finally:
        os.close(descriptor)
    process.wait()


def _stop(process: subprocess.Popen, launched: bool, patient: bool) -> bool:
    """Asks the program to stop; kills it and its group if it does not, or if the person insists. Whether it stopped itself."""
    # mpirun hands SIGUSR1 on and lets the ranks save; SIGTERM it follows by a kill.
    if process.poll() is None:
        process.send_signal(signal.SIGUSR1 if launched and patient else signal.SIGTERM)
    try:
        process.wait(timeout=120 if patient else 10)
        return process.returncode == StoppedError.exit_code
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
        return False
