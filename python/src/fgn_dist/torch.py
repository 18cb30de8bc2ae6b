"""Networks of PyTorch: from a trained model to `torch.nn.Sequential`, and from one to the layers of a new model."""

from __future__ import annotations

import json

import numpy
import torch
from torch import nn

from ._model import Model


class Residual(nn.Sequential):
    """x + f(x), with f the modules in order."""

    def forward(self, x):
        return x + super().forward(x)


class Normalization(nn.Module):
    """(x − offset) · scale, as the program applies it to what files have."""

    def __init__(self, offsets, scales):
        super().__init__()
        self.register_buffer("offsets", torch.as_tensor(offsets))
        self.register_buffer("scales", torch.as_tensor(scales))

    def forward(self, x):
        shape = (1, *x.shape[1:])
        return (x - self._as(self.offsets, shape)) * self._as(self.scales, shape)

    @staticmethod
    def _as(values, shape):
        return values if values.numel() == 1 else values.reshape(shape)


_WORDS = {
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "flatten": nn.Flatten,
    "global_average_pool": lambda: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
}


def sequential(layers: list, shape, classes: int, bias: bool = True) -> nn.Sequential:
    """The network of `layers` with its head, for examples of `shape`, freshly initialised by PyTorch."""
    hidden, outputs = _modules(layers, shape)
    return nn.Sequential(*hidden, nn.Linear(outputs[0], classes, bias))


def module(model: Model, shape=None, normalizes: bool = True) -> nn.Sequential:
    """The network of a model with its weights, for inputs as they are in the data: logits = network(x).

    `shape` are the axes of one example, such as (1, 28, 28); None: those that the model was trained on. Where the model
    normalises, a first module does it, unless `normalizes` is false.
    """
    shape = tuple(shape or model.shape)
    weights = {name: torch.tensor(value) for name, value in model.parameters.items() if name[0].isdigit()}
    head = max((name for name in weights if name.count(".") == 1), key=lambda name: int(name.split(".")[0]))
    prefix = head.split(".")[0]
    classes = weights[f"{prefix}.weight"].shape[0]
    network = sequential(model.layers, shape, classes, f"{prefix}.bias" in weights)
    kind = next(iter(weights.values())).dtype
    network.to(kind).load_state_dict(weights)
    stored = json.loads(model.metadata["fgn.normalization"])
    if not normalizes or not (stored["offsets"] or stored["scales"]):
        return network
    numbers = [
        numpy.asarray(stored[name] or [default], dtype=numpy.float64) for name, default in (("offsets", 0), ("scales", 1))
    ]
    return nn.Sequential(Normalization(*numbers).to(kind), *network)


def _module(layer, shape) -> nn.Module:
    if layer == "layer_norm":
        return nn.LayerNorm(shape)
    if isinstance(layer, str):
        return _WORDS[layer]()
    ((kind, options),) = layer.items()
    if kind == "linear":
        return nn.Linear(shape[0], options if isinstance(options, int) else options["units"])
    if kind == "residual":
        return Residual(*_modules(options, shape)[0])
    if kind == "convolution":
        return nn.Conv2d(shape[0], options["channels"], options["kernel"], options.get("stride", 1), options.get("padding", 0))
    if isinstance(options, int):
        options = {"kernel": options}
    pool = {"max_pool": nn.MaxPool2d, "average_pool": nn.AvgPool2d}[kind]
    return pool(options["kernel"], options.get("stride"), options.get("padding", 0))


def _modules(layers, shape) -> tuple[list[nn.Module], tuple[int, ...]]:
    """The modules of `layers`, and the shape of an example behind them."""
    result = []
    for layer in layers:
        result.append(_module(layer, shape))
        with torch.no_grad():
            shape = tuple(result[-1](torch.zeros(1, *shape)).shape[1:])
    return result, shape


def layers(network: nn.Sequential) -> list:
    """The hidden layers of a network whose last module is its linear head, as `FGNClassifier(layers=…)` takes them.

    Raises ValueError for a module that the program does not have.
    """
    return [_layer(part, f"{index}") for index, part in enumerate(_modules_of(network)[:-1])]


def has_bias(network: nn.Sequential) -> bool:
    """Whether the head has biases."""
    return _modules_of(network)[-1].bias is not None


def _modules_of(network: nn.Module) -> list[nn.Module]:
    """The modules in order, the last one being the head. A linear module is a head alone."""
    modules = [network] if isinstance(network, nn.Linear) else list(network.children())
    if not isinstance(network, (nn.Linear, nn.Sequential)) or not modules or not isinstance(modules[-1], nn.Linear):
        raise ValueError("give a torch.nn.Sequential whose last module is a torch.nn.Linear, the head")
    return modules


def parameters(network: nn.Sequential) -> dict[str, numpy.ndarray]:
    """The weights of a network by their names."""
    state = nn.Sequential(*_modules_of(network)).state_dict()
    # NumPy has no bfloat16.
    values = {name: value.detach().cpu() for name, value in state.items()}
    return {name: (value.float() if value.dtype == torch.bfloat16 else value).numpy() for name, value in values.items()}


def _layer(part: nn.Module, name: str):
    def refuse(reason: str):
        raise ValueError(f"module {name}, {part}, {reason}")

    if isinstance(part, nn.Linear):
        return {"linear": part.out_features} if part.bias is not None else refuse("has no bias, which hidden layers have")
    if isinstance(part, nn.Conv2d):
        if part.groups != 1 or part.dilation != (1, 1) or part.bias is None or part.padding_mode != "zeros":
            refuse("must have biases, zeros as padding, and neither groups nor dilation")
        return {"convolution": {"channels": part.out_channels} | _window(part, refuse)}
    if isinstance(part, (nn.MaxPool2d, nn.AvgPool2d)):
        if part.ceil_mode or getattr(part, "dilation", 1) != 1 or not getattr(part, "count_include_pad", True):
            refuse("must have neither ceil_mode nor dilation, and count its padding")
        return {"max_pool" if isinstance(part, nn.MaxPool2d) else "average_pool": _window(part, refuse)}
    if isinstance(part, nn.LayerNorm):
        if not part.elementwise_affine or part.bias is None or part.eps != 1e-5:
            refuse("must have weights, biases and eps 1e-5")
        return "layer_norm"
    if isinstance(part, Residual):
        return {"residual": [_layer(inner, f"{name}.{index}") for index, inner in enumerate(part)]}
    if isinstance(part, nn.Sequential) and [type(inner) for inner in part] == [nn.AdaptiveAvgPool2d, nn.Flatten]:
        return "global_average_pool"
    if isinstance(part, nn.GELU) and part.approximate != "none":
        refuse("must have approximate='none'")
    for word in ("tanh", "sigmoid", "relu", "gelu", "silu", "flatten"):
        if type(part) is _WORDS[word]:
            return word
    return refuse("is none of the layers of fgn-dist; docs/models.md lists them")


def _window(part, refuse) -> dict[str, int]:
    """The extents of a convolution or a pool."""
    return {
        "kernel": _square(part.kernel_size, refuse),
        "stride": _square(part.stride, refuse),
        "padding": _square(part.padding, refuse),
    }


def _square(value, refuse) -> int:
    if isinstance(value, str):
        return refuse("must have its padding as a number")
    if isinstance(value, tuple):
        return value[0] if value[0] == value[1] else refuse("must have equal extents")
    return value
