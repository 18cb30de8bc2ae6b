"""The contender of peers.py in JAX, and the start, the network and the batches that Somax's have from it."""

import jax
import jax.numpy as jnp
import numpy as np

from .cases import RATE


def start(widths):
    generator = np.random.default_rng(0)
    return [
        (
            jnp.asarray(generator.normal(0, before**-0.5, (before, after)), jnp.float32),
            jnp.zeros(after),
        )
        for before, after in zip(widths, widths[1:])
    ]


def logits(parameters, x):
    for weight, bias in parameters[:-1]:
        x = jnp.tanh(x @ weight + bias)
    weight, bias = parameters[-1]
    return x @ weight + bias


def batch(features, labels):
    return jnp.asarray(features), jnp.asarray(labels)


def sgd(widths, threads):
    """A function that makes one step on a batch, and the one that converts a batch."""

    def loss(parameters, x, y):
        return -jnp.mean(jax.nn.log_softmax(logits(parameters, x))[jnp.arange(len(y)), y])

    def update(parameters, x, y):
        value, gradient = jax.value_and_grad(loss)(parameters, x, y)
        return jax.tree.map(lambda p, g: p - RATE * g, parameters, gradient), value

    update = jax.jit(update, donate_argnums=0)
    parameters = start(widths)

    def step(x, y):
        nonlocal parameters
        parameters, value = jax.block_until_ready(update(parameters, x, y))

    return step, batch
