#!/usr/bin/env python3
"""Seconds of training to a given objective: fgn-dist against Adam in PyTorch and scikit-learn.

A configuration of fgn-dist gives the problem: training files, normalisation, hidden layers. The
objective is mean cross-entropy over the whole training set plus l2/2 times the squared weights,
without the biases; it is evaluated outside of the clock, in PyTorch for all contenders. Each
contender trains alone, in a process of its own with the same number of threads. Reading the data
and evaluating do not count.

    scripts/bench.sh time_to_loss.py --configuration configs/fashion-mnist-head.yaml --target 0.4
    python Benchmarks/time_to_loss.py .build/release/fgn-dist --configuration wordnet.yaml \\
        --l2 1e-4 --target 0.7 --contenders fgn-dist adam --rates 3e-3 1e-2 --epochs 4 8

    fgn-dist    as configured, with --set; its time is the sum of `seconds` of its step lines, which
                holds gathering batches but no evaluations and checkpoints. Checkpoints show when
                the target is met. Its optimizer.weight_decay (--l2 if 0) is on biases as well
    adam        PyTorch: every combination of --rates, --batches and --epochs, linear decay to
                zero, from the same kind of start; fused or foreach, whichever is faster here
    lbfgs, newton-cg, newton-cholesky
                scikit-learn's LogisticRegression, for linear heads; the last only for a Hessian of
                at most 10000 rows
    liblinear   one binary problem a class, on one thread, biases penalised, for at most 100
                classes: not the multinomial objective. The table has the objective with its
                decision values as logits

Stochastic contenders are evaluated --evaluations times an epoch in their last --window epochs,
since decay ends there; "to target" is the first evaluation that is not above it. A grid is as good
as it is chosen: the table shows all of it.
"""

import argparse
import itertools
import json
import math
import os
import pathlib
import statistics
import sys
import warnings

import torch
import yaml
from training_time.adam import adam
from training_time.fgn_dist_run import fgn_dist
from training_time.linear_heads import HEADS, lbfgs, liblinear, newton
from training_time.problem import Problem
from training_time.processes import alone

WORKERS = {"adam": adam, "lbfgs": lbfgs, "newton-cg": newton, "newton-cholesky": newton,
           "liblinear": liblinear, "fgn-dist": fgn_dist}  # fmt: skip


def entries(problem, arguments):
    """Name and settings of every contender, or the reason why it does not take part."""
    for name in arguments.contenders:
        if name == "adam":
            for rate, batch, epochs in itertools.product(
                arguments.rates, arguments.batches, arguments.epochs
            ):
                label = f"adam, rate {rate:g}, batch {batch}, {epochs} epochs"
                yield label, name, {"rate": rate, "batch": batch, "epochs": epochs}
            continue
        size = (math.prod(problem.shape) + 1) * problem.classes
        absent = None
        if name in HEADS and problem.layers:
            absent = "only for linear heads"
        elif name in HEADS and problem.classes < 3:
            absent = "only for more than two classes"
        elif name == "newton-cholesky" and size > 10_000:
            absent = f"the Hessian has {size} rows"
        elif name == "liblinear" and problem.classes > 100:
            absent = f"{problem.classes} binary problems"
        yield name, name, {"solver": name} if absent is None else absent


def work(arguments):
    # As fgn-dist does in products; before there are other threads. With the features of WordNet, of which two are below
    # 1e-30, Adam takes two to three times as long without it.
    torch.set_flush_denormal(True)
    torch.set_num_threads(arguments.threads)
    warnings.filterwarnings("ignore")  # of scikit-learn, on each limit of iterations
    settings = json.loads(arguments.worker)
    configuration = yaml.safe_load(arguments.configuration.read_text())
    problem = Problem(configuration, arguments.l2)
    settings["configuration"] = configuration
    result = WORKERS[settings["name"]](problem, arguments.target, settings, arguments)
    print(json.dumps(result))


