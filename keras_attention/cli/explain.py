"""`keras-attention explain`: pictures and measures of where a model looks."""

import sys

from keras_attention.cli.paths import add_model, require_model
from keras_attention.cli.settings import OF_A_TABLE, add_table, given_of_table, require_names, require_values
from keras_attention.members import PICTURE_FORMATS, SPLITS
from keras_attention.patterns import HELP
from keras_attention.text import shown


def add(commands):
    """Declares the command."""
    parser = commands.add_parser(
        "explain",
        help="draw, or measure, where a model looks",
        description="Writes, for each image, a picture with the map of each attended layer and their joint map; for a "
        "folder, or for the data of a run, a gallery to look through. With --measure it measures the maps instead.",
    )
    add_model(parser)
    text = "image files and folders (default: the images of --data, or of the run's data)"
    parser.add_argument("paths", metavar="IMAGE", nargs="*", help=text)
    parser.add_argument("--out", metavar="DIR", help="folder for the results (default <run>/explain, else explain)")
    text = "folder of masks, with the paths of a folder of images, or the stems of single images"
    parser.add_argument("--masks", metavar="DIR", help=text)
    parser.add_argument("--mask-values", metavar="VALUES", help=HELP)
    _add_pictures(parser.add_argument_group("pictures"))
    _add_measures(parser.add_argument_group("measures"))
    _add_data(parser.add_argument_group("data, if no images are named"))
    return parser


def _add_pictures(group):
    group.add_argument("--attend", metavar="A,B", help="attended layers to draw (default: all)")
    text = "also draw other maps: grad_cam, at the last layer before the last pooling, or grad_cam@LAYER"
    group.add_argument("--maps", metavar="grad_cam[@LAYER]", help=text)
    text = "a figure for each image: png, svg or png,svg (default: png for single files, none with a gallery)"
    group.add_argument("--format", dest="formats", metavar="F", help=text)
    group.add_argument(
        "--limit", type=int, metavar="N", help="number of images, taken evenly from the split (default 300)"
    )


def _add_measures(group):
    text = "measure the maps instead of drawing them; also against masks if there are any"
    group.add_argument("--measure", action="store_true", help=text)
    text = "images for deletion and insertion, which run the model many times (default 100; 0: none)"
    group.add_argument("--perturbed", type=int, metavar="N", help=text)
    group.add_argument("--seed", type=int, metavar="N", help="seed of random weights and intervals (default 0)")


def _add_data(group):
    group.add_argument("--data", metavar="SOURCE", help="as in `train` (default: the data of the run)")
    group.add_argument("--data-dir", metavar="DIR", help="where TensorFlow Datasets keeps data sets")
    add_table(group)
    group.add_argument("--split", metavar="NAME", help="train, validation, test (default)")


# The options for pictures only, and for measures only.
PICTURES = ("attend", "formats", "limit")
MEASURES = ("perturbed", "seed")


def run(options):
    """Runs the command; returns 1 if some images could not be read."""
    from keras_attention.explanation import explain, measure_to_folder

    masks = {name: None if options.data else getattr(options, name) for name in ("masks", "mask_values")}
    given = {"out": options.out, "data": _data(options), **masks}
    if options.split:
        given["split"] = options.split
    if options.measure:
        given |= {name: getattr(options, name) for name in MEASURES if getattr(options, name) is not None}
        print(measure_to_folder(options.model, options.paths, layer=_layer(options), **given).table())
        return 0
    if options.limit is not None:
        given["limit"] = options.limit
    given |= {"attend": _list(options.attend), "formats": _list(options.formats), "maps": options.maps}
    done = explain(options.model, options.paths, **given)
    for reason in done.skipped:
        print(f"keras-attention: skipped: {shown(reason)}", file=sys.stderr)
    return int(bool(done.skipped))


def check(options):
    """Raises `ValueError` for names and paths that cannot be right, and for options that would have no effect."""
    from keras_attention.arguments import invalid, require_choice

    require_model(options)
    require_names(options, split=SPLITS)
    for form in _list(options.formats) or ():
        require_choice("format", form, PICTURE_FORMATS)
    require_values(options, "out", "masks", "mask_values", "attend", "maps", "formats", "data", "data_dir", "split")
    idle = PICTURES if options.measure else MEASURES
    for name in idle:
        if getattr(options, name) is not None:
            with_it = "without `measure`" if options.measure else "with `measure`"
            raise invalid(f"`{name}` has no effect here.", f"`{name}` {with_it}", f"{name}={getattr(options, name)!r}")
    if options.paths:
        for name in ("data", "data_dir", *OF_A_TABLE, "split", "limit"):
            if getattr(options, name) is not None:
                raise invalid(f"`{name}` has no effect if images are named.", "images or data", f"`{name}`")
    elif options.masks and not options.data:
        raise invalid("`masks` needs images, or `data`.", "one of them", f"masks={options.masks!r}")


def _data(options):
    """The data set of `--data`, at the size of the model's images; `None` for the data of the run."""
    if not options.data:
        return None
    from keras_attention.data import load
    from keras_attention.prediction import load_predictor

    predictor = load_predictor(options.model)
    how = {"image_size": predictor.image_size, "resize": predictor.resize}
    given = {name: getattr(options, name) for name in ("data_dir", "masks", "mask_values")}
    return load(options.data, **given, **given_of_table(options), **how)


def _layer(options):
    """The layer of Grad-CAM in `--maps grad_cam@LAYER`."""
    from keras_attention.explanation.reading import grad_cam_layer

    return None if options.maps is None else grad_cam_layer(options.maps)


def _list(text):
    return None if text is None else [part for part in text.split(",") if part]
