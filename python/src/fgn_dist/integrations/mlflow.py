"""MLflow: `log(Run("runs/a"))` within or without `mlflow.start_run()`."""

from __future__ import annotations

import mlflow

from .._run import Run
from ._follow import parameters, scalars


def log(run: Run, *, wait: bool = False) -> None:
    """Logs the configuration, the numbers of all events and the model; with `wait` until the run ends."""
    with mlflow.start_run(run_name=run.path.name, nested=mlflow.active_run() is not None):
        for step, numbers in scalars(run, wait=wait):
            mlflow.log_metrics({key.replace("/", "."): value for key, value in numbers.items()}, step=step)
        mlflow.log_params({key: text[:500] for key, text in parameters(run).items()})
        if run.model is not None:
            mlflow.log_artifact(str(run.model))
