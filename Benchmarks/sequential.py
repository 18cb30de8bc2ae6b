"""The network of a model that fgn-dist saved, as a torch.nn.Sequential with its weights."""

import json

import torch
from safetensors import safe_open
from torch import nn


class Residual(nn.Sequential):
    def forward(self, x):
        return x + super().forward(x)


WORDS = {
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "flatten": nn.Flatten,
    "global_average_pool": lambda: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
}


def module(layer, shape):
    """The module of one item of `model.layers`, for examples of `shape`."""
    if layer == "layer_norm":
        return nn.LayerNorm(shape)
    if isinstance(layer, str):
        return WORDS[layer]()
    ((kind, options),) = layer.items()
    if kind == "linear":
        return nn.Linear(shape[0], options if isinstance(options, int) else options["units"])
    if kind == "residual":
        return Residual(*modules(options, shape)[0])
    if kind == "convolution":
        return nn.Conv2d(
            shape[0], options["channels"], options["kernel"], options.get("stride", 1), options.get("padding", 0)
        )
    if isinstance(options, int):
        options = {"kernel": options}
    pool = {"max_pool": nn.MaxPool2d, "average_pool": nn.AvgPool2d}[kind]
    return pool(options["kernel"], options.get("stride"), options.get("padding", 0))


def modules(layers, shape):
    """The modules of `model.layers`, and the shape of an example behind them."""
    result = []
    for layer in layers:
        result.append(module(layer, shape))
        with torch.no_grad():
            shape = tuple(result[-1](torch.zeros(1, *shape)).shape[1:])
    return result, shape


def sequential(layers, shape, classes, bias=True):
    """The network of `model.layers` with its head, freshly initialised by PyTorch."""
    hidden, shape = modules(layers, shape)
    return nn.Sequential(*hidden, nn.Linear(shape[0], classes, bias))


def load(path, shape):
    """The network in a model file, for examples of `shape`."""
    with safe_open(path, framework="pt") as file:
        configuration = json.loads(file.metadata()["fgn.configuration"])
        weights = {name.removeprefix("model."): file.get_tensor(name) for name in file.keys()}
    weights = {name: tensor for name, tensor in weights.items() if name[0].isdigit()}
    last = max(weights, key=lambda name: int(name.split(".")[0]))
    options = configuration["model"]
    model = sequential(options["layers"], shape, weights[last].shape[0], options.get("bias", True))
    model.load_state_dict(weights)
    return model
