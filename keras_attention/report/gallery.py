"""A page of many images and their maps, with filters, sorting and keyboard control; it needs no network."""

import math
import pathlib
import urllib.parse

from keras_attention.arguments import invalid, require_number
from keras_attention.atomic import replacing
from keras_attention.maps.pictures import scale_colours
from keras_attention.report.rendering import load_template

GENERATOR = '<meta name="generator" content="keras_attention gallery">'  # identifies a page that a gallery wrote
KEYS = ("picture", "name", "predicted", "probability", "true", "figures")
GRADIENT = 13  # colours in the gradient of a bar


def write_gallery(folder, cards, columns, title, about=()):
    """Writes `index.html`, which shows pictures that already exist in its folder or below.

    The page filters by class and by right or wrong answers, sorts, and opens a card large; its address keeps the view.
    It is one file that refers only to the pictures, and opens from a disk.

    Args:
        folder: the folder of the page; it is made if missing.
        cards: for each image a dictionary: `picture`, the path of its strip relative to `folder`; `name`; `predicted`,
            a class; `probability`, from 0 to 1; `true`, a class or `None`; `figures`, label → number or `None`.
        columns: for each square of a strip a dictionary: `title`, `unit`, `low`, `high`; without a colour scale, as for
            the image itself, the unit is `None`. `gallery_columns` makes them.
        title: the title of the page.
        about: lines of text below the title.

    Returns:
        The path of the page.

    Raises:
        ValueError: no columns, a card without one of its keys, or a probability outside 0 to 1.
    """
    if not columns:
        raise invalid(
            "`columns` must hold at least one column.", "a column for each square of a strip", f"columns={columns!r}"
        )
    cards = list(cards)
    for card in cards:
        _check(card)
    labels = list(dict.fromkeys(label for card in cards for label in card["figures"]))
    data = {"labels": labels, "columns": [str(column["title"]) for column in columns]}
    data["cards"] = [_row(card, labels) for card in cards]
    page = load_template("gallery.html").render(
        title=title, about=about, columns=columns, colours=scale_colours(GRADIENT), data=data, generator=GENERATOR
    )
    path = pathlib.Path(folder) / "index.html"
    with replacing(path) as temporary:
        temporary.write_text(page, "utf-8")
    return path


def gallery_columns(scales, first="input"):
    """The columns of the strips of `attention_strip`: the image, then a map for each scale.

    Args:
        scales: title of a column → `MapScale`.
        first: the title of the column of the image.
    """
    columns = [{"title": first, "unit": None, "low": None, "high": None}]
    for title, scale in scales.items():
        columns.append({"title": title, "unit": scale.unit, "low": scale.low, "high": scale.high})
        columns[-1]["above"] = "≥ " if scale.clipped else ""
    return columns


def _check(card):
    missing = [key for key in KEYS if key not in card]
    if missing:
        raise invalid(f"A card lacks {', '.join(missing)}.", f"cards with {', '.join(KEYS)}", f"{sorted(card)}")
    require_number("probability", card["probability"], at_least=0, at_most=1)


def _row(card, labels):
    """A card as the script of the page reads it; a list, because a page may have thousands."""
    true = None if card["true"] is None else str(card["true"])
    figures = [_figure(card["figures"].get(label)) for label in labels]
    # Quoted, so that no character of a name has a meaning in a URL, and no picture is loaded from elsewhere.
    picture = urllib.parse.quote(pathlib.PurePath(card["picture"]).as_posix())
    return [picture, str(card["name"]), str(card["predicted"]), float(card["probability"]), true, figures]


def _figure(value):
    """A number that JSON can hold; `None` if it is not finite."""
    return None if value is None or not math.isfinite(value) else round(float(value), 6)
