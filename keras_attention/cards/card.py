"""The card of an exported model: what it says, and whether the files are still those that were exported."""

import hashlib
import pathlib

from keras_attention.arguments import invalid
from keras_attention.cards.formats import FORMATS, QUANTIZATIONS
from keras_attention.files import read_json
from keras_attention.patterns import RESIZES

CARD = "card.json"


def read_card(folder):
    """The content of the `card.json` of an export.

    Args:
        folder: folder of the export.

    Returns:
        A dictionary: `name`, `class_names`, `image_size`, `resize`, `input`, `outputs`, `parameters`, `attention`,
        `formats`, `training`, `data`, `result`, `versions`, `created`. Older cards lack `resize`, which is `"stretch"`.

    Raises:
        ValueError: a file that is missing, damaged, or not the card of an export.

    Example:

    >>> import pathlib, tempfile
    >>> from keras_attention import VGG16BN, attention_classifier, export_model
    >>> from keras_attention.export import read_card
    >>> folder = pathlib.Path(tempfile.mkdtemp()) / "pets"
    >>> model = attention_classifier(VGG16BN((32, 32, 3), width=0.05), 2, units=8)
    >>> _ = export_model(model, folder, class_names=("cat", "dog"))
    >>> card = read_card(folder)
    >>> card["name"], card["class_names"], card["input"]
    ('pets', ['cat', 'dog'], 'RGB images from 0 to 255, (batch, 32, 32, 3)')
    """
    path = pathlib.Path(folder) / CARD
    card = read_json(path)
    if not is_card(card):
        raise invalid(
            f"{path} must be the card of an export.", "a card that `keras-attention export` wrote", str(folder)
        )
    return card


def is_card(card):
    """Whether a value is the content of a card: whatever is read of a card exists and has the right type."""
    try:
        forms = card["formats"].values()
        return (
            bool(set(card["formats"]) & set(FORMATS) and card["class_names"])
            and isinstance(card["class_names"], list)
            and _all(str, *card["class_names"], card["created"])
            and _all(int, card["image_size"])
            and card.get("resize", "stretch") in RESIZES
            and _all(str, *(part["layer"] for part in card["attention"]))
            and all(names_of(part) and _all(str, *names_of(part)) for part in card["attention"])
            and _all((int, float, type(None)), *((card["result"] or {}).get(name) for name in ("accuracy", "count")))
            and all(_is_format(form) for form in forms)
        )
    except (AttributeError, KeyError, TypeError):
        return False


def looks_by(part):
    """What makes a map, from its entry in a card: a score and an alignment joined by +, or the name of another."""
    return "+".join(names_of(part))


def names_of(part):
    """The names of what makes a map, from its entry in a card."""
    return [name for family, name in part.items() if family not in ("layer", "heads", "grid")]


def _is_format(form):
    files = form["files"]
    return (
        bool(files)
        and form["quantized"] in (None, *QUANTIZATIONS)
        and _all(str, *(file[key] for file in files for key in ("path", "sha256")))
        and _all(int, form["bytes"], *(file["bytes"] for file in files))
    )


def _all(kind, *values):
    return all(isinstance(value, kind) for value in values)


def sha256(path):
    """The SHA-256 of a file, in hexadecimal digits."""
    with pathlib.Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def damaged(folder, card, name):
    """What is wrong with the first file of a format that differs from the card; `None` if all files are as exported."""
    for file in card["formats"][name]["files"]:
        path = pathlib.Path(folder) / file["path"]
        if not path.is_file():
            return f"{path} is missing"
        if path.stat().st_size != file["bytes"]:
            return f"{path} has {path.stat().st_size:,} bytes instead of {file['bytes']:,}"
        if sha256(path) != file["sha256"]:
            return f"{path} was changed after the export: its SHA-256 differs"
    return None
