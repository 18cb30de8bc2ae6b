"""What a fitted classifier does: its attributes and its predictions."""

from __future__ import annotations

import os
import pathlib

import numpy

from . import _base
from ._job import arrays, process
from ._job.process import Launch
from ._job.scratch import Scratch
from ._model import Model
from .errors import LaunchError


class FittedClassifier:
    """Attributes and predictions of a model that `_model` has, for labels `classes_`."""

    @property
    def model_(self) -> Model:
        """The model as the program saves it. Raises NotFittedError before `fit`."""
        if getattr(self, "_model", None) is None:
            raise _base.NotFittedError(f"this {type(self).__name__} instance is not fitted yet; call fit first")
        return self._model

    def __sklearn_is_fitted__(self) -> bool:
        return getattr(self, "_model", None) is not None

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.three_d_array = bool(self.layers)
        return tags

    @property
    def coef_(self) -> numpy.ndarray:
        """Weights of the features for each class, or with two classes those of the second one (1 × d)."""
        weights, _ = self._head()
        return weights[1:] - weights[:1] if len(weights) == 2 else weights

    @property
    def intercept_(self) -> numpy.ndarray:
        """The biases of the classes, or with two classes that of the second one."""
        _, biases = self._head()
        return biases[1:] - biases[:1] if len(biases) == 2 else biases

    def _head(self):
        if not self.__sklearn_is_fitted__() or self._model.layers:
            raise AttributeError("coef_ and intercept_ are those of a fitted model without layers")
        return self._model.head

    def save(self, path: str | os.PathLike) -> None:
        """Writes the model as a file that the command line and `to_torch` read."""
        pathlib.Path(path).write_bytes(self.model_.contents)

    # Prediction

    def _predict(self, X, kind: str) -> numpy.ndarray:
        """`probabilities` or `logits` as `fgn-dist predict` gives them, examples × classes."""
        contents = self.model_.contents
        X = arrays.readable(_base.check_features(self, X, reset=False, images=bool(self.layers)))
        if X.shape[0] == 0:
            raise ValueError("X has 0 sample(s), and at least one is needed")
        bytes_needed = arrays.size(X) + len(contents) + 8 * X.shape[0] * len(self.classes_)
        with Scratch(bytes_needed, self.scratch_directory) as scratch:
            model, result = scratch.path / "model.safetensors", scratch.path / "result.npy"
            model.write_bytes(contents)
            arguments = [
                "predict",
                str(model),
                "--features",
                arrays.write(X, scratch, "features"),
                f"--{kind}",
                str(result),
            ]
            process.run(arguments, scratch, Launch(threads=self.threads))
            if not result.exists():
                raise LaunchError(
                    "the program has left no predictions; does something in this process collect the ends of others?"
                )
            return numpy.load(result)

    def predict_proba(self, X) -> numpy.ndarray:
        """The probability of each class, examples × classes, in the order of `classes_`."""
        return self._predict(X, "probabilities")

    def predict_log_proba(self, X) -> numpy.ndarray:
        """The logarithms of the probabilities, from the logits, so that small ones are not lost."""
        logits = self._predict(X, "logits")
        logits = logits - logits.max(axis=1, keepdims=True)
        return logits - numpy.log(numpy.exp(logits).sum(axis=1, keepdims=True))

    def decision_function(self, X) -> numpy.ndarray:
        """The logits, examples × classes; with two classes the second minus the first."""
        logits = self._predict(X, "logits")
        return logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else logits

    def predict(self, X) -> numpy.ndarray:
        """The most probable class of each example."""
        best = self._predict(X, "logits").argmax(axis=1)
        return self.classes_[best]

    def to_torch(self, shape=None):
        """The network as a `torch.nn.Sequential` that takes inputs as they are; see `fgn_dist.torch.module`."""
        from .torch import module

        return module(self.model_, shape)
