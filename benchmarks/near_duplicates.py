"""How many injected near duplicates `keras-attention check` finds, by kind, and how many other pairs it names.

    python benchmarks/near_duplicates.py --data isic2017/images
    python benchmarks/near_duplicates.py --data isic2017/images --seed 1

A sample of the images is copied in each of nine ways, one copy of an image at most, and all are looked at as `check`
does. It prints the share of copies that were found with their originals, the pairs among the originals, which are to be
looked at, and all other pairs, which are false; and the seconds of the whole look, the reading of all files included.
"""

import argparse
import pathlib
import tempfile
import time

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from keras_attention.data import layout_of
from keras_attention.inspection.job import read_facts


def moved(image):
    width, height = image.size
    step = round(0.02 * width), round(0.02 * height)
    return Image.fromarray(np.roll(np.asarray(image), (step[1], step[0]), (0, 1))).crop((*step, width, height))


def cropped(image):
    width, height = image.size
    return image.crop((round(0.05 * width), round(0.05 * height), round(0.95 * width), round(0.95 * height)))


def cornered(image):
    return image.crop((0, 0, round(0.9 * image.width), round(0.9 * image.height)))


# Kind → the copy of an image, and the options with which it is saved.
KINDS = {
    "resized by .8": (lambda image: image.resize([round(0.8 * side) for side in image.size], Image.BICUBIC), {}),
    "compressed at 70": (lambda image: image, {"quality": 70}),
    "moved by 2 %": (moved, {}),
    "mirrored": (ImageOps.mirror, {}),
    "turned by 90°": (lambda image: image.transpose(Image.Transpose.ROTATE_90), {}),
    "brighter": (lambda image: ImageEnhance.Brightness(image).enhance(1.2), {}),
    "with a border": (lambda image: ImageOps.expand(image, round(0.05 * image.width), "black"), {}),
    "middle of .9": (cropped, {}),
    "corner of .9": (cornered, {}),
}


def inject(source, folder, kinds, each, rng):
    """Links the images of a layout into a folder and adds copies; the name of a copy → its kind and its original."""
    paths = [path for pairs in source.files.values() for path, _ in pairs]
    for path in paths:
        place = folder / "all" / path.parent.name / path.name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(path.resolve())
    copies, chosen = {}, rng.permutation(len(paths))[: each * len(kinds)].reshape(len(kinds), each)
    for (kind, (copy, options)), numbers in zip(kinds.items(), chosen, strict=True):
        for number in numbers:
            path = paths[number]
            name = f"{path.parent.name}/copy-{len(copies)}.jpg"
            copy(Image.open(path).convert("RGB")).save(folder / "all" / name, **({"quality": 95} | options))
            copies[name] = kind, f"{path.parent.name}/{path.name}"
    return copies


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", required=True, help="a folder or a table of images")
    parser.add_argument("--each", type=int, default=20, help="copies of each kind")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        copies = inject(layout_of(options.data), pathlib.Path(folder), KINDS, options.each, rng)
        begun = time.perf_counter()
        facts, notes = read_facts(layout_of(pathlib.Path(folder) / "all"))
        seconds = time.perf_counter() - begun
    named = {frozenset(facts.pictures[number].name for number in pair) for pair in [*facts.near, *facts.equal]}
    for kind in KINDS:
        pairs = [frozenset((name, original)) for name, (of, original) in copies.items() if of == kind]
        print(f"{kind:18} {100 * np.mean([pair in named for pair in pairs]):5.1f} % of {len(pairs)}")
    originals = {name: copies[name][1] if name in copies else name for pair in named for name in pair}
    pairs = {frozenset(map(originals.get, pair)) for pair in named}
    others = sorted(tuple(sorted(pair)) for pair in pairs if len(pair) > 1)
    print(f"{len(others)} pairs of different images, to be looked at:")
    for first, second in others:
        print(f"  {first}  {second}")
    print("\n".join([*notes, f"{len(facts.pictures):,} images in {seconds:.0f} s"]))


if __name__ == "__main__":
    main()
