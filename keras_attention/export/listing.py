"""What models lie in a folder, by their cards."""

import pathlib

from keras_attention.atomic import replacing
from keras_attention.export.card import CARD
from keras_attention.files import read_json

FOLDER = "saved_models"
BEGIN, END = "<!-- models -->", "<!-- end of models -->"
COLUMNS = ("model", "formats", "MB", "image", "classes", "attention", "accuracy", "images tested", "created")
HEADER = """# Exported models

`keras-attention models` prints this list; each folder has a `card.md` that says how its model is loaded.
"""


def list_models(folder=FOLDER):
    """Folder → the card of each export in a folder, in the order of their names; folders without a card are left out.

    Raises:
        ValueError: a card that is damaged.
    """
    return {card.parent: read_json(card) for card in sorted(pathlib.Path(folder).glob(f"*/{CARD}"))}


def models_table(models):
    """The models as rows of text under `COLUMNS`: what each is, and what it reached."""
    return [_row(folder, card) for folder, card in models.items()]


def refresh_listing(folder):
    """Writes the table of the exports in a folder into its `README.md`, between the two marks that it has there.

    A folder called `saved_models` without a README gets one; any other is left alone.
    """
    readme = pathlib.Path(folder) / "README.md"
    if not readme.exists() and readme.parent.resolve().name == FOLDER:
        text = f"{HEADER}\n{BEGIN}\n{END}\n"
    elif readme.is_file():
        text = readme.read_text("utf-8")
    else:
        return
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if begin and end:
        table = markdown_table(models_table(list_models(folder)))
        with replacing(readme) as temporary:
            temporary.write_text(f"{before}{BEGIN}\n{table}{END}{after}", "utf-8")


def markdown_table(rows):
    """Rows under `COLUMNS` in Markdown; a sentence where there are none."""
    if not rows:
        return "No model is here yet.\n"
    rule = ["---"] * len(COLUMNS)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (COLUMNS, rule, *rows))


def _row(folder, card):
    result, side = card.get("result") or {}, card["image_size"]
    names = [f"{name} {form['quantized'] or ''}".strip() for name, form in card["formats"].items()]
    layers = {}
    for part in card["attention"]:
        layers.setdefault(f"{part['score']}+{part['alignment']}", []).append(part["layer"])
    parts = [f"{pair}@{'+'.join(names)}" for pair, names in layers.items()]
    return [
        folder.name,
        ", ".join(names),
        f"{sum(form['bytes'] for form in card['formats'].values()) / 1e6:.1f}",
        f"{side} × {side}",
        str(len(card["class_names"])),
        ", ".join(parts) or "none",
        f"{result['accuracy']:.3f}" if "accuracy" in result else "–",
        f"{result['count']:,}" if "count" in result else "–",
        card["created"][:10],
    ]
