"""`train` and `tune`: everything that the command line can do, on arrays as on files."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
from collections.abc import Mapping

from ._job.command import Command, hand_over, prepared, size
from ._job.process import Launch
from ._job.scratch import Scratch
from ._run import Run
from ._settings import plain


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
    command = Command("train", ["--resume"] if resume else [], Launch(ranks, hosts, launcher, threads), verbose)
    return _run(command, config, data, run_directory, scratch_directory)


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
    arguments = over_options(over or {}) + (["--resume"] if resume else [])
    if folds is not None:
        arguments += ["--folds", str(folds)]
    command = Command("tune", arguments + (options or []), Launch(ranks, hosts, launcher, threads), verbose)
    return _run(command, config, data, run_directory, scratch_directory)


def over_options(over: Mapping) -> list[str]:
    """The options `--over` of lists of values by key."""
    options = []
    for key, values in over.items():
        texts = [value if isinstance(value, str) else json.dumps(plain(value)) for value in values]
        options += ["--over", f"{key}={','.join(texts)}"]
    return options


def _run(command: Command, config, data, run_directory, scratch_directory) -> Run:
    sets = prepared({name: part for name, part in (data or {}).items() if part is not None})
    folder = pathlib.Path(run_directory).expanduser()
    # A search that goes on must find its files where they were.
    name = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16] if command.name == "tune" and sets else None
    with Scratch(size(sets), scratch_directory, name) as scratch:
        command.run({} if config is None else config, hand_over(sets, scratch), folder, scratch)
    return Run(folder)
