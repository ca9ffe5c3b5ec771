"""Which test images the runs of a comparison share: others cannot be paired."""

from keras_attention.arguments import invalid
from keras_attention.runs.data import read_split


def share_images(runs, own_splits):
    """Whether all seeds were measured on the same test images.

    Args:
        runs: variant → seed → the finished `Run`.
        own_splits: whether each seed may have its own.

    Raises:
        ValueError: two variants were measured on other images with the same seed, or two seeds that should not be.
    """
    firsts = {}
    for each in runs.values():
        for seed, run in each.items():
            first, expected = firsts.setdefault(seed if own_splits else None, (run, _tested(run)))
            if _tested(run) != expected:
                raise invalid(
                    f"{run.folder} was measured on other test images than {first.folder}.",
                    "runs on the same images, in the same order",
                    f"{len(_tested(run)[0]):,} images",
                )
    images = [tested for _, tested in firsts.values()]
    return all(each == images[0] for each in images)


def held_out_ratio(runs, same_images):
    """How many images a run holds out for each one that it trains on: of its test split, or if that is not drawn, of
    validation.

    Args:
        runs: variant → seed → the finished `Run`, whose seeds have their own splits.
        same_images: whether they share the test images.
    """
    counts = [run.metrics["images"] for each in runs.values() for run in each.values()]
    held_out = "validation" if same_images else "test"
    return max((count[held_out] / count["train"] for count in counts), default=0.0)


def _tested(run):
    split = read_split(run.folder)
    return run.arrays()["labels"].tolist(), split and list(split.files["test"].items())
