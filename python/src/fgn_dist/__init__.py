"""fgn-dist from Python: softmax classifiers by Fast Gauss-Newton, on one process or on many under MPI."""

from ._run import Run
from ._training import train, tune
from ._version import __version__
from .errors import (
    ConfigurationError,
    DataError,
    DivergedError,
    FGNError,
    LaunchError,
    MissingInputError,
    OutputError,
    PeerLostError,
    StoppedError,
)
from .estimator import FGNClassifier
from .search import FGNClassifierCV

__all__ = [
    "ConfigurationError",
    "DataError",
    "DivergedError",
    "FGNClassifier",
    "FGNClassifierCV",
    "FGNError",
    "LaunchError",
    "MissingInputError",
    "OutputError",
    "PeerLostError",
    "Run",
    "StoppedError",
    "__version__",
    "train",
    "tune",
]
