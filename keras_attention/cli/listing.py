"""`keras-attention list`: the score functions, the alignments and the backbones."""

import textwrap


def add(commands):
    """Declares the command."""
    return commands.add_parser(
        "list",
        help="list the score functions and alignments with their formulas and options, and the backbones",
        description="Lists the score functions, the alignments and the backbones; each goes with all of the others.",
    )


def run(options):
    """Runs the command."""
    from keras_attention.layers import ALIGNMENTS, SCORES
    from keras_attention.models import BACKBONES

    for title, registry in (("scores", SCORES), ("alignments", ALIGNMENTS)):
        _print(title, registry.formulas(), {name: registry.options(registry[name]) for name in registry})
    layers = {
        name: {"attend": ",".join(backbone.attend), "query": backbone.query} for name, backbone in BACKBONES.items()
    }
    _print("backbones", {name: backbone.description for name, backbone in BACKBONES.items()}, layers)


def _print(title, descriptions, options):
    """Prints a family: each member with its description, and below it its options or layers."""
    print(f"{title}:")
    width = max(map(len, descriptions))
    indent = " " * (width + 4)
    for name, description in descriptions.items():
        print(f"  {name:{width}}  {description}")
        texts = [f"{option}={value}" for option, value in options[name].items()]
        if texts:
            print(textwrap.fill(" ".join(texts), 110, initial_indent=indent, subsequent_indent=indent))
