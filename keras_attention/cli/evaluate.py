"""`keras-attention evaluate`: how good a saved model is."""

import json

from keras_attention.cli.paths import add_model, require_model
from keras_attention.cli.settings import add_table, given_of_table, require_names, require_values
from keras_attention.members import SPLITS
from keras_attention.patterns import HELP


def add(commands):
    """Declares the command."""
    parser = commands.add_parser(
        "evaluate",
        help="measure a saved model of any format",
        description="Measures a model as `train` does at its end: accuracy, macro F1, ROC-AUC, average precision, "
        "loss, each class, and, with masks, where it looks. A run, or an export with its settings, knows its data.",
    )
    add_model(parser)
    parser.add_argument("--data", metavar="SOURCE", help="as in `train` (default: the data of the model)")
    parser.add_argument("--data-dir", metavar="DIR", help="where TensorFlow Datasets keeps data sets")
    add_table(parser)
    parser.add_argument(
        "--masks", metavar="DIR", help="for images in files: the folder of their masks, a parallel tree"
    )
    parser.add_argument("--mask-values", metavar="VALUES", help=HELP)
    parser.add_argument("--split", metavar="NAME", default="test", help="train, validation, test (default)")
    text = "largest number of images in a batch (default 32)"
    parser.add_argument("--batch-size", type=int, metavar="N", default=32, help=text)
    text = "none (default), horizontal, both: also measure with averages over flipped images"
    parser.add_argument("--flips", metavar="NAME", default="none", help=text)
    parser.add_argument("--json", action="store_true", help="print all figures as JSON, as in metrics.json")
    parser.add_argument("--out", metavar="FILE", help="also write the figures to a file, as JSON")
    return parser


def run(options):
    """Runs the command."""
    from keras_attention.evaluation import evaluate
    from keras_attention.files import write_json

    names = ("data", "data_dir", "masks", "mask_values", "split", "batch_size", "flips")
    given = {name: getattr(options, name) for name in names} | given_of_table(options)
    figures = evaluate(options.model, **given, verbose=1)
    if options.out:
        write_json(options.out, figures)
    print(json.dumps(figures, indent=2, ensure_ascii=False) if options.json else table(figures))


def check(options):
    """Raises `ValueError` for names and paths that cannot be right."""
    from keras_attention.cli.predict import check_out
    from keras_attention.metrics import FLIPS

    require_model(options)
    require_names(options, split=SPLITS, flips=FLIPS)
    require_values(options, "data", "data_dir", "masks", "mask_values")
    if options.out is not None:
        check_out(options.out)


MOST_CLASSES = 20


def table(figures):
    """The figures as text: of all images, of each class if there are few classes, and of the maps."""
    from keras_attention.maps.measures import OF_PIXELS
    from keras_attention.metrics import METRICS
    from keras_attention.text import columns, number

    bounds = {name: f"  [{number(each[0])}, {number(each[1])}]" for name, each in figures["intervals"].items() if each}
    lines = [f"{metric.title:18} {number(figures[name])}{bounds.get(name, '')}" for name, metric in METRICS.items()]
    lines += [f"{'images':18} {figures['count']:,}" + _of_groups(figures)]
    if "with_flips" in figures:
        flipped = figures["with_flips"]
        named = ", ".join(f"{METRICS[name].title} {number(flipped[name])}" for name in METRICS if name in flipped)
        lines.append(f"{'with flips':18} {named} ({flipped['flips']})")
    if len(figures["per_class"]) <= MOST_CLASSES:
        lines += ["", columns(_of_classes(figures["per_class"]), right=True)]
    measures = {name: measure.title for name, measure in OF_PIXELS.items() if name in figures}
    if measures:
        lines += ["", columns(_of_maps(figures, measures), right=True)]
    return "\n".join(lines)


def _of_groups(figures):
    return f" of {figures['group_count']:,} groups" if "group_count" in figures else ""


def _of_classes(classes):
    from keras_attention.metrics import CLASS_METRICS
    from keras_attention.text import number

    yield "class", *(metric.title for metric in CLASS_METRICS.values()), "images"
    for name, found in classes.items():
        yield name, *(number(found[metric]) for metric in CLASS_METRICS), f"{found['count']:,}"


def _of_maps(figures, measures):
    from keras_attention.text import number

    first = figures[next(iter(measures))]
    yield "map", *measures.values()
    for layer in first:
        yield layer, *(number(figures[name][layer]["score"]) for name in measures)
    yield "chance", *(number(next(iter(figures[name].values()))["chance"]) for name in measures)
