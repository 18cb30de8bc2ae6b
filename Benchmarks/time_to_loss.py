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
import gzip
import itertools
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import warnings

import numpy as np
import torch
import yaml

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import sequential

HEADS = ["lbfgs", "newton-cg", "newton-cholesky", "liblinear"]


def reason(result):
    """Why a process failed: the last line that has words, an error for choice."""
    lines = [line.strip() for line in result.stderr.splitlines() if line.strip(" -")]
    errors = [line for line in lines if "rror:" in line]
    return (errors or lines or [f"ended with {result.returncode}"])[-1]


class Clock:
    """Time that can be stopped for evaluations."""

    def __init__(self):
        self.seconds, self.since = 0, time.perf_counter()

    def stop(self):
        self.seconds += time.perf_counter() - self.since

    def start(self):
        self.since = time.perf_counter()


# --- The problem


def array(path):
    """An NPY or IDX file of 8-bit integers, also .gz."""
    if path.endswith(".npy"):
        return np.load(path)
    content = (gzip.open if path.endswith(".gz") else open)(path, "rb").read()
    if content[:3] != b"\0\0\x08":
        sys.exit(f"{path} is neither NPY nor an IDX file of bytes")
    start = 4 + 4 * content[3]
    return np.frombuffer(content, np.uint8, offset=start).reshape(
        np.frombuffer(content[4:start], ">u4")
    )


