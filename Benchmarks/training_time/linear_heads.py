"""Solvers of linear heads: scikit-learn's logistic regression, and LIBLINEAR."""

import numpy as np
import torch

from .clock import Clock
from .problem import Course

HEADS = ["lbfgs", "newton-cg", "newton-cholesky", "liblinear"]


def regression(problem, solver, **options):
    from sklearn.linear_model import LogisticRegression  # takes a second: not within a clock

    count = len(problem.labels)
    strength = 1 / (count * problem.l2) if problem.l2 > 0 else np.inf
    return LogisticRegression(C=strength, solver=solver, tol=1e-12, **options)


def lbfgs(problem, target, settings, arguments):
    import scipy.optimize

    course, wrapped = Course(problem, target), scipy.optimize.minimize
    x, y = problem.features.flatten(1).numpy(), problem.labels.numpy()
    model = regression(problem, "lbfgs", max_iter=arguments.iterations)
    iteration = 0

    def callback(flat):
        nonlocal iteration
        clock.stop()
        iteration += 1
        met = False
        if iteration % arguments.every == 0:
            table = flat.reshape(problem.classes, -1, order="F")
            met = course.add(clock.seconds, iteration, problem.head(table[:, :-1], table[:, -1]))
        clock.start()
        if met:
            raise StopIteration

    def minimize(*positional, **named):
        return wrapped(*positional, **named | {"callback": callback})

    # The estimator has one call of the optimiser: the way to see its course without refitting.
    scipy.optimize.minimize = minimize
    clock = Clock()
    try:
        model.fit(x, y)
    finally:
        scipy.optimize.minimize = wrapped
    clock.stop()
    return course.result("iterations", seconds=clock.seconds)


def newton(problem, target, settings, arguments):
    # Newton's method has no memory: iterations of its own calls, from where the last one ended.
    course = Course(problem, target)
    x, y = problem.features.flatten(1).numpy(), problem.labels.numpy()
    model = regression(problem, settings["solver"], max_iter=1, warm_start=True)
    clock = Clock()
    for iteration in range(1, arguments.iterations + 1):
        model.fit(x, y)
        clock.stop()
        met = course.add(clock.seconds, iteration, problem.head(model.coef_, model.intercept_))
        stuck = iteration > 1 and abs(course.points[-1][2] - course.points[-2][2]) < 1e-9
        if met or stuck or clock.seconds > arguments.limit:
            break
        clock.start()
    return course.result("iterations", seconds=clock.seconds)


def liblinear(problem, target, settings, arguments):
    from liblinear.liblinearutil import parameter, problem as rows, train

    strength = 1 / (len(problem.labels) * problem.l2) if problem.l2 > 0 else 1e6
    data = rows(problem.labels.numpy(), problem.features.flatten(1).double().numpy(), bias=1)
    clock = Clock()
    model = train(data, parameter(f"-s 0 -q -c {strength}"))
    clock.stop()
    count, features = model.get_nr_class(), model.get_nr_feature()
    table = np.ctypeslib.as_array(model.w, ((features + 1) * count,)).reshape(features + 1, count)
    network = problem.head(np.zeros((problem.classes, features)), np.zeros(problem.classes))
    with torch.no_grad():
        for column, label in enumerate(model.get_labels()):
            network[0].weight[label] = torch.from_numpy(table[:-1, column])
            network[0].bias[label] = float(table[-1, column])
    course = Course(problem, target)
    course.add(clock.seconds, 1, network)
    return course.result("runs", seconds=clock.seconds, note="one against the rest")
