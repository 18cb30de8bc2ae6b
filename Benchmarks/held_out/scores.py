"""Scores of a model on examples, by the definitions of `fgn-dist evaluate --json`."""

import math

import numpy as np

BINS = 15


def scores(logits, model, examples, classes):
    """Accuracy, mean cross-entropy and expected calibration error of `logits(model, features)`."""
    features, labels = examples
    hits, loss, correct, confident = 0, 0.0, np.zeros(BINS), np.zeros(BINS)
    chunk = max(1, 2**22 // max(classes, features[0].size))
    for first in range(0, len(labels), chunk):
        y = labels[first : first + chunk]
        table = np.asarray(logits(model, features[first : first + chunk]), np.float64)
        table -= table.max(1, keepdims=True)
        table -= np.log(np.exp(table).sum(1, keepdims=True))
        right, confidence = table.argmax(1) == y, np.exp(table.max(1))
        hits += int(right.sum())
        loss -= float(table[np.arange(len(y)), y].sum())
        right, confidence = right[~np.isnan(confidence)], confidence[~np.isnan(confidence)]
        bins = np.minimum(BINS - 1, (confidence * BINS).astype(int))
        correct += np.bincount(bins, right, BINS)
        confident += np.bincount(bins, confidence, BINS)
    count = len(labels)
    error = float(np.abs(correct - confident).sum()) / count
    return {"accuracy": hits / count, "loss": loss / count, "calibration_error": error}


def cost(score, criterion):
    """By what settings are compared: the smaller, the better. Runs that diverged are out."""
    if not math.isfinite(score["loss"]):
        return math.inf
    return -score["accuracy"] if criterion == "accuracy" else score["loss"]
