"""The habits of scikit-learn's estimators: from scikit-learn where it is installed, else as much as one needs alone."""

from __future__ import annotations

import inspect

import numpy

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.exceptions import ConvergenceWarning, NotFittedError
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import column_or_1d, validate_data

    HAS_SKLEARN = True
except ImportError:
    HAS_SKLEARN = False

    class ConvergenceWarning(UserWarning):
        """A fit that ended before its tolerance was met."""

    class NotFittedError(ValueError, AttributeError):
        """An estimator that has not been fitted."""

    class BaseEstimator:
        """get_params, set_params and a representation, from the constructor's arguments."""

        def get_params(self, deep: bool = True) -> dict:
            names = list(inspect.signature(type(self).__init__).parameters)[1:]
            return {name: getattr(self, name) for name in names}

        def set_params(self, **params):
            known = self.get_params()
            for name, value in params.items():
                if name not in known:
                    raise ValueError(f"{type(self).__name__} has no parameter {name!r}; it has {sorted(known)}")
                setattr(self, name, value)
            return self

        def __repr__(self) -> str:
            defaults = inspect.signature(type(self).__init__).parameters
            given = [f"{k}={v!r}" for k, v in self.get_params().items() if defaults[k].default is not v]
            return f"{type(self).__name__}({', '.join(given)})"

    class ClassifierMixin:
        """The mean accuracy as a score."""

        _estimator_type = "classifier"

        def score(self, X, y, sample_weight=None) -> float:
            return float(numpy.average(self.predict(X) == numpy.asarray(y), weights=sample_weight))


def check_features(estimator, X, *, reset: bool, images: bool):
    """X as a NumPy array or a sparse matrix; its columns must be those of `fit`, by their names where there are any."""
    if HAS_SKLEARN:
        # The program looks for numbers that are not finite in files, block by block.
        finite = not isinstance(X, numpy.memmap)
        mapped = X
        X = validate_data(
            estimator, X, reset=reset, accept_sparse="csr", allow_nd=images, dtype="numeric", ensure_all_finite=finite
        )
        return mapped if isinstance(mapped, numpy.memmap) and mapped.shape == X.shape and mapped.dtype == X.dtype else X
    return _check_features(estimator, X, reset=reset, images=images)


def _check_features(estimator, X, *, reset: bool, images: bool):
    names = None
    if hasattr(X, "columns") and hasattr(X, "to_numpy"):
        names = numpy.asarray([str(name) for name in X.columns], dtype=object)
        X = X.to_numpy()
    if not hasattr(X, "tocsr"):
        X = X if isinstance(X, numpy.ndarray) else numpy.asarray(X)
        if X.dtype.kind not in "fiub":
            X = X.astype(numpy.float64)
        if X.dtype.kind == "f" and not numpy.isfinite(X).all():
            raise ValueError("X has NaN or infinity; replace or remove these values")
    if X.ndim != 2 and not (images and X.ndim > 2):
        raise ValueError(f"X has the shape {X.shape}; reshape it to (examples, features)")
    width = X.shape[1]
    if reset:
        estimator.n_features_in_ = width
        if names is not None:
            estimator.feature_names_in_ = names
        elif hasattr(estimator, "feature_names_in_"):
            del estimator.feature_names_in_
        return X
    known = getattr(estimator, "feature_names_in_", None)
    if known is not None and names is not None and list(known) != list(names):
        raise ValueError("the columns of X are not those of fit, in their order")
    if width != estimator.n_features_in_:
        raise ValueError(f"X has {width} features, and the model was fitted with {estimator.n_features_in_}")
    return X


def check_targets(y):
    """y as an array of labels, one for each example; or as rows of probabilities."""
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None")
    y = numpy.asarray(y)
    if y.ndim == 2 and y.shape[1] > 1 and y.dtype.kind == "f":
        return y
    if y.ndim == 2 and y.shape[1] == 1:
        if HAS_SKLEARN:
            return column_or_1d(y, warn=True)
        y = y.reshape(-1)
    if y.ndim != 1:
        raise ValueError(f"y has the shape {y.shape}; give one label for each example, or rows of probabilities")
    if HAS_SKLEARN:
        check_classification_targets(y)
    return y


def check_weights(sample_weight, count: int):
    """One weight for each example in float64; None for none."""
    if sample_weight is None:
        return None
    weights = numpy.asarray(sample_weight, dtype=numpy.float64)
    if weights.ndim == 0:
        weights = numpy.full(count, float(weights))
    if weights.shape != (count,):
        raise ValueError(f"sample_weight has the shape {weights.shape}, and there are {count} examples")
    wrong = ~(numpy.isfinite(weights) & (weights >= 0))
    if wrong.any():
        place = int(numpy.argmax(wrong))
        raise ValueError(f"sample_weight of example {place} is {weights[place]}; weights are finite, and 0 or more")
    if not weights.any():
        raise ValueError("the weights of all examples are zero; pass some that are not")
    return weights


def seed_of(random_state) -> int:
    """A seed from None, a number, or a generator of NumPy."""
    if random_state is None:
        return int(numpy.random.randint(2**31))
    if isinstance(random_state, numpy.random.RandomState):
        return int(random_state.randint(2**31))
    if isinstance(random_state, numpy.random.Generator):
        return int(random_state.integers(2**31))
    return int(random_state)
