#!/usr/bin/env python3
"""Held-out accuracy: the model that `fgn-dist tune` ends with against tuned peers.

A configuration of fgn-dist gives a problem: training and test files, normalisation, hidden layers.
Each contender trains a grid of settings without the validation rows, takes the best one by these
rows, trains it anew on all rows, and is scored on the test set, which nothing is chosen by. Each
is alone, in a process of its own with the same number of threads.

    scripts/bench.sh generalise.py --configurations configs/digits.yaml configs/letters.yaml
    python Benchmarks/generalise.py .build/release/fgn-dist --configurations wordnet.yaml \\
        --contenders fgn-dist adam lbfgs --epochs 2 4 --rounds 3 --json wordnet.json

    fgn-dist    one command, `fgn-dist tune CONFIGURATION` with its own grid, and --set; with --ranks
                under mpirun, so that groups of ranks train different settings
    adam, adamw, sgd
                PyTorch: every combination of rates, --batches, --epochs and decays, each to its
                end, with a rate that falls to zero linearly; biases do not decay, SGD has momentum
                0.9; fused or foreach, whichever is faster here
    lbfgs       scikit-learn's LogisticRegression, for linear heads: penalties from strong to weak,
                each from the model of the one before; a penalty is a weight decay
    svm         scikit-learn's LinearSVC, which is LIBLINEAR, for linear heads of at most 100
                classes, chosen by accuracy. It has no probabilities, and so no loss

The validation rows are those of `data.validation.fraction`, which are taken here by the program's
own rule from seed and labels. The run ends where a model of fgn-dist scores otherwise on these rows
than fgn-dist says, but with --own-rows. Every round has its own seed, for rows, starts and
batches; the table has medians, and the setting that was chosen most often.

"s, best" are the seconds of the chosen setting's training on all rows, of fgn-dist of its steps
alone. "s, search" are those of everything until the model is there. For fgn-dist they are those of
the whole command, with its start, reading, all evaluations and what it writes; for the others they
have neither imports nor reading nor the test set, which "s, command" has of all. Memory is the
peak of the contender's largest process, with the interpreter and its libraries. A grid is as good
as it is chosen: --json has all of it.
"""

import argparse
import collections
import functools
import importlib
import json
import os
import pathlib
import signal
import statistics
import sys
import tempfile
import warnings

from held_out.fgn_dist_search import fgn_dist_search
from held_out.sets import Sets, prepare, read
from training_time.processes import alone

# The module of a contender in Python, and its function there. Only its own process imports it.
LINEAR = "lbfgs", "svm"
WORKERS = dict.fromkeys(["adam", "adamw", "sgd"], ("torch_search", "torch_search")) | {
    "lbfgs": ("linear_search", "regression_path"),
    "svm": ("linear_search", "support_vectors"),
}


def work(arguments):
    """One contender's process: prints its result as JSON."""
    task = json.loads(arguments.worker)
    configuration = read(arguments.configurations[task["problem"]])
    sets = Sets(pathlib.Path(task["folder"]), configuration, arguments.fraction, task["seed"])
    warnings.filterwarnings("ignore")  # of scikit-learn, on each limit of iterations
    module, name = WORKERS[task["name"]]
    if module == "torch_search":
        import torch

        torch.set_flush_denormal(True)  # as fgn-dist does in products
        torch.set_num_threads(arguments.threads)
    arguments.epochs = epochs(configuration, arguments)
    contender = getattr(importlib.import_module(f"held_out.{module}"), name)
    print(json.dumps(contender(task["name"], sets, arguments)))


def epochs(configuration, arguments):
    own = int((configuration.get("training") or {}).get("epochs") or 10)
    return arguments.epochs or [own, 4 * own]


def grids(configuration, arguments):
    """What the contenders in Python try, in words."""

    def words(values):
        return ", ".join(f"{value:g}" for value in values)

    return (
        f"PyTorch: rates {words(arguments.adam_rates)} of Adam, {words(arguments.sgd_rates)} of "
        f"SGD; batch {words(arguments.batches)}; epochs {words(epochs(configuration, arguments))}; "
        f"decay {words(arguments.decays)}, of AdamW {words(arguments.adamw_decays)}. "
        f"Penalties of lbfgs: {words(arguments.penalties)}. C of the SVM: "
        f"{words(arguments.svm_costs)}."
    )


def absent(name, sets):
    """Why a contender does not take part, or None."""
    if name in LINEAR and sets.layers:
        return "only for linear heads"
    if sets.sparse and name not in ("fgn-dist", *LINEAR):
        return "only for dense features"
    if name == "svm" and sets.classes > 100:
        return f"{sets.classes} binary problems"
    return None


def run(name, problem, sets, arguments):
    """The result of a contender, or what went wrong."""
    if name != "fgn-dist":
        task = {"problem": problem, "folder": str(sets.folder), "seed": sets.seed}
        return alone(name, task, arguments)
    try:
        return fgn_dist_search(arguments.configurations[problem], sets, arguments)
    except RuntimeError as failure:
        return str(failure)


