"""`keras-attention models`: the exported models in a folder."""


def add(commands):
    """Declares the command."""
    parser = commands.add_parser(
        "models",
        help="list the exported models",
        description="Lists the exported models of a folder by their cards: formats, sizes, and what they reached.",
    )
    parser.add_argument("folder", metavar="DIR", nargs="?", default="saved_models", help="(default saved_models)")
    return parser


def run(options):
    """Does the command."""
    import pathlib

    from keras_attention.arguments import invalid
    from keras_attention.export.listing import COLUMNS, list_models, models_table
    from keras_attention.text import columns

    folder = pathlib.Path(options.folder)
    if not folder.is_dir():
        raise invalid(f"There is no folder {folder}.", "a folder of exports", f"{str(folder)!r}")
    rows = models_table(list_models(folder))
    if not rows:
        print(f"No model is in {folder} yet: keras-attention export RUN")
        return
    print(columns([COLUMNS, *rows]))
