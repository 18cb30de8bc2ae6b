"""Parquet, Arrow and HDF5 at the door, and trackers."""

import json
import struct

import numpy
import pytest

import fgn_dist
from fgn_dist.convert import convert


@pytest.fixture
def table():
    pyarrow = pytest.importorskip("pyarrow")
    generator = numpy.random.default_rng(0)
    X = generator.normal(size=(50, 3)).astype("float32")
    names = numpy.array(["owl", "ant", "bee"])[generator.integers(3, size=50)]
    return X, names, pyarrow.table({"a": X[:, 0], "b": X[:, 1], "c": X[:, 2], "kind": names})


@pytest.mark.parametrize("form", ["parquet", "feather", "folder"])
def test_tables(table, tmp_path, monkeypatch, form):
    import pyarrow.feather
    import pyarrow.parquet

    monkeypatch.setattr("fgn_dist.convert.BLOCK", 7)
    X, names, arrow = table
    if form == "feather":
        source = tmp_path / "t.feather"
        pyarrow.feather.write_feather(arrow, source)
    elif form == "parquet":
        source = tmp_path / "t.parquet"
        pyarrow.parquet.write_table(arrow, source)
    else:
        source = tmp_path / "parts"
        source.mkdir()
        pyarrow.parquet.write_table(arrow.slice(0, 20), source / "0.parquet")
        pyarrow.parquet.write_table(arrow.slice(20), source / "1.parquet")
    done = convert(source, tmp_path / "X.npy", tmp_path / "y.npy", label="kind")
    assert done.classes == ["ant", "bee", "owl"] and done.columns == ["a", "b", "c"]
    written = numpy.load(done.features)
    assert written.dtype == numpy.float32 and (written == X).all()
    assert (numpy.array(done.classes)[numpy.load(done.labels)] == names).all()
    part = convert(source, tmp_path / "Z.npy", columns=["c", "a"], dtype="float64")
    assert (numpy.load(part.features) == X[:, [2, 0]]).all() and part.labels is None
    run = fgn_dist.train(
        {"data.train": {"features": done.features, "labels": done.labels}, "training.epochs": 2}, run_directory=tmp_path / "run"
    )
    assert run.model is not None


