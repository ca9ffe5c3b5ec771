"""What a look at the data finds, writes and prints: one fault in a folder, and one finding."""

import csv
import shutil

import numpy as np
import pytest
import seams
from PIL import Image, ImageOps

from keras_attention import check
from keras_attention.cli import main
from keras_attention.data import load

GOOD = {"train/a": 30, "train/b": 30, "validation/a": 10, "validation/b": 10, "test/a": 12, "test/b": 12}


@pytest.fixture(autouse=True)
def _without_shortcuts(request, monkeypatch):
    """Their forests take most of the time, and have tests of their own."""
    if "with_shortcuts" not in request.fixturenames:
        seams.shortcuts_of_a_look(monkeypatch, lambda *_: [])


@pytest.fixture
def with_shortcuts():
    """They are looked for."""


@pytest.fixture
def found(tmp_path):
    """`found(root)`: the findings by kind, without output."""

    def look(root, **given):
        return {each.kind: each for each in check(root, tmp_path / "check.html", **given, verbose=0).findings}

    return look


@pytest.fixture
def good(folder):
    return folder(GOOD)


@pytest.mark.usefixtures("with_shortcuts")
def test_nothing_is_found_where_nothing_is_wrong(good, tmp_path):
    inspection = check(good, tmp_path / "check.html", verbose=0)
    assert inspection.findings == ()
    assert inspection.answer == "Nothing must be mended."
    assert inspection.counts["test"] == {"a": 12, "b": 12}
    assert inspection.command == f"keras-attention train --data {good}"


@pytest.mark.parametrize(("count", "level"), [(2, "look"), (12, "mend")])
def test_damaged_files(count, level, good, found):
    for path in sorted((good / "train" / "a").iterdir())[:count]:
        path.write_bytes(path.read_bytes()[:50])
    finding = found(good)["damaged files"]
    assert finding.level == level
    assert finding.told.startswith(f"{count} of 104 files cannot be read as images")
    assert "train/a/000.png" in finding.told


@pytest.mark.parametrize(
    ("copy", "kind", "level"),
    [
        ("train/a/copy.png", "equal images", "look"),
        ("train/b/copy.png", "one image in two classes", "mend"),
        ("test/a/copy.png", "one image in two splits", "mend"),
    ],
)
def test_equal_images(copy, kind, level, good, found):
    shutil.copy(good / "train" / "a" / "003.png", good / copy)
    findings = found(good)
    assert findings.keys() == {kind}
    assert findings[kind].level == level
    assert len(findings[kind].examples) == 1


@pytest.mark.parametrize(
    ("copy", "kinds", "level"),
    [
        ("test/a", ["near duplicates across splits"], "mend"),
        ("train/a", ["near duplicates on one side of the splits"], "look"),
        ("train/b", ["near duplicates on one side of the splits", "one picture in two classes"], "look"),
    ],
)
def test_near_duplicates(copy, kinds, level, good, found):
    ImageOps.mirror(Image.open(good / "train" / "a" / "003.png")).save(good / copy / "copy.jpg")
    findings = found(good)
    assert sorted(findings) == kinds
    assert findings[kinds[0]].level == level
    assert "003.png" in findings[kinds[0]].told
    assert "copy.jpg" in findings[kinds[0]].told


def test_near_duplicates_must_be_kept_together_where_splits_are_drawn(folder, found):
    root = folder({"a": 60, "b": 60})
    ImageOps.mirror(Image.open(root / "a" / "003.png")).save(root / "a" / "003-copy.png")
    findings = found(root)
    assert findings["near duplicates that no group keeps together"].level == "mend"
    grouped = found(root, group=r"re:(\d+)")
    assert grouped["near duplicates on one side of the splits"].level == "look"


def test_groups_across_splits(good, found):
    finding = found(good, group=r"re:(\d)\.png")["groups across splits"]
    assert finding.level == "mend"
    assert finding.told.startswith("10 groups lie in two splits")


