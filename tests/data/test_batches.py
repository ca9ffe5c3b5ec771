"""The batches that `fit` and `predict` take: their content, their order, and how a resumed run goes on."""

import dataclasses
import itertools
import re
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from cases import some_now
from parts import parts_of

from keras_attention.data import Split, load
from keras_attention.data.augmentation import AUGMENTATIONS

COUNT, BATCH, STEPS, SIDE = 23, 5, 4, 8
SPLITS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def data():
    """23 training images whose grey value gives their number, from which their labels and masks follow."""
    numbers = np.arange(COUNT)
    images = (10 * numbers.astype("uint8"))[:, None, None, None] * np.ones((1, SIDE, SIDE, 3), "uint8")
    masks = np.broadcast_to((np.arange(SIDE) <= (numbers % 7)[:, None])[:, None], (COUNT, SIDE, SIDE))
    return load(dict.fromkeys(SPLITS, (images, numbers % 3, masks)))


def epochs(data, count, batch_size=BATCH, **arguments):
    """The numbers of the images in each batch, by epoch."""
    steps = data.steps_per_epoch(batch_size)
    stream = data.training_batches(batch_size, **arguments).take(count * steps).as_numpy_iterator()
    batches = [(batch[0][:, 0, 0, 0] / 10).astype(int).tolist() for batch in stream]
    return [list(itertools.chain(*batches[start : start + steps])) for start in range(0, count * steps, steps)]


