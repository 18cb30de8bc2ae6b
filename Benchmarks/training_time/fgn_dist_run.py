"""`fgn-dist train` as configured; its checkpoints show when the target is met."""

import itertools
import json
import math
import os
import pathlib
import subprocess
import tempfile

from . import sequential
from .problem import Course
from .processes import launcher, reason


def fgn_dist(problem, target, settings, arguments):
    configuration = settings["configuration"]
    optimizer = configuration.get("optimizer") or {}
    training = configuration.get("training") or {}
    overrides = dict(item.split("=", 1) for item in arguments.set)
    batch = overrides.get("optimizer.batch_size", optimizer.get("batch_size", 512))
    rows = len(problem.labels)
    epoch = 1 if batch == "full" else math.ceil(rows / int(batch))
    stride = max(1, epoch // arguments.evaluations)
    kept = arguments.window * epoch // stride + 1
    given = {
        "optimizer.weight_decay": optimizer.get("weight_decay") or problem.l2,
        "training.evaluate_every": 0, "checkpoint.every": stride, "checkpoint.keep": kept,
        "logging.every": 1, "logging.progress": "none",
    } | overrides  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        path = folder / "configuration.yaml"
        path.write_text(json.dumps(configuration | {"training": training}))
        ranks = arguments.ranks
        command = [*launcher(ranks), arguments.program, "train", path, "--run-directory", folder / "run"]
        for key, value in given.items():
            command += ["--set", f"{key}={value}"]
        threads = max(1, arguments.threads // ranks)
        environment = os.environ | {"OPENBLAS_NUM_THREADS": str(threads)}
        result = subprocess.run(
            list(map(str, command)), capture_output=True, text=True, env=environment
        )
        if result.returncode != 0:
            raise RuntimeError(reason(result))
        lines = (folder / "run" / "metrics.jsonl").read_text().splitlines()
        events = [json.loads(line) for line in lines]
        seconds = [event["seconds"] for event in events if event["event"] == "step"]
        until = [0, *itertools.accumulate(seconds)]
        course = Course(problem, target)
        for checkpoint in sorted((folder / "run" / "checkpoints").glob("*.safetensors")):
            step = int(checkpoint.stem.removeprefix("step-"))
            course.add(until[step], step, sequential.load(checkpoint, problem.shape))
        model = sequential.load(folder / "run" / "model.safetensors", problem.shape)
    if not course.points or course.points[-1][1] < len(seconds):
        course.add(until[-1], len(seconds), model)
    # Both sides must speak of the same data and the same model.
    own = [e["loss"] for e in events if e["event"] == "evaluation" and e["split"] == "train"][-1]
    here, _ = problem.objective(model)
    if abs(own - here) > 1e-3 * abs(here):
        raise RuntimeError(f"fgn-dist evaluates its model to {own}, PyTorch to {here}")
    return course.result(seconds=until[-1], note="")