def line(label, results):
    """A row of the table: the first run's course, the median time."""
    first = results[0]
    if isinstance(first, str):
        return f"| {label} | - | | | | {first[:120]} |"
    good = [result for result in results if not isinstance(result, str)]
    met = [result["first"][0] for result in good if result["first"] is not None]
    # Where not all runs meet the target, the median is over those that do.
    reached = f"{statistics.median(met):.2f}" if met else "not met"
    where = f"{first['first'][1]} {first['kind']}" if first["first"] else ""
    total = statistics.median(result["seconds"] for result in good)
    final = first["points"][-1][2] if first["points"] else math.nan
    note = first.get("note") or ""
    if met and len(met) < len(results):
        note = f"{note} met in {len(met)} of {len(results)} runs".strip()
    return f"| {label} | {reached} | {where} | {final:.4f} | {total:.2f} | {note} |"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("program", help="the fgn-dist executable")
    parser.add_argument("--configuration", type=pathlib.Path, required=True, help="YAML")
    parser.add_argument("--target", type=float, required=True, help="objective to reach")
    parser.add_argument("--l2", type=float, help="default: the configuration's weight_decay")
    parser.add_argument("--contenders", nargs="+", choices=WORKERS,
                        default=["fgn-dist", "adam", "lbfgs", "newton-cg"])  # fmt: skip
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE, for fgn-dist")
    parser.add_argument("--ranks", type=int, default=1, help="of fgn-dist, share the threads")
    parser.add_argument("--rates", type=float, nargs="+", default=[3e-4, 1e-3, 3e-3, 1e-2])
    parser.add_argument("--batches", type=int, nargs="+", default=[512])
    parser.add_argument("--epochs", type=int, nargs="+", default=[5])
    parser.add_argument("--evaluations", type=int, default=4, help="an epoch")
    parser.add_argument("--window", type=int, default=2, help="last epochs that are evaluated")
    parser.add_argument("--iterations", type=int, default=300, help="of scikit-learn at most")
    parser.add_argument("--every", type=int, default=1, help="iterations of lbfgs per evaluation")
    parser.add_argument("--rounds", type=int, default=1, help="forwards and backwards in turn")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--limit", type=float, default=3600, help="seconds of a process")
    parser.add_argument("--json", type=pathlib.Path, help="also write all courses to this file")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.l2 is None:
        settings = yaml.safe_load(arguments.configuration.read_text()).get("optimizer") or {}
        arguments.l2 = float(settings.get("weight_decay") or 0)
    if arguments.worker is not None:
        return work(arguments)

    problem = Problem(yaml.safe_load(arguments.configuration.read_text()), arguments.l2)
    chosen = list(entries(problem, arguments))
    results = {label: [] for label, _, _ in chosen}
    for number in range(arguments.rounds):
        for label, name, settings in chosen[:: 1 if number % 2 == 0 else -1]:
            absent = isinstance(settings, str)
            results[label].append(settings if absent else alone(name, settings, arguments))
            print(line(label, results[label][-1:]), file=sys.stderr, flush=True)
    print(f"### {arguments.configuration.stem}: objective {arguments.target:g}, "
          f"l2 {arguments.l2:g}\n\n{len(problem.labels)} rows of {math.prod(problem.shape)}, "
          f"{problem.classes} classes, {len(problem.layers)} hidden layers, "
          f"{arguments.threads} threads, rounds {arguments.rounds}, "
          f"PyTorch {torch.__version__}\n")  # fmt: skip
    print("| contender | s to target | at | objective at the end | s in all | |")
    print("| --- | ---: | ---: | ---: | ---: | --- |")
    for label, some in results.items():
        print(line(label, some))
    if arguments.json is not None:
        about = {"target": arguments.target, "l2": arguments.l2, "threads": arguments.threads}
        arguments.json.write_text(json.dumps(about | {"results": results}, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
