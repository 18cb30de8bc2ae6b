"""The problem that a configuration gives, its objective, and the course of a training run on it."""

import gzip
import sys

import numpy as np
import torch

from . import sequential
from .scaling import Scaling


def array(path):
    """An NPY or IDX file of 8-bit integers, also .gz."""
    if path.endswith(".npy"):
        return np.load(path)
    content = (gzip.open if path.endswith(".gz") else open)(path, "rb").read()
    if content[:3] != b"\0\0\x08":
        sys.exit(f"{path} is neither NPY nor an IDX file of bytes")
    start = 4 + 4 * content[3]
    return np.frombuffer(content, np.uint8, offset=start).reshape(
        np.frombuffer(content[4:start], ">u4")
    )


def start(layers, shape, classes, seed=0):
    """A network as fgn-dist starts: heads from zeros."""
    torch.manual_seed(seed)
    network = sequential.sequential(layers, shape, classes)
    if not layers:
        for parameter in network.parameters():
            torch.nn.init.zeros_(parameter)
    return network


class Problem:
    def __init__(self, configuration, l2):
        data = configuration.get("data") or {}
        files = data.get("train") or {}
        self.layers = (configuration.get("model") or {}).get("layers") or []
        shape = (configuration.get("model") or {}).get("input_shape")
        features = array(files["features"]).astype(np.float32)
        features = features.reshape(len(features), -1)
        Scaling(features, data.get("normalize") or "scale").apply(features)
        self.shape = tuple(shape or features.shape[1:])
        self.features = torch.from_numpy(features).reshape(-1, *self.shape)
        self.labels = torch.from_numpy(array(files["labels"]).astype(np.int64))
        self.classes = data.get("classes") or int(self.labels.max()) + 1
        self.l2 = l2

    def network(self):
        return start(self.layers, self.shape, self.classes)

    @torch.inference_mode()
    def objective(self, network):
        """Mean cross-entropy, and the penalty."""
        total = 0.0
        chunk = max(1, 2**23 // max(self.classes, self.features[0].numel()))
        for x, y in zip(self.features.split(chunk), self.labels.split(chunk)):
            total += torch.nn.functional.cross_entropy(network(x), y, reduction="sum").item()
        squares = sum((p.double() ** 2).sum().item() for p in network.parameters() if p.dim() > 1)
        return total / len(self.labels), self.l2 / 2 * squares

    def head(self, weights, biases):
        network = self.network()
        with torch.no_grad():
            network[0].weight.copy_(torch.as_tensor(np.asarray(weights)))
            network[0].bias.copy_(torch.as_tensor(np.asarray(biases)))
        return network


class Course:
    """Points (seconds, steps, objective) of a training run."""

    def __init__(self, problem, target):
        self.problem, self.target, self.points = problem, target, []

    def add(self, seconds, steps, network):
        value = sum(self.problem.objective(network))
        self.points.append((seconds, steps, value))
        return value <= self.target

    def result(self, steps="steps", **more):
        first = next((point for point in self.points if point[2] <= self.target), None)
        return {"points": self.points, "first": first, "kind": steps} | more
