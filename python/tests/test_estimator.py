"""FGNClassifier against scikit-learn's contract, LogisticRegression, the command line and plain NumPy."""

import json
import pickle
import subprocess

import numpy
import pytest

from fgn_dist import ConfigurationError, FGNClassifier, Run
from fgn_dist._job.program import program
from fgn_dist._settings import tolerance

pytest.importorskip("sklearn")
from sklearn.base import clone  # noqa: E402
from sklearn.exceptions import ConvergenceWarning, NotFittedError  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.model_selection import GridSearchCV, cross_val_predict  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402


@parametrize_with_checks([FGNClassifier()])
def test_scikit_learns_checks(estimator, check):
    check(estimator)


def exact(**options):
    return LogisticRegression(tol=1e-12, max_iter=10000, **options)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("C", [0.01, 1.0, 100.0])
def test_coefficients_are_those_of_logistic_regression(blobs, classes, intercept, C):
    X, y = blobs
    X, y = X[y < classes], y[y < classes]
    model = FGNClassifier(C=C, fit_intercept=intercept, tol=1e-9, random_state=0).fit(X, y)
    other = exact(C=C, fit_intercept=intercept).fit(X, y)
    assert model.converged_
    assert model.coef_.shape == other.coef_.shape and model.intercept_.shape == other.intercept_.shape
    numpy.testing.assert_allclose(model.coef_, other.coef_, atol=2e-5, rtol=1e-4)
    numpy.testing.assert_allclose(model.predict_proba(X), other.predict_proba(X), atol=1e-5)
    assert model.decision_function(X).shape == other.decision_function(X).shape


@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 2.0, 2: 0.5}])
def test_weights_are_those_of_logistic_regression(blobs, class_weight):
    X, y = blobs
    weights = numpy.random.default_rng(1).uniform(0, 3, len(y))
    weights[:20] = 0
    model = FGNClassifier(class_weight=class_weight, tol=1e-9, random_state=0).fit(X, y, sample_weight=weights)
    other = exact(class_weight=class_weight).fit(X, y, sample_weight=weights)
    numpy.testing.assert_allclose(model.coef_, other.coef_, atol=2e-5, rtol=1e-4)


def test_coefficients_are_for_the_features_as_they_are(blobs):
    X, y = blobs
    X = 3 + X * [1, 10, 100, 0.1, 1]
    model = FGNClassifier(normalize="standardize", random_state=0).fit(X, y)
    logits = X @ model.coef_.T + model.intercept_
    numpy.testing.assert_allclose(logits, model.decision_function(X), atol=1e-9)


def test_labels_of_any_kind(blobs):
    X, y = blobs
    for names in (numpy.array(["b", "a", "c"]), numpy.array([7, -1, 100]), numpy.array([0.5, 1.5, -2.5])):
        try:
            model = FGNClassifier(random_state=0).fit(X, names[y])
        except ValueError as failure:
            # scikit-learn takes fractions for the targets of a regression.
            assert names.dtype.kind == "f" and "continuous" in str(failure)
            continue
        assert list(model.classes_) == sorted(names) and model.score(X, names[y]) > 0.7
        assert set(model.predict(X)) <= set(names)


@pytest.mark.parametrize("kind", ["float16", "float32", "int8", "int64", "bool", "uint16"])
def test_features_of_any_type(blobs, kind):
    X, y = blobs
    X = (X * 4).round().astype(kind) if kind != "uint16" else (X * 4 + 40).round().clip(0).astype(kind)
    model = FGNClassifier(random_state=0).fit(X, y)
    other = exact().fit(X.astype("float64"), y)
    numpy.testing.assert_allclose(model.predict_proba(X), other.predict_proba(X.astype("float64")), atol=2e-3)


def test_memory_maps_stay_where_they_are(blobs, tmp_path):
    X, y = blobs
    numpy.save(tmp_path / "X.npy", X)
    mapped = numpy.load(tmp_path / "X.npy", mmap_mode="r")
    model = FGNClassifier(random_state=0, run_directory=tmp_path / "run").fit(mapped, y)
    assert Run(tmp_path / "run").configuration["data"]["train"]["features"] == str(tmp_path / "X.npy")
    part = FGNClassifier(random_state=0).fit(mapped[10:], y[10:])
    assert part.score(mapped, y) > 0.7 and model.score(mapped, y) > 0.7


