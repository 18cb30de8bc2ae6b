"""Networks of PyTorch like those of fgn-dist, by its Python package."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "python" / "src"))
from fgn_dist._model import Model
from fgn_dist.torch import module, sequential

__all__ = ["load", "sequential"]


def load(path, shape):
    """The network in a model file, for normalised examples of `shape`."""
    return module(Model(pathlib.Path(path).read_bytes()), shape, normalizes=False)
