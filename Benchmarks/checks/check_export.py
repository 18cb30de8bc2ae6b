#!/usr/bin/env python3
"""Checks `fgn-dist export` with PyTorch: load_state_dict(strict=True) and the logits of the Fashion-MNIST test set.

Each network is trained a little and exported from the model and from its checkpoint, in each format and precision, with the
normalization of the inputs folded into the first layer and without. The reference is `fgn-dist predict --logits`.

    python Benchmarks/checks/check_export.py .build/release/fgn-dist
"""

import argparse
import gzip
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from training_time import sequential

DATA = "/usr/share/datasets/fashion-mnist"
TOLERANCE = 1e-5

PERCEPTRON = [{"linear": 64}, "tanh", "layer_norm", {"residual": [{"linear": 64}, "gelu"]}, {"linear": 32}, "silu"]
BLOCK = {"residual": ["layer_norm", {"convolution": {"channels": 8, "kernel": 3, "padding": 1}}, "relu"]}
NETWORKS = {
    "head": [],
    "unbiased": [],
    "perceptron": PERCEPTRON,
    "flattened": ["flatten"] + PERCEPTRON,
    "convolutional": [{"convolution": {"channels": 8, "kernel": 5, "padding": 2}}, {"max_pool": 2}, "relu", BLOCK,
                      {"average_pool": 2}, "flatten", "layer_norm", {"linear": 32}, "tanh"],
    "unpadded": [{"convolution": {"channels": 8, "kernel": 5, "stride": 2}}, "relu", BLOCK, "global_average_pool"],
}


def run(program, *arguments, code=0):
    result = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True)
    if result.returncode != code:
        sys.exit(f"fgn-dist {' '.join(map(str, arguments))} ended with {result.returncode}: {result.stderr.strip()}")
    return result.stdout + result.stderr


def images(path):
    with gzip.open(path) as file:
        return torch.from_numpy(np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28).copy())


def normalized(inputs, normalization):
    """(x − offset) · scale of rows of features, in float64."""
    scales, offsets = (torch.tensor(normalization[key], dtype=torch.float64) for key in ("scales", "offsets"))
    inputs = inputs.double()
    if normalization["kind"] == "none":
        return inputs
    return inputs * scales if normalization["kind"] == "scale" else (inputs - offsets) * scales


def exported(path):
    """The state, the metadata's normalization and its words on the inputs."""
    if path.is_dir():
        metadata = json.loads((path / "metadata.json").read_text())
        state = {entry["name"]: torch.from_numpy(np.load(path / entry["file"])) for entry in metadata["parameters"]}
        assert len(list(path.glob("*.npy"))) == len(state)
        return state, metadata["normalization"], metadata["inputs"]
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    return load_file(path), json.loads(metadata["fgn.normalization"]), metadata["fgn.inputs"]


def check(name, normalize, precision, program, folder, inputs):
    layers, bias = NETWORKS[name], name != "unbiased"
    settings = {"model.layers": json.dumps(layers), "model.bias": json.dumps(bias),
                "data.normalize": normalize, "training.precision": precision,
                "training.steps": 20, "checkpoint.every": 10, "optimizer.metric.kind": "identity",
                "data.train.features": f"{DATA}/t10k-images-idx3-ubyte.gz",
                "data.train.labels": f"{DATA}/t10k-labels-idx1-ubyte.gz"}
    (folder / "run.yaml").write_text("{}")
    run(program, "train", folder / "run.yaml", "--run-directory", folder / "run",
        *(word for key, value in settings.items() for word in ("--set", f"{key}={value}")))
    images_first = name in ("convolutional", "unpadded")
    foldable = normalize != "standardize" or bias and not images_first
    for source in "model.safetensors", "checkpoints/step-00000010.safetensors":
        run(program, "predict", folder / "run" / source, "--features", f"{DATA}/t10k-images-idx3-ubyte.gz",
            "--logits", folder / "logits.npy")
        reference = torch.from_numpy(np.load(folder / "logits.npy")).double()
        for options in [], ["--precision", "float32"], ["--format", "npy"]:
            for fold in [], ["--fold-normalization"]:
                target = folder / "exported"
                words = ["export", folder / "run" / source, "--out", target, *options, *fold]
                if fold and not foldable:
                    assert "cannot be folded in" in run(program, *words, code=64) and not target.exists()
                    continue
                line = run(program, *words)
                state, normalization, sentence = exported(target)
                assert sentence in line
                assert not fold or normalization["kind"] == "none"
                expected = torch.float32 if options[:1] == ["--precision"] else getattr(torch, precision)
                assert all(tensor.dtype == expected for tensor in state.values())
                shape = (1, 28, 28) if images_first else (28, 28) if layers[:1] == ["flatten"] else (784,)
                model = sequential.sequential(layers, shape, 10, bias).to(expected)
                model.load_state_dict(state, strict=True)
                rows = normalized(inputs.reshape(len(inputs), -1), normalization).to(expected)
                with torch.no_grad():
                    logits = model(rows.reshape(-1, *shape)).double()
                difference = float(torch.linalg.vector_norm(logits - reference) / torch.linalg.vector_norm(reference))
                yield difference
                if options[:1] == ["--format"]:
                    for file in target.iterdir():
                        file.unlink()
                    target.rmdir()
                else:
                    target.unlink()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="the fgn-dist executable")
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    arguments = parser.parse_args()
    inputs = images(f"{DATA}/t10k-images-idx3-ubyte.gz")
    failed = False
    for name in arguments.networks:
        for normalize in "none", "scale", "standardize":
            for precision in "float32", "float64":
                with tempfile.TemporaryDirectory() as folder:
                    found = list(check(name, normalize, precision, arguments.program, pathlib.Path(folder), inputs))
                good = max(found) <= TOLERANCE
                failed |= not good
                print(f"{name}, {normalize}, {precision}: {len(found)} exports, largest relative difference of the "
                      f"logits {max(found):.2g} {'ok' if good else 'FAILED'}", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
