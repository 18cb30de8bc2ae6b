#!/usr/bin/env python3
"""Compare the TensorBoard event files of a run with its metrics.jsonl.

    pip install tensorboard pyyaml
    python Benchmarks/checks/check_tensorboard.py runs/fashion-mnist-head

TensorBoard's own reader reads the files. Every scalar of every step and evaluation must be there once and be the number
of metrics.jsonl in single precision; every histogram must hold as many values as its batch has examples. Exits with 1
and says what differs otherwise.
"""

import argparse
import json
import math
import pathlib
import struct
import sys

import yaml
from tensorboard.backend.event_processing import event_accumulator

STEP_KEYS = [
    "loss", "gradient_norm", "step_norm", "damping", "reduction_ratio", "step_length", "solver_iterations",
    "learning_rate", "seconds",
]
EVALUATION_KEYS = ["loss", "accuracy", "top5_accuracy", "balanced_accuracy"]
FULL_STEP_KEYS = ["objective", "gradient_ratio", "solver_iterations"]


def single(value):
    """The nearest number of single precision."""
    if isinstance(value, str):
        return float(value)
    try:
        return struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)


def metrics(path):
    """The complete lines; a killed run's last one may be cut short."""
    events = []
    for line in path.read_bytes().split(b"\n"):
        try:
            events.append(json.loads(line))
        except ValueError:
            continue
    return events


def expected_scalars(events):
    """(step, value) by tag, in the order of the steps. Of an evaluation that a resumed run repeated, the last counts."""
    result = {}
    for event in events:
        if event["event"] == "step":
            pairs = [(f"step/{key}", event[key]) for key in STEP_KEYS]
        elif event["event"] == "full_step":
            pairs = [(f"full_step/{key}", event[key]) for key in FULL_STEP_KEYS]
        elif event["event"] == "evaluation":
            # A best model that is not that of this step has tags of its own.
            name = ("best/" if "model_step" in event else "") + event["split"]
            pairs = [(f"{name}/{key}", event[key]) for key in EVALUATION_KEYS]
        else:
            continue
        for tag, value in pairs:
            if value is not None:
                result.setdefault(tag, []).append((event["step"], single(value)))
    return result


def batch_sizes(folder, events):
    """The number of examples in the batch of a step, counted from 1."""
    configuration = yaml.safe_load((folder / "config.yaml").read_text())
    examples = next(event["examples"] for event in events if event["event"] == "run")
    batch = configuration["optimizer"]["batch_size"]
    batch = examples if batch == "full" else min(batch, examples)
    last = examples % batch
    per_epoch = examples // batch + (1 if last and not configuration["training"]["drop_last"] else 0)

    def size(step):
        position = (step - 1) % per_epoch
        return batch if (position + 1) * batch <= examples else last

    every = configuration["logging"]["histograms_every"]
    steps = max((event["step"] for event in events if event["event"] == "step"), default=0)
    return {step: size(step) for step in range(every, steps + 1, every)} if every else {}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=pathlib.Path, help="run directory")
    folder = parser.parse_args().run
    events = metrics(folder / "metrics.jsonl")
    reader = event_accumulator.EventAccumulator(
        str(folder), size_guidance={event_accumulator.SCALARS: 0, event_accumulator.HISTOGRAMS: 0})
    reader.Reload()
    faults = []

    expected = expected_scalars(events)
    found = {tag: [(e.step, e.value) for e in reader.Scalars(tag)] for tag in reader.Tags()["scalars"]}
    for tag in sorted(expected.keys() | found.keys()):
        ours, theirs = expected.get(tag, []), found.get(tag, [])
        if len(ours) != len(theirs):
            faults.append(f"{tag}: {len(ours)} values in metrics.jsonl, {len(theirs)} in the event files")
        for one, other in zip(ours, theirs):
            if one != other and not (one[0] == other[0] and math.isnan(one[1]) and math.isnan(other[1])):
                faults.append(f"{tag}: {one} in metrics.jsonl, {other} in the event files")
                break

    sizes = batch_sizes(folder, events)
    histograms = 0
    for tag, bounds in [("batch/margin", (-math.inf, math.inf)), ("batch/curvature_weight", (0, 0.25))]:
        points = reader.Histograms(tag) if tag in reader.Tags()["histograms"] else []
        steps = [point.step for point in points]
        if steps != sorted(sizes):
            faults.append(f"{tag}: expected at {len(sizes)} steps, found at {len(steps)}")
        for point in points:
            value = point.histogram_value
            histograms += 1
            total = sum(value.bucket)
            if not total == value.num == sizes.get(point.step):
                faults.append(f"{tag}, step {point.step}: {total} values, the batch has {sizes.get(point.step)}")
            mean = value.sum / value.num
            if not bounds[0] <= value.min <= mean <= value.max <= bounds[1]:
                faults.append(f"{tag}, step {point.step}: the mean {mean} of {value.min} to {value.max} is impossible")
            if list(value.bucket_limit) != sorted(value.bucket_limit):
                faults.append(f"{tag}, step {point.step}: the bucket limits do not ascend")

    for fault in faults:
        print(fault)
    count = sum(len(values) for values in found.values())
    print(f"{folder}: {count} scalars of {len(found)} tags, {histograms} histograms, {len(faults)} faults")
    sys.exit(1 if faults or not count else 0)


if __name__ == "__main__":
    main()
