#!/usr/bin/env python3
"""A head of a million classes that ranks share out: its loss against PyTorch's, and its step against its products.

Planted classes: a row is a random direction of its class, scaled, and noise. fgn-dist trains on two ranks with one thread
each, PyTorch's Adam in one process with two threads, which takes about as much memory as both ranks; for as many epochs, with
batches of the same size; each with several rates. Then every rank's products of a step, in NumPy with the same shapes, on two
processes at a time: H Wᵀ, H Δ₀ᵀ, Vᵀ X, and the triangle of V Vᵀ.

    python Benchmarks/million_classes.py .build/release/fgn-dist --epochs 2
    python Benchmarks/million_classes.py .build/release/fgn-dist --classes 50000 --features 64   # smaller
"""

import argparse
import json
import multiprocessing
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

import numpy as np


def write_set(folder, count, features, classes, seed=1):
    """Rows near directions of their classes, of which most have none."""
    random = np.random.default_rng(seed)
    labels = random.integers(classes, size=count)
    planted, index = np.unique(labels, return_inverse=True)
    directions = random.standard_normal((len(planted), features), dtype=np.float32)
    rows = directions[index] + 0.3 * random.standard_normal((count, features), dtype=np.float32)
    np.save(folder / "features.npy", rows.astype(np.float32))
    np.save(folder / "labels.npy", labels.astype(np.int64))


def train(program, folder, arguments, rate):
    """The loss of the model on all rows, its accuracy, seconds of a step, and the peak memory of rank 0, by fgn-dist."""
    (folder / "head.yaml").write_text(
        f"""data:
  train: {{features: {folder}/features.npy, labels: {folder}/labels.npy}}
  classes: {arguments.classes}
  normalize: none
model: {{head: {{shard: classes}}}}
optimizer: {{batch_size: {arguments.batch}, learning_rate: {rate}, schedule: {arguments.schedule}, solver: {{kind: {arguments.solver}}}}}
training: {{epochs: {arguments.epochs}}}
checkpoint: {{every: 0}}
logging: {{progress: none, tensorboard: false}}
"""
    )
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    launcher = ["mpirun", "--oversubscribe", "-np", "2"]
    run = folder / f"run-{rate}"
    command = [*launcher, program, "train", folder / "head.yaml", "--run-directory", run]
    subprocess.run(list(map(str, command)), check=True, env=environment, stdout=subprocess.DEVNULL)
    events = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    steps = [event for event in events if event["event"] == "step"]
    scores = [event for event in events if event["event"] == "evaluation" and event["split"] == "train"]
    end = [event for event in events if event["event"] == "end"][-1]
    seconds = statistics.median(step["seconds"] for step in steps[2:])
    return scores[-1]["loss"], scores[-1]["accuracy"], seconds, end["peak_memory"]


def reference(folder, arguments, rate):
    """The same by PyTorch's Adam."""
    import torch

    torch.set_num_threads(2)
    torch.manual_seed(0)
    features = torch.from_numpy(np.load(folder / "features.npy"))
    labels = torch.from_numpy(np.load(folder / "labels.npy"))
    head = torch.nn.Linear(arguments.features, arguments.classes)
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(head.bias)
    optimizer = torch.optim.Adam(head.parameters(), lr=rate, fused=True)
    steps = arguments.epochs * -(-len(labels) // arguments.batch)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1, float(arguments.schedule == "constant"), steps)
    seconds = []
    for _ in range(arguments.epochs):
        for rows in torch.randperm(len(labels)).split(arguments.batch):
            start = time.perf_counter()
            loss = torch.nn.functional.cross_entropy(head(features[rows]), labels[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            seconds.append(time.perf_counter() - start)
    total, hits = 0.0, 0
    with torch.no_grad():
        for rows in torch.arange(len(labels)).split(256):
            logits = head(features[rows])
            total += torch.nn.functional.cross_entropy(logits, labels[rows], reduction="sum").item()
            hits += (logits.argmax(1) == labels[rows]).sum().item()
    return total / len(labels), hits / len(labels), statistics.median(seconds)


def products(shape, barrier, results):
    """Seconds of a rank's products of a step, which has half of the classes."""
    batch, features, classes = shape
    from scipy.linalg import blas

    def array(rows, columns):
        return np.ones((rows, columns), dtype=np.float32, order="F")

    inputs, weights, cotangents = array(features, batch), array(features, classes), array(classes, batch)
    times = []
    for _ in range(5):
        barrier.wait()
        start = time.perf_counter()
        # In the order of columns each is the transpose of what the program has in rows.
        blas.sgemm(1, weights, inputs, c=cotangents, trans_a=True, overwrite_c=True)
        blas.sgemm(1, weights, inputs, c=cotangents, trans_a=True, overwrite_c=True)
        blas.sgemm(1, inputs, cotangents, c=weights, trans_b=True, overwrite_c=True)
        blas.ssyrk(1, cotangents, trans=True)
        times.append(time.perf_counter() - start)
    results.put(statistics.median(times))


def floor(arguments):
    """Seconds of the products of a step, alone, on the slower of two ranks."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(2), context.Queue()
    shape = (arguments.batch, arguments.features, arguments.classes // 2)
    processes = [context.Process(target=products, args=(shape, barrier, results)) for _ in range(2)]
    for process in processes:
        process.start()
    times = [results.get() for _ in processes]
    for process in processes:
        process.join()
    return max(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("--classes", type=int, default=1_000_000)
    parser.add_argument("--features", type=int, default=128)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--rows", type=int, default=4096)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--solver", default="gram", choices=["gram", "gram-cg", "cg"])
    parser.add_argument("--schedule", default="constant", choices=["constant", "linear"], help="of the rates")
    parser.add_argument("--rates", type=float, nargs="*", default=[1, 2], help="of fgn-dist")
    parser.add_argument("--adam-rates", type=float, nargs="*", default=[0.03, 0.1, 0.3])
    arguments = parser.parse_args()
    least = floor(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write_set(folder, arguments.rows, arguments.features, arguments.classes)
        for rate in arguments.rates:
            loss, accuracy, seconds, memory = train(arguments.program.resolve(), folder, arguments, rate)
            print(
                f"fgn-dist, rate {rate:<6g} loss {loss:.4g}, accuracy {100 * accuracy:.2f} %, {seconds:.3f} s a step, "
                f"{seconds / least:.2f} times its products alone, {memory / 1e9:.2f} GB a rank",
                flush=True,
            )
        for rate in arguments.adam_rates:
            loss, accuracy, seconds = reference(folder, arguments, rate)
            print(
                f"Adam, rate {rate:<10g} loss {loss:.4g}, accuracy {100 * accuracy:.2f} %, {seconds:.3f} s a step",
                flush=True,
            )


if __name__ == "__main__":
    main()
