"""The cases of peers.py, their random data, and what all its contenders have alike.

A case is `rows x features x hidden... x classes`: a linear head if there is nothing hidden, else a perceptron with tanh.
"""

import numpy as np

CASES = ["256x512x10000", "512x512x1000", "512x512x100", "1024x512x1000", "512x784x512x512x10"]
BATCHES, WARM_UP, ITERATIONS, DAMPING, RATE = 8, 5, 10, 1e-3, 1e-4


def extents(case):
    """The rows of a batch, and the widths from the features to the classes."""
    rows, *widths = map(int, case.split("x"))
    return rows, widths


def hidden_layers(widths):
    """The case's `model.layers`."""
    return [layer for width in widths[1:-1] for layer in ({"linear": width}, "tanh")]


def data_files(folder):
    """`data.train` with the files of write_data."""
    return {"features": str(folder / "features.npy"), "labels": str(folder / "labels.npy")}


def write_data(case, folder):
    rows, widths = extents(case)
    generator = np.random.default_rng(0)
    count = rows * BATCHES
    features = generator.standard_normal((count, widths[0]), dtype=np.float32)
    # Rows of different lengths: else conjugate gradient would be done in a few iterations.
    features *= np.exp(generator.standard_normal((count, 1), dtype=np.float32) / 2)
    labels = generator.integers(0, widths[-1], count, dtype=np.int32)
    np.save(folder / "features.npy", features)
    np.save(folder / "labels.npy", labels)
