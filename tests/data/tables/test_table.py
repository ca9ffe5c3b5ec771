"""Files of tables: every form gives the same columns, and what is not a table is refused in a line."""

import json

import pyarrow
import pytest
from pyarrow import parquet
from seams import assert_three_parts

from keras_attention.data.tables.table import READERS, read_table
from keras_attention.sources import TABLES

COLUMNS = {"image": ["a.png", "b.png", "c.png"], "dx": ["nevus", "", "melanoma, in situ"], "malignant": ["0", "0", "1"]}
ROWS = [dict(zip(COLUMNS, row, strict=True)) for row in zip(*COLUMNS.values(), strict=True)]


def delimited(mark):
    def quoted(value):
        return f'"{value}"' if mark in value else value

    return "\n".join(mark.join(map(quoted, row)) for row in ([*COLUMNS], *zip(*COLUMNS.values(), strict=True)))


WRITTEN = {
    "commas": ("t.csv", delimited(",")),
    "semicolons": ("t.csv", delimited(";")),
    "tabs": ("t.csv", delimited("\t")),
    "a mark of the order of bytes": ("t.csv", "\ufeff" + delimited(",")),
    "ends of lines of Windows": ("t.csv", delimited(",").replace("\n", "\r\n") + "\r\n"),
    "empty lines, and spaces": ("t.csv", delimited(" ; ").replace("\n", "\n\n")),
    "tsv": ("T.TSV", delimited("\t")),
    "lines of JSON": ("t.jsonl", "\n".join(map(json.dumps, ROWS))),
}


@pytest.mark.parametrize("form", WRITTEN)
def test_every_form_of_text_gives_the_same_columns(form, tmp_path):
    name, text = WRITTEN[form]
    (tmp_path / name).write_bytes(text.encode())
    assert read_table(tmp_path / name).columns == COLUMNS


def test_parquet_gives_the_same_columns(tmp_path):
    values = COLUMNS | {"malignant": [0.0, 0.0, 1.0], "dx": ["nevus", None, "melanoma, in situ"]}
    parquet.write_table(pyarrow.table(values), tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet").columns == COLUMNS


def test_values_of_json_become_texts(tmp_path):
    values = {
        "int": 3,
        "float": 3.0,
        "fraction": 0.25,
        "true": True,
        "null": None,
        "several": ["a", "b"],
        "text": " x ",
    }
    (tmp_path / "t.jsonl").write_text(json.dumps(values) + "\n" + json.dumps({"other": 1}))
    found = read_table(tmp_path / "t.jsonl").columns
    expected = {"int": "3", "float": "3", "fraction": "0.25", "true": "1", "null": "", "several": "a|b", "text": "x"}
    assert found == {name: [value, ""] for name, value in expected.items()} | {"other": ["", "1"]}


def test_a_row_knows_its_line(tmp_path):
    (tmp_path / "t.csv").write_text('image,dx\n\n"a\nb",1\nc,2\n')
    table = read_table(tmp_path / "t.csv")
    assert table.lines == [4, 5]  # the last line of a row, if a value has several
    assert table.place(1) == f"line 5 of {tmp_path / 't.csv'}"


WRONG = {
    "no table": ("t.csv", b"\x89PNG\r\n\x1a\n\xff\xfe", "t.csv is not a table: ", "t.csv"),
    "an open quote": ("t.csv", b'image,dx\n"a,b\n', "t.csv is not a table: ", "t.csv"),
    "no object": ("t.jsonl", b"[1, 2]\n", "t.jsonl is not a table: line 1 is not an object.", "t.jsonl"),
    "no JSON": ("t.jsonl", b'{"image": "a"}\nimage,dx\n', "t.jsonl is not a table: ", "t.jsonl"),
    "no Parquet": ("t.parquet", b"image,dx\na,b\n", "t.parquet is not a table: ", "t.parquet"),
    "empty": ("t.csv", b"", "t.csv is empty.", "0"),
    "no rows": ("t.csv", b"image,dx\n", "t.csv has no rows.", "columns image, dx"),
    "ragged": ("t.csv", b"image,dx\na,b\nc\n", "t.csv has rows of several lengths.", "1 value in line 3"),
    "one name twice": ("t.csv", b"image,dx,dx\na,b,c\n", "t.csv has two columns 'dx'.", "image, dx, dx"),
    "more than texts": ("t.jsonl", b'{"image": {"path": "a"}}\n', "The column 'image' of", "dict"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_not_a_table_is_refused(case, tmp_path):
    name, content, wrong, received = WRONG[case]
    (tmp_path / name).write_bytes(content)
    assert_three_parts(lambda: read_table(tmp_path / name), wrong, received)


def test_every_suffix_has_a_reader():
    assert tuple(READERS) == TABLES