def compare(problem, folder, arguments):
    """The results of all rounds, by contender; prints the table."""
    path = arguments.configurations[problem]
    configuration = read(path)
    prepare(arguments.program, configuration, folder)
    sets = Sets(folder, configuration, arguments.fraction, arguments.seed)
    reasons = {name: absent(name, sets) for name in arguments.contenders}
    results = {name: [] for name in arguments.contenders if reasons[name] is None}
    for number in range(arguments.rounds):
        sets = Sets(folder, configuration, arguments.fraction, arguments.seed + number)
        for name in list(results)[:: 1 if number % 2 == 0 else -1]:
            results[name].append(run(name, problem, sets, arguments))
            print(f"{path.stem}: {line(name, results[name][-1:])}", file=sys.stderr, flush=True)
    print(f"### {path.stem}\n\n{len(sets.labels)} rows of {'×'.join(map(str, sets.shape))}, "
          f"{int(sets.rows().sum())} of them for validation; {sets.classes} classes, "
          f"{len(sets.layers)} hidden layers; {arguments.threads} threads, "
          f"rounds {arguments.rounds}, chosen by {arguments.best_by}. "
          f"{grids(configuration, arguments)}\n")  # fmt: skip
    print("| contender | chosen | test accuracy | test loss | calibration error | s, best "
          "| s, search | s, command | MB |")  # fmt: skip
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, reason in reasons.items():
        print(line(name, results.get(name, [reason])))
    print(flush=True)
    return results


def line(name, results):
    """A row of the table: medians."""
    good = [result for result in results if not isinstance(result, str)]
    if not good:
        return f"| {name} | {results[0][:120]} | | | | | | | |"

    def median(key, form, factor=1):
        values = [result[key] for result in good]
        return "" if None in values else format(factor * statistics.median(values), form)

    ((setting, count),) = collections.Counter(result["setting"] for result in good).most_common(1)
    if count < len(results):
        setting += f" ({count} of {len(results)} rounds)"
    fields = [
        median("accuracy", ".2f", 100) + " %", median("loss", ".4f"),
        median("calibration_error", ".2f", 100), median("best_seconds", ".2f"),
        median("search_seconds", ".1f"), median("command_seconds", ".1f"),
        median("peak_memory", ".0f", 1e-6),
    ]  # fmt: skip
    return f"| {name} | {setting} | {' | '.join(fields)} |"


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    several = functools.partial(add, nargs="+", type=float)
    add("program", help="the fgn-dist executable")
    add("--configurations", type=pathlib.Path, nargs="+", required=True, help="YAML")
    add("--contenders", nargs="+", choices=["fgn-dist", *WORKERS], default=["fgn-dist", *WORKERS])
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="for fgn-dist")
    add("--fraction", type=float, default=0.1, help="of the training rows, for validation")
    add("--own-rows", action="store_true",
        help="fgn-dist validates as it does by itself: with few rows by folds")  # fmt: skip
    add("--best-by", choices=["loss", "accuracy"], default="loss", help="on the validation rows")
    several("--adam-rates", default=[1e-3, 3e-3, 1e-2, 3e-2, 1e-1])
    several("--sgd-rates", default=[1e-2, 3e-2, 1e-1, 3e-1, 1])
    add("--batches", type=int, nargs="+", default=[128])
    add(
        "--epochs", type=int, nargs="+", help="default: the configuration's, and four times as many"
    )
    several("--decays", default=[0, 1e-4], help="of Adam and SGD")
    several("--adamw-decays", default=[1e-2, 1e-1])
    several("--penalties", default=[1e-2, 1e-3, 1e-4, 1e-5, 1e-6], help="of logistic regression")
    several("--svm-costs", default=[1e-3, 1e-2, 1e-1, 1], help="C of the SVM")
    add("--iterations", type=int, default=200, help="of lbfgs at most, for each penalty")
    add("--rounds", type=int, default=1, help="forwards and backwards in turn")
    add("--seed", type=int, default=0, help="of the first round")
    add("--threads", type=int, default=len(os.sched_getaffinity(0)))
    add("--ranks", type=int, default=1, help="of fgn-dist, under mpirun, which share the threads")
    add("--limit", type=float, default=3600, help="seconds of a contender")
    add("--json", type=pathlib.Path, help="also write all results to this file")
    add("--worker", help=argparse.SUPPRESS)
    return parser.parse_args()


def main():
    arguments = parse()
    if arguments.worker is not None:
        return work(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # not without the contender's process
    if not os.access(arguments.program, os.X_OK):
        sys.exit(f"{arguments.program} is not a program; build it with scripts/bench.sh")
    for path in arguments.configurations:
        read(path)
    results = {}
    for problem, path in enumerate(arguments.configurations):
        with tempfile.TemporaryDirectory() as folder:
            results[str(path)] = compare(problem, pathlib.Path(folder), arguments)
        if arguments.json is not None:
            about = {key: value for key, value in vars(arguments).items() if key != "worker"}
            text = json.dumps({"about": about, "results": results}, indent=1, default=str)
            arguments.json.write_text(text + "\n")
    failures = [text for some in results.values() for runs in some.values() for text in runs]
    return int(any(isinstance(text, str) for text in failures))


if __name__ == "__main__":
    sys.exit(main())
