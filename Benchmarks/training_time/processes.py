"""Contenders in processes of their own, with the threads of a comparison."""

import json
import os
import subprocess
import sys


def reason(result):
    """Why a process failed: the last line that has words, an error for choice."""
    lines = [line.strip() for line in result.stderr.splitlines() if line.strip(" -")]
    errors = [line for line in lines if "rror:" in line]
    return (errors or lines or [f"ended with {result.returncode}"])[-1]


def alone(name, settings, arguments):
    """The result of a process of its own, or what went wrong."""
    variables = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    environment = os.environ | dict.fromkeys(variables, str(arguments.threads))
    command = [sys.executable, *sys.argv, "--worker", json.dumps(settings | {"name": name})]
    command += ["--l2", str(arguments.l2)]
    try:
        result = subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=arguments.limit
        )
    except subprocess.TimeoutExpired:
        return f"not done after {arguments.limit:g} s"
    if result.returncode != 0:
        return reason(result)
    return json.loads(result.stdout.splitlines()[-1])