@pytest.mark.parametrize("kind", ["csr_array", "csc_matrix", "coo_array"])
def test_sparse_features(blobs, kind):
    sparse = pytest.importorskip("scipy.sparse")
    X, y = blobs
    X = X * (abs(X) > 1)
    model = FGNClassifier(random_state=0, tol=1e-9).fit(getattr(sparse, kind)(X), y)
    other = FGNClassifier(random_state=0, tol=1e-9).fit(X, y)
    numpy.testing.assert_allclose(model.coef_, other.coef_, atol=1e-5)
    numpy.testing.assert_allclose(model.predict_proba(sparse.csr_array(X)), other.predict_proba(X), atol=1e-5)


def test_sparse_columns_out_of_order_and_twice(blobs):
    sparse = pytest.importorskip("scipy.sparse")
    _, y = blobs
    rows, columns = numpy.repeat(numpy.arange(300), 4), numpy.tile([5, 1, 5, 3], 300)
    values = numpy.random.default_rng(2).normal(size=1200)
    starts = numpy.arange(0, 1201, 4)
    X = sparse.csr_array((values, columns, starts), shape=(300, 40))
    dense = numpy.zeros((300, 40))
    numpy.add.at(dense, (rows, columns), values)
    model = FGNClassifier(random_state=0, tol=1e-9).fit(X, y)
    other = FGNClassifier(random_state=0, tol=1e-9).fit(dense, y)
    numpy.testing.assert_allclose(model.coef_, other.coef_, atol=1e-5)
    assert X.nnz == 1200  # the caller's matrix is as it was


def test_columns_of_tables_are_checked(blobs):
    pandas = pytest.importorskip("pandas")
    X, y = blobs
    table = pandas.DataFrame(X, columns=list("abcde"))
    model = FGNClassifier(random_state=0).fit(table, y)
    assert list(model.feature_names_in_) == list("abcde")
    with pytest.raises(ValueError, match="feature names"):
        model.predict(table[list("edcba")])


def test_probabilities_as_targets(blobs):
    X, y = blobs
    teacher = FGNClassifier(random_state=0, C=0.01).fit(X, y).predict_proba(X)
    student = FGNClassifier(random_state=0, C=1e6).fit(X, teacher)
    numpy.testing.assert_allclose(student.predict_proba(X), teacher, atol=1e-4)


def test_the_command_line_gives_the_same_bits(blobs, tmp_path):
    X, y = blobs
    model = FGNClassifier(random_state=3, run_directory=tmp_path / "a").fit(X, y)
    numpy.save(tmp_path / "X.npy", X)
    numpy.save(tmp_path / "y.npy", y)
    settings = Run(tmp_path / "a").configuration
    settings["data"]["train"] |= {"features": str(tmp_path / "X.npy"), "labels": str(tmp_path / "y.npy")}
    (tmp_path / "config.json").write_text(json.dumps(settings))
    command = [program(), "train", str(tmp_path / "config.json"), "--run-directory", str(tmp_path / "b")]
    subprocess.run(command, check=True, capture_output=True)
    path = tmp_path / "b" / "model.safetensors"
    command = [
        program(),
        "predict",
        str(path),
        "--features",
        str(tmp_path / "X.npy"),
        "--probabilities",
        str(tmp_path / "p.npy"),
    ]
    subprocess.run(command, check=True, capture_output=True)
    assert numpy.load(tmp_path / "p.npy").tobytes() == model.predict_proba(X).tobytes()


def test_copies(blobs):
    X, y = blobs
    model = FGNClassifier([{"linear": 8}, "tanh"], epochs=20, random_state=0).fit(X, y)
    copy = pickle.loads(pickle.dumps(model))
    assert (copy.predict_proba(X) == model.predict_proba(X)).all()
    fresh = clone(model)
    assert fresh.get_params() == model.get_params()
    with pytest.raises(NotFittedError):
        fresh.predict(X)
    with pytest.raises(AttributeError):
        model.coef_


def test_pipelines_and_searches(blobs):
    X, y = blobs
    pipeline = make_pipeline(StandardScaler(), FGNClassifier(random_state=0))
    search = GridSearchCV(pipeline, {"fgnclassifier__C": [1e-3, 1]}, n_jobs=2, cv=3).fit(X, y)
    other = make_pipeline(StandardScaler(), exact())
    same = GridSearchCV(other, {"logisticregression__C": [1e-3, 1]}, cv=3).fit(X, y)
    numpy.testing.assert_allclose(search.cv_results_["mean_test_score"], same.cv_results_["mean_test_score"], atol=0.011)
    assert cross_val_predict(pipeline, X, y, cv=3, method="predict_proba").shape == (300, 3)


def test_a_warm_start_goes_on(blobs):
    X, y = blobs
    model = FGNClassifier(epochs=1, warm_start=True, random_state=0).fit(X, y)
    first = model.predict_log_proba(X)[numpy.arange(300), y].mean()
    for _ in range(20):
        model.fit(X, y)
    assert model.predict_log_proba(X)[numpy.arange(300), y].mean() > first + 0.02


