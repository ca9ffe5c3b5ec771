"""`keras-attention export`: a finished run as a model that runs without this package."""

import pathlib


def add(commands):
    """Declares the command."""
    parser = commands.add_parser(
        "export",
        help="write a run's model as a SavedModel",
        description="Writes a run's model as a SavedModel with its card, loads it again, and compares the two.",
    )
    parser.add_argument("run_folder", metavar="RUN", help="the folder of a finished run")
    parser.add_argument("--out", metavar="DIR", help="where to write (default saved_models/<name of the run>)")
    return parser


def run(options):
    """Does the command."""
    from keras_attention.results import export_run
    from keras_attention.runs import Run

    finished = Run(options.run_folder)
    out = pathlib.Path(options.out or f"saved_models/{finished.folder.resolve().name}")
    difference = export_run(finished, out)
    print(f"export  {out}\ncheck   largest difference to the Keras model {difference:.1e}")
