"""A list of the exported models in a folder, from their cards."""

import pathlib
import warnings

from keras_attention.atomic import TEMPORARY, replacing
from keras_attention.cards.card import CARD, looks_by, read_card
from keras_attention.text import cell, number

FOLDER = "saved_models"
BEGIN, END = "<!-- models -->", "<!-- end of models -->"
COLUMNS = ("model", "formats", "MB", "image", "classes", "attention", "accuracy", "images tested", "created")
HEADER = """# Exported models

`keras-attention models` prints this list; the `card.md` in each folder says how to load its model.
"""


def list_models(folder=FOLDER):
    """The cards of the exports in a folder, in the order of their names.

    Folders without a card are left out; folders with a damaged or foreign card are left out with a warning.

    Args:
        folder: a folder of exports, or the folder of one export, which is then listed alone.

    Returns:
        A dictionary: path of each export → its card, as `read_card` gives it.

    Example:

    >>> import pathlib, tempfile
    >>> from keras_attention import VGG16BN, attention_classifier, export_model
    >>> from keras_attention.export import list_models
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> model = attention_classifier(VGG16BN((32, 32, 3), width=0.05), 2, units=8)
    >>> _ = export_model(model, folder / "pets", class_names=("cat", "dog"))
    >>> [(path.name, card["image_size"]) for path, card in list_models(folder).items()]
    [('pets', 32)]
    """
    models = {}
    card = pathlib.Path(folder) / CARD
    for path in [card] if card.is_file() else sorted(pathlib.Path(folder).glob(f"*/{CARD}")):
        if not path.parent.name.startswith(TEMPORARY):
            try:
                models[path.parent] = read_card(path.parent)
            except ValueError as error:
                warnings.warn(f"{path.parent} is left out of the list. {error}", stacklevel=2)
    return models


def models_table(models):
    """The models as rows of text under `COLUMNS`: what each model is, and its accuracy."""
    return [_row(folder, card) for folder, card in models.items()]


def refresh_listing(folder):
    """Writes the table of the exports in a folder into its `README.md`, between the marks `BEGIN` and `END`.

    A README without both marks is not changed. If there is no README, only a folder called `saved_models` gets one.
    """
    readme = pathlib.Path(folder) / "README.md"
    if not readme.exists() and readme.parent.resolve().name == FOLDER:
        text = f"{HEADER}\n{BEGIN}\n{END}\n".encode()
    elif readme.is_file():
        text = readme.read_bytes()  # as bytes, to keep any encoding and any line endings
    else:
        return
    before, begin, rest = text.partition(BEGIN.encode())
    _, end, after = rest.partition(END.encode())
    if begin and end:
        table = markdown_table(models_table(list_models(folder)))
        with replacing(readme) as temporary:
            temporary.write_bytes(b"".join([before, begin, b"\n", table.encode(), end, after]))


def markdown_table(rows):
    """A Markdown table of rows under `COLUMNS`; a sentence if there are no rows."""
    if not rows:
        return "There are no models yet.\n"
    rule = ["---"] * len(COLUMNS)
    return "".join(f"| {' | '.join(map(cell, cells))} |\n" for cells in (COLUMNS, rule, *rows))


def _row(folder, card):
    result, side = card.get("result") or {}, card["image_size"]
    names = [f"{name} {form['quantized'] or ''}".strip() for name, form in card["formats"].items()]
    layers = {}
    for part in card["attention"]:
        layers.setdefault(looks_by(part), []).append(part["layer"])
    parts = [f"{pair}@{'+'.join(names)}" for pair, names in layers.items()]
    return [
        folder.name,
        ", ".join(names),
        f"{sum(form['bytes'] for form in card['formats'].values()) / 1e6:.1f}",
        f"{side} × {side}",
        str(len(card["class_names"])),
        ", ".join(parts) or "none",
        number(result.get("accuracy")),
        "–" if result.get("count") is None else f"{result['count']:,}",
        card["created"][:10],
    ]