def test_a_warm_start_of_a_network_goes_on():
    generator = numpy.random.default_rng(0)
    X = generator.normal(size=(60, 1, 6, 6)).astype("float32")
    y = (X.mean(axis=(1, 2, 3)) > 0).astype(int)
    layers = [{"convolution": {"channels": 2, "kernel": 3}}, "relu", "flatten"]
    model = FGNClassifier(layers, epochs=1, learning_rate=1e-9, normalize="none", warm_start=True, random_state=0).fit(X, y)
    first = model.decision_function(X)
    # Another seed would begin elsewhere.
    numpy.testing.assert_allclose(model.set_params(random_state=1).fit(X, y).decision_function(X), first, atol=1e-4)


def test_networks_learn_what_heads_cannot():
    generator = numpy.random.default_rng(0)
    X = generator.normal(size=(600, 2)).astype("float32")
    y = (X[:, 0] * X[:, 1] > 0).astype(int)
    assert FGNClassifier(random_state=0).fit(X, y).score(X, y) < 0.65
    network = FGNClassifier([{"linear": 16}, "tanh"], random_state=0)
    assert network.fit(X[:500], y[:500], eval_set=(X[500:], y[500:])).score(X, y) > 0.95
    assert {event["split"] for event in network.history_} == {"train", "validation"}


def test_an_unreached_optimum_is_a_warning(blobs):
    X, y = blobs
    with pytest.warns(ConvergenceWarning):
        model = FGNClassifier(max_passes=1, tol=1e-12, random_state=0).fit(X, y)
    assert model.converged_ is False


def test_errors_name_what_is_wrong(blobs):
    X, y = blobs
    with pytest.raises(ConfigurationError, match="optimizer.learning_rate"):
        FGNClassifier(settings={"optimizer.learning_rat": 1}).fit(X, y)
    with pytest.raises(ValueError, match="C must be positive"):
        FGNClassifier(C=-1).fit(X, y)
    with pytest.raises(ValueError, match="eval_set has the label"):
        FGNClassifier().fit(X, y, eval_set=(X, y + 1))
    with pytest.raises(ValueError, match="one class"):
        FGNClassifier().fit(X, y * 0)


def test_a_fit_that_fails_leaves_no_model(blobs):
    X, y = blobs
    model = FGNClassifier(random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="sample_weight of example 3 is -1"):
        model.fit(X, 2 - y, sample_weight=numpy.where(numpy.arange(300) == 3, -1.0, 1.0))
    with pytest.raises(NotFittedError):
        model.predict(X)


def test_a_file_that_took_the_place_of_the_mapped_one_is_not_read(blobs, tmp_path):
    X, y = blobs
    model = FGNClassifier(random_state=0).fit(X, y)
    numpy.save(tmp_path / "a.npy", X)
    mapped = numpy.load(tmp_path / "a.npy", mmap_mode="r")
    numpy.save(tmp_path / "b.npy", -X)
    (tmp_path / "b.npy").replace(tmp_path / "a.npy")
    assert (model.predict(mapped) == model.predict(X)).all()


def test_a_warm_start_with_other_features_begins_anew(blobs):
    X, y = blobs
    model = FGNClassifier(epochs=1, warm_start=True, random_state=0).fit(X, y)
    assert model.fit(X[:, :3], y).n_features_in_ == 3
    assert model.set_params(fit_intercept=False).fit(X[:, :3], y).intercept_.tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"class_weight": {7: 5}}, "class 7"),
        ({"class_weight": {0: numpy.nan}}, "class_weight of 0"),
        ({"epochs": 0}, "epochs"),
        ({"ranks": 0}, "ranks"),
        ({"threads": "a"}, "threads"),
    ],
)
def test_impossible_parameters_are_named(blobs, parameters, words):
    X, y = blobs
    with pytest.raises(ValueError, match=words):
        FGNClassifier(**parameters).fit(X, y)


def test_the_default_tolerance_is_loose_for_large_sets_alone():
    small, large = numpy.zeros((1000, 20)), numpy.broadcast_to(0.0, (10**6, 50))
    assert tolerance(None, small, 3) == 1e-6
    assert tolerance(None, large, 3) == 0.01
    assert tolerance(None, large, 1000) == 0.2
    assert tolerance(1e-4, large, 1000) == 1e-4
    scipy_sparse = pytest.importorskip("scipy.sparse")
    assert tolerance(None, scipy_sparse.csr_array((10**6, 50)), 1000) == 1e-6
