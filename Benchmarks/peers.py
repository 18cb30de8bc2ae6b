#!/usr/bin/env python3
"""Time per step: fgn-dist against PyTorch, JAX and Somax, in turn, each alone on the same cores.

A case is `rows x features x hidden... x classes`: a linear head if there is nothing hidden, else a
perceptron with tanh. Data are random. Every contender runs in a process of its own, with the same
threads on the same cores; rounds go through the contenders forwards and backwards in turn. Warm-up
steps (and compilation) do not count; a process gives the median over its steps, the table the
median over the processes.

    scripts/bench.sh                                          # builds, and makes .venv-bench
    scripts/bench.sh --cases 512x512x100 --rounds 3
    python Benchmarks/peers.py .build/release/fgn-dist --contenders fgn-dist-sgd torch-sgd

What is compared:

    fgn-dist-gram, -gram-momentum, -cg, -sgd   `fgn-dist train`; of a step line of metrics.jsonl
        `seconds` less `phases.data`, since the peers get their batches ready-made
    torch-sgd       cross_entropy, backward, torch.optim.SGD without momentum
    torch-fgn-cg    Fast Gauss-Newton, conjugate gradient in the row space, matrix-free. R u comes
                    from differentiating the backward pass: torch.func.jvp took 2 to 12 times as
                    long, and torch.func.linearize traces anew in each step
    jax-sgd         jitted, parameters donated
    somax-sgn-cg    Somax's `sgn_ce`, jitted: the full Gauss-Newton matrix, in the parameter space
    somax-egn       Somax's `egn_ce`: the full matrix, solved by Cholesky with rows x classes rows.
                    It keeps a dense Jacobian of these rows, and so is tried only on small cases

"cg" is 10 iterations everywhere, without warm start, and no tolerance ends it sooner. The learning
rate makes steps tiny, so that all methods stay near the start and none diverges.
"""

import argparse
import importlib
import importlib.metadata
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
from step_time import fgn_dist_steps
from step_time.cases import BATCHES, CASES, ITERATIONS, WARM_UP, extents, write_data
from step_time.processes import Failure, alone

# The module of a contender in Python, and its function there. Only the contender's own process imports it.
WORKERS = {
    "torch-sgd": ("torch_steps", "sgd"),
    "torch-fgn-cg": ("torch_steps", "fgn_cg"),
    "jax-sgd": ("jax_steps", "sgd"),
    "somax-sgn-cg": ("somax_steps", "sgn"),
    "somax-egn": ("somax_steps", "egn"),
}
CONTENDERS = [*fgn_dist_steps.CONTENDERS, *WORKERS]


def work(arguments):
    """One contender's process: prints its median as JSON."""
    rows, widths = extents(arguments.cases[0])
    features = np.load(arguments.worker / "features.npy")
    labels = np.load(arguments.worker / "labels.npy")
    module, name = WORKERS[arguments.contenders[0]]
    contender = getattr(importlib.import_module(f"step_time.{module}"), name)
    step, convert = contender(widths, arguments.threads)
    batches = [
        convert(features[start : start + rows], labels[start : start + rows])
        for start in range(0, len(labels), rows)
    ]
    seconds, stop = [], None
    while stop is None or len(seconds) < arguments.steps + WARM_UP or time.perf_counter() < stop:
        start = time.perf_counter()
        step(*batches[len(seconds) % BATCHES])
        seconds.append(time.perf_counter() - start)
        if len(seconds) == WARM_UP:
            stop = time.perf_counter() + arguments.seconds
    print(json.dumps({"seconds": statistics.median(seconds[WARM_UP:]), "steps": len(seconds)}))


def available_memory():
    lines = pathlib.Path("/proc/meminfo").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return int(fields["MemAvailable"].split()[0]) * 1024


def run_worker(name, case, folder, arguments):
    memory = None
    if name == "somax-egn":
        rows, widths = extents(case)
        system = rows * widths[-1]
        parameters = sum((before + 1) * after for before, after in zip(widths, widths[1:]))
        memory = available_memory() * 9 // 10
        need = 4 * system * (parameters + 2 * system)
        if need > memory:
            raise Failure(f"needs {need / 1e9:.0f} GB: {system} rows x {parameters} parameters")
    command = [sys.executable, __file__, "--worker", folder, "--contenders", name, "--cases", case]
    for option in "threads", "steps", "seconds":
        command += [f"--{option}", getattr(arguments, option)]
    return json.loads(alone(command, arguments, memory).splitlines()[-1])["seconds"]


