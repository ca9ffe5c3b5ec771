"""`keras-attention export`: a finished run as a model that runs without this package."""

from keras_attention.cli.paths import require_run
from keras_attention.cli.settings import require_values


def add(commands):
    """Declares the command."""
    parser = commands.add_parser(
        "export",
        help="write a run's model as SavedModel, ONNX, LiteRT or OpenVINO, with its card",
        description="Writes a run's model in one format or several, runs the written models on test images, and "
        "compares them with the Keras model; a format that differs is refused. card.md says how to load each format.",
    )
    parser.add_argument("run", metavar="RUN", help="the folder of a finished run")
    text = "folder of the export, replacing an earlier one (default saved_models/<name of the run>)"
    parser.add_argument("--out", dest="folder", metavar="DIR", help=text)
    text = "savedmodel (default), onnx, litert, openvino, or several, separated by commas"
    parser.add_argument("--format", dest="formats", metavar="F", default="savedmodel", help=text)
    text = "smaller files: float16 halves the weights; dynamic stores them in 8 bits (not for OpenVINO); int8 also "
    text += "computes in 8 bits, calibrated on training images, and is refused if it loses more than .01 of accuracy"
    parser.add_argument("--quantize", metavar="KIND", help=text)
    parser.add_argument("--force", action="store_true", help="write int8 files although they are refused")
    text = "also measure size, speed, accuracy and, with masks, pointing of each format; the table is in the card too"
    parser.add_argument("--benchmark", action="store_true", help=text)
    text = "where the data of the run are, if they are not where they were"
    parser.add_argument("--data", metavar="SOURCE", help=text)
    return parser


def check(options):
    """Raises `ValueError` for a run that does not exist, or a format that is unknown or not installed."""
    from keras_attention.cards import check_force, check_formats

    require_run(options)
    require_values(options, "folder", "data")
    check_formats(_formats(options), options.quantize)
    check_force(options.force, options.quantize)


def run(options):
    """Runs the command."""
    import pathlib

    from keras_attention.export import export_run
    from keras_attention.export.run import default_folder
    from keras_attention.runs import Run

    finished = Run(options.run)
    out = pathlib.Path(options.folder or default_folder(finished))
    chosen = {name: getattr(options, name) for name in ("quantize", "data", "force", "benchmark")}
    export_run(finished, out, _formats(options), verbose=1, **chosen)
    print(f"export           {out}\ncard             {out / 'card.md'}")


def _formats(options):
    return [name.strip() for name in options.formats.split(",")]
