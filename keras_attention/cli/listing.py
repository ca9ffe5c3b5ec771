"""`keras-attention list`: the score functions, the alignments, the poolings, the gates and the backbones."""

import textwrap

from keras_attention.members import members

WITHOUT_TENSORFLOW = True


def add(commands):
    """Declares the command."""
    return commands.add_parser(
        "list",
        help="list the score functions, alignments, poolings and gates with their formulas, and the backbones",
        description="Lists the score functions, the alignments and the backbones, each of which goes with all of the "
        "others, and the poolings and gates that attention is compared with.",
    )


def run(options):
    """Runs the command."""
    for family in ("score", "alignment", "pooling", "gate"):
        _print(family, lambda layer: layer.options)
    _print("backbone", lambda backbone: {"attend": ",".join(backbone.attend), "query": backbone.query})


def _print(family, options):
    """Prints a family: each member with its description, and below it its options or layers."""
    print(f"{family}s:")
    width = max(map(len, members(family)))
    indent = " " * (width + 4)
    for name, member in members(family).items():
        print(f"  {name:{width}}  {member.description}")
        texts = [f"{option}={value}" for option, value in options(member).items()]
        if texts:
            print(textwrap.fill(" ".join(texts), 110, initial_indent=indent, subsequent_indent=indent))
