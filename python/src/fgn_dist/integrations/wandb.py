"""Weights & Biases: `log(Run("runs/a"), project="digits")`."""

from __future__ import annotations

import wandb

from .._run import Run
from ._follow import parameters, scalars


def log(run: Run, *, wait: bool = False, **options) -> None:
    """Logs the configuration, the numbers of all events and the model; `options` are those of `wandb.init`."""
    with wandb.init(**({"name": run.path.name} | options)) as session:
        for step, numbers in scalars(run, wait=wait):
            # Events of the same step follow one another, and W&B takes steps that do not decrease.
            session.log(numbers, step=step)
        session.config.update(parameters(run))
        if run.model is not None:
            session.save(str(run.model), base_path=str(run.path), policy="now")
