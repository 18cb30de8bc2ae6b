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
import importlib.metadata
import json
import os
import pathlib
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

CASES = ["256x512x10000", "512x512x1000", "512x512x100", "1024x512x1000", "512x784x512x512x10"]
BATCHES, WARM_UP, ITERATIONS, DAMPING, RATE = 8, 5, 10, 1e-3, 1e-4
SGD = {"method": "sgd", "momentum": 0}
FGN = {
    "method": "fgn", "momentum": 0, "step_length": "unit", "metric": {"kind": "identity"},
    "damping": {"initial": DAMPING, "policy": "constant"},
}  # fmt: skip
GRAM = {"solver": {"kind": "gram"}}
# The smallest tolerance is not reached, so that all iterations take place.
CG = {"solver": {"kind": "cg", "tolerance": 1e-30, "max_iterations": ITERATIONS}}
FGN_DIST = {
    "fgn-dist-gram": FGN | GRAM,
    "fgn-dist-gram-momentum": FGN | GRAM | {"momentum": 0.9},
    "fgn-dist-cg": FGN | CG,
    "fgn-dist-sgd": SGD,
}


class Failure(Exception):
    """A contender that cannot do a case, and why."""


def extents(case):
    rows, *widths = map(int, case.split("x"))
    return rows, widths


# --- Contenders in Python: each gives a function that makes one step on a batch.


def torch_network(widths):
    from torch import nn

    layers = []
    for before, after in zip(widths, widths[1:]):
        layers += [nn.Linear(before, after), nn.Tanh()]
    return nn.Sequential(*layers[:-1])


