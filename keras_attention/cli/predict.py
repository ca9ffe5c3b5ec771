"""`keras-attention predict`: the class of each image."""

import json
import sys


def add(commands):
    """Declares the command."""
    parser = commands.add_parser(
        "predict", help="name the class of images", description="Prints the class of each image with its probability."
    )
    parser.add_argument("model", metavar="MODEL", help="a run folder, a .keras file or an exported folder")
    parser.add_argument("images", metavar="IMAGE", nargs="+", help="image files")
    parser.add_argument(
        "--json", action="store_true", help="one JSON object a line, with the probability of each class"
    )
    return parser


def run(options):
    """Does the command; 1 where some images could not be read."""
    from keras_attention.predict import load_predictor

    predictor = load_predictor(options.model)
    failed = 0
    for path, image in readable(predictor, options.images):
        if image is None:
            failed += 1
            continue
        probabilities = predictor(image[None])["probabilities"][0]
        print(_line(path, predictor.class_names, probabilities, options.json), flush=True)
    return int(failed > 0)


def readable(predictor, paths):
    """Each path with its pixels, or with `None` where it cannot be read, which is said on standard error."""
    for path in paths:
        try:
            yield path, predictor.read(path)
        except ValueError as error:
            print(f"keras-attention: skipped: {error}", file=sys.stderr)
            yield path, None


def _line(path, class_names, probabilities, as_json):
    best = int(probabilities.argmax())
    if not as_json:
        return f"{path}\t{class_names[best]}\t{probabilities[best]:.4f}"
    named = {name: round(float(value), 6) for name, value in zip(class_names, probabilities, strict=True)}
    return json.dumps({"image": path, "class": class_names[best], "probabilities": named}, ensure_ascii=False)
