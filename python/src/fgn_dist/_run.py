"""The folder of a run: what it was asked for, what it did, and what it left."""

from __future__ import annotations

import json
import os
import pathlib


class Run:
    """A run's folder, also of one that is still going on, on any machine that sees it.

    >>> run = Run("runs/digits")
    >>> run.metrics("evaluation")   # doctest: +SKIP
    """

    def __init__(self, path: str | os.PathLike):
        self.path = pathlib.Path(path)
        if not self.path.is_dir():
            raise FileNotFoundError(f"{self.path} is no folder of a run")

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    @property
    def configuration(self) -> dict:
        """The complete configuration. Needs PyYAML unless the model is there, which has it as well."""
        if self.model is not None:
            from ._model import Model

            return Model(self.model.read_bytes()).configuration
        import yaml

        return yaml.safe_load((self.path / "config.yaml").read_text())

    def events(self, kind: str | None = None) -> list[dict]:
        """The events of metrics.jsonl, or those of one kind such as `step`; a line that is still being written is left out."""
        file = self.path / "metrics.jsonl"
        if not file.exists():
            return []
        with open(file, encoding="utf-8") as lines:
            events = [json.loads(line) for line in lines if line.endswith("\n")]
        return [event for event in events if kind is None or event["event"] == kind]

    def metrics(self, kind: str = "evaluation"):
        """The events of one kind as a pandas.DataFrame, with numbers that are not finite as floats."""
        import pandas

        return pandas.DataFrame(
            [{key: _number(value) for key, value in event.items() if key != "event"} for event in self.events(kind)]
        )

    @property
    def model(self) -> pathlib.Path | None:
        """The trained model; None until the run has ended."""
        path = self.path / "model.safetensors"
        return path if path.exists() else None

    @property
    def checkpoints(self) -> list[pathlib.Path]:
        """The checkpoints that are there, the newest last."""
        return sorted((self.path / "checkpoints").glob("step-*.safetensors"))

    def plot(self, axes=None):
        """The losses of steps and evaluations against steps, by matplotlib. Returns the axes."""
        from matplotlib import pyplot

        axes = axes or pyplot.gca()
        steps = [(event["step"], _number(event["loss"])) for event in self.events("step")]
        if steps:
            axes.plot(*zip(*steps), label="steps", linewidth=0.8, alpha=0.5)
        for split in ("train", "validation", "test"):
            points = [(event["step"], _number(event["loss"])) for event in self.events("evaluation") if event["split"] == split]
            if points:
                axes.plot(*zip(*points), marker="o", markersize=3, label=split)
        axes.set(xlabel="step", ylabel="cross-entropy")
        axes.legend()
        return axes


def _number(value):
    return float(value) if value in ("inf", "-inf", "nan") else value
