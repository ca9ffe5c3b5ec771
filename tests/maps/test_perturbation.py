"""Deletion and insertion: compared with curves computed in NumPy, for a network that uses only a known region."""

import itertools
import re

import keras
import numpy as np
import pytest
from keras import layers
from scipy.ndimage import gaussian_filter

from keras_attention.maps import deletion_and_insertion
from keras_attention.maps.classifier import Classifier
from keras_attention.maps.perturbation import blur

HEIGHT, WIDTH, CLASSES = 6, 10, 3
PIXELS = HEIGHT * WIDTH
REGION = np.zeros((HEIGHT, WIDTH))
REGION[1:4, 5:8] = 1
SLOPES, OFFSETS = np.array([0.06, -0.02, 0.01]), np.array([-8.0, 2.0, 0.5])


def network(activation=None):
    """Logits SLOPES · (mean of the region) + OFFSETS."""
    images = keras.Input((HEIGHT, WIDTH, 3))
    flat = layers.Flatten()(images)
    model = keras.Model(images, layers.Dense(CLASSES, activation=activation, name="logits")(flat))
    shares = np.repeat(REGION.ravel() / REGION.sum() / 3, 3)
    model.get_layer("logits").set_weights([shares[:, None] * SLOPES, OFFSETS])
    return model


@pytest.fixture(scope="module")
def model():
    return network()


@pytest.fixture
def images(rng):
    """A bright region in dark noise, so that blurring lowers the first class."""
    noise = rng.uniform(0, 60, (7, HEIGHT, WIDTH, 3))
    return (noise + 180 * REGION[..., None]).astype("float32")


