"""What people write to describe their data: the values inside a mask, what groups images, how they become squares."""

import re

from keras_attention.arguments import invalid

COLOUR = 2**24  # colours are numbers from here on, so that none equals a grey
PATTERN = "re:"
COLUMN_ROLES = ("image", "label", "group", "split", "mask")  # see `keras_attention.data.tables.columns`
RESIZES = ("stretch", "crop", "pad")  # see `keras_attention.data.images.resized`
HELP = "the values inside a mask, such as 1,3 or 128-255 or #ff0000 (default: all but 0, which must be one)"


def named(value):
    """A value of a mask as people write it: a number, or a colour such as `#ff0000`."""
    return f"#{value - COLOUR:06x}" if value >= COLOUR else str(value)


def parse_values(text):
    """Values of masks as text, such as `1,3`, `128-255` or `#ff0000` → pairs of a first and a last value.

    Raises:
        ValueError: another text.
    """
    ranges = []
    for part in re.split(r"[,\s]+", str(text).strip()):
        found = re.fullmatch(r"(\d+)(?:-(\d+))?|#([0-9a-fA-F]{6})", part)
        if not found or (found[2] and int(found[2]) < int(found[1])):
            raise invalid(
                "`mask_values` must be the values inside a mask.",
                "such as 1,3 or 128-255 or #ff0000",
                f"mask_values={text!r}",
            )
        first = COLOUR + int(found[3], 16) if found[3] else int(found[1])
        ranges.append((first, int(found[2] or first)))
    return tuple(ranges)


def parse_fold(text):
    """`2/5` → `(2, 5)`, the second of five folds.

    Raises:
        ValueError: another text, or a fold that does not exist.
    """
    number, slash, count = str(text).partition("/")
    if not slash or not (number.isdecimal() and count.isdecimal()) or not 1 <= int(number) <= int(count) >= 2:
        raise invalid("`fold` must be one of at least two folds.", "a text such as 2/5", f"fold={text!r}")
    return int(number), int(count)


def check_group(text):
    """Raises `ValueError` unless a text is the name of a column, or `re:PATTERN` as `parse_group` takes it."""
    if not str(text):
        raise invalid("`group` must not be empty.", "a column of a table, or re: and a pattern of paths", "group=''")
    if str(text).startswith(PATTERN):
        parse_group(text)


def parse_group(text):
    """`re:PATTERN` → a compiled regular expression.

    Raises:
        ValueError: another text, or a pattern that is not a regular expression.
    """
    expected = "re: and a regular expression, such as re:(ISIC_\\d+)_"
    if str(text) == PATTERN:
        raise invalid("`group` has an empty pattern, which puts all images in one group.", expected, f"group={text!r}")
    if not str(text).startswith(PATTERN):
        raise invalid("`group` must be a pattern of paths.", expected, f"group={text!r}")
    try:
        return re.compile(str(text).removeprefix(PATTERN))
    except re.error as error:
        raise invalid(f"`group` is not a regular expression: {error}.", expected, f"group={text!r}") from error
