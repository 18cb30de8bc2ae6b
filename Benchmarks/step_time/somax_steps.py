"""Contenders of peers.py in Somax: each gives a function that makes a step on a batch, and one that converts a batch."""

import jax
import somax

from .cases import DAMPING, ITERATIONS, RATE
from .jax_steps import batch, logits, start
from .processes import Failure


def method_steps(widths, preset, **options):
    method = getattr(somax, preset)(predict_fn=logits, lam0=DAMPING, learning_rate=RATE, **options)
    update = jax.jit(method.step, donate_argnums=(0, 2))
    parameters = start(widths)
    state = method.init(parameters)
    key = jax.random.PRNGKey(0)

    def step(x, y):
        nonlocal parameters, state
        parameters, state, info = jax.block_until_ready(
            update(parameters, {"x": x, "y": y}, state, key)
        )
        if "cg_iters" in info and int(info["cg_iters"]) != ITERATIONS:
            raise Failure(f"{info['cg_iters']} iterations instead of {ITERATIONS}")

    return step, batch


def sgn(widths, threads):
    # stabilise_every is 10, and only when smaller than maxiter does it cost products of its own.
    return method_steps(widths, "sgn_ce", tol=0.0, maxiter=ITERATIONS, warm_start=False)


def egn(widths, threads):
    return method_steps(widths, "egn_ce")
