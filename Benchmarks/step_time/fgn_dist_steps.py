"""Steps of `fgn-dist train` on a case, and the settings of its contenders in peers.py."""

import json
import pathlib
import tempfile

from .cases import DAMPING, ITERATIONS, RATE, data_files, extents, hidden_layers
from .processes import alone

SGD = {"method": "sgd", "momentum": 0}
FGN = {
    "method": "fgn", "momentum": 0, "step_length": "unit", "metric": {"kind": "identity"},
    "damping": {"initial": DAMPING, "policy": "constant"},
}  # fmt: skip
GRAM = {"solver": {"kind": "gram"}}
# The smallest tolerance is not reached, so that all iterations take place.
CG = {"solver": {"kind": "cg", "tolerance": 1e-30, "max_iterations": ITERATIONS}}
CONTENDERS = {
    "fgn-dist-gram": FGN | GRAM,
    "fgn-dist-gram-momentum": FGN | GRAM | {"momentum": 0.9},
    "fgn-dist-cg": FGN | CG,
    "fgn-dist-sgd": SGD,
}


def train(case, folder, optimizer, arguments, steps, ranks=1):
    """The events of metrics.jsonl: tiny steps, and nothing but these. The data are in the folder already."""
    rows, widths = extents(case)
    configuration = {
        "data": {"train": data_files(folder), "normalize": "none", "classes": widths[-1]},
        "model": {"layers": hidden_layers(widths), "initialization": "scaled"},
        "optimizer": optimizer | {
            "batch_size": rows, "learning_rate": RATE, "schedule": {"kind": "constant"},
        },
        "training": {"steps": steps, "evaluate_every": 0},
        "checkpoint": {"every": 0},
        "logging": {"progress": "none"},
    }  # fmt: skip
    with tempfile.TemporaryDirectory(dir=folder) as run:
        path = pathlib.Path(run) / "configuration.yaml"
        path.write_text(json.dumps(configuration))  # JSON is YAML
        alone([arguments.program, "train", path, "--run-directory", f"{run}/run"], arguments, ranks=ranks)
        lines = pathlib.Path(f"{run}/run/metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def step_events(events):
    return [event for event in events if event["event"] == "step"]


def seconds(steps):
    """What each step took without getting its batch, since the peers have theirs ready-made."""
    return [event["seconds"] - event["phases"].get("data", 0) for event in steps]
