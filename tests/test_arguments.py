"""Checks of arguments: what they let through, and the three parts of what they say."""

import re

import numpy as np
import pytest

from keras_attention.arguments import invalid, reason, require_choice, require_integer, require_number, unknown

INTEGERS = [
    # value, limits, whether it passes
    (3, {}, True),
    (np.int64(3), {}, True),
    (3, {"at_least": 3, "at_most": 3}, True),
    (2, {"at_least": 3}, False),
    (4, {"at_most": 3}, False),
    (3.0, {}, False),
    (True, {}, False),
    ("3", {}, False),
    (None, {}, False),
]

NUMBERS = [
    (0.5, {}, True),
    (2, {}, True),
    (np.float32(0.5), {}, True),
    (0, {"at_least": 0}, True),
    (0, {"above": 0}, False),
    (1, {"at_most": 1}, True),
    (1, {"below": 1}, False),
    (0.5, {"above": 0, "below": 1}, True),
    (-0.5, {"at_least": 0, "below": 1}, False),
    (float("nan"), {}, False),
    (float("inf"), {}, False),
    (False, {}, False),
    ("0.5", {}, False),
    (None, {}, False),
]


@pytest.mark.parametrize(
    ("require", "value", "limits", "passes"),
    [(require_integer, *row) for row in INTEGERS] + [(require_number, *row) for row in NUMBERS],
)
def test_range(require, value, limits, passes):
    if passes:
        assert require("units", value, **limits) is value
    else:
        with pytest.raises(ValueError, match="`units` is out of range"):
            require("units", value, **limits)


def exactly(message):
    return f"^{re.escape(message)}$"


def test_range_message_names_kind_limits_and_value():
    expected = "`dropout` is out of range. Expected a number at least 0 and below 1. Received: dropout=1.5."
    with pytest.raises(ValueError, match=exactly(expected)):
        require_number("dropout", 1.5, at_least=0, below=1)
    with pytest.raises(ValueError, match=exactly("`units` is out of range. Expected an integer. Received: units=2.5.")):
        require_integer("units", 2.5)


def test_choice():
    assert require_choice("color_map", "viridis", ("viridis", "magma")) == "viridis"
    expected = (
        "Unknown color map 'viridos' (did you mean 'viridis'?). "
        "Expected one of: viridis, magma. Received: color_map='viridos'."
    )
    with pytest.raises(ValueError, match=exactly(expected)):
        require_choice("color_map", "viridos", ("viridis", "magma"))


@pytest.mark.parametrize("value", [None, 3, ["viridis"]])
def test_choice_of_another_type_is_an_error_of_the_value(value):
    with pytest.raises(ValueError, match=r"Expected one of: viridis\. Received: color_map="):
        require_choice("color_map", value, ("viridis",))


@pytest.mark.parametrize(("name", "choices"), [("xyzzy", ("dot", "cosine")), (None, ("dot",))])
def test_unknown_without_a_near_choice_gives_no_hint(name, choices):
    assert "did you mean" not in str(unknown("score", name, choices))


def test_unknown_without_choices_says_so():
    assert str(unknown("run", "a", [])) == "Unknown run 'a'. Expected one of: none. Received: run='a'."


def test_invalid_makes_the_error_that_is_asked_for():
    error = invalid("Wrong.", "right", "wrong", TypeError)
    assert type(error) is TypeError
    assert str(error) == "Wrong. Expected right. Received: wrong."


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError(" one\n  two\tthree "), "one two three"),
        (ValueError("\x1b[1mbold\x1b[0m and plain"), "bold and plain"),
        (KeyError(), "KeyError"),
        (OSError("x" * 999), "x" * 300),
    ],
)
def test_a_reason_is_one_line(error, said):
    assert reason(error) == said
