"""What the registries say of their members, for use without Keras: `python docs/tools/members.py` writes it."""

import json
import pathlib

import keras_attention
from keras_attention.layers import ALIGNMENTS, MAP_REGULARIZERS, SCORES
from keras_attention.models import BACKBONES

PLACE = pathlib.Path(keras_attention.__file__).parent / "members.json"
FAMILIES = {"score": SCORES, "alignment": ALIGNMENTS, "map_regularizer": MAP_REGULARIZERS, "backbone": BACKBONES}


def table():
    """Family → name → what is known of the member, for the members of this package."""
    return {family: {name: registry.about(name) for name in registry} for family, registry in FAMILIES.items()}


def main():
    """Writes the table."""
    PLACE.write_text(json.dumps(table(), indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
