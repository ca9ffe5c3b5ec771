"""`keras-attention models`: the exported models in a folder."""

WITHOUT_TENSORFLOW = True


def add(commands):
    """Declares the command."""
    parser = commands.add_parser(
        "models",
        help="list the exported models",
        description="Lists the exported models in a folder from their cards: formats, sizes, and figures.",
    )
    parser.add_argument(
        "folder", metavar="DIR", nargs="?", default="saved_models", help="folder of exports (default saved_models)"
    )
    return parser


def run(options):
    """Runs the command."""
    import pathlib

    from keras_attention.arguments import invalid
    from keras_attention.cards.listing import COLUMNS, list_models, models_table
    from keras_attention.text import columns

    folder = pathlib.Path(options.folder)
    if not folder.is_dir():
        raise invalid(f"{folder} must be a folder.", "a folder of exports", f"{str(folder)!r}")
    rows = models_table(list_models(folder))
    if not rows:
        print(f"{folder} has no models yet; export one with: keras-attention export RUN")
        return
    print(columns([COLUMNS, *rows]))
