#!/usr/bin/env python3
"""Checks fgn-dist against PyTorch on the three Fashion-MNIST networks.

Logits: a few steps of training from weights that PyTorch saved, then the exported model in the same torch.nn.Sequential.
Step: one Fast Gauss-Newton step against dense linear algebra in float64 on margin gradients by torch.func.

    python Benchmarks/checks/check_pytorch.py .build/release/fgn-dist
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch
from safetensors.torch import save_file
from torch.func import functional_call, jacrev, vmap

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from training_time import sequential

ROOT = pathlib.Path(__file__).resolve().parents[2]
CLASSES = 10


def program_output(program, *arguments):
    result = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"fgn-dist {arguments[0]} failed: {result.stderr.strip()}")
    return result.stdout


def settings(values):
    return [word for key, value in values.items() for word in ("--set", f"{key}={value}")]


def images(count, generator):
    """Smooth random images with labels that depend on them."""
    coarse = torch.rand(count, 1, 7, 7, generator=generator)
    features = torch.nn.functional.interpolate(coarse, size=(28, 28), mode="bilinear")
    labels = (features[:, 0, ::7, ::7].reshape(count, -1) @ torch.randn(16, CLASSES, generator=generator)).argmax(1)
    return features, labels


def margins(logits, labels):
    """m = z_y − logsumexp of the others."""
    true = logits.gather(1, labels[:, None])
    others = logits.scatter(1, labels[:, None], -torch.inf)
    return (true[:, 0] - torch.logsumexp(others, 1)).to(logits.dtype)


def dense_step(model, features, labels, damping):
    """Δ of (AᵀWA/B + λI) Δ = Aᵀ(1−p)/B, with the margin gradients A as a dense float64 matrix."""
    model = model.double()
    names = list(dict(model.named_parameters()))
    parameters = {name: value.detach() for name, value in model.named_parameters()}

    def margin(parameters, x, y):
        return margins(functional_call(model, parameters, (x[None],)), y[None])[0]

    gradients = vmap(jacrev(margin), (None, 0, 0), chunk_size=8)(parameters, features.double(), labels)
    A = torch.cat([gradients[name].reshape(len(labels), -1) for name in names], 1)
    with torch.no_grad():
        m = margins(model(features.double()), labels)
    p, complement, count = torch.sigmoid(m), torch.sigmoid(-m), len(labels)
    R = (p * complement / count).sqrt()[:, None] * A
    right = complement / (p * complement * count).sqrt()
    solution = torch.linalg.solve(R @ R.T + damping * torch.eye(count, dtype=torch.float64), right)
    flat = R.T @ solution
    step, start = {}, 0
    for name in names:
        step[name] = flat[start : start + parameters[name].numel()].reshape(parameters[name].shape)
        start += parameters[name].numel()
    return step


def relative(difference, reference):
    return float(torch.linalg.vector_norm(difference) / torch.linalg.vector_norm(reference))


def check(name, program, folder):
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    features, labels = images(64, generator)
    np.save(folder / "features.npy", features.numpy()[:, 0])
    np.save(folder / "labels.npy", labels.numpy())
    source = {"data.train.features": folder / "features.npy", "data.train.labels": folder / "labels.npy",
              "data.test.features": "null", "data.test.labels": "null",
              "data.normalize": "none", "data.classes": CLASSES, "optimizer.batch_size": "full"}
    config = ROOT / "configs" / f"fashion-mnist-{name}.yaml"

    # What the configuration means, from a run of one step.
    probe = folder / "probe"
    program_output(program, "train", config, "--run-directory", probe, *settings(source | {"training.steps": 1}))
    shape = (784,) if name != "cnn" else (1, 28, 28)
    inputs = features.reshape(64, *shape)
    model = sequential.load(probe / "model.safetensors", shape)
    for parameter in model.modules():
        if hasattr(parameter, "reset_parameters"):
            parameter.reset_parameters()
    start = folder / "start.safetensors"
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, start)

    # The step, from weights that PyTorch made.
    damping = 0.1
    exact = {"model.initialization": start, "training.steps": 1, "optimizer.damping.initial": damping,
             "optimizer.step_length": "unit", "optimizer.learning_rate": 1, "optimizer.schedule.kind": "constant",
             "optimizer.solver.tolerance": 1e-8, "optimizer.solver.max_iterations": 500, "optimizer.momentum": 0,
             "optimizer.weight_decay": 0, "optimizer.damping.policy": "constant", "optimizer.metric.kind": "identity"}
    expected = dense_step(model, inputs, labels, damping)
    before = {key: value.clone() for key, value in model.float().state_dict().items()}
    norm = torch.cat([value.flatten() for value in expected.values()])
    steps = {}
    for precision in "float32", "float64":
        run = folder / precision
        program_output(program, "train", config, "--run-directory", run,
                       *settings(source | exact | {"training.precision": precision}))
        after = sequential.load(run / "model.safetensors", shape).state_dict()
        change = torch.cat([(after[key].double() - before[key].double() - expected[key]).flatten() for key in expected])
        steps[precision] = relative(change, norm)

    # Logits of a model that was trained a little.
    run = folder / "trained"
    program_output(program, "train", config, "--run-directory", run,
                   *settings(source | {"model.initialization": start, "training.steps": 5}))
    program_output(program, "predict", run / "model.safetensors", "--features", folder / "features.npy",
                   "--logits", folder / "logits.npy")
    with torch.no_grad():
        reference = sequential.load(run / "model.safetensors", shape)(inputs)
    logits = relative(torch.from_numpy(np.load(folder / "logits.npy")) - reference, reference)
    return {"network": name, "logits": logits, "step_float32": steps["float32"], "step_float64": steps["float64"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="the fgn-dist executable")
    parser.add_argument("--networks", nargs="+", default=["head", "mlp", "cnn"])
    arguments = parser.parse_args()
    failed = False
    for name in arguments.networks:
        with tempfile.TemporaryDirectory() as folder:
            result = check(name, arguments.program, pathlib.Path(folder))
        good = result["logits"] <= 1e-5 and result["step_float32"] <= 1e-4 and result["step_float64"] <= 1e-4
        failed |= not good
        print(json.dumps(result), "ok" if good else "FAILED", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
