"""Contenders of peers.py in PyTorch: each gives a function that makes a step on a batch, and one that converts a batch."""

import torch
from torch import nn

from .cases import DAMPING, ITERATIONS, RATE


def network(widths):
    layers = []
    for before, after in zip(widths, widths[1:]):
        layers += [nn.Linear(before, after), nn.Tanh()]
    return nn.Sequential(*layers[:-1])


def batch(features, labels):
    return torch.tensor(features), torch.tensor(labels).long()


def sgd(widths, threads):
    torch.set_num_threads(threads)
    model = network(widths)
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)

    def step(features, labels):
        loss = torch.nn.functional.cross_entropy(model(features), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return step, batch


def fgn_cg(widths, threads):
    torch.set_num_threads(threads)
    model = network(widths)
    parameters = list(model.parameters())

    def norm(vectors):
        return sum(torch.dot(v.flatten(), v.flatten()) for v in vectors).item()

    def step(features, labels):
        logits = model(features)
        with torch.no_grad():
            # Margins m and their gradients v by the logits; R = diag(√(w/B)) A, s as in docs/method.md.
            true = labels[:, None]
            others = logits.scatter(1, true, -torch.inf)
            v = -torch.softmax(others, 1)
            m = (logits.gather(1, true) - torch.logsumexp(others, 1, keepdim=True))[:, 0]
            v.scatter_(1, true, 1)
            p, rest, rows = torch.sigmoid(m), torch.sigmoid(-m), len(labels)
            w = (p * rest).clamp(min=1e-12)
            v *= (w / rows).sqrt()[:, None]
            r = rest / (w * rows).sqrt()

        cotangents = torch.zeros_like(logits, requires_grad=True)
        backward = torch.autograd.grad(logits, parameters, cotangents, create_graph=True)

        def transposed(rows):  # Rᵀ rows
            return torch.autograd.grad(logits, parameters, v * rows[:, None], retain_graph=True)

        def product(u):  # R u
            (tangents,) = torch.autograd.grad(backward, cotangents, u, retain_graph=True)
            return (v * tangents).sum(1)

        # u = Rᵀd and Δ = Rᵀx by recurrence; the last iteration needs no products any more.
        z = transposed(r)
        d, u, delta = r, z, [torch.zeros_like(part) for part in z]
        rho = torch.dot(r, r).item()
        with torch.no_grad():
            for iteration in range(ITERATIONS):
                alpha = rho / (norm(u) + DAMPING * torch.dot(d, d).item())
                torch._foreach_add_(delta, u, alpha=alpha)
                if iteration == ITERATIONS - 1:
                    break
                with torch.enable_grad():
                    image = product(u)
                r = r - alpha * (image + DAMPING * d)
                with torch.enable_grad():
                    z = transposed(r)
                beta, rho = torch.dot(r, r).item() / rho, torch.dot(r, r).item()
                d = r + beta * d
                u = torch._foreach_add(z, u, alpha=beta)
            torch._foreach_add_(parameters, delta, alpha=RATE)

    return step, batch
