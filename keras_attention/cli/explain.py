"""`keras-attention explain`: pictures of where a model looks, and measures of it."""

import sys

from keras_attention.cli.paths import add_model, require_model
from keras_attention.cli.settings import require_values

check = require_model


def add(commands):
    """Declares the command."""
    parser = commands.add_parser(
        "explain",
        help="draw, or measure, where a model looks",
        description="Writes, for each image, a picture with the map of each attended layer and their joint map; for a "
        "folder, or for the data of a run, a gallery to look through. With --measure it measures the maps instead.",
    )
    add_model(parser)
    text = "image files and folders; without any, the images of the run's data, or of --data"
    parser.add_argument("images", metavar="IMAGE", nargs="*", help=text)
    parser.add_argument("--out", metavar="DIR", help="folder for what is written (default <run>/explain, else explain)")
    text = "folder of masks: the paths of those in a folder of images, or the stems of single ones"
    parser.add_argument("--masks", metavar="DIR", help=text)
    _add_pictures(parser.add_argument_group("pictures"))
    _add_measures(parser.add_argument_group("measures"))
    _add_data(parser.add_argument_group("data, where no images are named"))
    return parser


def _add_pictures(group):
    group.add_argument("--attend", metavar="A,B", help="attended layers to draw (default: all)")
    text = "draw other maps beside: grad_cam, of the last layer before the last pooling, or grad_cam@LAYER"
    group.add_argument("--maps", metavar="grad_cam[@LAYER]", help=text)
    text = "a figure for each image: png, svg or png,svg (default: png for single files, none beside a gallery)"
    group.add_argument("--format", dest="formats", metavar="F", help=text)
    group.add_argument("--limit", type=int, metavar="N", help="images of the data, evenly over the split (default 300)")


def _add_measures(group):
    text = "measure the maps instead of drawing them; with masks against these too"
    group.add_argument("--measure", action="store_true", help=text)
    text = "images for deletion and insertion, which run the model often (default 100; 0: none)"
    group.add_argument("--perturbed", type=int, metavar="N", help=text)
    group.add_argument("--seed", type=int, metavar="N", help="of random weights and intervals (default 0)")


def _add_data(group):
    group.add_argument("--data", metavar="SOURCE", help="as in `train` (default: the data of the run)")
    group.add_argument("--data-dir", metavar="DIR", help="where TensorFlow Datasets keeps data sets")
    group.add_argument("--split", metavar="NAME", help="train, validation, test (default)")


# What goes with pictures alone, and with measures alone.
PICTURES = ("attend", "formats", "limit")
MEASURES = ("perturbed", "seed")


def run(options):
    """Does the command; 1 where some images could not be read."""
    from keras_attention.explanation import explain, measure_to_folder

    _check(options)
    given = {"out": options.out, "masks": None if options.data else options.masks, "data": _data(options)}
    if options.split:
        given["split"] = options.split
    if options.measure:
        given |= {name: getattr(options, name) for name in MEASURES if getattr(options, name) is not None}
        print(measure_to_folder(options.model, options.images, layer=_layer(options), **given).table())
        return 0
    if options.limit is not None:
        given["limit"] = options.limit
    given |= {"attend": _list(options.attend), "formats": _list(options.formats), "maps": options.maps}
    done = explain(options.model, options.images, **given)
    for reason in done.skipped:
        print(f"keras-attention: skipped: {reason}", file=sys.stderr)
    return int(bool(done.skipped))


def _check(options):
    """Refuses options that would have no effect."""
    from keras_attention.arguments import invalid

    require_values(options, "out", "masks", "attend", "maps", "formats", "data", "data_dir", "split")
    idle = PICTURES if options.measure else MEASURES
    for name in idle:
        if getattr(options, name) is not None:
            with_it = "without `measure`" if options.measure else "with `measure`"
            raise invalid(f"`{name}` has no effect here.", f"it {with_it}", f"{name}={getattr(options, name)!r}")
    if options.images:
        for name in ("data", "data_dir", "split", "limit"):
            if getattr(options, name) is not None:
                raise invalid(f"`{name}` has no effect on images that are named.", "images or data", f"`{name}`")
    elif options.masks and not options.data:
        raise invalid("`masks` needs images, or `data`.", "one of them", f"masks={options.masks!r}")


def _data(options):
    """The data set that is named, at the size of the model's images; `None` for that of the run."""
    if not options.data:
        return None
    from keras_attention.data import load
    from keras_attention.prediction import load_predictor

    size = load_predictor(options.model).image_size
    return load(options.data, data_dir=options.data_dir, masks=options.masks, image_size=size)


def _layer(options):
    """The layer of Grad-CAM in `--maps grad_cam@LAYER`."""
    from keras_attention.explanation.reading import grad_cam_layer

    return None if options.maps is None else grad_cam_layer(options.maps)


def _list(text):
    return None if text is None else [part for part in text.split(",") if part]
