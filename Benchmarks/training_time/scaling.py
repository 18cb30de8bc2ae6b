"""What `data.normalize` does to features, by the statistics of the rows that are trained on."""

import sys

import numpy as np

KINDS = ["none", "scale", "standardize", "unit-variance"]


class Scaling:
    """The scaling of a kind for features of shape rows × columns."""

    def __init__(self, features, kind):
        if kind not in KINDS:
            sys.exit(f"data.normalize {kind}: name one of {', '.join(KINDS)} for a comparison")
        self.shift, self.divisor = None, None
        if kind == "scale":
            self.divisor = np.abs(features).max()
        elif kind != "none":
            deviations = features.std(0, dtype=np.float64)
            self.divisor = np.where(deviations > 0, deviations, 1).astype(np.float32)
        if kind == "standardize":
            self.shift = features.mean(0, dtype=np.float64).astype(np.float32)

    def apply(self, features):
        """In place."""
        if self.shift is not None:
            features -= self.shift
        if self.divisor is not None:
            features /= self.divisor
