#!/usr/bin/env python3
"""FGNClassifier against scikit-learn's linear classifiers, each at its default settings.

    scripts/bench.sh estimators.py --rounds 3
    python Benchmarks/estimators.py .build/release/fgn-dist --sets digits made-20000

Sets from 500 × 20 to 100000 × 500 with 2 to 1000 classes, one that scikit-learn ships and others that
`make_classification` makes; features standardised by the training rows, float64, a quarter of the rows for
the test. Each round has its own rows (of the digits its own split). Each fit is in a process of its own, which
has imported and made the data before; contenders take turns. Seconds are those of `fit`, medians over the
rounds, of fgn-dist with the start of the program and what it writes; accuracies are means. newton-cholesky is left out where its matrix would take more than 4 GB.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time
import warnings

SETS = {
    # name: rows, features, informative ones, classes, and how far these are apart
    "made-500": (500, 20, 8, 2, 1.5),
    "digits": None,
    "made-20000": (20000, 100, 30, 10, 1.5),
    "made-50000": (50000, 200, 60, 1000, 4),
    "made-50000-hard": (50000, 200, 60, 1000, 1.5),
    "made-100000": (100000, 500, 80, 50, 1.5),
}
CONTENDERS = ["fgn-dist", "lbfgs", "newton-cholesky", "LinearSVC", "SGDClassifier"]


def data(name, seed):
    """Training and test rows, standardised."""
    from sklearn.datasets import load_digits, make_classification
    from sklearn.model_selection import train_test_split
    from sklearn.preprocessing import StandardScaler

    if name == "digits":
        X, y = load_digits(return_X_y=True)
    else:
        rows, features, informative, classes, separation = SETS[name]
        X, y = make_classification(
            rows, features, n_informative=informative, n_redundant=0, n_classes=classes,
            n_clusters_per_class=1, class_sep=separation, random_state=seed,
        )  # fmt: skip
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.25, random_state=seed, stratify=y)
    scaler = StandardScaler().fit(X)
    return scaler.transform(X), y, scaler.transform(X_test), y_test


def contender(name):
    from sklearn.linear_model import LogisticRegression, SGDClassifier
    from sklearn.svm import LinearSVC

    if name == "fgn-dist":
        from fgn_dist import FGNClassifier

        return FGNClassifier(random_state=0)
    if name == "LinearSVC":
        return LinearSVC(random_state=0)
    if name == "SGDClassifier":
        return SGDClassifier(random_state=0, n_jobs=len(os.sched_getaffinity(0)))
    return LogisticRegression(solver=name)


def work(task):
    """One fit; prints its seconds and its accuracy on the test rows."""
    warnings.filterwarnings("ignore")
    X, y, X_test, y_test = data(task["set"], task["seed"])
    model = contender(task["contender"])
    start = time.perf_counter()
    model.fit(X, y)
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "accuracy": float(model.score(X_test, y_test))}))


def absent(name, contender):
    if contender == "newton-cholesky" and SETS[name] is not None:
        _, features, _, classes, _ = SETS[name]
        if 8 * ((features + 1) * classes) ** 2 > 4e9:
            return "its matrix"
    return None


def run(name, contender, seed, arguments):
    """The result, or what went wrong."""
    task = json.dumps({"set": name, "contender": contender, "seed": seed})
    command = [sys.executable, __file__, arguments.program, "--worker", task]
    package = pathlib.Path(__file__).resolve().parents[1] / "python" / "src"
    environment = os.environ | {"FGN_DIST_PROGRAM": os.path.abspath(arguments.program), "PYTHONPATH": str(package)}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=arguments.limit, check=False
        )
    except subprocess.TimeoutExpired:
        return f"> {arguments.limit:g} s"
    if done.returncode != 0:
        return done.stderr.strip().splitlines()[-1][:60]
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("program", help="the fgn-dist executable")
    add("--sets", nargs="+", choices=SETS, default=list(SETS))
    add("--contenders", nargs="+", choices=CONTENDERS, default=CONTENDERS)
    add("--rounds", type=int, default=1)
    add("--limit", type=float, default=600, help="seconds of a fit, with the making of the data")
    add("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        return work(json.loads(arguments.worker))
    print("| set | " + " | ".join(arguments.contenders) + " |\n| --- |" + " ---: |" * len(arguments.contenders))
    for name in arguments.sets:
        results = {contender: [] for contender in arguments.contenders}
        for number in range(arguments.rounds):
            for contender in arguments.contenders[:: 1 if number % 2 == 0 else -1]:
                reason = absent(name, contender)
                results[contender].append(reason or run(name, contender, number, arguments))
        cells = []
        for found in results.values():
            good = [result for result in found if not isinstance(result, str)]
            cells.append(
                f"{statistics.median(result['seconds'] for result in good):.2f} s, "
                f"{100 * statistics.mean(result['accuracy'] for result in good):.2f} %"
                if good
                else found[0]
            )
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
