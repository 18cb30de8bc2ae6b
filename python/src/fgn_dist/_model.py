"""A trained model as the program saves it."""

from __future__ import annotations

import json

import numpy

from . import _safetensors


class Model:
    """The contents of a model file or of a checkpoint."""

    def __init__(self, contents: bytes):
        self.contents = contents
        tensors, self.metadata = _safetensors.load(contents)
        #: The parameters under PyTorch's names, such as `0.weight`.
        self.parameters = {name.removeprefix("model."): tensor for name, tensor in tensors.items() if name.startswith("model.")}
        self.configuration: dict = json.loads(self.metadata["fgn.configuration"])

    @property
    def layers(self) -> list:
        """The hidden layers, as in YAML."""
        return self.configuration["model"]["layers"]

    @property
    def shape(self) -> tuple[int, ...]:
        """The axes of an example."""
        return tuple(json.loads(self.metadata["fgn.shape"])["input"])

    @property
    def head(self) -> tuple[numpy.ndarray, numpy.ndarray]:
        """Weights (C × d) and biases (C) of a linear head for inputs as they are, without the normalisation."""
        weights = self.parameters["0.weight"].astype(numpy.float64)
        biases = self.parameters.get("0.bias", numpy.zeros(len(weights))).astype(numpy.float64)
        offsets, scales = self._normalization(weights.shape[1])
        folded = weights * scales
        return folded, biases - folded @ offsets

    def _normalization(self, columns: int) -> tuple[numpy.ndarray, numpy.ndarray]:
        """Offsets and scales of (x − offset) · scale, for each column."""
        stored = json.loads(self.metadata["fgn.normalization"])
        offsets = numpy.asarray(stored.get("offsets") or [0.0], dtype=numpy.float64)
        scales = numpy.asarray(stored.get("scales") or [1.0], dtype=numpy.float64)
        return numpy.broadcast_to(offsets, columns), numpy.broadcast_to(scales, columns)
