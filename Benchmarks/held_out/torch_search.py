"""Adam, AdamW and SGD in PyTorch: rates, batches, epochs and weight decays, each to the end."""

import functools
import itertools
import math

import torch
from training_time.adam import faster
from training_time.clock import Clock
from training_time.problem import start

from .search import search

OPTIMIZERS = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": functools.partial(torch.optim.SGD, momentum=0.9),
}


def grid(name, arguments):
    axes = {
        "rate": arguments.sgd_rates if name == "sgd" else arguments.adam_rates,
        "batch": arguments.batches,
        "epochs": arguments.epochs,
        "decay": arguments.adamw_decays if name == "adamw" else arguments.decays,
    }
    return [dict(zip(axes, values)) for values in itertools.product(*axes.values())]


def run(name, setting, network, x, y, limit=math.inf, **kind):
    """Trains the network; the rate falls to zero linearly, and biases do not decay."""
    batch, rate = setting["batch"], setting["rate"]
    steps = setting["epochs"] * math.ceil(len(y) / batch)
    groups = [
        {"params": [p for p in network.parameters() if p.dim() > 1]},
        {"params": [p for p in network.parameters() if p.dim() <= 1], "weight_decay": 0},
    ]
    optimizer = OPTIMIZERS[name](groups, lr=rate, weight_decay=setting["decay"], **kind)
    step = 0
    while True:
        for rows in torch.randperm(len(y)).split(batch):
            for group in optimizer.param_groups:
                group["lr"] = rate * (1 - step / steps)
            optimizer.zero_grad(set_to_none=True)
            loss = torch.nn.functional.cross_entropy(network(x[rows]), y[rows])
            loss.backward()
            optimizer.step()
            step += 1
            if step >= min(steps, limit):
                return
        if not math.isfinite(loss.item()):  # It has diverged.
            return


@torch.inference_mode()
def logits(network, x):
    return network(torch.from_numpy(x)).numpy()


def fastest(name, setting, sets):
    """The implementation of the optimizer that is faster for this network."""
    (x, y), _ = sets.searching()
    x, y = torch.from_numpy(x), torch.from_numpy(y)

    def seconds(kind):
        network, clock = start(sets.layers, sets.shape, sets.classes, sets.seed), Clock()
        run(name, setting, network, x, y, limit=20, **{kind: True})
        clock.stop()
        return clock.seconds

    return faster(seconds)


def torch_search(name, sets, arguments):
    settings = grid(name, arguments)
    kind = fastest(name, settings[0], sets)

    def train(setting, x, y, previous):
        network = start(sets.layers, sets.shape, sets.classes, sets.seed)
        run(name, setting, network, torch.from_numpy(x), torch.from_numpy(y), **{kind: True})
        return network

    return search(sets, settings, train, logits, arguments.best_by)
