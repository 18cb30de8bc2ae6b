"""Linear heads in scikit-learn: logistic regression along a path, and LIBLINEAR's SVM."""

import numpy as np
from scipy.sparse import issparse
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from .search import search


def flat(x):
    return x if issparse(x) else x.reshape(len(x), -1)


def logits(model, x):
    values = model.decision_function(flat(x))
    return values if values.ndim == 2 else np.column_stack([np.zeros(len(values)), values])


def regression_path(name, sets, arguments):
    """From strong to weak penalties, each from the model of the one before."""
    settings = [{"penalty": penalty} for penalty in sorted(arguments.penalties, reverse=True)]

    def train(setting, x, y, previous):
        model = previous or LogisticRegression(
            solver="lbfgs", warm_start=True, max_iter=arguments.iterations
        )
        # The penalty is on the mean loss, C on the sum.
        model.set_params(C=1 / (len(y) * setting["penalty"]))
        return model.fit(flat(x), y)

    return search(sets, settings, train, logits, arguments.best_by)


def support_vectors(name, sets, arguments):
    """One class against the rest, chosen by accuracy, since it has no probabilities."""
    settings = [{"C": value} for value in arguments.svm_costs]

    def train(setting, x, y, previous):
        return LinearSVC(C=setting["C"], random_state=0).fit(flat(x), y)

    result = search(sets, settings, train, logits, "accuracy")
    return result | {"loss": None, "calibration_error": None}
