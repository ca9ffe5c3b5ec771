"""A table in a file → its columns, as texts: CSV, TSV, lines of JSON, or Parquet."""

import csv
import dataclasses
import json
import math
import pathlib

from keras_attention.arguments import invalid, reason
from keras_attention.sources import TABLES
from keras_attention.text import counted, shown

DELIMITERS = (",", ";", "\t", "|")
BETWEEN_LABELS = "|"


@dataclasses.dataclass(frozen=True)
class Table:
    """The columns of a table; what is empty or missing is an empty text.

    Args:
        path: the path of the file.
        columns: name → the texts of its rows.
        lines: the number of each row in the file, as an editor counts lines; of Parquet, of the row.
    """

    path: pathlib.Path
    columns: dict
    lines: list

    def __len__(self):
        return len(self.lines)

    def place(self, row):
        """Where a row is, for messages."""
        return f"line {self.lines[row]:,} of {shown(self.path)}"


def read_table(path):
    """The `Table` in a file, by the suffix of its name.

    Raises:
        ValueError: a file that is not such a table, has no rows, or has two columns of one name.

    Example:

    >>> import pathlib, tempfile
    >>> from keras_attention.data.tables.table import read_table
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "table.csv"
    >>> _ = path.write_text("image;dx\\na.jpg;nevus\\nb.jpg;melanoma\\n")
    >>> read_table(path).columns
    {'image': ['a.jpg', 'b.jpg'], 'dx': ['nevus', 'melanoma']}
    """
    path = pathlib.Path(path)
    table = READERS[path.suffix.lower()](path)
    if not len(table):
        raise invalid(f"{shown(path)} has no rows.", "a row for each image", _columns(table))
    return table


def _delimited(path):
    """The table of a file of delimited values, whose first line names the columns."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            reader = csv.reader(file, delimiter=_delimiter(path, first), strict=True)
            rows = [(reader.line_num, row) for row in reader if any(map(str.strip, row))]
    except (UnicodeDecodeError, csv.Error) as error:
        raise _not_a_table(path, reason(error)) from error
    except OSError as error:
        raise invalid(f"{shown(path)} cannot be opened: {error.strerror}.", "a readable file", str(path)) from error
    if not rows:
        raise invalid(f"{shown(path)} is empty.", "a line with the names of the columns, and a row for each image", "0")
    names = _distinct(path, [name.strip() for name in rows[0][1]])
    for line, row in rows[1:]:
        if len(row) != len(names):
            received = f"{counted(len(row), 'value')} in line {line:,}"
            raise invalid(f"{shown(path)} has rows of several lengths.", counted(len(names), "value"), received)
    columns = {name: [row[place].strip() for _, row in rows[1:]] for place, name in enumerate(names)}
    return Table(path, columns, [line for line, _ in rows[1:]])


def _delimiter(path, first):
    return "\t" if path.suffix.lower() == ".tsv" else max(DELIMITERS, key=first.count)


def _lines_of_json(path):
    """The table of a file with a JSON object in each line."""
    rows, lines = [], []
    try:
        with open(path, encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    rows.append(json.loads(line))
                    lines.append(number)
                    if not isinstance(rows[-1], dict):
                        raise ValueError(f"line {number:,} is not an object")
    except OSError as error:
        raise invalid(f"{shown(path)} cannot be opened: {error.strerror}.", "a readable file", str(path)) from error
    except ValueError as error:  # of JSON, of UTF-8, or a line that is not an object
        raise _not_a_table(path, reason(error)) from error
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: [_text(path, name, row.get(name)) for row in rows] for name in names}
    return Table(path, columns, lines)


def _parquet(path):
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise invalid("A Parquet file needs the package pyarrow.", "`pip install pyarrow`", str(path)) from error
    try:
        found = parquet.read_table(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise _not_a_table(path, reason(error)) from error
    names = _distinct(path, found.column_names)
    columns = {
        name: [_text(path, name, value) for value in column.to_pylist()]
        for name, column in zip(names, found.columns, strict=True)
    }
    return Table(path, columns, list(range(1, found.num_rows + 1)))


# Suffix, one of `sources.TABLES` → the function that reads a file of that kind.
READERS = {".csv": _delimited, ".tsv": _delimited, ".jsonl": _lines_of_json, ".parquet": _parquet}


def _text(path, name, value):
    """A value of JSON or Parquet as a text; several labels are joined."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, (list, tuple)):
        return BETWEEN_LABELS.join(_text(path, name, each) for each in value)
    if isinstance(value, (dict, bytes)):
        what = f"The column {shown(name)!r} of {shown(path)} holds more than texts and numbers."
        raise invalid(what, "paths, labels or numbers", type(value).__name__)
    if isinstance(value, bool) or (isinstance(value, float) and value.is_integer()):
        value = int(value)
    return str(value).strip()


def _distinct(path, names):
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        raise invalid(f"{shown(path)} has two columns {shown(twice)!r}.", "names that differ", ", ".join(names))
    return names


def _not_a_table(path, why):
    kinds = ", ".join(TABLES)
    return invalid(f"{shown(path)} is not a table: {why}.", f"a table as its name says, one of {kinds}", str(path))


def _columns(table):
    return f"columns {', '.join(map(shown, table.columns))}" if table.columns else "nothing"
