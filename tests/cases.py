"""Cases of one test of which only some run for every change."""

import pytest


def some_now(cases, *now):
    """The cases as parameters of a test, in their order: those named in `now` for every change, the others `long`.

    A case is a single value, or a tuple of several, which is named by its first and second.
    """
    rows = [case if isinstance(case, tuple) else (case,) for case in cases]
    names = ["-".join(map(str, row[:2])) for row in rows]
    if unknown := set(now) - set(names):
        raise ValueError(f"`now` must name cases. Expected some of {names}. Received: {sorted(unknown)}.")
    marks = [[] if name in now else pytest.mark.long for name in names]
    return [pytest.param(*row, marks=each, id=name) for row, each, name in zip(rows, marks, names, strict=True)]


# Members that differ in what they compute: a perceptron, a distance, a product, exact zeros, a sample, and a window.
UNLIKE = (
    "additive-softmax",
    "euclidean-softmax",
    "scaled_dot-softmax",
    "additive-sparsemax",
    "additive-hard",
    "additive-local_predictive",
)


def unlike_now(cases):
    """The cases as parameters, of which those named in `UNLIKE` run for every change.

    On other backends than TensorFlow there are fewer pairs, and not all of the names are among them.
    """
    cases = list(cases)
    return some_now(cases, *({"-".join(case) for case in cases} & set(UNLIKE)))