def test_validation_images_are_trained_on_where_that_is_wanted(data):
    both = dataclasses.replace(data, validation=data.validation.subset([3, 5, 7]), trains_on_validation=True)
    assert (both.steps_per_epoch(BATCH), both.train.count) == ((COUNT + 3) // BATCH, COUNT)
    (drawn,) = epochs(both, 1, batch_size=COUNT + 3, seed=2)
    assert sorted(drawn) == sorted([*range(COUNT), 3, 5, 7])
    assert both.trained.labels().tolist() == [*data.train.labels(), *data.validation.labels()[[3, 5, 7]]]


def test_splits_whose_records_differ_are_joined():
    """Records that are numbers of images in memory, and records that are texts: only their split can decode them."""

    def decode(text):
        return {"image": tf.fill((2, 2, 3), tf.cast(tf.strings.to_number(text), tf.uint8)), "label": label(text)}

    def label(text):
        return tf.strings.to_number(text, tf.int64) % 10

    texts = Split(tf.data.Dataset.from_tensor_slices(["14", "25", "36"]), decode, label, 3, window=2)
    numbers = Split.from_arrays(image=np.full((2, 2, 2, 3), 7, "uint8"), label=np.array([8, 9]))
    for first, second in ((texts, numbers), (numbers, texts)):
        joined = first.joined(second)
        assert joined.labels().tolist() == [*first.labels(), *second.labels()]
        pixels = [int(example["image"][0, 0, 0]) for example in joined.examples().as_numpy_iterator()]
        assert sorted(pixels) == [7, 7, 14, 25, 36]
        assert (joined.count, joined.window) == (5, 2)
        again = joined.drawn(tf.constant([1, 2], tf.int64), "balanced")
        assert len(list(again)) == 5


def assert_same(one, other):
    for mine, others in zip(map(parts_of, one), map(parts_of, other), strict=True):
        assert len(mine) == len(others)
        for array, expected in zip(mine, others, strict=True):
            np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize("split", SPLITS)
def test_batches_of_a_split(split, data):
    batches = [parts_of(batch) for batch in data.batches(split, 7, with_masks=True).as_numpy_iterator()]
    assert [len(images) for images, _, _ in batches] == [7, 7, 7, 2]
    for number, (images, labels, masks) in enumerate(batches):
        numbers = 7 * number + np.arange(len(images))
        assert (images.dtype, labels.dtype, masks.dtype) == ("float32", "float32", "uint8")
        np.testing.assert_array_equal(
            images, np.broadcast_to(10 * numbers[:, None, None, None], (len(numbers), 8, 8, 3))
        )
        np.testing.assert_array_equal(labels, np.eye(3)[numbers % 3])
        np.testing.assert_array_equal(masks.sum((1, 2, 3)), SIDE * (numbers % 7 + 1))
    assert_same(batches, data.batches(split, 7, with_masks=True).as_numpy_iterator())
    assert_same([batch[:2] for batch in batches], data.batches(split, 7).as_numpy_iterator())


@pytest.mark.parametrize("stream", ["batches", "training_batches"])
def test_what_keras_takes_never_means_something_else(stream, digits):
    """Keras would take a third element for the weights of the images, and give another loss without a word."""
    model = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Flatten(), keras.layers.Dense(10)])
    model.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True))
    images, labels = next(digits.batches("test", 100).as_numpy_iterator())
    assert model.evaluate(digits.batches("test", 3), verbose=0) == pytest.approx(
        model.evaluate(images, labels, verbose=0), rel=1e-5
    )
    np.testing.assert_allclose(
        model.predict(digits.batches("test", 3), verbose=0), model.predict(images, verbose=0), rtol=1e-4, atol=1e-3
    )
    given = ("test",) if stream == "batches" else ()
    for batch in getattr(digits, stream)(*given).take(2):
        assert len(batch) == 2
    with_masks = getattr(digits, stream)(*given, with_masks=True)
    assert set(with_masks.element_spec) == {"images", "labels", "masks"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of Keras, on a dictionary
        for use in (model.evaluate, model.fit):
            with pytest.raises(ValueError, match=r"None values not supported|structure of `inputs`"):
                use(with_masks.take(2), verbose=0)


def test_the_spec_tells_shapes_and_types(digits):
    for stream in (digits.batches("test", 3, with_masks=True), digits.training_batches(3, with_masks=True)):
        specs = parts_of(stream.element_spec)
        assert [tuple(spec.shape)[1:] for spec in specs] == [(32, 32, 3), (10,), (32, 32, 1)]
        assert [spec.dtype.name for spec in specs] == ["float32", "float32", "uint8"]


def test_training_batches_are_whole_and_in_range(digits):
    batches = list(digits.training_batches(7, "isotropic", with_masks=True).take(20).as_numpy_iterator())
    assert digits.steps_per_epoch(7) == 8
    for images, labels, masks in map(parts_of, batches):
        assert (images.shape, labels.shape, masks.shape) == ((7, 32, 32, 3), (7, 10), (7, 32, 32, 1))
        assert (images.dtype, labels.dtype, masks.dtype) == ("float32", "float32", "uint8")
        assert images.min() >= 0
        assert images.max() <= 255
        assert labels.sum(1).tolist() == [1] * 7
        assert set(np.unique(labels)) == {0, 1}
        assert set(np.unique(masks)) == {0, 1}
    assert len(next(iter(digits.training_batches(7)))) == 2


@pytest.mark.parametrize("window", [None, 6])
def test_an_epoch_is_a_permutation(window, data):
    data = dataclasses.replace(data, train=dataclasses.replace(data.train, window=window))
    assert data.steps_per_epoch(BATCH) == STEPS
    orders = epochs(data, 30)
    for order in orders:
        assert len(set(order)) == len(order) == STEPS * BATCH
    assert len({tuple(order) for order in orders}) == 30
    # The three that do not fill a batch differ between epochs; with windows they come from the last window.
    left_out = set().union(*(set(range(COUNT)) - set(order) for order in orders))
    assert len(left_out) > 15 if window is None else left_out == set(range(18, COUNT))
    if window:
        for order in orders:
            assert [number // window for number in order] == sorted(number // window for number in order)


@pytest.mark.parametrize("augment", some_now(AUGMENTATIONS, "crop", "photo"))
def test_a_run_goes_on_as_an_undisturbed_one(augment, data):
    arguments = {"augment": augment, "seed": 5, "with_masks": True}
    undisturbed = list(data.training_batches(BATCH, **arguments).take(5 * STEPS).as_numpy_iterator())
    keras.utils.set_random_seed(99)
    for first in (0, 3):
        stream = data.training_batches(BATCH, first_epoch=first, **arguments)
        rest = undisturbed[first * STEPS :]
        assert_same(stream.take(len(rest)).as_numpy_iterator(), rest)


def test_images_are_the_same_without_their_masks(data):
    with_masks = data.training_batches(BATCH, "photo", seed=5, first_epoch=4, with_masks=True).take(STEPS)
    without = data.training_batches(BATCH, "photo", seed=5, first_epoch=4).take(STEPS)
    assert_same(without.as_numpy_iterator(), [parts_of(batch)[:2] for batch in with_masks.as_numpy_iterator()])


def test_another_seed_gives_another_order(data):
    first, other = epochs(data, 2, seed=0), epochs(data, 2, seed=1)
    assert first[0] != other[0]
    assert first[1] != other[1]
    assert first[1] != other[0]


def test_another_seed_gives_other_changes(digits):
    whole = digits.train.count

    def augmented(seed):
        images, labels = next(digits.training_batches(whole, "shift", seed=seed).as_numpy_iterator())
        plain, same_labels = next(digits.training_batches(whole, "none", seed=seed).as_numpy_iterator())
        np.testing.assert_array_equal(labels, same_labels)
        return images - plain, plain

    (change, images), (other_change, others) = augmented(0), augmented(1)
    assert np.abs(change).max((1, 2, 3)).min() > 0
    # The same image, at its place in either batch, is changed in another way.
    place = [int(np.flatnonzero((others == image).all((1, 2, 3)))[0]) for image in images]
    assert sorted(place) == list(range(whole))
    assert (change != other_change[place]).any((1, 2, 3)).all()


def test_the_same_image_is_changed_in_another_way_in_each_epoch(digits):
    stream = digits.training_batches(60, "photo", seed=3).take(3).as_numpy_iterator()
    sums = {float(image.sum()) for images, _ in stream for image in images}
    assert len(sums) == 180


def test_a_batch_larger_than_the_split_is_all_of_it(data):
    assert data.steps_per_epoch(100) == 1
    orders = epochs(data, 3, batch_size=100)
    assert [sorted(order) for order in orders] == [list(range(COUNT))] * 3
    assert orders[0] != orders[1]


def test_the_stream_has_no_end(data):
    assert len(epochs(data, 60)) == 60


def test_a_subset_and_its_labels(data):
    part = data.train.subset([7, 3, 20])
    assert part.count == 3
    assert part.labels().tolist() == [1, 0, 2]
    assert data.train.labels().tolist() == (np.arange(COUNT) % 3).tolist()
    images = [int(example["image"][0, 0, 0]) for example in part.examples().as_numpy_iterator()]
    assert images == [70, 30, 200]


ERRORS = {
    "batch size": (
        lambda data: data.batches("test", 0),
        "`batch_size` is out of range. Expected an integer at least 1. Received: batch_size=0.",
    ),
    "training batch size": (
        lambda data: data.training_batches(0),
        "`batch_size` is out of range. Expected an integer at least 1. Received: batch_size=0.",
    ),
    "steps": (
        lambda data: data.steps_per_epoch(0),
        "`batch_size` is out of range. Expected an integer at least 1. Received: batch_size=0.",
    ),
    "split": (
        lambda data: data.batches("tests"),
        "Unknown split 'tests' (did you mean 'test'?). "
        "Expected one of: train, validation, test. Received: split='tests'.",
    ),
    "augment": (
        lambda data: data.training_batches(augment="foto"),
        "Unknown augment 'foto' (did you mean 'photo'?). "
        f"Expected one of: {', '.join(AUGMENTATIONS)}. Received: augment='foto'.",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_have_three_parts(case, data):
    call, message = ERRORS[case]
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        call(data)


def test_masks_of_data_without_any():
    data = load((np.full((12, 5, 5, 3), 99, "uint8"), np.arange(12) % 2))
    message = "arrays has no masks. Expected a data set with masks. Received: with_masks=True."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        data.training_batches(with_masks=True)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        data.batches("test", with_masks=True)


@pytest.fixture(scope="module")
def rare():
    """80 images of one class, 16 of another, 4 of a third; the grey value of an image gives its number."""
    numbers = np.arange(100)
    images = (2 * numbers.astype("uint8"))[:, None, None, None] * np.ones((1, SIDE, SIDE, 3), "uint8")
    return load(dict.fromkeys(SPLITS, (images, np.repeat([0, 1, 2], [80, 16, 4]))))


def drawn(data, count, **arguments):
    """The numbers and labels of the images of `count` epochs."""
    steps = data.steps_per_epoch(10)
    stream = list(data.training_batches(10, **arguments).take(count * steps).as_numpy_iterator())
    numbers = np.concatenate([(batch[0][:, 0, 0, 0] / 2).astype(int) for batch in stream])
    return numbers, np.concatenate([batch[1].argmax(-1) for batch in stream])


def test_balanced_sampling_draws_each_class_equally_often(rare):
    numbers, labels = drawn(rare, 30, sampling="balanced")
    assert len(labels) == 3000
    # Four standard deviations of a count of 3,000 draws at a third.
    assert abs(np.bincount(labels) - 1000).max() < 4 * np.sqrt(3000 * 2 / 9)
    for label, (first, count) in enumerate(((0, 80), (80, 16), (96, 4))):
        own = np.bincount(numbers[labels == label] - first, minlength=count)
        assert len(own) == count
        assert abs(own - 1000 / count).max() < 5 * np.sqrt(1000 / count)


def test_natural_sampling_takes_each_image_once(rare):
    numbers, _ = drawn(rare, 1)
    assert sorted(numbers) == list(range(100))


def test_balanced_sampling_goes_on_where_it_stopped(rare):
    whole, _ = drawn(rare, 3, sampling="balanced", seed=5)
    late, _ = drawn(rare, 1, sampling="balanced", seed=5, first_epoch=2)
    np.testing.assert_array_equal(whole[200:], late)
    assert (whole[:100] != whole[100:200]).any()


def test_balanced_sampling_in_windows(rare):
    """A stream that is shuffled by windows balances each of them."""
    split = dataclasses.replace(rare.train, window=50)
    batches = split.epochs(10, sampling="balanced").take(10).as_numpy_iterator()
    labels = np.concatenate([batch["label"] for _, batch in batches])
    assert labels[:50].max() == 0
    assert set(labels[50:]) == {0, 1, 2}


def test_an_unknown_sampling(rare):
    with pytest.raises(ValueError, match=r"Unknown sampling 'balance' \(did you mean 'balanced'\?\)"):
        rare.training_batches(10, sampling="balance")


def test_labels_and_fingerprints(rare, data):
    part = rare.train.thinned(30)
    assert part.count == 25
    assert part.labels().tolist() == rare.train.labels()[::4].tolist()
    assert rare.train.thinned(100).count == 100
    assert rare.train.fingerprint() == rare.test.fingerprint() != part.fingerprint()
    assert data.train.fingerprint() != rare.train.fingerprint()


@pytest.mark.parametrize("axes", [(1,), (2,), (1, 2)])
def test_flipped_batches(axes, digits):
    flipped, plain = (digits.batches("test", 4, flipped=given, with_masks=True) for given in (axes, ()))
    for one, other in zip(flipped, plain, strict=True):
        (images, labels, masks), (plain_images, plain_labels, plain_masks) = parts_of(one), parts_of(other)
        np.testing.assert_array_equal(images, np.flip(plain_images, axes))
        np.testing.assert_array_equal(masks, np.flip(plain_masks, axes))
        np.testing.assert_array_equal(labels, plain_labels)
