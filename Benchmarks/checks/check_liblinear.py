#!/usr/bin/env python3
"""Whether fgn-dist finds the optimum of LIBLINEAR's L2-regularised logistic regression, and how long either reads a file.

LIBLINEAR (solver 0, bias 1) minimises ½‖w‖² + c Σ log(1 + exp(−y wᵀx)), with the bias in w. A softmax head of two classes
has a weight vector for each, of which only the difference w counts; with weight decay µ on all of them the two are ±w/2 at
the optimum, and c times n of fgn-dist's objective is LIBLINEAR's where µ = 2/(n c).

    pip install liblinear-official numpy scikit-learn
    swift build -c release
    python Benchmarks/checks/check_liblinear.py [--file FILE.svm] [--cost 1]

The file is in LIBSVM's format, with labels -1 and 1; without one, the UCI digits, odd against even.
"""

import argparse
import json
import pathlib
import subprocess
import tempfile
import time

import numpy as np
from liblinear.liblinearutil import problem, train
from sklearn.datasets import dump_svmlight_file, load_digits, load_svmlight_file

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = ROOT / ".build/release/fgn-dist"


def objective(features, labels, weights, bias, cost):
    """LIBLINEAR's, in float64."""
    margins = labels * (features @ weights + bias)
    return 0.5 * (weights @ weights + bias * bias) + cost * np.logaddexp(0, -margins).sum()


def ours(path, examples, cost, folder, storage):
    """The weights and bias that fgn-dist ends at: full batches, which for two classes are Newton's method."""
    settings = {
        "data": {"train": {"features": str(path), "format": "svmlight"}, "normalize": "none", "storage": storage},
        "optimizer": {
            "batch_size": "full", "learning_rate": 1, "momentum": 0, "step_length": "line-search",
            "weight_decay": 2 / (examples * cost), "schedule": {"kind": "constant"},
            "damping": {"initial": 1e-6, "minimum": 1e-12, "interval": 1},
            "solver": {"kind": "cg", "tolerance": 1e-3, "max_iterations": 500},
        },
        "training": {"steps": 20, "precision": "float64", "evaluate_every": 0},
        "logging": {"tensorboard": False},
    }
    (folder / "run.yaml").write_text(json.dumps(settings))
    run = folder / storage
    command = [PROGRAM, "train", folder / "run.yaml", "--run-directory", run]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    subprocess.run([PROGRAM, "export", run / "model.safetensors", "--out", run / "npy", "--format", "npy"],
                   check=True, stdout=subprocess.DEVNULL)
    weight, bias = (np.load(run / "npy" / f"0.{name}.npy") for name in ("weight", "bias"))
    return weight[1] - weight[0], bias[1] - bias[0]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--file", type=pathlib.Path)
    parser.add_argument("--cost", type=float, default=1, help="c")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        path = arguments.file
        if path is None:
            path = folder / "digits.svm"
            features, labels = load_digits(return_X_y=True)
            dump_svmlight_file(features / 16, np.where(labels % 2 == 1, 1, -1), str(path), zero_based=False)
        features, labels = load_svmlight_file(str(path))
        start = time.perf_counter()
        model = train(problem(labels, features), f"-s 0 -c {arguments.cost} -B 1 -e 1e-12 -q")
        seconds = time.perf_counter() - start
        sign = 1 if model.get_labels()[0] == 1 else -1
        weights = sign * np.array(model.w[: features.shape[1]])
        best = objective(features, labels, weights, sign * model.w[features.shape[1]], arguments.cost)
        print(f"{path.name}: {features.shape[0]} x {features.shape[1]}, c {arguments.cost}")
        print(f"LIBLINEAR        {best:.12g}  ({seconds:.2f} s)")
        for storage in ("dense", "sparse") if features.size > 0.1 * np.prod(features.shape) else ("sparse",):
            start = time.perf_counter()
            found = objective(
                features, labels, *ours(path, features.shape[0], arguments.cost, folder, storage), arguments.cost
            )
            seconds = time.perf_counter() - start
            print(f"fgn-dist {storage:7} {found:.12g}  relative difference {found / best - 1:.1e}  ({seconds:.2f} s)")


if __name__ == "__main__":
    main()