def run_fgn_dist(name, case, folder, steps, arguments):
    """Seconds of each step."""
    optimizer = fgn_dist_steps.CONTENDERS[name]
    events = fgn_dist_steps.train(case, folder, optimizer, arguments, steps)
    chosen = fgn_dist_steps.step_events(events)
    if "cg" in name:
        least = min(event["solver_iterations"] for event in chosen)
        if least != ITERATIONS:
            raise Failure(f"{least} iterations instead of {ITERATIONS}")
    return fgn_dist_steps.seconds(chosen)


class Runs:
    """What the contenders took in one case."""

    def __init__(self, case, folder, arguments):
        self.case, self.folder, self.arguments = case, folder, arguments
        self.seconds = {name: [] for name in arguments.contenders}
        self.failures, self.steps = {}, {}

    def run(self, name):
        if name in self.failures:
            return
        try:
            self.seconds[name].append(self.measure(name))
        except Failure as failure:
            self.failures[name] = str(failure)
        taken = self.failures.get(name) or f"{1e3 * self.seconds[name][-1]:.2f} ms"
        print(f"{self.case} {name}: {taken}", file=sys.stderr, flush=True)

    def measure(self, name):
        if name in WORKERS:
            return run_worker(name, self.case, self.folder, self.arguments)
        if name not in self.steps:  # how many steps fill the time
            trial = run_fgn_dist(name, self.case, self.folder, 2 * WARM_UP, self.arguments)
            fit = self.arguments.seconds / statistics.median(trial[WARM_UP:])
            self.steps[name] = WARM_UP + max(self.arguments.steps, int(fit))
        steps = self.steps[name]
        seconds = run_fgn_dist(name, self.case, self.folder, steps, self.arguments)
        return statistics.median(seconds[WARM_UP:])

    def table(self):
        medians = {name: statistics.median(some) for name, some in self.seconds.items() if some}
        rows, widths = extents(self.case)
        kind = "linear head" if len(widths) == 2 else "perceptron, tanh"
        print(f"\n### Batch {rows}, {'-'.join(map(str, widths))} ({kind})\n")
        print("| contender | ms a step | to fgn-dist-sgd | to fgn-dist-gram |")
        print("| --- | ---: | ---: | ---: |")
        for name in self.arguments.contenders:
            if name in medians:
                ratios = (
                    f"{medians[name] / medians[base]:.2f}" if base in medians else ""
                    for base in ("fgn-dist-sgd", "fgn-dist-gram")
                )
                print(f"| {name} | {1e3 * medians[name]:.2f} | {' | '.join(ratios)} |")
            else:
                print(f"| {name} | - | {self.failures.get(name, '')} | |")
        sys.stdout.flush()
        return [
            {"case": self.case, "contender": name, "seconds": self.seconds[name],
             "median": medians.get(name), "failure": self.failures.get(name)}
            for name in self.arguments.contenders
        ]  # fmt: skip


def machine(arguments):
    text = pathlib.Path("/proc/cpuinfo").read_text()
    names = [line.split(":")[1].strip() for line in text.splitlines() if "model name" in line]
    versions = {"python": platform.python_version()}
    for package in "numpy", "torch", "jax", "jaxlib", "python-somax":
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            pass
    result = subprocess.run([arguments.program, "--version"], capture_output=True, text=True)
    versions["fgn-dist"] = result.stdout.strip().removeprefix("fgn-dist").strip()
    cores = len(os.sched_getaffinity(0))
    return {"processor": (names or [platform.machine()])[0], "cores": cores, "versions": versions}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("program", nargs="?", default=".build/release/fgn-dist")
    parser.add_argument("--cases", nargs="+", default=CASES)
    parser.add_argument("--contenders", nargs="+", default=CONTENDERS, choices=CONTENDERS,
                        metavar="NAME", help=", ".join(CONTENDERS))  # fmt: skip
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=min(2, len(os.sched_getaffinity(0))))
    parser.add_argument("--steps", type=int, default=10, help="least number of a process")
    parser.add_argument("--seconds", type=float, default=3, help="least time of a process")
    parser.add_argument("--limit", type=float, default=900, help="seconds, most time of a process")
    parser.add_argument("--json", type=pathlib.Path, help="also write all times to this file")
    parser.add_argument("--worker", type=pathlib.Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker is not None:
        return work(arguments)

    about = machine(arguments)
    print(f"{about['processor']}, {about['cores']} cores, {arguments.threads} threads each;",
          ", ".join(f"{name} {version}" for name, version in about["versions"].items()) + ";",
          f"{arguments.rounds} rounds", flush=True)  # fmt: skip
    results = []
    for case in arguments.cases:
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            write_data(case, folder)
            runs = Runs(case, folder, arguments)
            for round in range(arguments.rounds):
                for name in arguments.contenders[:: 1 if round % 2 == 0 else -1]:
                    runs.run(name)
            results += runs.table()
        if arguments.json is not None:
            arguments.json.write_text(json.dumps(about | {"results": results}, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
