"""`keras-attention export`: a finished run as a model that runs without this package."""

from keras_attention.cli.paths import require_run

check = require_run


def add(commands):
    """Declares the command."""
    parser = commands.add_parser(
        "export",
        help="write a run's model as SavedModel, ONNX or LiteRT, with its card",
        description="Writes a run's model in one format or several, runs what was written on test images, and compares "
        "it with the Keras model; a format that differs is refused. card.md in the folder says how each is loaded.",
    )
    parser.add_argument("run_folder", metavar="RUN", help="the folder of a finished run")
    text = "where to write, in place of an earlier export (default saved_models/<name of the run>)"
    parser.add_argument("--out", metavar="DIR", help=text)
    text = "savedmodel (default), onnx, litert, or several with commas between"
    parser.add_argument("--format", metavar="F", default="savedmodel", help=text)
    text = "smaller ONNX and LiteRT files: float16 halves the weights, dynamic stores them in 8 bits"
    parser.add_argument("--quantize", metavar="KIND", help=text)
    return parser


def run(options):
    """Does the command."""
    import pathlib

    from keras_attention.arguments import invalid
    from keras_attention.export import export_run
    from keras_attention.export.formats import check_formats
    from keras_attention.export.run import default_folder
    from keras_attention.runs import Run

    if options.out == "":
        raise invalid("--out is empty.", "a value, or none of it", "''")
    formats = check_formats([name.strip() for name in options.format.split(",")], options.quantize)
    finished = Run(options.run_folder)
    out = pathlib.Path(options.out or default_folder(finished))
    export_run(finished, out, formats, options.quantize, verbose=1)
    print(f"export           {out}\ncard             {out / 'card.md'}")
