"""Weights that depend on a seed, without a trace in the random numbers of the caller."""

import contextlib
import random


@contextlib.contextmanager
def seeded(seed):
    """Within it, the initializers and layers of Keras that have no seed of their own depend on `seed` alone.

    Keras draws their seeds from Python's generator, whose state is put back afterwards: a loop of random settings
    around `train` would otherwise draw the same ones again and again.

    Example:

    >>> import random
    >>> from keras_attention.seeding import seeded
    >>> random.seed(3)
    >>> before = random.getstate()
    >>> with seeded(1):
    ...     first = random.random()
    >>> with seeded(1):
    ...     second = random.random()
    >>> first == second, random.getstate() == before
    (True, True)
    """
    with kept():
        random.seed(seed)
        yield


@contextlib.contextmanager
def kept():
    """Puts the state of Python's generator back afterwards; also a decorator, `@kept()`, of whatever makes networks."""
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)
