"""A table of images: which columns are what, what the labels are, where the files lie, and all that is refused."""

import csv
import json

import numpy as np
import pytest
from cases import some_now
from PIL import Image
from seams import assert_three_parts

from keras_attention.data import load
from keras_attention.data.tables import Manifest

SPLITS = ("train", "validation", "test")
COUNT = 48


@pytest.fixture
def folder(tmp_path, rng):
    """A folder `photos` of different images, with masks of their upper halves in `masks`."""
    for number in range(COUNT):
        for kind in ("photos", "masks"):
            (tmp_path / kind / str(number % 2)).mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (8, 8, 3)).astype("uint8")
        Image.fromarray(pixels).save(tmp_path / f"photos/{number % 2}/p{number:02}.png")
        Image.fromarray(np.repeat([[255], [0]], [4, 4], axis=0).repeat(8, axis=1).astype("uint8")).save(
            tmp_path / f"masks/{number % 2}/p{number:02}.png"
        )
    return tmp_path


def rows_of(**columns):
    """Rows with an image and a label, and other columns: functions of their number."""
    columns = {"image": lambda n: f"photos/{n % 2}/p{n:02}.png", "label": lambda n: "ab"[n // 2 % 2]} | columns
    return [{name: of(n) for name, of in columns.items() if of is not None} for n in range(COUNT)]


def write(folder, rows, name="table.csv"):
    path = folder / name
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def loaded(folder, rows, **options):
    return load(write(folder, rows), image_size=32, **options)


def labels_of(data):
    """Name of an image → the name of its class."""
    return {
        name.rpartition("/")[2]: data.class_names[label]
        for split in SPLITS
        for name, label in zip(data.files[split], data.labels(split), strict=True)
    }


EXPECTED = {f"p{n:02}.png": "ab"[n // 2 % 2] for n in range(COUNT)}


# Where the files are


NAMES = {
    "a path below the table": lambda n: f"photos/{n % 2}/p{n:02}.png",
    "without suffix": lambda n: f"photos/{n % 2}/p{n:02}",
    "the name of the file": lambda n: f"p{n:02}.png",
    "its name without suffix": lambda n: f"p{n:02}",
    "from the folder itself": lambda n: f"./photos/{n % 2}/p{n:02}.png",
    "as Windows writes it": lambda n: f"photos\\{n % 2}\\p{n:02}.png",
}


@pytest.mark.parametrize("form", some_now(NAMES, "a path below the table", "its name without suffix"))
def test_images_are_found(form, folder):
    data = loaded(folder, rows_of(image=NAMES[form]))
    assert labels_of(data) == EXPECTED
    assert [data.split(split).count for split in SPLITS] == [34, 7, 7]


def test_names_of_another_unicode_form_and_links_are_found(folder):
    """A file is called as it is stored, in whatever form the table writes it; a linked folder is one of the images."""
    (folder / "photos/1/p01.png").rename(folder / "photos/1/bru\u0302le\u0301.png")
    (folder / "photos/0").rename(folder / "elsewhere")
    (folder / "photos/0").symlink_to(folder / "elsewhere")
    (folder / "photos/0/circle").symlink_to(folder / "photos")
    path = write(folder, rows_of(image=lambda n: "br\u00fbl\u00e9" if n == 1 else f"p{n:02}"))
    found = Manifest(path=path, images=folder / "photos").paths()
    assert all(each.is_file() for each in found)
    assert found[1].name == "bru\u0302le\u0301.png"


def test_a_mask_is_not_taken_for_the_image_that_is_missing(folder):
    """`masks/1/p03.png` has the name of an image that is not there."""
    (folder / "photos/1/p03.png").unlink()
    path = write(folder, rows_of(image=lambda n: f"p{n:02}"))
    assert_three_parts(Manifest(path=path).paths, "1 file does not exist, the first in line 5 of", "image 'p03'")


def test_images_of_another_folder_and_absolute_paths(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("tables")
    for image in (lambda n: f"p{n:02}", lambda n: str(folder / f"photos/{n % 2}/p{n:02}.png")):
        data = loaded(elsewhere, rows_of(image=image), images=folder / "photos")
        assert labels_of(data) == EXPECTED
    data = loaded(elsewhere, rows_of(image=lambda n: str(folder / f"photos/{n % 2}/p{n:02}.png")))
    assert labels_of(data) == EXPECTED


def test_images_without_labels_to_predict(folder):
    for others in ({"label": None}, {"target": lambda n: n, "mask": lambda n: "", "segmentation": lambda n: ""}):
        path = write(folder, rows_of(image=lambda n: f"p{n:02}", **others))
        assert [each.name for each in Manifest(path=path).paths()] == list(EXPECTED)


# Labels


def one_column_each(n):
    return {"x": int(n // 2 % 2 == 0), "y": int(n // 2 % 2 == 1)}


LABELS = {
    "of another name": (rows_of(label=None, dx=lambda n: "ab"[n // 2 % 2]), {}, {"a", "b"}),
    "told": (rows_of(kind=lambda n: "uv"[n // 2 % 2]), {"columns": {"label": "kind"}}, {"u", "v"}),
    "numbers": (rows_of(label=lambda n: n // 2 % 2), {}, {"0", "1"}),
    "a column each": (rows_of(label=None, x=lambda n: n // 2 % 2, y=lambda n: 1 - n // 2 % 2), {}, {"x", "y"}),
    "of fractions": (
        rows_of(label=None, x=lambda n: f"{n // 2 % 2}.0", y=lambda n: f"{1 - n // 2 % 2}.0"),
        {},
        {"x", "y"},
    ),
    "and told": (
        rows_of(x=lambda n: n // 2 % 2, y=lambda n: 1 - n // 2 % 2),
        {"columns": {"label": ["x", "y"]}},
        {"x", "y"},
    ),
    "zeros": (rows_of(label=None, x=lambda n: int(n % 3 == 0), y=lambda n: int(n % 3 == 1)), {"zeros": "z"}, {*"xyz"}),
}


@pytest.mark.parametrize("form", some_now(LABELS, "of another name", "numbers", "a column each", "zeros"))
def test_labels_are_found(form, folder):
    rows, options, names = LABELS[form]
    data = loaded(folder, rows, **options)
    assert set(data.class_names) == names
    assert {name for name, label in labels_of(data).items() if label == data.class_names[0]} == {
        f"p{n:02}.png" for n, row in enumerate(rows) if is_of(row, data.class_names[0])
    }


def is_of(row, name):
    if name in row:
        return float(row[name]) == 1
    return name in map(str, row.values())


def test_every_form_of_the_same_labels_has_the_same_classes(folder):
    kind = lambda n: ("z", "m", "a")[n % 3]  # noqa: E731
    forms = (
        ({"label": kind}, {}),
        ({"label": None, **{name: lambda n, name=name: int(kind(n) == name) for name in "zma"}}, {}),
        ({"label": None, **{name: lambda n, name=name: int(kind(n) == name) for name in "za"}}, {"zeros": "m"}),
    )
    assert {loaded(folder, rows_of(**columns), **options).class_names for columns, options in forms} == {
        ("a", "m", "z")
    }


def test_classes_that_are_numbers_are_in_their_order_and_told(folder):
    data = loaded(folder, rows_of(label=lambda n: (2, 10, 9)[n % 3]))
    assert data.class_names == ("2", "9", "10")
    assert "the labels are numbers, which name the classes: 2, 9, 10" in data.notes


def test_the_columns_are_told(folder):
    data = loaded(folder, rows_of(patient_id=lambda n: n // 4, sex=lambda n: "mf"[n % 2]))
    assert data.notes[0] == "columns: image image, label label, group patient_id"
    assert data.name == folder.name


# Splits, groups and masks


def test_the_splits_of_a_table(folder):
    kinds = ("training", "val", "Test")
    data = loaded(folder, rows_of(split=lambda n: kinds[0 if n < 24 else 1 if n < 36 else 2]))
    assert [data.split(split).count for split in SPLITS] == [24, 12, 12]
    assert not data.drawn


@pytest.mark.parametrize("how", ["found", "told", "a column", "a pattern"])
def test_groups_stay_whole(how, folder):
    name = "patient" if how == "found" else "who"
    options = {"told": {"columns": {"group": "who"}}, "a column": {"group": "who"}, "a pattern": {"group": r"re:p(\d)"}}
    data = loaded(folder, rows_of(**{name: lambda n: n // 10}), **options.get(how, {}))
    sides = {}
    for split in SPLITS:
        for path in data.files[split]:
            sides.setdefault(path[-6], set()).add(split)
    assert len(sides) == 5
    assert all(len(each) == 1 for each in sides.values())
    by = {"a pattern": r"re:p(\d)", "found": "patient"}.get(how, "who")
    assert any(note.startswith(f"5 groups by {by}, each on one side: the share of a class") for note in data.notes)


def test_groups_may_be_left_out(folder):
    data = loaded(folder, rows_of(patient=lambda n: n // 24), columns={"group": "none"})
    assert not any("group" in note for note in data.notes)


def test_masks_of_a_table(folder):
    rows = rows_of(mask=lambda n: f"masks/{n % 2}/p{n:02}.png" if n else "")
    data = loaded(folder, rows)
    assert data.has_masks
    assert any(note.startswith("1 of 48 images has no mask, the first photos/0/p00.png") for note in data.notes)
    masks = np.concatenate([batch["masks"] for batch in data.batches("test", with_masks=True).as_numpy_iterator()])
    assert masks.mean() == pytest.approx(0.5, abs=0.1)
    assert not loaded(folder, rows, columns={"mask": "none"}).has_masks


def test_masks_beside_the_images_of_a_table(folder):
    data = loaded(folder, rows_of(image=lambda n: f"p{n:02}"), masks="beside")
    assert data.has_masks
    masks = np.concatenate([batch["masks"] for batch in data.batches("test", with_masks=True).as_numpy_iterator()])
    assert masks.mean() == pytest.approx(0.5, abs=0.1)


def test_lines_of_json_are_read_as_well(folder):
    (folder / "table.jsonl").write_text("\n".join(map(json.dumps, rows_of())))
    assert labels_of(load(folder / "table.jsonl", image_size=32)) == EXPECTED


# What is refused


def changed(number, **values):
    rows = rows_of()
    rows[number] |= values
    return rows


HALVES = {"x": lambda n: int(n % 3 == 0), "y": lambda n: int(n % 3 == 1)}
REFUSED = {
    "a column": (
        rows_of(),
        {"columns": {"label": "lable"}},
        "Unknown column 'lable' (did you mean 'label'?).",
        "lable",
    ),
    "a role": (rows_of(), {"columns": {"labels": "label"}}, "Unknown role of a column 'labels'", "labels"),
    "no image": (rows_of(image=None, x=lambda n: n), {}, "has no column that is known to be the image.", "label, x"),
    "no label": (rows_of(label=None), {}, "has no column that is known to be the label.", "columns image"),
    "two labels": (rows_of(target=lambda n: n), {}, "The columns label and target of", "columns image, label, target"),
    "a path": (
        changed(5, image="nowhere.png"),
        {},
        "1 file does not exist, the first in line 7 of",
        "image 'nowhere.png'",
    ),
    "an empty label": (changed(3, label=""), {}, "1 row has an empty label, the first line 5 of", "''"),
    "a quantity": (changed(3, label="36.6"), {}, "The label of line 5 of", "label 36.6"),
    "several labels": (changed(3, label="a|b"), {}, "Images must have one label each.", "a, b in line 5 of"),
    "one class": (rows_of(label=lambda n: "a"), {}, "has only one class.", "class a"),
    "one image of a class": (changed(3, label="c"), {}, "The class 'c' has too few training images.", "1"),
    "zeros": (
        rows_of(label=None, **HALVES),
        {},
        "16 rows have a 0 in every class, the first line 4 of",
        "classes x, y",
    ),
    "no zeros": (rows_of(), {"zeros": "c"}, "`zeros` is for a table with a column of 0 and 1", "zeros='c'"),
    "neither": (
        rows_of(x=lambda n: n % 2, y=lambda n: "maybe" if n == 9 else 1 - n % 2),
        {"columns": {"label": ["x", "y"]}},
        "1 value of the column y must be 0 or 1, the first in line 11 of",
        "'maybe'",
    ),
    "a split": (rows_of(split=lambda n: "foo" if n == 2 else "train"), {}, "Line 4 of", "split 'foo'"),
    "a group in two": (
        rows_of(split=lambda n: "train" if n < 30 else "test", patient=lambda n: n // 4),
        {},
        "The group '7' lies in two splits, in lines 30 and 32.",
        "train and test",
    ),
    "no group": (rows_of(patient=lambda n: n // 4 if n else ""), {}, "1 row has no group, the first line 2 of", "''"),
    "a row twice": (rows_of() + rows_of()[4:5], {}, "1 image is in several rows, the first", "lines 6 and 50"),
    "three rows": (rows_of()[:3], {}, "The class 'b' has too few training images.", "1"),
    "a column of an argument": (rows_of(), {"group": "patient"}, "Unknown column 'patient'", "patient"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused(case, folder):
    rows, options, wrong, received = REFUSED[case]
    path = write(folder, rows)
    assert_three_parts(lambda: load(path, image_size=32, **options), wrong, received)


def test_a_name_of_two_files_is_refused(folder):
    (folder / "photos/0/p01.png").write_bytes((folder / "photos/0/p02.png").read_bytes())
    path = write(folder, rows_of(image=lambda n: f"p{n:02}"))
    wrong = "'p01' in line 3 of"
    parts = assert_three_parts(lambda: load(path, image_size=32), wrong, "1 such row")
    assert "may be photos/0/p01.png and photos/1/p01.png." in parts[0]


@pytest.mark.parametrize("option", ["images", "columns", "zeros"])
def test_options_of_a_table_need_one(option, folder):
    value = {"columns": {"label": "x"}}.get(option, "x")
    assert_three_parts(lambda: load(folder / "photos", **{option: value}), f"`{option}` needs a table", "photos")
