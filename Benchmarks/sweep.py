"""Trains one configuration with every combination of some settings, and prints what each ends with as a Markdown table.

    python3 Benchmarks/sweep.py configs/fashion-mnist-mlp.yaml \
        --grid optimizer.damping.initial=0.1,0.3,1 --grid optimizer.momentum=0.5,0.9 --set training.epochs=5

Settings of --grid take every value in turn, those of --set hold for all runs. The table is sorted by the training loss and
grows on disk with --output while the sweep runs. Build the program first: swift build -c release.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".build", "release", "fgn-dist")


def main():
    arguments = parse()
    grid = [split(text) for text in arguments.grid]
    keys = [key for key, _ in grid]
    results = []
    for values in itertools.product(*(values for _, values in grid)):
        settings = [f"{key}={value}" for key, value in zip(keys, values)]
        result = train(arguments.config, arguments.set + settings, arguments.threads)
        results.append((values, result))
        results.sort(key=lambda result: result[1]["train_loss"])
        text = table(keys, results)
        if arguments.output:
            with open(arguments.output, "w") as file:
                file.write(text)
        print(f"{len(results)}: {' '.join(settings)}: {' '.join(numbers(result))}", file=sys.stderr)
    print(table(keys, results), end="")


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("--grid", action="append", default=[], metavar="KEY=VALUE,VALUE…", required=True)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output", metavar="FILE")
    return parser.parse_args()


def split(text):
    key, equals, values = text.partition("=")
    if not equals:
        sys.exit(f"--grid {text} is not KEY=VALUE,VALUE…")
    return key, values.split(",")


def train(config, settings, threads):
    """What a run ends with. A run that fails, as by divergence, counts with an infinite loss."""
    with tempfile.TemporaryDirectory() as folder:
        command = [PROGRAM, "train", config, "--run-directory", folder]
        command += ["--set", "training.evaluate_every=0", "--set", "checkpoint.every=0", "--set", "logging.progress=none"]
        for setting in settings:
            command += ["--set", setting]
        environment = dict(os.environ, OPENBLAS_NUM_THREADS=str(threads))
        process = subprocess.run(command, env=environment, capture_output=True, text=True)
        if process.returncode == 64 or process.returncode == 66:
            sys.exit(process.stderr.strip())
        with open(os.path.join(folder, "metrics.jsonl")) as file:
            lines = [json.loads(line) for line in file]
    steps = [line for line in lines if line["event"] == "step"]
    evaluations = {line["split"]: line for line in lines if line["event"] == "evaluation"}
    result = {"train_loss": float("inf"), "test_loss": float("inf"), "accuracy": 0.0}
    if process.returncode == 0:
        result["train_loss"] = evaluations["train"]["loss"]
        test = evaluations.get("test", evaluations["train"])
        result["test_loss"], result["accuracy"] = test["loss"], test["accuracy"]
    result["seconds"] = sum(line["seconds"] for line in steps)
    return result


def table(keys, results):
    head = [key.removeprefix("optimizer.") for key in keys] + ["training loss", "test loss", "test accuracy", "seconds"]
    lines = [head, ["---"] * len(keys) + ["---:"] * 4]
    for values, result in results:
        lines.append(list(values) + numbers(result))
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def numbers(result):
    return [
        f"{result['train_loss']:.4f}", f"{result['test_loss']:.4f}", f"{result['accuracy']:.4f}",
        f"{result['seconds']:.1f}",
    ]


if __name__ == "__main__":
    main()