def test_lists_are_features(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    X = numpy.arange(12, dtype="float32").reshape(4, 3)
    for kind in (pyarrow.list_(pyarrow.float32()), pyarrow.list_(pyarrow.float32(), 3)):
        pyarrow.parquet.write_table(pyarrow.table({"e": pyarrow.array(X.tolist(), kind)}), tmp_path / "e.parquet")
        done = convert(tmp_path / "e.parquet", tmp_path / "X.npy")
        assert (numpy.load(done.features) == X).all() and done.columns == ["e[0]", "e[1]", "e[2]"]
    pyarrow.parquet.write_table(pyarrow.table({"e": [[1.0], [1.0, 2.0]]}), tmp_path / "e.parquet")
    with pytest.raises(ValueError, match="several lengths"):
        convert(tmp_path / "e.parquet", tmp_path / "Y.npy")
    assert not (tmp_path / "Y.npy").exists() and not list(tmp_path.glob(".*"))


def test_what_is_missing_is_named(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    path = tmp_path / "t.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"a": [1.0, None], "y": ["u", None]}), path)
    with pytest.raises(ValueError, match="row 1 has no number in column a"):
        convert(path, tmp_path / "X.npy", columns=["a"])
    with pytest.raises(ValueError, match="no column 'z'"):
        convert(path, tmp_path / "X.npy", tmp_path / "y.npy", label="z")
    with pytest.raises(ValueError, match="type string"):
        convert(path, tmp_path / "X.npy")
    pyarrow.parquet.write_table(pyarrow.table({"a": [1.0, 2.0], "y": ["u", None]}), path)
    with pytest.raises(ValueError, match="no label"):
        convert(path, tmp_path / "X.npy", tmp_path / "y.npy", label="y")


def test_hdf5(tmp_path):
    h5py = pytest.importorskip("h5py")
    X = numpy.random.default_rng(0).normal(size=(30, 2, 4)).astype("float16")
    y = numpy.arange(30) % 3 * 10
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["group/x"], file["group/y"] = X, y
    done = convert(f"{tmp_path}/d.h5:group/x", tmp_path / "X.npy", tmp_path / "y.npy", label="group/y")
    assert done.classes == [0, 10, 20] and numpy.load(done.features).dtype == numpy.float16
    assert (numpy.load(done.features) == X.reshape(30, 8)).all()
    assert (numpy.array(done.classes)[numpy.load(done.labels)] == y).all()


def test_mlflow(blobs, tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    from fgn_dist.integrations.mlflow import log

    X, y = blobs
    run = fgn_dist.train({"training.epochs": 3}, {"train": (X, y), "test": (X, y)}, run_directory=tmp_path / "run")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri(f"file://{tmp_path}/store")
    log(run)
    client = mlflow.MlflowClient()
    (logged,) = client.search_runs(["0"])
    steps = run.events("step")
    history = client.get_metric_history(logged.info.run_id, "step.loss")
    assert [(point.step, point.value) for point in history] == [(event["step"], event["loss"]) for event in steps]
    assert logged.data.params["optimizer.method"] == "fgn" and "test.accuracy" in logged.data.metrics


def records(path):
    """The records of a file of W&B: blocks of LevelDB's log behind seven bytes, each with checksum, length and kind."""
    from wandb.proto import wandb_internal_pb2

    data, at, whole = path.read_bytes(), 7, b""
    while at + 7 <= len(data):
        room = 32768 - at % 32768
        if room < 7:
            at += room
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        whole += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or its last part
            record = wandb_internal_pb2.Record()
            record.ParseFromString(whole)
            whole = b""
            yield record


def test_wandb(blobs, tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb")
    from fgn_dist.integrations.wandb import log

    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    run = fgn_dist.train({"training.epochs": 3}, {"train": blobs}, run_directory=tmp_path / "run")
    log(run, project="digits", settings={"silent": True})
    wandb.teardown()  # Its service writes the file, and may not be done before.
    (path,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    found = list(records(path))
    history = [
        {item.key or item.nested_key[0]: json.loads(item.value_json) for item in record.history.item}
        for record in found
        if record.HasField("history")
    ]
    losses = {row["_step"]: row["step/loss"] for row in history if "step/loss" in row}
    assert losses == {event["step"]: pytest.approx(event["loss"]) for event in run.events("step")}
    files = [file.path for record in found if record.HasField("files") for file in record.files.files]
    assert "model.safetensors" in files


def test_what_a_type_does_not_hold_is_named(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    path = tmp_path / "t.parquet"
    cases = [
        ({"a": [True, None, False]}, {}, "row 1 has no number in column a"),
        ({"f": [1.0, 2.0, 3.0], "a": [True, None, False]}, {}, "row 1 has no number in column a"),
        ({"a": [[1.0, 2.0], [3.0], [5.0, 6.0, 7.0]]}, {}, "several lengths"),
        ({"a": [300000, -4, 1]}, {"dtype": "uint8"}, "row 0 has 300000 in column a, which uint8"),
        ({"a": [1.0, 3e5]}, {"dtype": "float16"}, "row 1 has 300000.0 in column a, which float16"),
    ]
    for columns, options, words in cases:
        pyarrow.parquet.write_table(pyarrow.table(columns), path)
        with pytest.raises(ValueError, match=words):
            convert(path, tmp_path / "X.npy", **options)
        assert not (tmp_path / "X.npy").exists()
    pyarrow.parquet.write_table(pyarrow.table({"a": [1.0, 2.0], "y": [float("nan"), 1.0]}), path)
    with pytest.raises(ValueError, match="no label"):
        convert(path, tmp_path / "X.npy", tmp_path / "y.npy", label="y")
    with pytest.raises(ValueError, match="cannot both be"):
        convert(path, tmp_path / "X.npy", tmp_path / "X.npy", label="y")
    with pytest.raises(ValueError, match="name a dataset"):
        convert(tmp_path / "d.h5", tmp_path / "X.npy")
    pyarrow.parquet.write_table(pyarrow.table({"a": [True, False]}), path)
    assert numpy.load(convert(path, tmp_path / "X.npy").features).tolist() == [[True], [False]]
