"""Ranks, interruptions and ends of Python: nothing is left running, and nothing lies about."""

import glob
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import textwrap
import time

import numpy
import pytest

import fgn_dist
from fgn_dist import FGNClassifier, FGNClassifierCV, LaunchError, Run
from fgn_dist._job.program import program

needs_mpi = pytest.mark.skipif(shutil.which("mpirun") is None, reason="there is no mpirun")


def left(pid: int) -> list[str]:
    """The command lines and the folders that belong to a Python of that number."""
    found = glob.glob(f"/dev/shm/fgn-dist-{pid}-*")
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            text = pathlib.Path(path).read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if f"/fgn-dist-{pid}-" in text:
            found.append(text)
    return found


def wait_for(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


# A fit that takes minutes, in a process of its own.
LONG = textwrap.dedent(
    """
    import sys, numpy
    from fgn_dist import FGNClassifier
    generator = numpy.random.default_rng(0)
    X, y = generator.normal(size=(20000, 50)).astype("float32"), generator.integers(5, size=20000)
    ranks, folder = int(sys.argv[1]), sys.argv[2] or None
    model = FGNClassifier([{"linear": 64}, "tanh"], epochs=100000, random_state=0, ranks=ranks, run_directory=folder)
    try:
        model.fit(X, y)
    except KeyboardInterrupt:
        print("interrupted", model.n_iter_ > 0, model.predict(X[:3]).shape, flush=True)
        sys.exit(130)
    """
)


def start(ranks, folder=""):
    return subprocess.Popen([sys.executable, "-c", LONG, str(ranks), str(folder)], stdout=subprocess.PIPE, text=True)


def wait_for_steps(process):
    """Waits until a fit has some steps behind it."""
    pattern = f"/dev/shm/fgn-dist-{process.pid}-*/run/metrics.jsonl"
    wait_for(lambda: any(pathlib.Path(path).stat().st_size > 2000 for path in glob.glob(pattern)))


@needs_mpi
@pytest.mark.parametrize("ranks", [1, 2])
def test_an_interrupt_saves_and_stops(ranks):
    process = start(ranks)
    wait_for_steps(process)
    process.send_signal(signal.SIGINT)
    text = process.communicate(timeout=60)[0]
    assert process.returncode == 130 and text.split("(")[0] == "interrupted True "
    wait_for(lambda: not left(process.pid))


@needs_mpi
@pytest.mark.parametrize("ranks", [1, 2])
def test_a_killed_python_leaves_nothing(ranks):
    process = start(ranks)
    wait_for_steps(process)
    process.kill()
    process.communicate()
    wait_for(lambda: not left(process.pid))


def test_a_run_of_ones_own_goes_on_after_an_interrupt(tmp_path):
    process = start(1, tmp_path / "run")
    wait_for(
        lambda: (tmp_path / "run" / "metrics.jsonl").exists() and (tmp_path / "run" / "metrics.jsonl").stat().st_size > 2000
    )
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    run = Run(tmp_path / "run")
    assert run.checkpoints and run.model is None and run.events("end")[-1]["reason"] == "interrupted"


@needs_mpi
def test_ranks_give_the_same_model(blobs):
    X, y = blobs
    one = FGNClassifier(random_state=0, tol=1e-9).fit(X, y)
    two = FGNClassifier(random_state=0, tol=1e-9, ranks=2).fit(X, y)
    numpy.testing.assert_allclose(one.coef_, two.coef_, atol=1e-6)


@needs_mpi
def test_a_launcher_of_ones_own(blobs):
    X, y = blobs
    seen = []

    def launcher(command, ranks, hosts):
        seen.append((ranks, hosts))
        return ["mpirun", "--oversubscribe", "-np", str(ranks), *command]

    FGNClassifier(random_state=0, ranks=2, hosts=["localhost"], launcher=launcher).fit(X, y)
    assert seen == [(2, ["localhost"])]


def test_what_does_not_start_is_said(blobs, monkeypatch):
    X, y = blobs
    with pytest.raises(LaunchError, match="no-such-mpirun"):
        FGNClassifier(ranks=2, launcher="no-such-mpirun").fit(X, y)
    monkeypatch.setenv("FGN_DIST_PROGRAM", "/nowhere/fgn-dist")
    with pytest.raises(LaunchError, match="FGN_DIST_PROGRAM"):
        FGNClassifier().fit(X, y)
    monkeypatch.setenv("FGN_DIST_PROGRAM", "/bin/echo")
    with pytest.raises(LaunchError, match="version"):
        FGNClassifier().fit(X, y)


def test_train_and_its_run(blobs, tmp_path):
    pandas = pytest.importorskip("pandas")
    X, y = blobs
    config = {"model": {"layers": [{"linear": 4}, "tanh"]}, "training.epochs": 3, "optimizer": {"batch_size": 50}}
    data = {"train": (X[:200], y[:200], numpy.ones(200)), "test": (X[200:], y[200:])}
    run = fgn_dist.train(config, data, run_directory=tmp_path / "run")
    assert len(run.events("step")) == 12 and run.model is not None
    table = run.metrics()
    assert isinstance(table, pandas.DataFrame) and set(table["split"]) == {"train", "test"}
    assert run.configuration["optimizer"]["batch_size"] == 50
    config["training.epochs"] = 5
    assert len(fgn_dist.train(config, data, run_directory=tmp_path / "run", resume=True).events("step")) == 20


def test_a_file_of_settings_with_arrays(blobs, tmp_path):
    X, y = blobs
    (tmp_path / "a.yaml").write_text("training: {epochs: 2}\noptimizer: {batch_size: 100}\n")
    run = fgn_dist.train(tmp_path / "a.yaml", {"train": (X, y)}, run_directory=tmp_path / "run")
    assert len(run.events("step")) == 6


def test_searches(blobs, tmp_path):
    X, y = blobs
    model = FGNClassifierCV(Cs=[1e-4, 1e-2, 1, 100], cv=4, random_state=0, run_directory=tmp_path / "run").fit(X, y)
    assert model.C_ in (1e-2, 1, 100) and model.best_score_ > -1
    assert list(model.cv_results_["status"]).count("chosen") == 1
    plain = FGNClassifier(C=model.C_, random_state=0).fit(X, y)
    numpy.testing.assert_allclose(model.coef_, plain.coef_, atol=1e-4)
    over = FGNClassifierCV(over={"optimizer.learning_rate": [0.03, 0.3]}, epochs=3, scoring="accuracy", random_state=0)
    assert over.fit(X, y).best_params_["optimizer.learning_rate"] in (0.03, 0.3)
    run = fgn_dist.tune(
        {"training": {"epochs": 2}},
        {"train": (X, y)},
        over={"optimizer.method": ["fgn", "adam"]},
        run_directory=tmp_path / "b",
    )
    assert run.model is not None and (run.path / "tune.csv").exists()


def test_without_scikit_learn(tmp_path):
    """The package needs NumPy alone."""
    code = """
import sys
for name in ("sklearn", "scipy", "pandas", "tqdm"): sys.modules[name] = None
import numpy
from fgn_dist import FGNClassifier
X = numpy.random.default_rng(0).normal(size=(200, 3)); y = (X[:, 0] > 0) * 1
model = FGNClassifier(random_state=0)
try: model.predict(X)
except ValueError as failure: assert "not fitted" in str(failure)
model.fit(X, y)
assert model.score(X, y) > 0.95 and model.set_params(C=2).get_params()["C"] == 2 and "C=2" in repr(model)
for wrong in (X[:, :2], X[0], X * numpy.nan):
    try: model.predict(wrong)
    except ValueError: continue
    raise SystemExit("taken")
"""
    subprocess.run([sys.executable, "-c", code], check=True, env=dict(os.environ))


def test_a_crash_is_an_error(tmp_path):
    """The program ends at once, instead of looking for the place of its crash."""
    process = start(1, tmp_path / "run")
    wait_for(
        lambda: (tmp_path / "run" / "metrics.jsonl").exists() and (tmp_path / "run" / "metrics.jsonl").stat().st_size > 2000
    )
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        pid = int(path.split("/")[2])
        if pid != process.pid and f"/fgn-dist-{process.pid}-".encode() in pathlib.Path(path).read_bytes():
            if os.path.basename(os.readlink(f"/proc/{pid}/exe")) == os.path.basename(os.path.realpath(program())):
                os.kill(pid, signal.SIGSEGV)
    process.communicate(timeout=20)
    assert process.returncode == 1


def test_an_allocation_of_several_tasks_is_no_obstacle(blobs, monkeypatch):
    X, y = blobs
    for name, value in {"SLURM_NTASKS": "4", "SLURM_PROCID": "0", "SLURM_JOB_ID": "3"}.items():
        monkeypatch.setenv(name, value)
    assert FGNClassifier(random_state=0).fit(X, y).score(X, y) > 0.7


def test_the_home_folder(blobs, tmp_path, monkeypatch):
    X, y = blobs
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    FGNClassifier(random_state=0, run_directory="~/run").fit(X, y)
    assert (tmp_path / "run" / "model.safetensors").exists() and not (tmp_path / "~").exists()


def test_a_search_on_arrays_goes_on(blobs, tmp_path):
    X, y = blobs
    search = {"over": {"optimizer.learning_rate": [0.1, 0.3]}, "run_directory": tmp_path / "run"}
    first = fgn_dist.tune({"training.epochs": 2}, {"train": (X, y)}, **search)
    table = (first.path / "tune.csv").read_bytes()
    second = fgn_dist.tune({"training.epochs": 2}, {"train": (X, y)}, resume=True, **search)
    assert (second.path / "tune.csv").read_bytes() == table


def test_tables_and_lists_as_data(blobs, tmp_path):
    pandas = pytest.importorskip("pandas")
    X, y = blobs
    names = pandas.Series(numpy.array(["a", "b", "c"])[y], dtype=object)
    fgn_dist.train({"training.epochs": 1}, {"train": (pandas.DataFrame(X), names)}, run_directory=tmp_path / "a")
    fgn_dist.train({"training.epochs": 1}, {"train": (X.tolist(), y.tolist())}, run_directory=tmp_path / "b")
    with pytest.raises(ValueError, match="3 arrays"):
        fgn_dist.train({}, {"train": (X, y), "validation": (X, y, y)}, run_directory=tmp_path / "c")


def test_a_search_without_refit_has_the_events_of_its_trial(blobs):
    X, y = blobs
    model = FGNClassifierCV(Cs=[0.1, 1], random_state=0).fit(X[:200], y[:200], eval_set=(X[200:], y[200:]))
    assert model.n_iter_ > 0 and model.history_ and model.converged_
