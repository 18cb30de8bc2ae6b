"""FGNClassifierCV: the best model of many settings, by examples that were not trained on."""

from __future__ import annotations

import csv
import inspect
import json

import numpy

from ._run import Run
from ._settings import weight_decay
from ._training import over_options
from .estimator import FGNClassifier


class FGNClassifierCV(FGNClassifier):
    """FGNClassifier with settings that `fgn-dist tune` chooses.

    With `Cs` it is LogisticRegressionCV: each C to its optimum, from strong penalties to weak ones, each from the model of
    the one before. With `over` all combinations of these values are tried. With neither, the program tries up to twelve
    settings of its own, with several methods, and the result need not be an optimum.

    Parameters
    ----------
    Cs
        Values of C, or how many between 1e-4 and 1e4.
    over
        Lists of values by the keys of docs/configuration.md, such as `{"optimizer.learning_rate": [0.1, 0.3]}`.
    cv
        2 to 20 folds, each row being scored by the model that was not trained on it; None: `validation_fraction`, a tenth
        by default, or the `eval_set` of `fit`.
    scoring
        `loss`, `accuracy` or `balanced_accuracy`.
    options
        Further options of `fgn-dist tune`, such as `["--one-standard-error"]`.
    **params
        Those of FGNClassifier.

    Attributes
    ----------
    best_params_, best_score_
        The chosen values by key, and their score (for `loss` its negative, so that greater is better).
    C_
        The chosen C, with `Cs`.
    cv_results_
        The columns of `tune.csv` as arrays: a row for each setting in each of its rungs.
    """

    def __init__(
        self,
        layers=None,
        *,
        Cs=None,
        over=None,
        cv=None,
        scoring="loss",
        options=None,
        **params,
    ):
        super().__init__(layers, **params)
        self.Cs = Cs
        self.over = over
        self.cv = cv
        self.scoring = scoring
        self.options = options

    def _settings(self, data) -> dict:
        for name in ("C_", "best_params_", "best_score_", "cv_results_"):
            self.__dict__.pop(name, None)
        settings = super()._settings(data)
        if self.scoring not in ("loss", "accuracy", "balanced_accuracy"):
            raise ValueError(f"scoring is 'loss', 'accuracy' or 'balanced_accuracy', not {self.scoring!r}")
        if self.cv is not None and (not isinstance(self.cv, (int, numpy.integer)) or "validation" in data):
            raise ValueError("cv is a number of folds, without an eval_set")
        settings["training"]["best_by"] = self.scoring
        if self.Cs is None and self.over is None:
            # The program's own settings are of all these.
            for key in ("until", "tolerance", "max_passes"):
                settings["training"].pop(key, None)
            for key in ("method", "weight_decay"):
                del settings["optimizer"][key]
            if self.normalize is None:
                settings["data"]["normalize"] = "auto"
        return settings

    def _values_of_C(self) -> numpy.ndarray:
        if isinstance(self.Cs, (int, numpy.integer)):
            values = numpy.logspace(-4, 4, max(0, self.Cs))
        else:
            values = numpy.unique(numpy.asarray(self.Cs, dtype=numpy.float64))
        if values.size == 0:
            raise ValueError(f"Cs is {self.Cs}; give values of C, or how many there are to be")
        return values

    def _command(self, data) -> list[str]:
        over = dict(self.over or {})
        if self.Cs is not None:
            _, targets, weights = data["train"]
            total = len(targets) if weights is None else weights.sum()
            values = [float(value) for value in self._values_of_C()]
            self._decays = [(weight_decay(value, total, len(self.classes_)), value) for value in values]
            over["optimizer.weight_decay"] = sorted((decay for decay, _ in self._decays), reverse=True)
        options = over_options(over)
        if self.cv is not None:
            options += ["--folds", str(self.cv)]
        return ["tune", *options, *(self.options or [])]

    def _keep(self, run: Run, model) -> None:
        rows = []
        if (run.path / "tune.csv").exists():
            with open(run.path / "tune.csv", newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
            self.cv_results_ = {key: _column([row[key] for row in rows]) for key in rows[0]}
        chosen = next((row for row in rows if row["status"] == "chosen"), None)
        if chosen is not None and not run.events():
            # Without a training on all rows the model is that of a trial.
            run = Run(run.path / "trials" / f"{int(chosen['setting']):02}-{chosen['rung']}")
        super()._keep(run, model)
        if chosen is None:
            return
        keys = [key for key in chosen if "." in key and chosen[key]]
        self.best_params_ = {key: _value(chosen[key]) for key in keys}
        score = float(chosen[self.scoring])
        self.best_score_ = -score if self.scoring == "loss" else score
        if self.Cs is not None:
            decay = self.best_params_["optimizer.weight_decay"]
            self.C_ = min(self._decays, key=lambda pair: abs(pair[0] - decay))[1]


def _whole_signature() -> inspect.Signature:
    """That of the constructor with the parameters of FGNClassifier, where scikit-learn looks for them."""
    own = inspect.signature(FGNClassifierCV.__init__).parameters
    inherited = inspect.signature(FGNClassifier.__init__).parameters
    named = {name: parameter for name, parameter in own.items() if name != "params"} | {
        name: parameter for name, parameter in inherited.items() if name not in own
    }
    return inspect.Signature(list(named.values()))


FGNClassifierCV.__init__.__signature__ = _whole_signature()


def _value(text: str):
    try:
        return json.loads(text)
    except ValueError:
        return text


def _column(texts: list[str]) -> numpy.ndarray:
    try:
        return numpy.array([float(text) if text else numpy.nan for text in texts])
    except ValueError:
        return numpy.array(texts)
