"""`keras-attention list`: the score functions and alignments."""

import textwrap


def add(commands):
    """Declares the command."""
    return commands.add_parser(
        "list",
        help="list the score functions and alignments with their formulas and options",
        description="Lists the score functions and the alignments; any of the one goes with any of the other.",
    )


def run(options):
    """Does the command."""
    from keras_attention.layers import ALIGNMENTS, SCORES

    for title, registry in (("scores", SCORES), ("alignments", ALIGNMENTS)):
        print(f"{title}:")
        width = max(map(len, registry))
        indent = " " * (width + 4)
        for name, formula in registry.formulas().items():
            print(f"  {name:{width}}  {formula}")
            options = [f"{option}={value}" for option, value in registry.options(registry[name]).items()]
            if options:
                print(textwrap.fill(" ".join(options), 110, initial_indent=indent, subsequent_indent=indent))
