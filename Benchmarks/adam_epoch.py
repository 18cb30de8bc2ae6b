#!/usr/bin/env python3
"""An epoch of training with Adam: fgn-dist against PyTorch on the same cores, alternately.

The perceptron of configs/fashion-mnist-mlp.yaml on random images of the size of Fashion-MNIST. Both sides shuffle,
gather, and step; neither evaluates. A run of fgn-dist with several epochs less one with a single epoch, so that start-up
does not count; PyTorch in one warm process.

    python Benchmarks/adam_epoch.py .build/release/fgn-dist
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import torch
from torch import nn

ROOT = pathlib.Path(__file__).resolve().parent.parent


class Peer:
    """The same training loop as one would write it in PyTorch."""

    def __init__(self, features, labels, batch):
        self.features, self.labels, self.batch = torch.from_numpy(features), torch.from_numpy(labels), batch
        self.model = nn.Sequential(
            nn.Linear(784, 256), nn.Tanh(), nn.Linear(256, 128), nn.Tanh(), nn.Linear(128, 10)
        )
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3, fused=True)

    def epoch(self):
        start = time.perf_counter()
        for rows in torch.randperm(len(self.labels)).split(self.batch):
            loss = nn.functional.cross_entropy(self.model(self.features[rows]), self.labels[rows])
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
        return time.perf_counter() - start


def seconds(program, folder, batch, epochs, threads, ranks):
    run = folder / f"run-{epochs}"
    launcher = ["mpirun", "--oversubscribe", "-np", str(ranks)] if ranks > 1 else []
    settings = {
        "data.train.features": folder / "features.npy", "data.train.labels": folder / "labels.npy",
        "data.test.features": "null", "data.test.labels": "null", "data.normalize": "none",
        "optimizer.method": "adam", "optimizer.learning_rate": 1e-3, "optimizer.batch_size": batch,
        "optimizer.momentum": 0.9, "optimizer.schedule.kind": "constant", "training.epochs": epochs,
        "training.evaluate_every": 0, "checkpoint.every": 0, "logging.progress": "none",
    }
    command = [*launcher, program, "train", ROOT / "configs" / "fashion-mnist-mlp.yaml", "--run-directory", run]
    for key, value in settings.items():
        command += ["--set", f"{key}={value}"]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": str(threads)}
    subprocess.run(list(map(str, command)), check=True, capture_output=True, env=environment)
    events = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    subprocess.run(["rm", "-r", str(run)], check=True)
    return next(event["seconds"] for event in events if event["event"] == "end")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="the fgn-dist executable")
    parser.add_argument("--batches", type=int, nargs="+", default=[128, 512])
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--ranks", type=int, default=1, help="ranks of fgn-dist that share the cores")
    parser.add_argument("--repetitions", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.cores)
    generator = np.random.default_rng(0)
    features = generator.random((60_000, 784), dtype=np.float32)
    labels = generator.integers(0, 10, 60_000)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        np.save(folder / "features.npy", features)
        np.save(folder / "labels.npy", labels)
        for batch in arguments.batches:
            peer = Peer(features, labels, batch)
            peer.epoch()
            pairs = []
            for _ in range(arguments.repetitions):
                threads = arguments.cores // arguments.ranks
                one, four = (
                    seconds(arguments.program, folder, batch, epochs, threads, arguments.ranks) for epochs in (1, 4)
                )
                pairs.append(((four - one) / 3, statistics.median(peer.epoch() for _ in range(3))))
            own, other = (statistics.median(side) for side in zip(*pairs))
            ratio = statistics.median(a / b for a, b in pairs)
            print(
                f"batch {batch}: fgn-dist {own:.3f} s, PyTorch {torch.__version__} {other:.3f} s an epoch, "
                f"{arguments.cores} cores, ratio {ratio:.2f}",
                flush=True,
            )


if __name__ == "__main__":
    sys.exit(main())