class Problem:
    def __init__(self, configuration, l2):
        data = configuration.get("data") or {}
        files = data.get("train") or {}
        self.layers = (configuration.get("model") or {}).get("layers") or []
        shape = (configuration.get("model") or {}).get("input_shape")
        features = array(files["features"]).astype(np.float32)
        features = features.reshape(len(features), -1)
        kind = data.get("normalize") or "scale"
        if kind == "scale":
            features /= np.abs(features).max()
        elif kind == "standardize":
            deviations = features.std(0, dtype=np.float64)
            features -= features.mean(0, dtype=np.float64).astype(np.float32)
            features /= np.where(deviations > 0, deviations, 1).astype(np.float32)
        self.shape = tuple(shape or features.shape[1:])
        self.features = torch.from_numpy(features).reshape(-1, *self.shape)
        self.labels = torch.from_numpy(array(files["labels"]).astype(np.int64))
        self.classes = data.get("classes") or int(self.labels.max()) + 1
        self.l2 = l2

    def network(self):
        """As fgn-dist starts: heads from zeros."""
        torch.manual_seed(0)
        network = sequential.sequential(self.layers, self.shape, self.classes)
        if not self.layers:
            for parameter in network.parameters():
                torch.nn.init.zeros_(parameter)
        return network

    @torch.inference_mode()
    def objective(self, network):
        """Mean cross-entropy, and the penalty."""
        total = 0.0
        chunk = max(1, 2**23 // max(self.classes, self.features[0].numel()))
        for x, y in zip(self.features.split(chunk), self.labels.split(chunk)):
            total += torch.nn.functional.cross_entropy(network(x), y, reduction="sum").item()
        squares = sum((p.double() ** 2).sum().item() for p in network.parameters() if p.dim() > 1)
        return total / len(self.labels), self.l2 / 2 * squares

    def head(self, weights, biases):
        network = self.network()
        with torch.no_grad():
            network[0].weight.copy_(torch.as_tensor(np.asarray(weights)))
            network[0].bias.copy_(torch.as_tensor(np.asarray(biases)))
        return network


class Course:
    """Points (seconds, steps, objective) of a training run."""

    def __init__(self, problem, target):
        self.problem, self.target, self.points = problem, target, []

    def add(self, seconds, steps, network):
        value = sum(self.problem.objective(network))
        self.points.append((seconds, steps, value))
        return value <= self.target

    def result(self, steps="steps", **more):
        first = next((point for point in self.points if point[2] <= self.target), None)
        return {"points": self.points, "first": first, "kind": steps} | more


# --- Contenders


def adam(problem, target, settings, arguments):
    rate, batch, epochs = settings["rate"], settings["batch"], settings["epochs"]
    x, y, count = problem.features, problem.labels, len(problem.labels)
    epoch = math.ceil(count / batch)
    steps = epochs * epoch

    def run(limit, course=None, **kind):
        network = problem.network()
        groups = [
            {"params": [p for p in network.parameters() if p.dim() > 1]},
            {"params": [p for p in network.parameters() if p.dim() <= 1], "weight_decay": 0},
        ]
        optimizer = torch.optim.Adam(groups, lr=rate, weight_decay=problem.l2, **kind)
        stride = max(1, epoch // arguments.evaluations)
        begin = steps - min(epochs, arguments.window) * epoch
        step, clock = 0, Clock()
        while step < limit:
            for rows in torch.randperm(count).split(batch):
                for group in optimizer.param_groups:
                    group["lr"] = rate * (1 - step / steps)
                optimizer.zero_grad(set_to_none=True)
                torch.nn.functional.cross_entropy(network(x[rows]), y[rows]).backward()
                optimizer.step()
                step += 1
                if course and (step > begin and (steps - step) % stride == 0):
                    clock.stop()
                    course.add(clock.seconds, step, network)
                    clock.start()
                if step == limit:
                    break
        clock.stop()
        return clock.seconds

    trials = {}
    for name in ("fused", "foreach") * 2:
        trials[name] = min(run(min(20, steps), **{name: True}), trials.get(name, math.inf))
    kind = min(trials, key=trials.get)
    course = Course(problem, target)
    seconds = run(steps, course, **{kind: True})
    return course.result(seconds=seconds, note=kind)


def regression(problem, solver, **options):
    from sklearn.linear_model import LogisticRegression  # takes a second: not within a clock

    count = len(problem.labels)
    strength = 1 / (count * problem.l2) if problem.l2 > 0 else np.inf
    return LogisticRegression(C=strength, solver=solver, tol=1e-12, **options)


def lbfgs(problem, target, settings, arguments):
    import scipy.optimize

    course, wrapped = Course(problem, target), scipy.optimize.minimize
    x, y = problem.features.flatten(1).numpy(), problem.labels.numpy()
    model = regression(problem, "lbfgs", max_iter=arguments.iterations)
    iteration = 0

    def callback(flat):
        nonlocal iteration
        clock.stop()
        iteration += 1
        met = False
        if iteration % arguments.every == 0:
            table = flat.reshape(problem.classes, -1, order="F")
            met = course.add(clock.seconds, iteration, problem.head(table[:, :-1], table[:, -1]))
        clock.start()
        if met:
            raise StopIteration

    def minimize(*positional, **named):
        return wrapped(*positional, **named | {"callback": callback})

    # The estimator has one call of the optimiser: the way to see its course without refitting.
    scipy.optimize.minimize = minimize
    clock = Clock()
    try:
        model.fit(x, y)
    finally:
        scipy.optimize.minimize = wrapped
    clock.stop()
    return course.result("iterations", seconds=clock.seconds)


def newton(problem, target, settings, arguments):
    # Newton's method has no memory: iterations of its own calls, from where the last one ended.
    course = Course(problem, target)
    x, y = problem.features.flatten(1).numpy(), problem.labels.numpy()
    model = regression(problem, settings["solver"], max_iter=1, warm_start=True)
    clock = Clock()
    for iteration in range(1, arguments.iterations + 1):
        model.fit(x, y)
        clock.stop()
        met = course.add(clock.seconds, iteration, problem.head(model.coef_, model.intercept_))
        stuck = iteration > 1 and abs(course.points[-1][2] - course.points[-2][2]) < 1e-9
        if met or stuck or clock.seconds > arguments.limit:
            break
        clock.start()
    return course.result("iterations", seconds=clock.seconds)


def liblinear(problem, target, settings, arguments):
    from liblinear.liblinearutil import parameter, problem as rows, train

    strength = 1 / (len(problem.labels) * problem.l2) if problem.l2 > 0 else 1e6
    data = rows(problem.labels.numpy(), problem.features.flatten(1).double().numpy(), bias=1)
    clock = Clock()
    model = train(data, parameter(f"-s 0 -q -c {strength}"))
    clock.stop()
    count, features = model.get_nr_class(), model.get_nr_feature()
    table = np.ctypeslib.as_array(model.w, ((features + 1) * count,)).reshape(features + 1, count)
    network = problem.head(np.zeros((problem.classes, features)), np.zeros(problem.classes))
    with torch.no_grad():
        for column, label in enumerate(model.get_labels()):
            network[0].weight[label] = torch.from_numpy(table[:-1, column])
            network[0].bias[label] = float(table[-1, column])
    course = Course(problem, target)
    course.add(clock.seconds, 1, network)
    return course.result("runs", seconds=clock.seconds, note="one against the rest")


def fgn_dist(problem, target, settings, arguments):
    configuration = settings["configuration"]
    optimizer = configuration.get("optimizer") or {}
    training = configuration.get("training") or {}
    overrides = dict(item.split("=", 1) for item in arguments.set)
    batch = overrides.get("optimizer.batch_size", optimizer.get("batch_size", 512))
    rows = len(problem.labels)
    epoch = 1 if batch == "full" else math.ceil(rows / int(batch))
    stride = max(1, epoch // arguments.evaluations)
    kept = arguments.window * epoch // stride + 1
    given = {
        "optimizer.weight_decay": optimizer.get("weight_decay") or problem.l2,
        "training.evaluate_every": 0, "checkpoint.every": stride, "checkpoint.keep": kept,
        "logging.every": 1, "logging.progress": "none",
    } | overrides  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        path = folder / "configuration.yaml"
        path.write_text(json.dumps(configuration | {"training": training}))
        ranks = arguments.ranks
        launcher = ["mpirun", "--oversubscribe", "-np", str(ranks)] if ranks > 1 else []
        command = [*launcher, arguments.program, "train", path, "--run-directory", folder / "run"]
        for key, value in given.items():
            command += ["--set", f"{key}={value}"]
        threads = max(1, arguments.threads // ranks)
        environment = os.environ | {"OPENBLAS_NUM_THREADS": str(threads)}
        result = subprocess.run(
            list(map(str, command)), capture_output=True, text=True, env=environment
        )
        if result.returncode != 0:
            raise RuntimeError(reason(result))
        lines = (folder / "run" / "metrics.jsonl").read_text().splitlines()
        events = [json.loads(line) for line in lines]
        seconds = [event["seconds"] for event in events if event["event"] == "step"]
        until = [0, *itertools.accumulate(seconds)]
        course = Course(problem, target)
        for checkpoint in sorted((folder / "run" / "checkpoints").glob("*.safetensors")):
            step = int(checkpoint.stem.removeprefix("step-"))
            course.add(until[step], step, sequential.load(checkpoint, problem.shape))
        model = sequential.load(folder / "run" / "model.safetensors", problem.shape)
    if not course.points or course.points[-1][1] < len(seconds):
        course.add(until[-1], len(seconds), model)
    # Both sides must speak of the same data and the same model.
    own = [e["loss"] for e in events if e["event"] == "evaluation" and e["split"] == "train"][-1]
    here, _ = problem.objective(model)
    if abs(own - here) > 1e-3 * abs(here):
        raise RuntimeError(f"fgn-dist evaluates its model to {own}, PyTorch to {here}")
    return course.result(seconds=until[-1], note="")


WORKERS = {"adam": adam, "lbfgs": lbfgs, "newton-cg": newton, "newton-cholesky": newton,
           "liblinear": liblinear, "fgn-dist": fgn_dist}  # fmt: skip


# --- Comparison


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