def torch_sgd(widths, threads):
    import torch

    torch.set_num_threads(threads)
    model = torch_network(widths)
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)

    def step(features, labels):
        loss = torch.nn.functional.cross_entropy(model(features), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return step, lambda features, labels: (torch.tensor(features), torch.tensor(labels).long())


def torch_fgn(widths, threads):
    import torch

    torch.set_num_threads(threads)
    model = torch_network(widths)
    parameters = list(model.parameters())

    def norm(vectors):
        return sum(torch.dot(v.flatten(), v.flatten()) for v in vectors).item()

    def step(features, labels):
        logits = model(features)
        with torch.no_grad():
            # Margins m and their gradients v by the logits; R = diag(√(w/B)) A, s as in docs/method.md.
            true = labels[:, None]
            others = logits.scatter(1, true, -torch.inf)
            v = -torch.softmax(others, 1)
            m = (logits.gather(1, true) - torch.logsumexp(others, 1, keepdim=True))[:, 0]
            v.scatter_(1, true, 1)
            p, rest, rows = torch.sigmoid(m), torch.sigmoid(-m), len(labels)
            w = (p * rest).clamp(min=1e-12)
            v *= (w / rows).sqrt()[:, None]
            r = rest / (w * rows).sqrt()

        cotangents = torch.zeros_like(logits, requires_grad=True)
        backward = torch.autograd.grad(logits, parameters, cotangents, create_graph=True)

        def transposed(rows):  # Rᵀ rows
            return torch.autograd.grad(logits, parameters, v * rows[:, None], retain_graph=True)

        def product(u):  # R u
            (tangents,) = torch.autograd.grad(backward, cotangents, u, retain_graph=True)
            return (v * tangents).sum(1)

        # u = Rᵀd and Δ = Rᵀx by recurrence; the last iteration needs no products any more.
        z = transposed(r)
        d, u, delta = r, z, [torch.zeros_like(part) for part in z]
        rho = torch.dot(r, r).item()
        with torch.no_grad():
            for iteration in range(ITERATIONS):
                alpha = rho / (norm(u) + DAMPING * torch.dot(d, d).item())
                torch._foreach_add_(delta, u, alpha=alpha)
                if iteration == ITERATIONS - 1:
                    break
                with torch.enable_grad():
                    image = product(u)
                r = r - alpha * (image + DAMPING * d)
                with torch.enable_grad():
                    z = transposed(r)
                beta, rho = torch.dot(r, r).item() / rho, torch.dot(r, r).item()
                d = r + beta * d
                u = torch._foreach_add(z, u, alpha=beta)
            torch._foreach_add_(parameters, delta, alpha=RATE)

    return step, lambda features, labels: (torch.tensor(features), torch.tensor(labels).long())


def jax_start(widths):
    import jax.numpy as jnp

    generator = np.random.default_rng(0)
    return [
        (
            jnp.asarray(generator.normal(0, before**-0.5, (before, after)), jnp.float32),
            jnp.zeros(after),
        )
        for before, after in zip(widths, widths[1:])
    ]


def jax_logits(parameters, x):
    import jax.numpy as jnp

    for weight, bias in parameters[:-1]:
        x = jnp.tanh(x @ weight + bias)
    weight, bias = parameters[-1]
    return x @ weight + bias


def jax_sgd(widths, threads):
    import jax
    import jax.numpy as jnp

    def loss(parameters, x, y):
        return -jnp.mean(jax.nn.log_softmax(jax_logits(parameters, x))[jnp.arange(len(y)), y])

    def update(parameters, x, y):
        value, gradient = jax.value_and_grad(loss)(parameters, x, y)
        return jax.tree.map(lambda p, g: p - RATE * g, parameters, gradient), value

    update = jax.jit(update, donate_argnums=0)
    parameters = jax_start(widths)

    def step(x, y):
        nonlocal parameters
        parameters, value = jax.block_until_ready(update(parameters, x, y))

    return step, lambda features, labels: (jnp.asarray(features), jnp.asarray(labels))


def somax(widths, preset, **options):
    import jax
    import jax.numpy as jnp
    import somax as library

    method = getattr(library, preset)(
        predict_fn=jax_logits, lam0=DAMPING, learning_rate=RATE, **options
    )
    update = jax.jit(method.step, donate_argnums=(0, 2))
    parameters = jax_start(widths)
    state = method.init(parameters)
    key = jax.random.PRNGKey(0)

    def step(x, y):
        nonlocal parameters, state
        parameters, state, info = jax.block_until_ready(
            update(parameters, {"x": x, "y": y}, state, key)
        )
        if "cg_iters" in info and int(info["cg_iters"]) != ITERATIONS:
            raise Failure(f"{info['cg_iters']} iterations instead of {ITERATIONS}")

    return step, lambda features, labels: (jnp.asarray(features), jnp.asarray(labels))


def somax_sgn(widths, threads):
    # stabilise_every is 10, and only when smaller than maxiter does it cost products of its own.
    return somax(widths, "sgn_ce", tol=0.0, maxiter=ITERATIONS, warm_start=False)


def somax_egn(widths, threads):
    return somax(widths, "egn_ce")


WORKERS = {
    "torch-sgd": torch_sgd,
    "torch-fgn-cg": torch_fgn,
    "jax-sgd": jax_sgd,
    "somax-sgn-cg": somax_sgn,
    "somax-egn": somax_egn,
}


def work(arguments):
    """One contender's process: prints its median as JSON."""
    rows, widths = extents(arguments.cases[0])
    features = np.load(arguments.worker / "features.npy")
    labels = np.load(arguments.worker / "labels.npy")
    step, convert = WORKERS[arguments.contenders[0]](widths, arguments.threads)
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


# --- The parent.


def alone(command, arguments, memory=None):
    """Runs a process with the threads and on the cores of the comparison."""
    threads = str(arguments.threads)
    variables = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC")
    environment = os.environ | dict.fromkeys(variables, threads) | {"JAX_PLATFORMS": "cpu"}
    cores = sorted(os.sched_getaffinity(0))[: arguments.threads]

    def prepare():
        os.sched_setaffinity(0, cores)  # XLA takes as many threads as cores
        if memory is not None:
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))

    try:
        result = subprocess.run(
            list(map(str, command)), capture_output=True, text=True, env=environment,
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


def fgn_dist(name, case, folder, steps, arguments):
    """Seconds of each step, and the run's own description."""
    rows, widths = extents(case)
    settings = FGN_DIST[name] | {
        "batch_size": rows, "learning_rate": RATE, "schedule": {"kind": "constant"},
    }  # fmt: skip
    layers = [layer for width in widths[1:-1] for layer in ({"linear": width}, "tanh")]
    train = {"features": str(folder / "features.npy"), "labels": str(folder / "labels.npy")}
    configuration = {
        "data": {"train": train, "normalize": "none", "classes": widths[-1]},
        "model": {"layers": layers, "initialization": "scaled"},
        "optimizer": settings,
        "training": {"steps": steps, "evaluate_every": 0},
        "checkpoint": {"every": 0},
        "logging": {"progress": "none"},
    }
    with tempfile.TemporaryDirectory(dir=folder) as run:
        path = pathlib.Path(run) / "configuration.yaml"
        path.write_text(json.dumps(configuration))  # JSON is YAML
        alone([arguments.program, "train", path, "--run-directory", f"{run}/run"], arguments)
        lines = pathlib.Path(f"{run}/run/metrics.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    chosen = [event for event in events if event["event"] == "step"]
    if "cg" in name:
        least = min(event["solver_iterations"] for event in chosen)
        if least != ITERATIONS:
            raise Failure(f"{least} iterations instead of {ITERATIONS}")
    seconds = [event["seconds"] - event["phases"].get("data", 0) for event in chosen]
    return seconds, next(event for event in events if event["event"] == "run")


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
            trial, _ = fgn_dist(name, self.case, self.folder, 2 * WARM_UP, self.arguments)
            fit = self.arguments.seconds / statistics.median(trial[WARM_UP:])
            self.steps[name] = WARM_UP + max(self.arguments.steps, int(fit))
        seconds, self.about = fgn_dist(
            name, self.case, self.folder, self.steps[name], self.arguments
        )
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


def write_data(case, folder):
    rows, widths = extents(case)
    generator = np.random.default_rng(0)
    count = rows * BATCHES
    features = generator.standard_normal((count, widths[0]), dtype=np.float32)
    # Rows of different lengths: else conjugate gradient would be done in a few iterations.
    features *= np.exp(generator.standard_normal((count, 1), dtype=np.float32) / 2)
    labels = generator.integers(0, widths[-1], count, dtype=np.int32)
    np.save(folder / "features.npy", features)
    np.save(folder / "labels.npy", labels)


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
    parser.add_argument("--contenders", nargs="+", default=[*FGN_DIST, *WORKERS],
                        choices=[*FGN_DIST, *WORKERS], metavar="NAME",
                        help=", ".join([*FGN_DIST, *WORKERS]))  # fmt: skip
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
