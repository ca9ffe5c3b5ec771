"""`keras-attention demo`: a local page to try a model on images."""

from keras_attention.cli.paths import add_model, require_model
from keras_attention.cli.settings import require_names, require_values
from keras_attention.members import SPLITS


def add(commands):
    """Declares the command."""
    parser = commands.add_parser(
        "demo",
        help="try a model on images in the browser",
        description="Serves a page on this computer only: an image dropped on it gets its classes with their "
        "probabilities, and the maps of where the model looks. Needs pip install gradio.",
    )
    add_model(parser)
    text = "image files and folders to choose among (default: the images of --data, or of the run's data)"
    parser.add_argument("images", metavar="IMAGE", nargs="*", help=text)
    parser.add_argument("--port", type=int, metavar="N", help="port of the page (default: 7860, or the next free one)")
    parser.add_argument("--no-browser", action="store_true", help="print the address without opening a browser")
    group = parser.add_argument_group("data to choose from, if no images are named")
    group.add_argument("--data", metavar="SOURCE", help="as in `train` (default: the data of the run)")
    group.add_argument("--data-dir", metavar="DIR", help="where TensorFlow Datasets keeps the data sets of --data")
    group.add_argument("--split", metavar="NAME", help="train, validation, test (default)")
    return parser


def run(options):
    """Runs the command, until Ctrl-C ends it."""
    from keras_attention.demo import serve_demo

    chosen = {"data": options.data, "data_dir": options.data_dir, "split": options.split}
    serve_demo(options.model, options.images, **chosen, port=options.port, browser=not options.no_browser)


def check(options):
    """Raises `ValueError` for names and paths that cannot be right, and for options that would have no effect."""
    from keras_attention.arguments import invalid

    require_model(options)
    require_names(options, split=SPLITS)
    require_values(options, "data", "data_dir", "split")
    for name in ("data", "data_dir", "split"):
        if options.images and getattr(options, name) is not None:
            raise invalid(f"`{name}` has no effect if images are named.", "images or data", f"`{name}`")
    if options.data_dir and not options.data:
        raise invalid("`data_dir` needs `data`.", "both of them", f"data_dir={options.data_dir!r}")
