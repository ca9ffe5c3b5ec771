"""The page of a look at the data: what was found, with pictures, counts, sizes and a sheet of each class."""

import base64
import io
import os
import pathlib

import numpy as np
from PIL import Image

from keras_attention.arguments import invalid
from keras_attention.atomic import replacing
from keras_attention.data.images import read_pixels
from keras_attention.data.split import evenly_spaced
from keras_attention.report.rendering import load_template
from keras_attention.text import number, shown

GENERATOR = '<meta name="generator" content="keras_attention check">'  # identifies a page that may be replaced
EXAMPLES = 12  # of a finding
SHEET = 12  # images of a class
CLASSES = 60  # whose sheets are shown
SIDE = 112  # pixels


def require_page_path(path):
    """Raises `ValueError` if something is there that a page must not replace, or the folder does not exist."""
    path = pathlib.Path(path)
    if path.suffix.lower() not in (".html", ".htm"):
        raise invalid("`out` must be the path of a page.", "a path that ends in .html", f"out={str(path)!r}")
    if not path.parent.is_dir():
        raise invalid(f"The folder {shown(path.parent)} does not exist.", "an existing folder", f"out={str(path)!r}")
    if os.path.lexists(path) and not (path.is_file() and GENERATOR in path.read_text("utf-8", "replace")[:2000]):
        expected = "a new path, or that of an earlier page of `check`"
        raise invalid(f"{shown(path)} exists, and was not written by `check`.", expected, f"out={str(path)!r}")


def write_inspection_page(inspection, facts):
    """Writes the page of an `Inspection` from its `Facts`: one file, which loads nothing."""
    sheets = [_sheet(facts, label, name) for label, name in enumerate(facts.layout.class_names[:CLASSES])]
    page = load_template("inspection.html").render(
        generator=GENERATOR,
        name=shown(facts.layout.name),
        inspection=inspection,
        findings=[(finding, _examples(facts, finding.examples)) for finding in inspection.findings],
        classes=[shown(name) for name in facts.layout.class_names],
        counts=facts.counts(),
        groups=None if facts.groups is None else len(set(facts.groups)),
        images=len(facts.pictures),
        sizes=list(_sizes(facts)),
        sheets=sheets,
        further=max(0, len(facts.layout.class_names) - CLASSES),
    )
    with replacing(inspection.path) as temporary:
        temporary.write_text(page, "utf-8")


def _examples(facts, tuples):
    """The pictures of the first examples of a finding, and how many more there are."""
    shown_ = [[_picture(facts, number) for number in each[:4]] for each in tuples[:EXAMPLES]]
    return {"shown": shown_, "more": max(0, len(tuples) - EXAMPLES)}


def _sheet(facts, label, name):
    members = np.flatnonzero(facts.labels == label)
    pictures = [_picture(facts, members[place]) for place in evenly_spaced(len(members), SHEET)] if len(members) else []
    return {"name": shown(name), "count": len(members), "pictures": pictures}


def _picture(facts, number):
    """A picture as data, and what is below it."""
    picture = facts.pictures[number]
    image = Image.fromarray(read_pixels((facts.layout.root / picture.name).read_bytes()))
    image.thumbnail((SIDE, SIDE))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=80)
    return {"data": base64.b64encode(file.getvalue()).decode(), "name": facts.where(number)}


def _sizes(facts):
    """Rows of a table: what is measured, and its least, middle and largest value."""
    widths, heights = np.array([picture.size for picture in facts.pictures]).T
    kilobytes = np.array([picture.bytes for picture in facts.pictures]) / 1000
    rows = {
        "width, px": (widths, 0),
        "height, px": (heights, 0),
        "width / height": (widths / heights, 2),
        "file, kB": (kilobytes, 0),
    }
    if facts.masks is not None and len(facts.masks.covered):
        rows["mask, % of the image"] = (100 * facts.masks.covered, 1)
    for title, (values, digits) in rows.items():
        yield title, [number(each, digits) for each in (values.min(), np.median(values), values.max())]
