"""Names and numbers as text."""

import pytest

from keras_attention.text import counted, shown


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a b\u00a0ü\u200d日.png", "a b\u00a0ü\u200d日.png"),
        ("back\\slash", "back\\slash"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\x1b[31m\x7f\x9b", "\\x1b[31m\\x7f\\x9b"),
        ("\u2028\u202e\u2066", "\\u2028\\u202e\\u2066"),
        ("caf\udce9", "caf\\udce9"),
        (3, "3"),
    ],
)
def test_a_name_is_shown_without_what_is_unseen(name, expected):
    assert shown(name) == expected


def test_characters_to_keep():
    assert shown("a\nb\tc\x1b", keep="\n\t") == "a\nb\tc\\x1b"


@pytest.mark.parametrize(
    ("count", "expected"), [(0, "0 images"), (1, "1 image"), (2, "2 images"), (1234, "1,234 images")]
)
def test_one_is_singular(count, expected):
    assert counted(count, "image") == expected
    assert counted(count, "image has", "images have") == f"{expected} {'has' if count == 1 else 'have'}"
