"""A command of the program on arrays: what `fgn_dist.train`, `tune` and the estimators share."""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Mapping
from typing import NamedTuple

from .._settings import merge, plain
from ..errors import LaunchError
from . import arrays, process
from .process import Launch
from .progress import Progress
from .scratch import Scratch

#: The sets of a run, and the arrays of each in their order.
SETS = {
    "train": ("features", "labels", "weights"),
    "validation": ("features", "labels"),
    "test": ("features", "labels"),
}


class Command(NamedTuple):
    """`fgn-dist NAME CONFIGURATION OPTIONS`."""

    name: str
    options: list[str]
    launch: Launch
    verbose: int = 0

    def run(self, config: Mapping | str | os.PathLike, files: Mapping, folder: pathlib.Path, scratch: Scratch) -> None:
        """Runs it on settings, or on a file of them, with what `hand_over` gave. Raises FGNError."""
        overrides: list[str] = []
        if isinstance(config, Mapping):
            settings = merge(files, merge(plain(config), {}))
            file = scratch.path / f"{folder.name or 'run'}.json"
            file.write_text(json.dumps(settings))
        else:
            settings, file = {}, pathlib.Path(config)
            for name, part in files.get("data", {}).items():
                for key, path in part.items():
                    overrides += ["--set", f"data.{name}.{key}={json.dumps(path)}"]
        arguments = [self.name, str(file), *overrides, f"--run-directory={folder}", *self.options]
        steps = (settings.get("training") or {}).get("steps")
        progress = Progress(folder / "metrics.jsonl", steps) if self.verbose else None
        try:
            process.run(arguments, scratch, self.launch, progress)
        finally:
            if progress is not None:
                progress.close()
        if not (folder / "model.safetensors").exists():
            raise LaunchError("the program has left no model; does something in this process collect the ends of others?")


def prepared(data: Mapping) -> dict[str, dict]:
    """The arrays of all sets by their keys, of types that files have. Raises ValueError for sets that are none."""
    unknown = set(data) - set(SETS)
    if unknown:
        raise ValueError(f"data has {sorted(unknown)}, and the sets are {list(SETS)}")
    sets = {}
    for name, part in data.items():
        if not 2 <= len(part) <= len(SETS[name]):
            raise ValueError(f"the set {name!r} has {len(part)} arrays; give ({', '.join(SETS[name])})")
        sets[name] = {
            key: arrays.readable(array) if key == "features" else arrays.plain(array)
            for key, array in zip(SETS[name], part)
            if array is not None
        }
    return sets


def size(sets: Mapping[str, Mapping]) -> int:
    """Bytes of the arrays of all sets as files."""
    return sum(arrays.size(array) for part in sets.values() for array in part.values())


def hand_over(sets: Mapping[str, Mapping], scratch: Scratch) -> dict:
    """Writes the arrays of all sets, and returns the settings that name their files."""
    return {
        "data": {
            name: {key: arrays.write(array, scratch, f"{name}-{key}") for key, array in part.items()}
            for name, part in sets.items()
        }
    }
