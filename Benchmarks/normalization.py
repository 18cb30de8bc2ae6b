#!/usr/bin/env python3
"""Held-out accuracy with `normalize: scale`, `standardize` and `auto`, the default, on tables of many kinds.

    pip install numpy pandas pyreadr scikit-learn
    python Benchmarks/normalization.py .build/release/fgn-dist

The tables are scikit-learn's own, those of numbers in Debian's `r-cran-mlbench` (fetched with apt-get, not installed), and
made ones. Half of the rows, at most 2000, are trained on, the others tested; each figure is the mean of three splits.
"""

import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import pyreadr
from preparation.prepare_small import unpack
from sklearn import datasets


def bundled():
    for name in ["iris", "wine", "breast_cancer", "digits"]:
        yield name, getattr(datasets, f"load_{name}")(return_X_y=True)


def mlbench(folder):
    data = unpack("r-cran-mlbench", folder) / "usr/lib/R/site-library/mlbench/data"
    for name in ["Glass", "Ionosphere", "LetterRecognition", "PimaIndiansDiabetes", "Satellite", "Shuttle", "Sonar", "Vehicle", "Vowel"]:
        (table,) = pyreadr.read_r(str(data / f"{name}.rda")).values()
        label = {"LetterRecognition": "lettr"}.get(name, table.columns[-1])
        numbers = table.drop(columns=label).astype(str).apply(lambda column: column.str.strip().astype(float))
        yield name, (numbers.to_numpy(), table[label].astype("category").cat.codes.to_numpy())


def made():
    random = np.random.default_rng(7)

    def labelled(x, classes=5):
        standard = (x - x.mean(0)) / np.where(x.std(0) > 0, x.std(0), 1)
        return x, (standard @ random.normal(size=(x.shape[1], classes))).argmax(1)

    normal = random.normal(size=(4000, 40))
    yield "normal", labelled(normal)
    yield "lognormal", labelled(np.exp(normal))
    for factor in [1e-3, 3, 10, 30, 1e3]:
        x, y = labelled(normal)
        yield f"normal, one feature × {factor:g}", (x * np.where(np.arange(40) == 3, factor, 1), y)
    x, y = labelled(normal)
    yield "normal, each × 10^U(-3, 3)", (x * 10 ** random.uniform(-3, 3, 40), y)
    x, y = labelled(normal)
    x = x.copy()
    x[:, 3] = 1.7e9 + 1e7 * x[:, 3]
    yield "normal and a time in seconds", (x, y)
    categories = np.concatenate([np.eye(30)[random.integers(0, 30, 4000)] for _ in range(3)], 1)
    yield "one-hot", labelled(categories, 4)
    people = np.column_stack([random.integers(18, 90, 4000), 10 ** random.normal(4.5, 0.3, 4000)])
    yield "one-hot, age and income", labelled(np.column_stack([categories, people]), 4)
    words = 1 / np.arange(1, 1001)
    topics = words * np.exp(0.7 * random.normal(size=(10, 1000)))
    y = random.integers(0, 10, 3000)
    yield "counts of words", (np.array([random.multinomial(200, topics[k] / topics[k].sum()) for k in y]), y)


def accuracy(program, folder, x, y, kind):
    results = []
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(y))
        train = order[: min(2000, len(y) // 2)]
        test = np.setdiff1d(order, train)[:8000]
        for name, rows in [("train", train), ("test", test)]:
            np.save(folder / f"{name}-x.npy", x[rows].astype(np.float32))
            np.save(folder / f"{name}-y.npy", y[rows].astype(np.int64))
        settings = {}
        for name in ["train", "test"]:
            settings[f"data.{name}.features"] = folder / f"{name}-x.npy"
            settings[f"data.{name}.labels"] = folder / f"{name}-y.npy"
        settings |= {"data.normalize": kind, "data.classes": int(y.max()) + 1, "training.evaluate_every": 0, "training.seed": seed}
        settings |= {"logging.progress": "none", "logging.tensorboard": "false"}
        run = folder / f"run-{kind}-{seed}"
        (folder / "empty.yaml").write_text("")
        command = [program, "train", folder / "empty.yaml", "--run-directory", run]
        for key, value in settings.items():
            command += ["--set", f"{key}={value}"]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        subprocess.run(["rm", "-rf", run], check=True)
        (line,) = [line for line in output.splitlines() if "  test  " in line]
        results.append(float(line.split("accuracy ")[1].split(" ")[0]))
        chosen = output.split("normalize ")[1].split(" ")[0].split(";")[0]
    return np.mean(results), chosen


def main():
    program = pathlib.Path(sys.argv[1]).resolve()
    print("| set | features | `scale` | `standardize` | `auto` | took |\n| --- | ---: | ---: | ---: | ---: | --- |", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for name, (x, y) in [*bundled(), *mlbench(folder), *made()]:
            figures = [accuracy(program, folder, x, y, kind) for kind in ["scale", "standardize", "auto"]]
            row = " | ".join(f"{figure:.1f}" for figure, _ in figures)
            print(f"| {name} | {x.shape[1]} | {row} | `{figures[2][1]}` |", flush=True)


main()
