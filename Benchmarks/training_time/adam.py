"""Adam in PyTorch, as one would write it."""

import math

import torch

from .clock import Clock
from .problem import Course


def faster(run):
    """The optimizer's implementation that is faster here: run(kind) gives seconds of steps."""
    trials = {}
    for kind in ("fused", "foreach") * 2:
        trials[kind] = min(run(kind), trials.get(kind, math.inf))
    return min(trials, key=trials.get)


def adam(problem, target, settings, arguments):
    rate, batch, epochs = settings["rate"], settings["batch"], settings["epochs"]
    x, y, count = problem.features, problem.labels, len(problem.labels)
    epoch = math.ceil(count / batch)
    steps = epochs * epoch

    def run(limit, course=None, **kind):
        network = problem.network()
        groups = [
            {"params": [p for p in network.parameters() if p.dim() > 1]},
            {"params": [p for p in network.parameters() if p.dim() <= 1], "weight_decay": 0},
        ]
        optimizer = torch.optim.Adam(groups, lr=rate, weight_decay=problem.l2, **kind)
        stride = max(1, epoch // arguments.evaluations)
        begin = steps - min(epochs, arguments.window) * epoch
        step, clock = 0, Clock()
        while step < limit:
            for rows in torch.randperm(count).split(batch):
                for group in optimizer.param_groups:
                    group["lr"] = rate * (1 - step / steps)
                optimizer.zero_grad(set_to_none=True)
                torch.nn.functional.cross_entropy(network(x[rows]), y[rows]).backward()
                optimizer.step()
                step += 1
                if course and (step > begin and (steps - step) % stride == 0):
                    clock.stop()
                    course.add(clock.seconds, step, network)
                    clock.start()
                if step == limit:
                    break
        clock.stop()
        return clock.seconds

    kind = faster(lambda kind: run(min(20, steps), **{kind: True}))
    course = Course(problem, target)
    seconds = run(steps, course, **{kind: True})
    return course.result(seconds=seconds, note=kind)
