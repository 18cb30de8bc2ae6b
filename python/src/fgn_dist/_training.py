"""`train` and `tune`: everything that the command line can do, on arrays as on files."""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Mapping

from . import _arrays, _process
from ._progress import Progress
from ._run import Run
from ._scratch import Scratch
from ._settings import merge, plain

#: What a set of a run is called in `data`, and its arrays in their order.
_SETS = {
    "train": ("features", "labels", "weights"),
    "validation": ("features", "labels"),
    "test": ("features", "labels"),
}


def train(
    config: Mapping | str | os.PathLike | None = None,
    data: Mapping | None = None,
    *,
    run_directory: str | os.PathLike,
    resume: bool = False,
    ranks: int = 1,
    hosts=None,
    launcher="mpirun",
    threads: int | None = None,
    scratch_directory: str | os.PathLike | None = None,
    verbose: int = 0,
) -> Run:
    """Trains as `fgn-dist train` does, and returns the run.

    Parameters
    ----------
    config
        The settings of docs/configuration.md: sections within sections, or keys with dots; or a YAML file.
    data
        Arrays instead of files: `{"train": (X, y), "validation": (X, y), "test": (X, y)}`, each but the first one
        optional; `(X, y, weights)` for training. y are class numbers, texts or rows of probabilities.
    run_directory
        The folder of the run, which stays. With `resume` the run in it goes on from its newest checkpoint.
    ranks, hosts, launcher
        The run under MPI: how many ranks, on this host or on others, which must see `run_directory` and the arrays.
        `launcher` is `mpirun`, a path of one, `srun`, or a function of (command, ranks, hosts) that returns the list of
        arguments to run.
    threads
        Threads of a rank; None: the processors that the ranks share.
    scratch_directory
        Where arrays are handed over; None: /dev/shm, or where it is too small the usual place of temporary files.

    Raises FGNError; KeyboardInterrupt when the run has saved a checkpoint.
    """
    arguments = ["--run-directory", os.fspath(run_directory)] + (["--resume"] if resume else [])
    return _run(
        "train", config, data, arguments, run_directory=run_directory, ranks=ranks, hosts=hosts, launcher=launcher,
        threads=threads, scratch_directory=scratch_directory, verbose=verbose,
    )  # fmt: skip


def tune(
    config: Mapping | str | os.PathLike | None = None,
    data: Mapping | None = None,
    *,
    run_directory: str | os.PathLike,
    over: Mapping | None = None,
    folds: int | None = None,
    options: list[str] | None = None,
    resume: bool = False,
    ranks: int = 1,
    hosts=None,
    launcher="mpirun",
    threads: int | None = None,
    scratch_directory: str | os.PathLike | None = None,
    verbose: int = 0,
) -> Run:
    """Searches as `fgn-dist tune` does, and returns the run, whose model is the best one.

    `over` has lists of values by key, such as `{"optimizer.weight_decay": [1e-4, 1e-3]}`; None takes the program's own
    settings. `options` are further ones of the command, such as `["--no-refit"]`. All else is as in `train`.
    """
    arguments = ["--run-directory", os.fspath(run_directory)] + (["--resume"] if resume else [])
    for key, values in (over or {}).items():
        arguments += [
            "--over",
            f"{key}=" + ",".join(value if isinstance(value, str) else json.dumps(plain(value)) for value in values),
        ]
    if folds is not None:
        arguments += ["--folds", str(folds)]
    return _run(
        "tune", config, data, arguments + (options or []), run_directory=run_directory, ranks=ranks, hosts=hosts,
        launcher=launcher, threads=threads, scratch_directory=scratch_directory, verbose=verbose,
    )  # fmt: skip


def _run(command, config, data, arguments, *, run_directory, scratch_directory, verbose, **job) -> Run:
    arrays = {name: dict(zip(keys, data[name])) for name, keys in _SETS.items() if data and data.get(name) is not None}
    unknown = set(data or ()) - set(_SETS)
    if unknown:
        raise ValueError(f"data has {sorted(unknown)}, and the sets are {list(_SETS)}")
    bytes_needed = sum(_arrays.size(array) for part in arrays.values() for array in part.values())
    with Scratch(bytes_needed, scratch_directory) as scratch:
        overrides: list[str] = []
        if isinstance(config, Mapping) or config is None:
            settings = merge(plain(config or {}), {})
            file = scratch.path / f"{pathlib.Path(run_directory).name or 'run'}.json"
        else:
            settings, file = {}, pathlib.Path(config)
        for name, part in arrays.items():
            for key, array in part.items():
                if array is not None:
                    path = _arrays.write(_arrays.readable(array) if key == "features" else array, scratch, f"{name}-{key}")
                    merge({f"data.{name}.{key}": path}, settings)
        if isinstance(config, Mapping) or config is None:
            file.write_text(json.dumps(settings))
        else:
            data_settings = settings.get("data", {})
            overrides = [f"data.{name}.{key}={path}" for name, part in data_settings.items() for key, path in part.items()]
        options = [argument for override in overrides for argument in ("--set", override)]
        progress = Progress(pathlib.Path(run_directory) / "metrics.jsonl", _total(settings), verbose) if verbose else None
        try:
            _process.run([command, str(file), *options, *arguments], scratch, watch=progress, **job)
        finally:
            if progress is not None:
                progress.close()
    return Run(run_directory)


def _total(settings: Mapping) -> int | None:
    """The number of steps, where the configuration gives it."""
    return (settings.get("training") or {}).get("steps")
