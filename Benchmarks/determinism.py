#!/usr/bin/env python3
"""Whether the same command gives the same model: trains every configuration several times, and counts the different files.

    python Benchmarks/determinism.py .build/release/fgn-dist
    python Benchmarks/determinism.py --configs configs/fashion-mnist-cnn.yaml --set training.epochs=1 --runs 3 --load 2

Configurations are files, and cases of peers.py (`rows x features x hidden... x classes` with random data), each with the
program's defaults. Every run has a directory of its own and the environment as it is, on 1 and on 2 ranks. With --load so
many neighbours compute for random times while the runs do, so that what depends on time has reason to differ. The table
has the number of different `model.safetensors`, which should be 1; the script ends with 1 if any is not.
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

from step_time import cases

CONFIGS = ["digits", "fashion-mnist-head", "fashion-mnist-mlp", "fashion-mnist-cnn"]
CASES = ["128x512x1000", "512x512x1000", "1024x512x1000"]
MPI = ["--oversubscribe", "--bind-to", "none"]


def disturb(seed):
    """Computes and rests in turn, for ever."""
    generator = random.Random(seed)
    while True:
        end = time.monotonic() + generator.uniform(0.01, 0.5)
        while time.monotonic() < end:
            pass
        time.sleep(generator.uniform(0.01, 0.5))


def configuration(case, folder):
    """A file with a case of peers.py for one epoch, on data that are written beside it."""
    cases.write_data(case, folder)
    rows, widths = cases.extents(case)
    path = folder / "configuration.yaml"
    path.write_text(json.dumps({  # JSON is YAML
        "data": {"train": cases.data_files(folder), "classes": widths[-1]},
        "model": {"layers": cases.hidden_layers(widths)},
        "optimizer": {"batch_size": rows},
        "training": {"epochs": 1},
    }))  # fmt: skip
    return path


def train(path, ranks, folder, arguments):
    """The checksum of the model, and which solvers took the steps."""
    command = [arguments.program, "train", str(path), "--run-directory", str(folder / "run")]
    for setting in ["training.evaluate_every=0", "logging.progress=none", "logging.tensorboard=false", *arguments.set]:
        command += ["--set", setting]
    if ranks > 1:
        command = [arguments.mpirun, "-np", str(ranks), *MPI] + command
    environment = os.environ | dict.fromkeys(("OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"), "1")
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {result.returncode}: {result.stderr.strip()}")
    events = [json.loads(line) for line in (folder / "run/metrics.jsonl").read_text().splitlines()]
    solvers = {event["solver"] or "none" for event in events if event["event"] == "step"}
    return hashlib.sha256((folder / "run/model.safetensors").read_bytes()).hexdigest(), solvers


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("program", nargs="?", default=".build/release/fgn-dist")
    root = pathlib.Path(__file__).resolve().parent.parent
    parser.add_argument("--configs", nargs="*", type=pathlib.Path,
                        default=[root / f"configs/{name}.yaml" for name in CONFIGS])  # fmt: skip
    parser.add_argument("--cases", nargs="*", default=CASES)
    parser.add_argument("--ranks", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--load", type=int, default=0, help="neighbours that compute now and then")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--mpirun", default="mpirun")
    arguments = parser.parse_args()
    neighbours = [
        multiprocessing.Process(target=disturb, args=(seed,), daemon=True) for seed in range(arguments.load)
    ]
    for neighbour in neighbours:
        neighbour.start()
    print("| configuration | ranks | runs | different models | solvers |")
    print("| --- | ---: | ---: | ---: | --- |")
    alike = True
    for source in [*arguments.configs, *arguments.cases]:
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            path = source if isinstance(source, pathlib.Path) else configuration(source, folder)
            label = source.stem if isinstance(source, pathlib.Path) else source
            for ranks in arguments.ranks:
                models, solvers = set(), set()
                for _ in range(arguments.runs):
                    with tempfile.TemporaryDirectory(dir=folder) as run:
                        model, used = train(path, ranks, pathlib.Path(run), arguments)
                    models.add(model)
                    solvers |= used
                alike = alike and len(models) == 1
                print(f"| {label} | {ranks} | {arguments.runs} | {len(models)} | {', '.join(sorted(solvers))} |", flush=True)  # fmt: skip
    return 0 if alike else 1


if __name__ == "__main__":
    sys.exit(main())
