"""The rows of `data.validation.fraction`, as HeldOutRows.swift of the program has them."""

import numpy as np

WORD = 2**64 - 1
INCREMENT = 0x9E37_79B9_7F4A_7C15


def mix(value):
    value = (value ^ (value >> 30)) * 0xBF58_476D_1CE4_E5B9 & WORD
    value = (value ^ (value >> 27)) * 0x94D0_49BB_1331_11EB & WORD
    return value ^ (value >> 31)


class SplitMix64:
    def __init__(self, seed, stream):
        self.state = mix((mix((seed + INCREMENT) & WORD) + stream) & WORD)

    def next(self):
        self.state = (self.state + INCREMENT) & WORD
        return mix(self.state)

    def below(self, bound):
        product = self.next() * bound
        if product & WORD < bound:
            while product & WORD < 2**64 % bound:
                product = self.next() * bound
        return product >> 64

    def uniform(self):
        return (self.next() >> 11) * 2.0**-53

    def shuffled(self, count):
        order = list(range(count))
        for last in range(count - 1, 0, -1):
            other = self.below(last + 1)
            order[last], order[other] = order[other], order[last]
        return np.array(order)


def held_out(labels, fraction, seed):
    """Which rows are held out, a fraction of each class: a pure function of seed and labels."""
    generator = SplitMix64(seed, WORD - 1)
    offset = generator.uniform()
    order = generator.shuffled(len(labels))
    sizes = np.bincount(labels)
    # The rows class by class, at random within a class; the only row of a class stays in training.
    order = order[np.argsort(labels[order], kind="stable")]
    order = order[sizes[labels[order]] > 1]
    due = np.diff(np.floor(np.arange(len(order) + 1) * fraction + offset)) > 0
    result, first = np.zeros(len(labels), bool), 0
    for size in sizes[sizes > 1]:
        rows = order[first : first + size]
        result[rows[due[first : first + size]][: size - 1]] = True
        first += size
    return result
