"""`keras-attention predict`: the class of each image."""

import contextlib
import csv
import functools
import json
import pathlib
import sys

from keras_attention.cli.paths import add_model, require_model
from keras_attention.cli.settings import add_table, given_of_table, require_values
from keras_attention.text import UNSEEN, shown

OF_THE_FILES = ("images", "columns")  # settings of a table that say which files are meant


def add(commands):
    """Declares the command."""
    parser = commands.add_parser(
        "predict",
        help="predict the classes of images",
        description="Prints the class of each image with its probability, as soon as it is known. Images that cannot "
        "be read are named on standard error and skipped; the exit code is then 1.",
    )
    add_model(parser)
    text = "image files, folders of them (with all subfolders), and quoted patterns such as 'photos/**/*.jpg'"
    parser.add_argument("paths", metavar="IMAGE", nargs="*", help=text)
    parser.add_argument("--data", metavar="TABLE", help="instead: the images of a table, as in `train`")
    add_table(parser, OF_THE_FILES)
    form = parser.add_mutually_exclusive_group()
    text = "one JSON object per line, with the probability of each class"
    form.add_argument("--json", action="store_true", help=text)
    form.add_argument("--csv", action="store_true", help="a table with a column for each class")
    form.add_argument("--top", type=int, metavar="K", default=1, help="the K most probable classes (default 1)")
    parser.add_argument(
        "--out", metavar="FILE", help="write to a file, once all is done, instead of to standard output"
    )
    text = "largest number of images in a batch (default 32)"
    parser.add_argument("--batch-size", type=int, metavar="N", default=32, help=text)
    return parser


def check(options):
    """Raises `ValueError` for numbers and paths that cannot be right."""
    from keras_attention.arguments import invalid, require_integer
    from keras_attention.sources import TABLES, is_table

    require_model(options)
    require_values(options, "data", "images")
    if bool(options.paths) == (options.data is not None):
        received = "both" if options.paths else "neither"
        raise invalid("There must be images, or `data`.", "paths of images, or a table of them", received)
    if options.data is not None and not is_table(options.data):
        raise invalid(
            f"{shown(options.data)} is not a table.", f"an existing {', '.join(TABLES)}", f"data={options.data!r}"
        )
    for name in OF_THE_FILES:
        if options.paths and getattr(options, name):
            raise invalid(f"`{name}` needs `data`.", "both of them", f"{name}={getattr(options, name)!r}")
    for path in filter(is_table, options.paths):
        raise invalid(f"{shown(path)} is a table.", "`data` for a table", repr(path))
    require_integer("top", options.top, at_least=1)
    require_integer("batch_size", options.batch_size, at_least=1)
    if options.out is not None:
        check_out(options.out)


def run(options):
    """Runs the command; returns 1 if some images could not be read."""
    from keras_attention.models.outputs import PROBABILITIES
    from keras_attention.prediction import find_images, images_of_table, load_predictor, predict_files

    predictor = load_predictor(options.model)
    if options.data is None:
        sources = find_images(options.paths)
    else:
        sources = images_of_table(options.data, **given_of_table(options, OF_THE_FILES))
    with _output(options.out) as file, _progress(len(sources), options.out) as (count, say):
        write, failed = _writer(options, predictor.class_names, file), 0
        for prediction in predict_files(predictor, sources, options.batch_size):
            if prediction.error:
                failed += 1
                say(f"keras-attention: skipped: {shown(prediction.error)}")
            else:
                write(prediction.path, prediction.outputs[PROBABILITIES])
            count()
    return int(failed > 0)


def _writer(options, class_names, file):
    """A function that writes a path and its probabilities, in the format of the options."""
    if options.csv:
        table = csv.writer(file, lineterminator="\n")
        table.writerow([*FIRST_COLUMNS, *class_columns(class_names)])

        def write(path, probabilities):
            best = int(probabilities.argmax())
            figures = [f"{value:.6f}" for value in (probabilities[best], *probabilities)]
            table.writerow([shown(path, keep=IN_A_TABLE), class_names[best], *figures])
            file.flush()

        return write
    line = _json_line if options.json else _line

    def write(path, probabilities):
        print(line(path, class_names, probabilities, options.top), file=file, flush=True)

    return write


IN_A_TABLE = "\t\n"  # what `csv` quotes, or leaves inside its cell
FIRST_COLUMNS = ("image", "class", "probability")


def class_columns(class_names):
    """The distinct names of the columns of classes: a class called `image` has the column `class image`."""
    columns = []
    for name in class_names:
        column = name
        while column in FIRST_COLUMNS or (column != name and column in class_names):
            column = f"class {column}"
        columns.append(column)
    return columns


def _line(path, class_names, probabilities, top):
    best = probabilities.argsort(kind="stable")[::-1][:top]
    pairs = (f"{shown(class_names[number])}\t{probabilities[number]:.4f}" for number in best)
    return "\t".join([shown(path), *pairs])


def _json_line(path, class_names, probabilities, _):
    named = {name: round(float(value), 6) for name, value in zip(class_names, probabilities, strict=True)}
    answer = {"image": path, "class": class_names[int(probabilities.argmax())], "probabilities": named}
    line = json.dumps(answer, ensure_ascii=False)
    return UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", line)  # those that `json` leaves as they are


def check_out(out):
    """Raises `ValueError` if `out` is something that results must not replace."""
    from keras_attention.arguments import invalid
    from keras_attention.sources import IMAGE_SUFFIXES

    path = pathlib.Path(out)
    if not out or (path.exists() and not path.is_file()):
        raise invalid(f"{out or '`out`'} must be a regular file.", "the path of a file", f"out={out!r}")
    if path.suffix.lower() in IMAGE_SUFFIXES:
        # The shell turns an unquoted pattern after --out into the name of an image.
        raise invalid(
            f"{out} must not have the name of an image.", "a file for results, such as out.csv", f"out={out!r}"
        )


@contextlib.contextmanager
def _output(out):
    """The file to print to. File names that are not valid text are written with escapes."""
    from keras_attention.atomic import replacing

    if out is None:
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="backslashreplace")
        yield sys.stdout
        return
    # The file gets its name only when it is whole and closed.
    how = {"mode": "w", "encoding": "utf-8", "errors": "backslashreplace", "newline": ""}
    with replacing(out) as temporary, temporary.open(**how) as file:
        yield file


@contextlib.contextmanager
def _progress(count, out):
    """Functions to count an image and to print a line to standard error.

    They drive a progress bar if standard error is a terminal and no results are printed there.
    """
    if not sys.stderr.isatty() or (out is None and sys.stdout.isatty()):
        yield lambda: None, functools.partial(print, file=sys.stderr)
        return
    from tqdm import tqdm

    with tqdm(total=count, unit="image", file=sys.stderr, leave=False) as bar:
        yield bar.update, functools.partial(bar.write, file=sys.stderr)
