"""Data sets of TensorFlow Datasets: one made for these tests, in correct and in faulty configurations."""

import itertools
import re

import numpy as np
import pytest
import seams
import tensorflow_datasets as tfds
from cases import some_now
from parts import parts_of

from keras_attention.data import load
from keras_attention.data import split as split_module
from keras_attention.data.catalog import load_builder

SPLITS = ("train", "validation", "test")
HEIGHT, WIDTH = 13, 11


def exactly(wrong, expected, received):
    return f"^{re.escape(f'{wrong} Expected {expected}. Received: {received}.')}$"


class NumberedConfig(tfds.core.BuilderConfig):
    """The content of a `Numbered` data set: the count of each split, and features besides or instead of the usual."""

    def __init__(self, name, splits=None, label=None, **features):
        super().__init__(name=name)
        self.splits, self.label, self.features = splits or {"train": 40, "test": 7}, label, features


class Numbered(tfds.core.GeneratorBasedBuilder):
    """Images with one grey value each, which is their number; the label is the number modulo 3."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [
        NumberedConfig("usual"),
        NumberedConfig("train_only", {"train": 40}),
        NumberedConfig("all", {"train": 40, "validation": 5, "test": 7}),
        NumberedConfig("test_only", {"test": 7}),
        NumberedConfig("unlabelled", label=-1),
        NumberedConfig("square", image=tfds.features.Image(shape=(19, 19, 3))),
        NumberedConfig("masks", mask=tfds.features.Image(shape=(None, None, 1))),
        NumberedConfig("other_masks", segmentation_mask=tfds.features.Image(shape=(None, None, 1))),
        NumberedConfig("two_labels", other_label=tfds.features.ClassLabel(names=["even", "odd"])),
        NumberedConfig("trimaps", segmentation_mask=tfds.features.Image(shape=(None, None, 1))),
        NumberedConfig("two_images", other=tfds.features.Image()),
        NumberedConfig("no_image", image=tfds.features.Text()),
        NumberedConfig("no_label", label_name=tfds.features.Text()),
    ]

    def _info(self):
        features = {"image": tfds.features.Image(), "name": tfds.features.Text()}
        if self.builder_config.name != "no_label":
            features["label"] = tfds.features.ClassLabel(names=["ant", "bee", "cat"])
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features | self.builder_config.features)
        )

    def _split_generators(self, manager):
        return {split: self._generate_examples(split, count) for split, count in self.builder_config.splits.items()}

    def _generate_examples(self, split, count):
        config, side = self.builder_config, {"test": 100, "validation": 200}.get(split, 0)
        size = (19, 19) if config.name == "square" else (HEIGHT, WIDTH)
        for number in range(side, side + count):
            image = np.full((*size, 3), number, "uint8")
            example = {
                "image": image,
                "name": str(number),
                "label": number % 3 if config.label is None else config.label,
            }
            if config.name == "no_label":
                del example["label"]
            if config.name == "no_image":
                example["image"] = "none"
            for feature in config.features:
                if "mask" in feature:
                    example[feature] = np.zeros((*size, 1), "uint8")
                    example[feature][:, : number % 5 + 1] = 255
                    if config.name == "trimaps":  # 1 inside, 2 outside
                        example[feature] = np.where(example[feature], 1, 2).astype("uint8")
                elif feature == "other_label":
                    example[feature] = number % 2
                elif feature == "other":
                    example[feature] = image
                elif feature == "label_name":
                    example[feature] = "ant"
            yield number, example


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("numbered")


@pytest.fixture
def numbered(data_dir):
    def load_config(config, image_size=5, **options):
        return load(f"numbered/{config}", data_dir=data_dir, image_size=image_size, **options)

    return load_config


@pytest.fixture
def found(numbers):
    return lambda data: {split: numbers(data, split) for split in SPLITS}


def test_a_missing_split_is_a_tenth_of_train(numbered, found, read):
    data = numbered("usual")
    assert (data.name, data.class_names, data.image_size) == ("numbered", ("ant", "bee", "cat"), 5)
    assert data.notes == ("validation: train[90%:100%]; the source has none",)
    assert not data.has_masks
    parts = found(data)
    assert {split: len(part) for split, part in parts.items()} == {"train": 36, "validation": 4, "test": 7}
    assert sorted(parts["train"] + parts["validation"]) == list(range(40))
    assert sorted(parts["test"]) == list(range(100, 107))
    for split in SPLITS:
        images, labels = read(data, split)
        assert images.shape[1:] == (5, 5, 3)
        np.testing.assert_array_equal(labels.argmax(-1), np.array(parts[split]) % 3)
    assert found(numbered("usual")) == parts


@pytest.mark.long
def test_two_missing_splits_are_a_fifth_of_train(numbered, found):
    data = numbered("train_only")
    assert data.notes == (
        "validation: train[90%:100%]; the source has none",
        "test: train[80%:90%]; the source has none",
    )
    parts = found(data)
    assert [len(parts[split]) for split in SPLITS] == [32, 4, 4]
    assert sorted(itertools.chain(*parts.values())) == list(range(40))


@pytest.mark.long
def test_named_splits_stay_as_they_are(numbered, found):
    data = numbered("all")
    assert data.notes == ()
    parts = found(data)
    assert sorted(parts["validation"]) == list(range(200, 205))
    assert sorted(parts["train"]) == list(range(40))


@pytest.mark.long
def test_the_size_is_that_of_the_data_if_it_has_one(numbered):
    assert numbered("square", image_size=None).image_size == 19
    assert numbered("usual", image_size=None).image_size == 224


@pytest.mark.parametrize("config", some_now(["masks", "other_masks"], "masks"))
def test_masks(config, numbered, found, read):
    data = numbered(config, image_size=55)
    assert data.has_masks
    for split, numbers in found(data).items():
        masks = read(data, split)[2][..., 0]
        inside = 5 * (np.array(numbers) % 5 + 1)
        assert (masks == (np.arange(55) < inside[:, None])[:, None]).mean() > 0.98


@pytest.mark.long
def test_masks_keep_the_aspect_of_their_images(numbered, found, read):
    data = numbered("masks", image_size=WIDTH, resize="crop")
    assert data.resize == "crop"
    for split, numbers in found(data).items():
        images, _, masks = read(data, split)
        cut = (np.arange(WIDTH) < np.array(numbers)[:, None] % 5 + 1)[:, None]
        assert (masks[..., 0] == cut).all()
        assert (images == np.array(numbers)[:, None, None, None]).all()


@pytest.mark.long
def test_a_split_that_is_too_large_for_memory_is_the_same(numbered, read, monkeypatch):
    kept = []
    for memory in (split_module.MEMORY_FOR_A_SPLIT, 0):
        seams.memory_for_a_split(monkeypatch, memory)
        data = numbered("masks")
        stream = data.training_batches(7, seed=3, first_epoch=1, with_masks=True).take(11)
        kept.append([read(data, split) for split in SPLITS] + [parts_of(batch) for batch in stream.as_numpy_iterator()])
    for one, other in zip(*kept, strict=True):
        for mine, others in zip(one, other, strict=True):
            np.testing.assert_array_equal(mine, others)


def test_of_several_labels_one_is_named(numbered, found, read):
    with pytest.raises(
        ValueError, match=exactly("numbered has several labels.", "`label`, one of: label, other_label", "none")
    ):
        numbered("two_labels")
    data = numbered("two_labels", label="other_label")
    assert data.class_names == ("even", "odd")
    for split, numbers in found(data).items():
        assert read(data, split)[1].argmax(-1).tolist() == [number % 2 for number in numbers]
    with pytest.raises(ValueError, match=r"^Unknown label 'other' .* Expected one of: label, other_label\."):
        numbered("two_labels", label="other")


def test_values_of_masks_need_a_feature_of_masks(numbered):
    with pytest.raises(ValueError, match=r"^`mask_values` has no effect without masks\.") as raised:
        numbered("usual", mask_values="1")
    assert str(raised.value).endswith(
        " Expected a data set with masks, or no `mask_values`. Received: mask_values='1'."
    )


@pytest.mark.long
def test_masks_whose_values_are_classes(numbered, found, read):
    with pytest.raises(ValueError, match=r"^The masks hold several values\. .* Received: values 1, 2\.$"):
        numbered("trimaps")
    data = numbered("trimaps", image_size=55, mask_values="1")
    for split, numbers in found(data).items():
        inside = 5 * (np.array(numbers) % 5 + 1)
        masks = read(data, split)[2][..., 0]
        assert (masks == (np.arange(55) < inside[:, None])[:, None]).mean() > 0.98


FEATURES = {
    "two_images": ("one Image feature", "features image, name, label, other"),
    "no_image": ("one Image feature", "features image, name, label"),
    "no_label": ("one ClassLabel feature", "features image, name, label_name"),
}


@pytest.mark.parametrize("config", FEATURES)
def test_a_data_set_needs_one_image_and_one_class_label(config, numbered):
    wanted = exactly("numbered must have one image and one class label.", *FEATURES[config])
    with pytest.raises(ValueError, match=wanted):
        numbered(config)


def test_no_train_split(numbered):
    with pytest.raises(ValueError, match=exactly("numbered has no train split.", "a split named train", "splits test")):
        numbered("test_only")


def test_no_labels(numbered):
    wrong = "of numbered has images that do not decode or have no label."
    with pytest.raises(ValueError, match=rf"{wrong} Expected \d+ images with labels\. Received: .*lowest label -1\.$"):
        numbered("unlabelled")


@pytest.mark.parametrize("name", ["numbered/none", "numbered:9.9.9", "cifar10:9.9.9"])
def test_a_known_name_with_an_unknown_configuration_or_version(name, data_dir):
    match = rf"^TFDS cannot read '{name}': .+ Expected a data set it can read\. Received: .*{name}.*\.$"
    with pytest.raises(ValueError, match=match):
        load(name, data_dir=data_dir)


def test_what_cannot_be_downloaded(tmp_path, monkeypatch):
    def fail(builder):
        raise OSError("no route to host\nsecond line")

    monkeypatch.setattr(Numbered, "download_and_prepare", fail)
    wrong = f"numbered is not in {tmp_path}, and could not be downloaded: no route to host"
    expected = "a data set on disk in `data_dir`, or a connection"
    with pytest.raises(ValueError, match=exactly(wrong, expected, "data='numbered'")):
        load("numbered", data_dir=tmp_path)


def test_any_builder(data_dir, found):
    builder = Numbered(config="all", data_dir=data_dir)
    builder.download_and_prepare()
    data = load_builder(builder, 3)
    assert data.image_size == 3
    assert len(found(data)["train"]) == 40
