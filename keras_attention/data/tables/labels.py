"""The labels of the rows of a table: in one column, also several in one text, or a column of 0 and 1 for each class."""

import dataclasses
import re
import unicodedata

import numpy as np

from keras_attention.arguments import invalid
from keras_attention.data.tables.columns import FALSE, NONE, TRUE
from keras_attention.text import counted, shown

SEPARATORS = re.compile(r"\s*[|;]\s*")


@dataclasses.dataclass(frozen=True)
class Labels:
    """The classes of each row.

    Args:
        class_names: the classes, in order.
        of_row: `(rows, classes)`, whether a row has a class.
        notes: sentences on how they were read.
    """

    class_names: tuple
    of_row: np.ndarray
    notes: tuple = ()

    @property
    def several(self):
        """Whether a row may have several labels, or none."""
        return bool((self.of_row.sum(axis=1) != 1).any())


def read_labels(table, columns, zeros=None):
    """The `Labels` of a table.

    Args:
        table: the `Table`.
        columns: its `Columns`.
        zeros: what rows without a 1 are, of a table with a column for each class: the name of their class, or
            `"none"` for images without any.

    Raises:
        ValueError: a row without a label, a label that is a quantity, a value that is neither 0 nor 1, or `zeros` for
            another form of table.
    """
    if columns.one_for_each_class:
        return _of_columns(table, columns.labels, zeros)
    if zeros is not None:
        what = "`zeros` is for a table with a column of 0 and 1 for each class."
        raise invalid(
            what, f"no `zeros`, as the labels are in the column {shown(columns.labels[0])}", f"zeros={zeros!r}"
        )
    return _of_texts(table, columns.labels[0])


def _of_texts(table, column):
    """The labels in one column, of which a text may hold several."""
    texts = table.columns[column]
    parts = {text: SEPARATORS.split(unicodedata.normalize("NFC", text)) for text in set(texts)}
    if empty := [row for row, text in enumerate(texts) if not all(parts[text])]:
        what = f"{counted(len(empty), 'row has', 'rows have')} an empty label, the first {table.place(empty[0])}."
        raise invalid(what, f"a label in the column {shown(column)} of each row", repr(texts[empty[0]]))
    _refuse_quantities(table, column, parts)
    names = _in_order({name for each in parts.values() for name in each})
    of_text = {text: [name in each for name in names] for text, each in parts.items()}
    of_row = np.array([of_text[text] for text in texts])
    are_numbers = all(map(_is_whole, names))
    notes = (f"the labels are numbers, which name the classes: {', '.join(names[:4])}",) if are_numbers else ()
    return Labels(names, of_row, notes)


def _refuse_quantities(table, column, parts):
    """Raises for labels such as 36.6, which are quantities and not classes."""
    fractions = {text for text, each in parts.items() if any(map(_is_fraction, each))}
    if fractions:
        row = next(row for row, text in enumerate(table.columns[column]) if text in fractions)
        what = f"The label of {table.place(row)} is a quantity."
        raise invalid(what, "classes: names, or whole numbers", f"{shown(column)} {shown(table.columns[column][row])}")


def _is_whole(text):
    return re.fullmatch(r"[+-]?\d+", text) is not None


def _is_fraction(text):
    return re.fullmatch(r"[+-]?(\d+\.\d*|\.\d+|\d+(\.\d*)?e[+-]?\d+)", text, re.IGNORECASE) is not None


def _in_order(names):
    """Names sorted; whole numbers by their value."""
    return tuple(sorted(names, key=int if all(map(_is_whole, names)) else None))


def _of_columns(table, names, zeros):
    """The labels of a table with a column for each class."""
    of_row = np.stack([_truths(table, name) for name in names], axis=1)
    names, empty = tuple(unicodedata.normalize("NFC", name) for name in names), ~of_row.any(axis=1)
    if not empty.any() or zeros == NONE:
        return _sorted(names, of_row, _told(empty))
    first = table.place(int(np.flatnonzero(empty)[0]))
    what = f"{counted(int(empty.sum()), 'row has', 'rows have')} a 0 in every class, the first {first}."
    if zeros is None:
        expected = "`zeros`: the name of their class, or none if they have none"
        raise invalid(what, expected, f"classes {', '.join(map(shown, names))}")
    if zeros in names:
        raise invalid(
            f"`zeros` must be another class than those of the columns. {what}", "a new name", f"zeros={zeros!r}"
        )
    return _sorted((*names, zeros), np.column_stack([of_row, empty]))


def _sorted(names, of_row, notes=()):
    """The `Labels` with the classes in the order that every other form of the same labels has."""
    ordered = _in_order(names)
    return Labels(ordered, of_row[:, [names.index(name) for name in ordered]], notes)


def _told(empty):
    count = int(empty.sum())
    return (f"{counted(count, 'image has', 'images have')} no label",) if count else ()


def _truths(table, name):
    """Whether each row has a 1 in a column."""
    values = np.array([value.lower() for value in table.columns[name]])
    true, false = np.isin(values, TRUE), np.isin(values, FALSE)
    if (wrong := np.flatnonzero(~(true | false))).size:
        row = int(wrong[0])
        count = counted(len(wrong), "value")
        what = f"{count} of the column {shown(name)} must be 0 or 1, the first in {table.place(row)}."
        raise invalid(what, "1 for images of the class, 0 for others", repr(table.columns[name][row]))
    return true
