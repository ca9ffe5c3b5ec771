"""`keras-attention explain`: pictures of where a model looks."""

import pathlib


def add(commands):
    """Declares the command."""
    parser = commands.add_parser(
        "explain",
        help="draw where a model looks",
        description="Writes, for each image, a picture with the map of each attended block.",
    )
    parser.add_argument("model", metavar="MODEL", help="a run folder, a .keras file or an exported folder")
    parser.add_argument("images", metavar="IMAGE", nargs="+", help="image files")
    parser.add_argument("--out", metavar="DIR", required=True, help="folder for the pictures")
    return parser


def run(options):
    """Does the command; 1 where some images could not be read."""
    from keras_attention.arguments import invalid
    from keras_attention.atomic import replacing
    from keras_attention.cli.predict import readable
    from keras_attention.explain import attention_figure
    from keras_attention.predict import load_predictor

    predictor = load_predictor(options.model)
    failed, names = 0, _picture_names(options.images)
    for path, image in readable(predictor, options.images):
        if image is None:
            failed += 1
            continue
        outputs = predictor(image[None])
        maps = {name: values for name, values in outputs.items() if name.startswith("attention_")}
        if not maps:
            raise invalid("The model has no attention layers.", "a model trained with attention", options.model)
        best = int(outputs["probabilities"][0].argmax())
        title = f"{predictor.class_names[best]} {outputs['probabilities'][0][best]:.2f}"
        target = pathlib.Path(options.out) / names[path]
        if target.resolve() in {pathlib.Path(image).resolve() for image in options.images}:
            raise invalid(f"The picture would replace the image {target}.", "another --out", f"--out {options.out}")
        with replacing(target) as temporary:
            attention_figure(image[None], maps, [(title, "black")], per_row=1).savefig(temporary, dpi=150)
        print(target, flush=True)
    return int(failed > 0)


def _picture_names(paths):
    """Path → the name of its picture; images of one name in several folders are numbered."""
    names, taken = {}, set()
    for path in dict.fromkeys(paths):
        stem, number = pathlib.Path(path).stem, 1
        while (name := f"{stem}.png" if number == 1 else f"{stem}-{number}.png") in taken:
            number += 1
        taken.add(name)
        names[path] = name
    return names
