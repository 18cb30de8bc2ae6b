#!/usr/bin/env python3
"""Whether `solver.kind: auto` chooses well: seconds of a step with each solver, and with its choice.

    scripts/bench.sh solver_plan.py
    python Benchmarks/solver_plan.py .build/release/fgn-dist --cases 512x512x100 --rounds 5

Cases and data are those of peers.py; settings are the program's defaults but for the learning rate, which makes steps tiny so
that a step late in a run is like one early on. Solvers take turns, each alone on the cores. `auto` chooses by a model,
`measured` by timing. The last columns are the times with either over that of the best solver, and what `measured` expected of
its solver over what that took.
"""

import argparse
import os
import pathlib
import statistics
import sys
import tempfile

from step_time import cases, fgn_dist_steps
from step_time.cases import WARM_UP

SOLVERS = ["cg", "gram", "gram-cg", "measured", "auto"]
CASES = [*cases.CASES, "64x512x1000", "2048x512x100", "128x64x10", "512x784x256x128x10"]


def measure(solver, case, folder, arguments):
    """The median of the steps' seconds, and the last line of the metrics."""
    optimizer = {"solver": {"kind": solver}}
    events = fgn_dist_steps.train(case, folder, optimizer, arguments, arguments.steps, arguments.ranks)
    steps = fgn_dist_steps.step_events(events)[WARM_UP:]
    seconds = fgn_dist_steps.seconds(steps)
    names = {"cg": "cg", "gram-cg": "gram-cg"}
    return statistics.median(seconds), names.get(steps[-1]["solver"], "gram"), events[-1]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("program", nargs="?", default=".build/release/fgn-dist")
    parser.add_argument("--cases", nargs="+", default=CASES)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--threads", type=int, help="of each rank (two, or the cores that there are for it)")
    parser.add_argument("--limit", type=float, default=900, help="seconds, most time of a process")
    arguments = parser.parse_args()
    arguments.threads = arguments.threads or max(1, min(2, len(os.sched_getaffinity(0)) // arguments.ranks))
    columns = [f"{solver}, ms" for solver in SOLVERS] + ["auto's choice", "auto / best", "measured / best", "expected / took"]
    print(f"| case | {' | '.join(columns)} |")
    print("| --- |" + " ---: |" * len(SOLVERS) + " --- | ---: | ---: | ---: |")
    for case in arguments.cases:
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            cases.write_data(case, folder)
            seconds = {solver: [] for solver in SOLVERS}
            truths = []
            for number in range(arguments.rounds):
                for solver in SOLVERS[:: 1 if number % 2 == 0 else -1]:
                    median, used, end = measure(solver, case, folder, arguments)
                    seconds[solver].append(median)
                    if solver == "auto":
                        choice = used
                    if solver == "measured" and end["planned_solve_seconds"] is not None:
                        truths.append(end["planned_solve_seconds"] / end["solve_seconds"])
            medians = {solver: statistics.median(some) for solver, some in seconds.items()}
            best = min(medians[solver] for solver in SOLVERS[:3])
            print(f"| {case} | " + " | ".join(f"{1e3 * medians[solver]:.2f}" for solver in SOLVERS),
                  f"| {choice} | {medians['auto'] / best:.2f} | {medians['measured'] / best:.2f} |",
                  f"{statistics.median(truths):.2f} |" if truths else "|", flush=True)  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
