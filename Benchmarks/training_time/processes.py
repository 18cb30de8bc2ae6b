"""Contenders in processes of their own, with the threads of a comparison."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time


def reason(result):
    """Why a process failed: the last line that has words, an error for choice."""
    lines = [line.strip() for line in result.stderr.splitlines() if line.strip(" -")]
    errors = [line for line in lines if "rror:" in line]
    return (errors or lines or [f"ended with {result.returncode}"])[-1]


def peak(process):
    """Peak resident memory in bytes, of the largest of a process and all that it started.

    The kernel's counter starts anew with a program, unlike that of getrusage."""
    folder, result = pathlib.Path("/proc") / str(process), 0
    try:
        for line in (folder / "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                result = 1024 * int(line.split()[1])
        for children in (folder / "task").glob("*/children"):
            for child in children.read_text().split():
                result = max(result, peak(child))
    except OSError:
        pass  # It has just ended.
    return result


def launcher(ranks):
    """What stands before a command for so many ranks."""
    return ["mpirun", "--oversubscribe", "-np", str(ranks)] if ranks > 1 else []


def watched(command, arguments, ranks=1):
    """Standard output, seconds and peak memory in bytes of a command that runs alone, with
    `arguments.threads` for all its ranks.

    It has at most `arguments.limit` seconds. Raises RuntimeError where it fails."""
    variables = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    environment = os.environ | dict.fromkeys(variables, str(max(1, arguments.threads // ranks)))
    memory, start = 0, time.perf_counter()
    process = subprocess.Popen(
        list(map(str, [*launcher(ranks), *command])), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True,
    )  # fmt: skip
    try:
        while True:
            memory = max(memory, peak(process.pid))
            try:
                output, errors = process.communicate(timeout=0.05)
                break
            except subprocess.TimeoutExpired:
                if time.perf_counter() - start > arguments.limit:
                    raise RuntimeError(f"not done after {arguments.limit:g} s") from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    seconds = time.perf_counter() - start
    if process.returncode != 0:
        raise RuntimeError(
            reason(subprocess.CompletedProcess(command, process.returncode, output, errors))
        )
    return output, seconds, memory


def alone(name, settings, arguments):
    """The result of a process of this script, or what went wrong."""
    worker = json.dumps(settings | {"name": name})
    try:
        output, seconds, memory = watched([sys.executable, *sys.argv, "--worker", worker], arguments)
    except RuntimeError as failure:
        return str(failure)
    result = json.loads(output.splitlines()[-1])
    return result | {"command_seconds": seconds, "peak_memory": memory}
