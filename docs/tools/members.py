"""What the registries say of their members, for use without Keras: `python docs/tools/members.py` writes it."""

import json
import pathlib

import keras_attention.models  # loads the registries
from keras_attention.members import REGISTRIES, loaded

PLACE = pathlib.Path(keras_attention.__file__).parent / "members.json"


def table():
    """Family → name → what is known of the member, for the members of this package."""
    registries = {family: loaded(family) for family in REGISTRIES}
    return {family: {name: registry.about(name) for name in registry} for family, registry in registries.items()}


def main():
    """Writes the table."""
    PLACE.write_text(json.dumps(table(), indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
