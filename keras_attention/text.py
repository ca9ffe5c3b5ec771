"""Figures as text, with the same signs, digits and columns everywhere."""

import functools
import re

COSTS = {
    "parameters": "parameters",
    "trained_parameters": "trained parameters",
    "gigaflops": "GFLOP per image",
    "step_milliseconds": "ms per training step",
    "image_milliseconds": "ms per image at inference",
    "step_megabytes": "MB at the peak of training",
}


# Control characters, ends of lines, marks that turn the direction of writing, and bytes of names that are not text.
UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def shown(name, keep=""):
    """A name, such as that of a file, with escapes such as `\\n` for control characters other than those to keep.

    Example:

    >>> from keras_attention.text import shown
    >>> print(shown("two\\nlines.png"))
    two\\nlines.png
    """
    return UNSEEN.sub(lambda found: found[0] if found[0] in keep else ascii(found[0])[1:-1], str(name))


def counted(count, one, several=None):
    """A number with its noun: `1 image`, `2 images`, `1,234 images`.

    Args:
        count: the number.
        one: the noun for one, with what follows it: `"mask is empty"`.
        several: the same for any other number; `one` with an s if `None`.
    """
    return f"{count:,} {one if count == 1 else several or f'{one}s'}"


def number(value, digits=3):
    """A figure as text; a dash if it is `None`."""
    return "–" if value is None else f"{value:.{digits}f}".replace("-", "−")


def signed(value, digits=3):
    """A difference as text, with its sign; a dash if it is `None`."""
    return "–" if value is None else f"{value:+.{digits}f}".replace("-", "−")


def bounds(found, form=number):
    """The interval of an estimate as text; an empty text if it has no interval."""
    return "" if found["low"] is None else f"[{form(found['low'])}, {form(found['high'])}]"


def interval(difference):
    """A difference with its interval as text."""
    return f"{signed(difference['mean'])} {bounds(difference, signed)}".rstrip()


def p_value(value):
    """A p-value as text: `p = 0.031`, and `p < 0.001` for the smallest."""
    return f"p = {number(value)}" if value is None or value >= 0.0005 else "p < 0.001"


def percent(probability):
    """A probability as text, in whole percent, but never as impossible or certain; a dash if it is `None`.

    Example:

    >>> from keras_attention.text import percent
    >>> [percent(value) for value in (0.934, 0.0001, 0.9999, None)]
    ['93 %', '< 1 %', '> 99 %', '–']
    """
    if probability is None:
        return "–"
    if 0.005 <= probability < 0.995:
        return f"{100 * probability:.0f} %"
    return "< 1 %" if probability < 0.5 else "> 99 %"


def cell(text):
    """A text for a cell of a Markdown table: on one line, with the special characters of Markdown and HTML escaped."""
    line = " ".join(str(text).split())
    return line.replace("\\", "\\\\").replace("|", "\\|").replace("`", "\\`").replace("<", "&lt;")


def setting(value):
    """A setting as text: options as `name=value`, several values separated by commas, a dash for no value."""
    if value is None or value == {}:
        return "–"
    if isinstance(value, dict):
        return ", ".join(f"{name}={part}" for name, part in value.items())
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def short(value):
    """A cost as text: with three significant digits, from 1,000 on as a whole number; a dash if it is `None`."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def columns(rows, right=False):
    """Rows of cells as text in columns, aligned left; with `right` all but the first column are aligned right."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if right and place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def time_left(seconds):
    """The end of a line of progress, such as `, about 20 s left`; an empty text if no time is left."""
    if not seconds:
        return ""
    return f", about {seconds:.0f} s left" if seconds < 90 else f", about {seconds / 60:.0f} min left"


def duration(minutes):
    """A time as text: `less than a minute`, `12 minutes`, `3.5 hours`.

    Example:

    >>> from keras_attention.text import duration
    >>> [duration(minutes) for minutes in (0.4, 1, 95, 240)]
    ['less than a minute', '1 minute', '95 minutes', '4 hours']
    """
    if minutes < 0.95:
        return "less than a minute"
    return counted(round(minutes), "minute") if minutes < 100 else f"{minutes / 60:,.1f} hours".replace(".0 ", " ")


def teller(verbose):
    """A function that prints and flushes; without `verbose`, a function that does nothing."""
    return functools.partial(print, flush=True) if verbose else lambda *_, **__: None


def listed(names, most=4):
    """The first few names, and `…` if there are more.

    Example:

    >>> from keras_attention.text import listed
    >>> listed(["ant", "bee", "cat"], most=2)
    'ant, bee, …'
    """
    names = list(names)
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")
