"""The data of a configuration as arrays, alike for all contenders."""

import bz2
import gzip
import io
import json
import math
import os
import subprocess
import sys

import numpy as np
import yaml
from training_time.processes import reason
from training_time.scaling import KINDS, Scaling

from .split import held_out


def read(path):
    """The configuration in a file. Ends the script where peers would get another problem by it."""
    try:
        configuration = yaml.safe_load(path.read_text()) or {}
    except OSError as error:
        sys.exit(f"{path}: {error.strerror}")
    except yaml.YAMLError as error:
        sys.exit(f"{path}: {' '.join(str(error).split())}")
    if not isinstance(configuration, dict):
        sys.exit(f"{path}: is not a configuration")
    data, model = configuration.get("data") or {}, configuration.get("model") or {}
    training, kind = data.get("train") or {}, data.get("normalize") or "auto"
    if kind not in KINDS:
        sys.exit(f"{path}: data.normalize {kind}: name one of {', '.join(KINDS)} for a comparison")
    if training.get("features") and not (data.get("test") or {}).get("features"):
        sys.exit(f"{path}: data.test.features is missing, the test set of the comparison")
    unequal = {
        "data.validation": data.get("validation"), "data.train.weights": training.get("weights"),
        "data.class_weights": data.get("class_weights"), "model.channels": model.get("channels"),
        "data.ignore_label": data.get("ignore_label"),
    }  # fmt: skip
    for key, value in unequal.items():
        if value not in (None, {}, "first"):
            sys.exit(f"{path}: {key} is not compared; leave it out")
    if is_sparse(configuration) and (kind not in ("none", "auto") or model.get("layers")):
        sys.exit(f"{path}: sparse features are compared with data.normalize none and a linear head")
    return configuration


def is_sparse(configuration):
    """Whether the examples are in LIBSVM's format."""
    features = listed(((configuration.get("data") or {}).get("train") or {}).get("features"))
    endings = (".svm", ".svmlight", ".libsvm")
    return any(
        name.removesuffix(".gz").removesuffix(".bz2").endswith(endings) for name in features
    )


def listed(value):
    """What may be one, several or none, as a list."""
    return value if isinstance(value, list) else [] if value is None else [value]


def convert(program, part, data, folder, name, sparse):
    """Files of any format as arrays, or as one file of LIBSVM's format."""
    command = [program, "convert", *listed(part["features"]), "--output"]
    if sparse:
        command += [folder / f"{name}.svm"]
    else:
        command += [folder / f"{name}-features.npy"]
        command += ["--output-labels", folder / f"{name}-labels.npy"]
    for file in listed(part.get("labels")):
        command += ["--labels", file]
    for key in "format", "label_column":
        if key in part:
            command += [f"--{key.replace('_', '-')}", part[key]]
    if "header" in data:
        command += ["--header", {True: "yes", False: "no"}.get(data["header"], data["header"])]
    if "labels" not in part:  # Text names its classes.
        command += ["--classes" if name == "train" else "--class-names", folder / "classes.txt"]
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(reason(result))


def prepare(program, configuration, folder):
    """Writes the training and test sets of a configuration into a folder."""
    data = configuration.get("data") or {}
    if (data.get("train") or {}).get("features"):
        for name in "train", "test":
            convert(program, data[name], data, folder, name, is_sparse(configuration))
        return
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    for name, rows in ("train", order[:1437]), ("test", order[1437:]):
        np.save(folder / f"{name}-features.npy", x[rows].reshape(-1, 8, 8).astype(np.float32))
        np.save(folder / f"{name}-labels.npy", y[rows].astype(np.int32))


def extents(path):
    """The extents of an example in an NPY or IDX file."""
    if path.endswith(".npy"):
        return np.load(path, mmap_mode="r").shape[1:]
    with {".gz": gzip, ".bz2": bz2}.get(os.path.splitext(path)[1], io).open(path, "rb") as file:
        head = file.read(4)
        if head[:2] == b"\0\0":
            return tuple(np.frombuffer(file.read(4 * head[3]), ">u4").tolist()[1:])
    sys.exit(f"{path}: its images have no extents; name them in model.input_shape")


class Sets:
    """Pairs of features and labels, scaled by the statistics of the rows that are trained on."""

    def __init__(self, folder, configuration, fraction, seed):
        data, model = configuration.get("data") or {}, configuration.get("model") or {}
        self.folder, self.fraction, self.seed = folder, fraction, seed
        self.kind, self.layers = data["normalize"], model.get("layers") or []
        self.sparse = is_sparse(configuration)
        names = folder / "classes.txt"
        self.names = np.array(names.read_text().split("\n")[:-1]) if names.exists() else None
        if self.sparse:
            self.labels, self.classes = self.labels_of(self.lines("train")), len(self.names)
            self.columns = self.features_of(self.lines("train")).shape[1]
            self.shape = (self.columns,)
            return
        written = folder / "train-features.npy"
        # Arrays are written flat.
        first = listed((data.get("train") or {}).get("features")) or [str(written)]
        words = json.dumps(self.layers)
        if "convolution" in words or "pool" in words:
            shape = tuple(model.get("input_shape") or extents(first[0]))
        else:
            shape = (math.prod(np.load(written, mmap_mode="r").shape[1:]),)
        self.shape = (1, *shape) if len(shape) == 2 else shape
        self.labels = self.load("train", "labels").astype(np.int64)
        self.classes = data.get("classes") or int(self.labels.max()) + 1

    def load(self, name, kind):
        return np.load(self.folder / f"{name}-{kind}.npy")

    def lines(self, name):
        """The lines of a file of LIBSVM's format, with the names of the classes."""
        return (self.folder / f"{name}.svm").read_text().splitlines()

    def labels_of(self, lines):
        numbers = {name: number for number, name in enumerate(self.names)}
        return np.array([numbers[line.split(" ", 1)[0]] for line in lines])

    def features_of(self, lines):
        from sklearn.datasets import load_svmlight_file

        text = "\n".join("0 " + line.partition(" ")[2] for line in lines).encode()
        columns = getattr(self, "columns", None)
        rows, _ = load_svmlight_file(
            io.BytesIO(text), n_features=columns, dtype=np.float32, zero_based=False
        )
        # LIBLINEAR takes no others.
        rows.indices, rows.indptr = rows.indices.astype(np.int32), rows.indptr.astype(np.int32)
        return rows

    def pair(self, name):
        if self.sparse:
            lines = self.lines(name)
            return self.features_of(lines), self.labels_of(lines)
        x, y = self.load(name, "features"), self.load(name, "labels")
        return x.reshape(len(x), -1).astype(np.float32, copy=False), y.astype(np.int64)

    def rows(self):
        """Which training rows are for validation."""
        return held_out(self.labels, self.fraction, self.seed)

    def scaled(self, first, second):
        if self.sparse:
            return [first, second]
        scaling = Scaling(first[0], self.kind)
        scaling.apply(first[0])
        scaling.apply(second[0])
        return [(x.reshape(-1, *self.shape), y) for x, y in (first, second)]

    def searching(self):
        """The training rows without the validation rows, and these."""
        (x, y), rows = self.pair("train"), self.rows()
        return self.scaled((x[~rows], y[~rows]), (x[rows], y[rows]))

    def whole(self):
        """All training rows, and the test set."""
        return self.scaled(self.pair("train"), self.pair("test"))
