"""`keras-attention evaluate`: how good a saved model is."""

import json

from keras_attention.cli.paths import add_model, require_model

check = require_model


def add(commands):
    """Declares the command."""
    parser = commands.add_parser(
        "evaluate",
        help="measure a saved model of any form",
        description="Measures a model as `train` does at its end: accuracy, macro F1, ROC-AUC, average precision, "
        "loss, each class, and, with masks, where it looks. A run, or an export that has its settings, knows its data.",
    )
    add_model(parser)
    parser.add_argument("--data", metavar="SOURCE", help="as in `train` (default: the data of the model)")
    parser.add_argument("--data-dir", metavar="DIR", help="where TensorFlow Datasets keeps data sets")
    parser.add_argument("--masks", metavar="DIR", help="for a folder: the root of a parallel tree of masks")
    parser.add_argument("--split", metavar="NAME", default="test", help="train, validation, test (default)")
    text = "images that the model takes at once, at most (default 32)"
    parser.add_argument("--batch-size", type=int, metavar="N", default=32, help=text)
    text = "none (default), horizontal, both: also measure averages over flipped images"
    parser.add_argument("--flips", metavar="NAME", default="none", help=text)
    parser.add_argument("--json", action="store_true", help="print all figures as JSON, as metrics.json has them")
    parser.add_argument("--out", metavar="FILE", help="write the figures to a file too, as JSON")
    return parser


def run(options):
    """Does the command."""
    from keras_attention.evaluation import evaluate
    from keras_attention.files import write_json

    _check(options)
    names = ("data", "data_dir", "masks", "split", "batch_size", "flips")
    figures = evaluate(options.model, **{name: getattr(options, name) for name in names}, verbose=1)
    if options.out:
        write_json(options.out, figures)
    print(json.dumps(figures, indent=2, ensure_ascii=False) if options.json else table(figures))


def _check(options):
    from keras_attention.arguments import invalid
    from keras_attention.cli.predict import check_out

    for name in ("data", "data_dir", "masks"):
        if getattr(options, name) == "":
            raise invalid(f"--{name.replace('_', '-')} is empty.", "a value, or none of it", "''")
    if options.out is not None:
        check_out(options.out)


MOST_CLASSES = 20
OF_A_CLASS = ("precision", "recall", "f1", "roc_auc", "average_precision")


def table(figures):
    """The figures that a person reads: of all images, of each class where they are few, of the maps."""
    from keras_attention.report.formatting import MEASURES, TITLES, number

    lines = [f"{TITLES[name]:18} {number(figures[name])}" for name in TITLES]
    lines += [f"{'images':18} {figures['count']:,}"]
    if "with_flips" in figures:
        flipped = figures["with_flips"]
        named = ", ".join(f"{TITLES[name]} {number(flipped[name])}" for name in TITLES if name in flipped)
        lines.append(f"{'with flips':18} {named} ({flipped['flips']})")
    if len(figures["per_class"]) <= MOST_CLASSES:
        rows = {name: [number(of_it[key]) for key in OF_A_CLASS] for name, of_it in figures["per_class"].items()}
        rows = {name: [*row, f"{figures['per_class'][name]['count']:,}"] for name, row in rows.items()}
        lines += ["", *_aligned("class", ["precision", "recall", "F1", "ROC-AUC", "AP", "images"], rows)]
    measures = [name for name in MEASURES if name in figures]
    if measures:
        rows = {block: [number(figures[name][block]["score"]) for name in measures] for block in figures[measures[0]]}
        chances = [next(iter(figures[name].values()))["chance"] for name in measures]
        rows["chance"] = [number(chance) for chance in chances]
        lines += ["", *_aligned("map", [MEASURES[name] for name in measures], rows)]
    return "\n".join(lines)


def _aligned(title, columns, rows):
    """Lines of a table: names to the left, figures to the right."""
    wide = max(len(name) for name in (title, *rows))
    widths = [max(len(text) for text in parts) for parts in zip(columns, *rows.values(), strict=True)]
    for name, cells in ((title, columns), *rows.items()):
        yield "  ".join([name.ljust(wide), *(cell.rjust(width) for cell, width in zip(cells, widths, strict=True))])
