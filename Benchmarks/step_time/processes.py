"""Processes that run alone, with the threads and on the cores of a comparison."""

import os
import resource
import subprocess


class Failure(Exception):
    """A contender that cannot do a case, and why."""


def alone(command, arguments, memory=None, ranks=1):
    """Standard output of a process, or of so many ranks, with `arguments.threads` each on as many cores.

    It has at most `arguments.limit` seconds."""
    threads = str(arguments.threads)
    variables = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC")
    environment = os.environ | dict.fromkeys(variables, threads) | {"JAX_PLATFORMS": "cpu"}
    cores = sorted(os.sched_getaffinity(0))[: arguments.threads * ranks]
    launcher = ["mpirun", "--oversubscribe", "--bind-to", "none", "-np", ranks] if ranks > 1 else []

    def prepare():
        os.sched_setaffinity(0, cores)  # XLA takes as many threads as cores
        if memory is not None:
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))

    try:
        result = subprocess.run(
            list(map(str, launcher + list(command))), capture_output=True, text=True, env=environment,
            preexec_fn=prepare, timeout=arguments.limit,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise Failure(f"not done after {arguments.limit:g} s") from None
    if result.returncode != 0:
        lines = [line for line in result.stderr.splitlines() if line.strip()]
        out = [line for line in lines if "RESOURCE_EXHAUSTED" in line or "MemoryError" in line]
        reason = (out or lines or [f"ended with {result.returncode}"])[-1]
        raise Failure(reason.strip()[:160])
    return result.stdout
