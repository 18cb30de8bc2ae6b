"""`fgn-dist tune` with its own grid, as one command."""

import csv
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from training_time.processes import reason, watched


def evaluate(program, model, *files):
    """The scores of a model on files, without them on the test set of its configuration."""
    command = [program, "evaluate", model, "--json", *files]
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if result.returncode != 0:
        raise RuntimeError(reason(result))
    return json.loads(result.stdout)


def step_seconds(run):
    events = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    kinds = "step", "full_step"
    return sum(event["seconds"] for event in events if event["event"] in kinds)


def fgn_dist_search(path, sets, arguments):
    given = {
        "training.seed": sets.seed, "training.best_by": arguments.best_by,
        "logging.every": 1, "logging.progress": "none",
    }  # fmt: skip
    if not arguments.own_rows:
        given["data.validation.fraction"] = sets.fraction
    given |= dict(item.split("=", 1) for item in arguments.set)
    with tempfile.TemporaryDirectory() as name:
        run = Path(name) / "run"
        command = [arguments.program, "tune", path, "--run-directory", run]
        for key, value in given.items():
            command += ["--set", f"{key}={value}"]
        _, seconds, memory = watched(command, arguments, arguments.ranks)
        with open(run / "tune.csv", newline="") as file:
            trials = list(csv.DictReader(file))
        (chosen,) = (trial for trial in trials if trial["status"] == "chosen")
        trial = run / "trials" / f"{int(chosen['setting']):02}-{chosen['rung']}"
        if not arguments.own_rows:
            same_rows(arguments.program, trial, float(chosen["loss"]), sets, Path(name))
        result = evaluate(arguments.program, run / "model.safetensors")
        # Without steps that are worth it, the model is that of the trial.
        last = run if (run / "metrics.jsonl").exists() else trial
        words = [
            f"{key.split('.')[1]} {value}" for key, value in chosen.items() if "." in key and value
        ]
        return {
            **{key: result[key] for key in ("accuracy", "loss", "calibration_error")},
            "setting": ", ".join([*words, f"{chosen['steps_in_all']} steps"]),
            "best_seconds": step_seconds(last),
            "search_seconds": seconds,
            "command_seconds": seconds,
            "peak_memory": memory,
            "trials": trials,
        }


def same_rows(program, trial, own, sets, folder):
    """Both sides must speak of the same validation rows: the scores of one model on them agree."""
    files, rows = [], sets.rows()
    if sets.sparse:
        lines = [line for line, is_held in zip(sets.lines("train"), rows) if is_held]
        (folder / "rows.svm").write_text("\n".join(lines) + "\n")
        return compared(program, trial, own, ["--features", folder / "rows.svm"])
    for kind in "features", "labels":
        array, file = sets.load("train", kind)[rows], folder / f"{kind}.npy"
        np.save(file, sets.names[array] if kind == "labels" and sets.names is not None else array)
        files += [f"--{kind}", file]
    return compared(program, trial, own, files)


def compared(program, trial, own, files):
    here = evaluate(program, trial / "model.safetensors", *files)["loss"]
    if abs(own - here) > 1e-3 * abs(here):
        raise SystemExit(f"fgn-dist has a loss of {own} on its validation rows, {here} on ours")