def probabilities(images):
    """The expected probabilities of the network, in double precision."""
    logits = (images.mean(axis=-1) * REGION).sum(axis=(1, 2))[:, None] / REGION.sum() * SLOPES + OFFSETS
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def worked_out(image, values, chosen, steps):
    """Both areas for one image, whose map has no two equal values: pixel by pixel, trapezoid by trapezoid."""
    spread = max(HEIGHT, WIDTH) / 8
    blurred = np.stack([gaussian_filter(image[..., channel], spread) for channel in range(3)], axis=-1)
    order = sorted(range(PIXELS), key=lambda place: -values.ravel()[place])
    curves = {"deletion": [], "insertion": []}
    for step in range(steps + 1):
        changed = np.zeros(PIXELS, bool)
        changed[order[: -(-step * PIXELS // steps)]] = True  # rounded up
        changed = changed.reshape(HEIGHT, WIDTH, 1)
        shown = {"deletion": np.where(changed, blurred, image), "insertion": np.where(changed, image, blurred)}
        for name, picture in shown.items():
            curves[name].append(probabilities(picture[None])[0, chosen])
    return {name: sum((low + high) / 2 for low, high in itertools.pairwise(p)) / steps for name, p in curves.items()}


# 10 and 20 divide the 60 pixels, so that places equal bounds; 7 and 13 do not; with 1 there are only the two ends.
@pytest.mark.parametrize("steps", [1, 7, 10, 13, 20, 60])
def test_curves_are_those_worked_out(steps, model, images, rng):
    maps = rng.permuted(np.tile(np.arange(PIXELS), (7, 1)), axis=1).reshape(7, HEIGHT, WIDTH)
    found = deletion_and_insertion(model, images, maps, class_index=[0, 1, 2, 0, 1, 2, 0], steps=steps)
    assert list(found) == ["deletion", "insertion"]
    for row in range(7):
        expected = worked_out(images[row].astype("float64"), maps[row], row % 3, steps)
        assert {name: values[row] for name, values in found.items()} == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_more_steps_than_pixels_change_little(model, images, rng):
    maps = rng.random((7, HEIGHT, WIDTH))
    all_pixels, more = (deletion_and_insertion(model, images, maps, steps=steps) for steps in (60, 120))
    for name, values in all_pixels.items():
        # Steps instead of slopes: the error is at most half the share of a pixel.
        np.testing.assert_allclose(more[name], values, atol=1 / 60)


def test_the_map_that_knows_the_region_beats_its_inverse(model, images, rng):
    noise = 0.1 * rng.random((7, HEIGHT, WIDTH))
    knows, misses = (deletion_and_insertion(model, images, part + noise, 0) for part in (REGION, 1 - REGION))
    assert (knows["deletion"] + 0.3 < misses["deletion"]).all()
    assert (knows["insertion"] > misses["insertion"] + 0.3).all()
    for values in (*knows.values(), *misses.values()):
        assert values.shape == (7,)
        assert ((values >= 0) & (values <= 1)).all()


def test_a_constant_map_scores_as_a_random_one(model, images, rng):
    images = np.repeat(images[:1], 200, axis=0)
    constant = deletion_and_insertion(model, images, np.full((200, 3, 5), 0.1), 0, batch_size=200)
    chance = deletion_and_insertion(model, images, rng.random((200, HEIGHT, WIDTH)), 0, batch_size=200)
    for name in constant:
        # Each image has a different order of equal pixels.
        assert len(np.unique(constant[name])) > 100
        error = np.hypot(constant[name].std(), chance[name].std()) / np.sqrt(200)
        assert abs(constant[name].mean() - chance[name].mean()) < 4 * error


def test_the_seed_orders_equal_pixels_and_no_others(model, images, rng):
    tied, ranked = np.zeros((7, HEIGHT, WIDTH)), rng.random((7, HEIGHT, WIDTH))

    def areas(maps, seed):
        return np.stack(list(deletion_and_insertion(model, images, maps, seed=seed).values()))

    assert (areas(tied, 3) == areas(tied, 3)).all()
    assert (areas(tied, 3) != areas(tied, 4)).any()
    assert (areas(ranked, 3) == areas(ranked, 4)).all()


def test_a_generator_goes_on_from_call_to_call(model, images):
    maps = np.zeros((7, HEIGHT, WIDTH))
    whole = deletion_and_insertion(model, images, maps, seed=5)
    generator = np.random.default_rng(5)
    parts = [
        deletion_and_insertion(model, images[part], maps[part], seed=generator) for part in (slice(3), slice(3, 7))
    ]
    for name, values in whole.items():
        np.testing.assert_allclose(np.concatenate([part[name] for part in parts]), values, rtol=1e-5)


def test_forms_of_the_class(model, images, rng):
    maps = rng.random((7, HEIGHT, WIDTH))
    classes = probabilities(images).argmax(axis=1)
    images[0] = 0  # the second class wins for a dark image
    classes[0] = 1
    assert set(classes) == {0, 1}
    of_each = [deletion_and_insertion(model, images, maps, number) for number in range(CLASSES)]
    for given, taken in ((None, classes), (classes, classes), ([2] * 7, [2] * 7), (np.int64(1), [1] * 7)):
        found = deletion_and_insertion(model, images, maps, given)
        for name, values in found.items():
            np.testing.assert_array_equal(values, [of_each[number][name][row] for row, number in enumerate(taken)])


def test_forms_of_the_model_the_images_and_the_batches(model, images, rng):
    maps = rng.random((7, HEIGHT, WIDTH))
    whole = images.astype("uint8")
    expected = deletion_and_insertion(model, whole, maps)
    others = [
        deletion_and_insertion(Classifier(model), whole, maps),
        deletion_and_insertion(network("softmax"), whole, maps),
        deletion_and_insertion(model, whole.tolist(), maps.tolist()),
        deletion_and_insertion(model, whole, maps, batch_size=2),
    ]
    for found in others:
        for name, values in expected.items():
            np.testing.assert_allclose(found[name], values, rtol=1e-4, atol=1e-6)


def test_coarse_maps_are_resized(model, images):
    coarse = np.zeros((7, 2, 2))
    coarse[:, 0, 1] = 1  # the quarter that contains the region
    found = [deletion_and_insertion(model, images, maps, 0) for maps in (coarse, 1 - coarse)]
    assert (found[0]["insertion"] > found[1]["insertion"]).all()
    assert (found[0]["deletion"] < found[1]["deletion"]).all()


def test_blur_keeps_constants_and_channels_apart(images):
    assert blur(np.full((2, 5, 9, 3), 77, "uint8")) == pytest.approx(77)
    red = images * np.array([1, 0, 0], "float32")
    assert not blur(red)[..., 1:].any()
    assert np.ptp(blur(images)) < 0.7 * np.ptp(images)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"maps": np.ones((6, 3, 3))},
            "`maps` must have one map for each image. Expected (7, H, W). Received: (6, 3, 3).",
        ),
        ({"maps": np.ones((7, 3))}, "`maps` must have one map for each image. Expected (7, H, W). Received: (7, 3)."),
        (
            {"maps": np.full((7, 1, 2), np.nan)},
            "The maps must be finite. Expected numbers. Received: 14 NaN or infinite.",
        ),
        ({"steps": 0}, "`steps` is out of range. Expected an integer at least 1. Received: steps=0."),
        ({"steps": 2.0}, "`steps` is out of range. Expected an integer at least 1. Received: steps=2.0."),
        (
            {"images": np.ones((7, 6, 6, 3))},
            "The images must fit the model. Expected numbers (B, 6, 10, 3), B at least 1. "
            "Received: float64 (7, 6, 6, 3).",
        ),
        (
            {"class_index": 3},
            "`class_index` must be a class of the model. Expected a whole number from 0 to 2, or one for each of 7 "
            "images. Received: class_index=3.",
        ),
        (
            {"class_index": [0, 1]},
            "`class_index` must be a class of the model. Expected a whole number from 0 to 2, or one for each of 7 "
            "images. Received: class_index=[0, 1].",
        ),
    ],
)
def test_what_is_refused(changed, message, model, images):
    given = {"images": images, "maps": np.ones((7, 3, 3)), **changed}
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        deletion_and_insertion(model, **given)
