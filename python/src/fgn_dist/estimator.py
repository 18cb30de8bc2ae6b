"""FGNClassifier: softmax classifiers in the manner of scikit-learn, trained by fgn-dist."""

from __future__ import annotations

import numbers
import os
import pathlib
import warnings

import numpy

from . import _base, _safetensors
from ._fitted import FittedClassifier
from ._job import arrays
from ._job.command import Command, hand_over, prepared, size
from ._job.process import Launch
from ._job.scratch import Scratch
from ._model import Model
from ._run import Run
from ._settings import estimator_settings, merge, plain
from .errors import StoppedError


class FGNClassifier(FittedClassifier, _base.ClassifierMixin, _base.BaseEstimator):
    """Multinomial logistic regression, or a network with a softmax head, by Fast Gauss-Newton.

    Without `layers` it minimises what scikit-learn's LogisticRegression does, C Σ loss + ½‖w‖², to its optimum, and has
    its attributes. With `layers` it trains a network on batches.

    Parameters
    ----------
    layers
        Hidden layers as in docs/models.md, such as `[{"linear": 256}, "tanh"]`; the head comes after them by itself.
    C
        The inverse of the strength of the L2 penalty, as in LogisticRegression, without biases; `inf`: no penalty; None: 1,
        or 10 with layers.
    fit_intercept
        Whether the head has biases.
    method
        `fgn`, `ggn`, `sgd` or `adam`.
    tol, max_passes
        Without `layers`: the norm of the gradient, relative to that at zero, at which the optimum is reached, and the
        passes over the examples after which the fit gives up with a ConvergenceWarning. A tol of 0.2 leaves the
        objective within about 4 % of its minimum, 0.01 within 0.01 %. None: 1e-6, where stored features × classes are
        above 1e8 0.01, and above 1e9 0.2.
    epochs, batch_size, learning_rate
        Of training on batches. With `epochs` or `layers` the fit ends after so many, and does not go to the optimum. None:
        512 rows, or a twentieth of fewer than 10240, but 32 at least; ten epochs, and so many that there are a thousand
        steps; the program's rate.
    normalize
        `none`, `scale`, `standardize`, `unit-variance` or `auto`, of the training set's features; None: `none` for linear
        heads, so that C means what it does in LogisticRegression, and `auto` with layers. The model contains it.
    precision
        `float32`, `float64`, or None: that of X for linear heads (float64 for whole numbers), and float32 with layers.
    class_weight
        A dictionary from class to weight, `balanced`, or None.
    validation_fraction, patience
        The share of the examples to hold out, whose best evaluation gives the model, and the evaluations without a
        better one after which training ends; see `eval_set` of `fit`.
    warm_start
        Whether `fit` begins with the last model instead of anew.
    initialization
        Parameters to begin with: a safetensors file, or arrays by name, such as a `state_dict` of PyTorch.
    random_state
        Seed of batches, of the rows that are held out, and of starting values.
    ranks, hosts, launcher, threads, scratch_directory
        The fit under MPI, see `fgn_dist.train`.
    run_directory
        A new folder where the run stays, with its metrics and checkpoints; None: a temporary one. Clones, as those of a
        search, cannot share one.
    settings
        Any other settings of docs/configuration.md by their keys, such as `{"optimizer.momentum": 0.5}`.
    verbose
        1: a line that says how training goes.

    Attributes
    ----------
    classes_, n_features_in_, feature_names_in_, n_iter_
        As in scikit-learn; `n_iter_` counts steps.
    coef_, intercept_
        Of linear heads, as LogisticRegression has them, also with `normalize`.
    history_
        The evaluations of training, as dictionaries.
    converged_
        Whether the optimum was reached; None where that was not asked for.
    """

    def __init__(
        self,
        layers=None,
        *,
        C=None,
        fit_intercept=True,
        method="fgn",
        tol=None,
        max_passes=5000,
        epochs=None,
        batch_size=None,
        learning_rate=None,
        normalize=None,
        precision=None,
        class_weight=None,
        validation_fraction=None,
        patience=None,
        warm_start=False,
        initialization=None,
        random_state=None,
        ranks=1,
        hosts=None,
        launcher="mpirun",
        threads=None,
        scratch_directory=None,
        run_directory=None,
        settings=None,
        verbose=0,
    ):
        self.layers = layers
        self.C = C
        self.fit_intercept = fit_intercept
        self.method = method
        self.tol = tol
        self.max_passes = max_passes
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.normalize = normalize
        self.precision = precision
        self.class_weight = class_weight
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.warm_start = warm_start
        self.initialization = initialization
        self.random_state = random_state
        self.ranks = ranks
        self.hosts = hosts
        self.launcher = launcher
        self.threads = threads
        self.scratch_directory = scratch_directory
        self.run_directory = run_directory
        self.settings = settings
        self.verbose = verbose

    # Fitting

    def fit(self, X, y, sample_weight=None, eval_set=None):
        """Trains on X (examples × features, or with layers for images more axes) and y (labels, or rows of probabilities).

        `eval_set=(X, y)` is a validation set: its best evaluation gives the model. At Ctrl-C the model is that of the last
        checkpoint, where there is one, and the KeyboardInterrupt goes on.
        """
        y = _base.check_targets(y)
        X = _base.check_features(self, X, reset=True, images=bool(self.layers))
        if X.shape[0] != len(y):
            raise ValueError(
                f"X has {X.shape[0]} examples, and y has {len(y)} labels; they have inconsistent numbers of samples"
            )
        before = getattr(self, "_model", None) if self.warm_start else None
        fitted = getattr(self, "_fitted", None)
        # A fit that fails leaves no model of other classes.
        self._model = None
        targets = self._encode(y)
        # Training goes on with a network of the same layers for the same features and classes.
        self._fitted = [plain(list(self.layers or [])), bool(self.fit_intercept), X.shape[1:], self.classes_.tolist()]
        if self._fitted != fitted:
            before = None
        weights = self._weights(y, targets, _base.check_weights(sample_weight, len(y)))
        data = {"train": (arrays.readable(X), targets, weights)}
        if eval_set is not None:
            data["validation"] = self._evaluation_set(*eval_set)
        self._train(data, before)
        return self

    def _encode(self, y):
        """Class numbers, or probabilities as they are; sets `classes_`."""
        if y.ndim == 2:
            self.classes_ = numpy.arange(y.shape[1])
            return y
        self.classes_, numbers = numpy.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y has one class, {self.classes_[0]}; a classifier needs two classes at least")
        return numbers.astype(numpy.int32)

    def _weights(self, y, targets, weights):
        """The weights of examples and of their classes; None where all are alike."""
        if self.class_weight is None or y.ndim == 2:
            if self.class_weight is not None:
                raise ValueError("class_weight is for labels, and y has probabilities; pass sample_weight")
            return weights
        own = numpy.ones(len(self.classes_))
        if isinstance(self.class_weight, str):
            if self.class_weight != "balanced":
                raise ValueError(f"class_weight is a dictionary, 'balanced' or None, not {self.class_weight!r}")
            counts = numpy.bincount(targets, weights, minlength=len(own))
            own = numpy.divide(counts.sum(), len(own) * counts, out=numpy.zeros(len(own)), where=counts > 0)
        else:
            for label, weight in dict(self.class_weight).items():
                if label not in self.classes_:
                    raise ValueError(f"class_weight has the class {label}, which y does not have")
                if not (isinstance(weight, numbers.Real) and 0 <= weight < numpy.inf):
                    raise ValueError(f"class_weight of {label} is {weight}; weights are finite, and 0 or more")
                own[self.classes_ == label] = weight
            if not own.any():
                raise ValueError("class_weight is zero for all classes")
        return own[targets] * (1.0 if weights is None else weights)

    def _evaluation_set(self, X, y):
        X = _base.check_features(self, X, reset=False, images=bool(self.layers))
        y = _base.check_targets(y)
        if y.ndim == 1:
            places = numpy.searchsorted(self.classes_, y).clip(0, len(self.classes_) - 1)
            if (self.classes_[places] != y).any():
                raise ValueError(f"eval_set has the label {y[self.classes_[places] != y][0]}, which y of fit does not have")
            y = places.astype(numpy.int32)
        return arrays.readable(X), y

    def _train(self, data, before) -> None:
        """Runs the program, and keeps its model."""
        sets = prepared(data)
        with Scratch(size(sets), self.scratch_directory) as scratch:
            settings = self._settings(data)
            start = self._start(before, scratch)
            if start is not None:
                merge({"model.initialization": start}, settings)
            merge(self.settings or {}, settings)
            folder = pathlib.Path(self.run_directory or scratch.path / "run").expanduser()
            name, *options = self._command(data)
            launch = Launch(self.ranks, self.hosts, self.launcher, self.threads)
            try:
                Command(name, options, launch, self.verbose).run(settings, hand_over(sets, scratch), folder, scratch)
            except (KeyboardInterrupt, StoppedError):
                run = Run(folder) if folder.is_dir() else None
                if run is not None and run.checkpoints:
                    self._keep(run, run.checkpoints[-1])
                raise
            run = Run(folder)
            self._keep(run, run.model)

    def _start(self, before, scratch) -> str | None:
        """The file of the parameters to begin with."""
        path = scratch.path / "initialization.safetensors"
        if before is not None:
            path.write_bytes(before.contents)
        elif self.initialization is None:
            return None
        elif isinstance(self.initialization, (str, os.PathLike)):
            return os.fspath(self.initialization)
        else:
            tensors = {name: numpy.asarray(value) for name, value in self.initialization.items()}
            path.write_bytes(_safetensors.dump(tensors))
        return str(path)

    def _settings(self, data) -> dict:
        """The configuration, without files and `settings`."""
        return estimator_settings(self, data)

    def _command(self, data) -> list[str]:
        """The program's command with its options."""
        return ["train"]

    def _keep(self, run: Run, model: pathlib.Path) -> None:
        self._model = Model(model.read_bytes())
        events = run.events()
        self.n_iter_ = max((event["step"] for event in events), default=0)
        self.history_ = [event for event in events if event["event"] == "evaluation"]
        reason = next((event["reason"] for event in reversed(events) if event["event"] == "end"), None)
        self.converged_ = {"converged": True, "unconverged": False}.get(reason)
        if self.converged_ is False:
            warnings.warn(
                "the optimum was not reached; raise max_passes or tol, or scale the features",
                _base.ConvergenceWarning,
                stacklevel=4,
            )

    @classmethod
    def from_torch(cls, module, **params) -> FGNClassifier:
        """A classifier with the layers of a `torch.nn.Sequential` whose last module is its linear head, and which begins
        with its weights. Inputs are not normalised unless `normalize` says so."""
        from .torch import has_bias, layers, parameters

        defaults = {"normalize": "none", "fit_intercept": has_bias(module)}
        return cls(layers(module), initialization=parameters(module), **(defaults | params))
