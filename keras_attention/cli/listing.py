"""`keras-attention list`: the score functions and alignments."""


def add(commands):
    """Declares the command."""
    return commands.add_parser(
        "list",
        help="list the score functions and alignments with their formulas",
        description="Lists the score functions and the alignments; any of the one goes with any of the other.",
    )


def run(options):
    """Does the command."""
    from keras_attention.layers import ALIGNMENTS, SCORES

    for title, registry in (("scores", SCORES), ("alignments", ALIGNMENTS)):
        print(f"{title}:")
        width = max(map(len, registry))
        for name, formula in registry.formulas().items():
            print(f"  {name:{width}}  {formula}")
