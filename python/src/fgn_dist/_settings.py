"""The settings of a run: sections and keys, and those that the parameters of an estimator make."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy

from ._base import seed_of
from ._job.arrays import is_sparse


def merge(settings: Mapping, into: dict) -> dict:
    """`into` with settings: sections within sections, or keys with dots such as `optimizer.learning_rate`."""
    for key, value in settings.items():
        section, _, rest = str(key).partition(".")
        if rest:
            value = {rest: value}
        if isinstance(value, Mapping) and isinstance(into.setdefault(section, {}), dict):
            merge(value, into[section])
        else:
            into[section] = value
    return into


def plain(value):
    """A setting as JSON has it: NumPy's numbers and arrays, paths and tuples as Python's own."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return plain(value.tolist()) if hasattr(value, "tolist") else value


def estimator_settings(estimator, data) -> dict:
    """The sections of the configuration, without files. `data` has the arrays of each set."""
    features, targets, weights = data["train"]
    classes = len(estimator.classes_)
    is_exact = not estimator.layers and estimator.epochs is None and estimator.method in ("fgn", "ggn")
    precision = estimator.precision or (
        "float32" if estimator.layers or features.dtype in (numpy.float16, numpy.float32) else "float64"
    )
    strength = estimator.C if estimator.C is not None else 10.0 if estimator.layers else 1.0
    normalize = estimator.normalize or ("auto" if estimator.layers else "none")
    settings = {
        "data": {"normalize": normalize, "classes": classes},
        "model": {"layers": list(estimator.layers or []), "bias": bool(estimator.fit_intercept)},
        "optimizer": {
            "method": estimator.method,
            "weight_decay": weight_decay(strength, len(targets) if weights is None else weights.sum(), classes),
            "decay_biases": False,
        },
        "training": {"seed": seed_of(estimator.random_state), "precision": precision},
        "checkpoint": {"every": 0},
        "logging": {"progress": "none"},
    }
    optimizer, training = settings["optimizer"], settings["training"]
    for name, value in (("batch_size", estimator.batch_size), ("learning_rate", estimator.learning_rate)):
        if value is not None:
            optimizer[name] = value
    if is_exact:
        training |= {
            "until": "optimum",
            "tolerance": tolerance(estimator.tol, features, classes),
            "max_passes": estimator.max_passes,
        }
    else:
        # Small sets need more than ten passes, in smaller batches.
        batch = optimizer.setdefault("batch_size", min(512, max(32, len(targets) // 20)))
        steps = -(-len(targets) // batch) if isinstance(batch, int) else 1
        training["epochs"] = estimator.epochs if estimator.epochs is not None else max(10, -(-1000 // steps))
    if estimator.patience is not None:
        training["patience"] = estimator.patience
    if estimator.validation_fraction is not None:
        settings["data"]["validation"] = {"fraction": estimator.validation_fraction}
    if estimator.run_directory is None:
        # Nobody looks at these files of a temporary folder.
        settings["logging"] |= {"tensorboard": False, "histograms_every": 0}
    return settings


def tolerance(tol, features, classes: int) -> float:
    """`tol`, or that of None: exact as long as a hundred passes take about a second, and for large sets what predicts alike."""
    if tol is not None:
        return tol
    numbers = features.nnz if is_sparse(features) else features.size
    work = numbers * classes
    return 1e-6 if work <= 1e8 else 0.01 if work <= 1e9 else 0.2


def weight_decay(C, total: float, classes: int) -> float:
    """μ of (μ/2)‖θ‖² beside the mean loss, for C Σ ω loss + ½‖w‖² with Σ ω = `total`.

    With two classes w is the difference of two rows ±w/2, so that ‖θ‖² is half of ‖w‖².
    """
    if not C > 0:
        raise ValueError(f"C must be positive, not {C!r}")
    if numpy.isinf(C):
        return 0.0
    return float((2 if classes == 2 else 1) / (C * total))
