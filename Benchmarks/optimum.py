#!/usr/bin/env python3
"""How long `training.until: optimum` takes to a regularised linear head's optimum, against scikit-learn.

    scripts/bench.sh optimum.py --configurations configs/digits.yaml --decays 1e-6 1e-4 1e-2
    python Benchmarks/optimum.py .build/release/fgn-dist --configurations configs/fashion-mnist-head.yaml --wild

A configuration of fgn-dist gives the training set and its normalisation; weight and bias decay alike, which for
scikit-learn is a column of ones without an intercept. With --wild the first feature is 10^4 times as large.

The seconds of fgn-dist are those of the whole command, with its start and its files; "Python, s" are those in
which an interpreter starts, imports scikit-learn and reads the rows, which a command that fits there takes as well.

The objective f, its gradient g and what is left to the optimum are computed here, in float64: f is µ-strongly convex,
so that f − f* ≤ ‖g‖²/(2µ), whatever anybody's solver says. The table has that bound as a share of f, the seconds of
fgn-dist, and for each solver of scikit-learn the seconds in `fit` of the shortest run, by doubling its iterations,
whose objective is at most 10^-8 above the least one seen. A solver stops to count where a run takes --limit-ratio
times as long as fgn-dist; the table then has by how much it was above.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import warnings

import numpy as np
from held_out.sets import Sets, prepare, read
from safetensors.numpy import load_file
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits
from training_time.processes import watched


def objective(theta, x, labels, decay):
    """f and ‖∇f‖ of weights (C × (d+1)), in blocks of rows, in float64."""
    loss, gradient = 0.0, decay * theta
    for start in range(0, len(x), 8192):
        rows = x[start : start + 8192].astype(np.float64)
        own = labels[start : start + 8192]
        z = rows @ theta.T
        z -= z.max(1, keepdims=True)
        sums = np.exp(z).sum(1)
        loss += (np.log(sums) - z[np.arange(len(own)), own]).sum()
        residuals = np.exp(z) / sums[:, None]
        residuals[np.arange(len(own)), own] -= 1
        gradient = gradient + residuals.T @ rows / len(x)
    value = loss / len(x) + decay / 2 * (theta**2).sum()
    return value, np.linalg.norm(gradient)


def ours(decay, folder, arguments):
    """θ, and the seconds of the whole command, on the rows in the folder."""
    settings = {
        "data": {
            "train": {"features": str(folder / "x.npy"), "labels": str(folder / "y.npy")},
            "normalize": "none",
        },
        "optimizer": {"weight_decay": decay, "decay_biases": True},
        "training": {"until": "optimum", "precision": arguments.precision},
        "logging": {"tensorboard": False, "progress": "none"},
        "checkpoint": {"every": 0},
    }
    (folder / "run.yaml").write_text(json.dumps(settings))
    run = folder / f"run-{decay:g}"
    command = [arguments.program, "train", folder / "run.yaml", "--run-directory", run]
    output, seconds, _ = watched(command, arguments)
    if "converged: " not in output:
        print(output.splitlines()[-1], file=sys.stderr)
    tensors = load_file(run / "model.safetensors").values()
    (weight,) = (tensor for tensor in tensors if tensor.ndim == 2)
    (bias,) = (tensor for tensor in tensors if tensor.ndim == 1)
    return np.column_stack([weight, bias]).astype(np.float64), seconds


def start_seconds(folder):
    """Of an interpreter that imports scikit-learn and reads the rows in float64."""
    text = (
        "import numpy as np; from sklearn.linear_model import LogisticRegression; "
        "np.load('x.npy').astype(np.float64); np.load('y.npy')"
    )
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", text], cwd=folder, check=True)
    return time.perf_counter() - begin


def trajectory(solver, x, labels, decay, limit):
    """Runs of a solver with twice as many iterations each, until it converges or takes too long."""
    iterations = 10 if solver == "lbfgs" else 2
    while True:
        start = time.perf_counter()
        model = LogisticRegression(
            C=1 / (decay * len(x)), solver=solver, tol=1e-10, max_iter=iterations,
            fit_intercept=False,
        ).fit(x, labels)  # fmt: skip
        seconds = time.perf_counter() - start
        yield seconds, model.coef_
        if seconds > limit or model.n_iter_.max() < iterations:
            return
        iterations *= 2


def compare(path, arguments):
    configuration = read(path)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        prepare(arguments.program, configuration, folder)
        sets = Sets(folder, configuration, 0.1, 0)
        (x, labels), _ = sets.whole()
        x = np.column_stack([x.reshape(len(x), -1), np.ones(len(x), x.dtype)])
        if arguments.wild:
            x[:, np.argmax(x.std(0))] *= 1e4
        np.save(folder / "x.npy", x[:, :-1])
        np.save(folder / "y.npy", labels.astype(np.int32))
        python = start_seconds(folder)
        wide = x.astype(np.float64)
        for decay in arguments.decays:
            theta, seconds = ours(decay, folder, arguments)
            value, norm = objective(theta, x, labels, decay)
            runs = {
                solver: [
                    (taken, objective(coefficients, x, labels, decay)[0])
                    for taken, coefficients in trajectory(
                        solver, wide, labels, decay, arguments.limit_ratio * seconds
                    )
                ]
                for solver in arguments.solvers
            }
            least = min([value, *(f for some in runs.values() for _, f in some)])
            fields = [
                path.stem, f"{decay:g}", f"{value:.10f}", f"{norm**2 / (2 * decay) / value:.0e}",
                f"{value / least - 1:.0e}", f"{seconds:.2f}", f"{python:.2f}",
            ]  # fmt: skip
            for some in runs.values():
                there = [taken for taken, f in some if f <= least * (1 + 1e-8)]
                above = f"not after {some[-1][0]:.1f}, {some[-1][1] / least - 1:.0e} above"
                fields.append(f"{there[0]:.2f}" if there else above)
            print(f"| {' | '.join(fields)} |", flush=True)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("program", help="the fgn-dist executable")
    add("--configurations", type=pathlib.Path, nargs="+", required=True, help="YAML")
    add("--decays", type=float, nargs="+", default=[1e-6, 1e-4, 1e-2])
    add("--solvers", nargs="+", default=["lbfgs", "newton-cg"])
    add("--precision", choices=["float32", "float64"], default="float32", help="of fgn-dist")
    add("--wild", action="store_true", help="one feature times 10^4")
    add("--limit-ratio", type=float, default=3, help="times as long as fgn-dist")
    add("--limit", type=float, default=3600, help="seconds of fgn-dist")
    add("--threads", type=int, default=len(os.sched_getaffinity(0)))
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")  # of scikit-learn, on each limit of iterations
    titles = ["set", "decay", "objective", "bound", "above least", "fgn-dist, s", "Python, s"]
    titles += [f"{solver}, s" for solver in arguments.solvers]
    print(f"| {' | '.join(titles)} |\n|{' --- |' * len(titles)}", flush=True)
    with threadpool_limits(arguments.threads):
        for path in arguments.configurations:
            compare(path, arguments)


if __name__ == "__main__":
    main()