def test_groups_of_a_table_across_splits_are_all_told(good, found, tmp_path):
    with open(tmp_path / "table.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("image", "label", "split", "patient"))
        for number, path in enumerate(sorted(good.rglob("*.png"))):
            rows.writerow((path, path.parent.name, path.parent.parent.name, number % 40))  # 24 of 40 in two
    assert found(tmp_path / "table.csv")["groups across splits"].told.startswith("24 groups lie in two splits")


def test_small_and_unequal_classes(folder, found):
    findings = found(folder({"train/a": 40, "train/b": 3, "test/a": 12, "test/b": 4}))
    assert "a has 13.3 times as many images as b" in findings["unequal classes"].told
    assert "b (4)" in findings["few test images"].told
    assert "classes too small" not in findings
    findings = found(folder({"a": 40, "b": 2}, "few"))
    assert findings["classes too small"].level == "mend"
    assert "b (2)" in findings["classes too small"].told


@pytest.mark.usefixtures("with_shortcuts")
def test_shapes_greys_and_what_they_tell(good, found, picture):
    for number, path in enumerate(sorted(good.glob("*/b/*"))):
        Image.fromarray(picture(500 + number, 128, 64)).convert("L").save(path)
    findings = found(good)
    assert "0.50 to 1.33 times as wide as high" in findings["shapes"].told
    assert findings["grey images"].told.startswith("52 of 104 images are grey")
    assert findings["shortcut by the size"].told.startswith(
        "The size of an image alone tells its class: a (ROC-AUC 1.00"
    )


def test_masks(good, found, tmp_path):
    masks, paths = tmp_path / "masks", sorted(good.rglob("*.png"))
    for number, path in enumerate(paths[2:]):
        place = masks / path.relative_to(good)
        place.parent.mkdir(parents=True, exist_ok=True)
        mask = np.zeros((96, 128), "uint8")
        mask[: 20 * (number > 3), :30] = 255
        Image.fromarray(mask).save(place)
    findings = found(good, masks=masks)
    assert findings["images without a mask"].told.startswith("2 images have no mask")
    assert findings["empty masks"].told == "4 masks are empty."
    Image.fromarray(np.arange(96 * 128, dtype="uint8").reshape(96, 128)).save(masks / paths[9].relative_to(good))
    assert found(good, masks=masks)["masks"].told.startswith("The masks hold several values.")
    Image.new("L", (40, 96)).save(masks / paths[9].relative_to(good))
    assert "must have the size or the aspect" in found(good, masks=masks)["masks"].told


def test_the_table_keeps_together_what_belongs_together(folder, tmp_path):
    root = folder({"a": 40, "b": 40})
    for number in range(8):
        ImageOps.mirror(Image.open(root / "a" / f"{number:03}.png")).save(root / "a" / f"copy{number}.png")
    inspection = check(root, tmp_path / "check.html", table=tmp_path / "out" / "table.csv", verbose=0)
    assert inspection.left_out == ()
    assert inspection.command == f"keras-attention train --data {tmp_path / 'out' / 'table.csv'} --group group"
    data = load(tmp_path / "out" / "table.csv", image_size=32, group="group")
    sides = {path.rpartition("/")[2]: split for split, names in data.files.items() for path in names}
    assert len(sides) == 88
    assert all(sides[f"{number:03}.png"] == sides[f"copy{number}.png"] for number in range(8))
    assert check(tmp_path / "out" / "table.csv", tmp_path / "check.html", verbose=0).to_mend == []


def test_the_table_keeps_one_side_of_given_splits(good, tmp_path):
    for number, split in enumerate(("test", "validation", "train")):
        ImageOps.mirror(Image.open(good / "train" / "a" / f"{number:03}.png")).save(good / split / "a" / "copy.png")
    inspection = check(good, tmp_path / "check.html", table=tmp_path / "table.csv", verbose=0)
    assert inspection.left_out == ("train/a/000.png", "train/a/001.png")
    with open(tmp_path / "table.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 105
    assert {row["split"] for row in rows} == {"train", "validation", "test"}
    assert load(tmp_path / "table.csv", image_size=32).test.count == 25


def test_the_command_prints_and_says_by_its_exit_code(good, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["check", str(good)]) == 0
    assert "Nothing must be mended." in capsys.readouterr().out
    shutil.copy(good / "train" / "a" / "003.png", good / "test" / "a" / "copy.png")
    assert main(["check", str(good)]) == 1
    printed = capsys.readouterr().out
    assert "mend  one image in two splits: 1 image lies in two splits, " in printed
    page = (tmp_path / "check.html").read_text("utf-8")
    assert "1 thing must be mended." in page
    assert page.count("<img") == 2 + 2 * 12
    assert "http" not in page.replace("http-equiv", "")


def test_names_are_text_in_the_page(folder, tmp_path):
    root = folder({"<b>cat</b>": 12, "$dog$": 12})
    shutil.copy(root / "$dog$" / "012.png", root / "$dog$" / "<img src=x onerror=1>.png")
    check(root, tmp_path / "check.html", verbose=0)
    page = (tmp_path / "check.html").read_text("utf-8")
    assert "<b>cat" not in page
    assert "<img src=x" not in page
    assert "&lt;b&gt;cat&lt;/b&gt;" in page
    assert "$dog$" in page


@pytest.mark.parametrize(
    ("given", "wrong", "received"),
    [
        ({"data": "cluttered_digits"}, "`data` must be a folder or a table of images that exists.", "cluttered_digits"),
        ({"data": "missing"}, "`data` must be a folder or a table of images that exists.", "missing"),
        ({"masks": "missing"}, "The folder of masks does not exist.", "missing"),
        ({"group": "re:(x)"}, "`group` does not match 104 of 104 paths", "re:(x)"),
        ({"group": "patient"}, "`group`", "patient"),
        ({"out": "page.txt"}, "`out` must be the path of a page.", "page.txt"),
        ({"out": "missing/check.html"}, "does not exist.", "missing"),
        ({"table": "table.xlsx"}, "`table` must be the path of a table to write.", "table.xlsx"),
        ({"images": "photos"}, "`images` needs a table of images.", "photos"),
        ({"mask_values": "1"}, "`mask_values` has no effect without masks.", "1"),
    ],
)
def test_what_is_refused(given, wrong, received, good, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    seams.assert_three_parts(lambda: check(**{"data": good, "verbose": 0} | given), wrong, received)


def test_what_is_not_ours_stays(good, tmp_path):
    (tmp_path / "mine.html").write_text("<p>mine</p>")
    seams.assert_three_parts(lambda: check(good, tmp_path / "mine.html"), f"{tmp_path / 'mine.html'} exists", "mine")
    assert (tmp_path / "mine.html").read_text() == "<p>mine</p>"
    (tmp_path / "mine.csv").write_text("a,b\n")
    seams.assert_three_parts(
        lambda: check(good, tmp_path / "check.html", table=tmp_path / "mine.csv"), "`table` exists", "mine.csv"
    )
    assert not (tmp_path / "check.html").exists()


def test_a_folder_without_readable_images(folder, tmp_path):
    root = folder({"a": 3, "b": 3})
    for path in root.rglob("*.png"):
        path.write_bytes(b"")
    seams.assert_three_parts(
        lambda: check(root, tmp_path / "c.html", verbose=0), "The images cannot be read.", "6 files"
    )
