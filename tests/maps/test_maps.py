"""Maps of a model: of each kind, for each head and class, resized with half-pixel centres, and the joint map."""

import re

import keras
import numpy as np
import pytest
from keras import layers

from keras_attention.layers import SpatialAttention
from keras_attention.maps import attention_maps, joint_map, resize_maps
from keras_attention.models import attention_classifier, attention_outputs

HEIGHT, WIDTH, CLASSES = 13, 11, 5


def network():
    """Two convolutions, whose maps are of 13×11 and 5×4 positions."""
    inputs = keras.Input((HEIGHT, WIDTH, 3), name="images")
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="conv1")(inputs)
    x = layers.Conv2D(6, 3, strides=3, padding="same", activation="relu", name="conv2")(x)
    return keras.Model(inputs, x)


def classifier(alignment="softmax", query="conv2", **arguments):
    arguments = {"attend": ("conv1", "conv2"), "score": "additive", "units": 3} | arguments
    return attention_classifier(network(), CLASSES, query=query, alignment=alignment, **arguments)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(3)
    return classifier()


@pytest.fixture
def images(rng):
    return rng.uniform(-2, 2, (7, HEIGHT, WIDTH, 3)).astype("float32")


def resized(maps, size):
    """Bilinear with half-pixel centres, in float64: position (i + ½)·n/size − ½, kept inside the map."""
    maps = np.asarray(maps, "float64")
    for axis in (1, 2):
        length = maps.shape[axis]
        places = np.clip((np.arange(size) + 0.5) * length / size - 0.5, 0, length - 1)
        low = np.floor(places).astype(int)
        high, share = np.minimum(low + 1, length - 1), places - low
        share = share.reshape([-1 if number == axis else 1 for number in range(3)])
        maps = (1 - share) * np.take(maps, low, axis) + share * np.take(maps, high, axis)
    return maps


def numpy(tensor):
    return keras.ops.convert_to_numpy(tensor)


def test_the_maps_of_a_model(model, images):
    maps = attention_maps(model, images)
    assert {name: (values.shape, values.dtype) for name, values in maps.items()} == {
        "conv1": ((7, 13, 11), np.float32),
        "conv2": ((7, 5, 4), np.float32),
    }
    expected = attention_outputs(model)(images)
    for name, values in maps.items():
        np.testing.assert_allclose(values.sum((1, 2)), 1, rtol=1e-5)
        np.testing.assert_allclose(values, numpy(expected[f"attention_{name}"]), rtol=1e-4, atol=1e-6)
        assert np.ptp(values, axis=0).max() > 0
    for name, values in attention_maps(model, images, batch_size=2).items():
        np.testing.assert_allclose(values, maps[name], rtol=1e-4, atol=1e-6)


def test_at_the_resolution_of_the_images(model, images):
    small, large = attention_maps(model, images), attention_maps(model, images, resolution="image")
    for name, values in large.items():
        assert values.shape == (7, HEIGHT, WIDTH)
        np.testing.assert_array_equal(values, resize_maps(small[name], (HEIGHT, WIDTH)))


def test_heads(images):
    model = classifier(num_heads=2)
    heads, mean = attention_maps(model, images, per_head=True), attention_maps(model, images)
    large = attention_maps(model, images, "image", per_head=True)
    for name, values in heads.items():
        assert values.shape == (7, 2, *mean[name].shape[1:])
        assert np.abs(values[:, 0] - values[:, 1]).max() > 1e-4
        np.testing.assert_allclose(values.mean(1), mean[name], rtol=1e-5)
        np.testing.assert_array_equal(large[name][:, 1], resize_maps(values[:, 1], (HEIGHT, WIDTH)))
    assert attention_maps(classifier(), images, per_head=True)["conv2"].shape == (7, 1, 5, 4)


def test_what_an_alignment_samples_from(images):
    model = classifier("hard", num_heads=2)
    weights, choice = attention_maps(model, images), attention_maps(model, images, kind="choice")
    probabilities = attention_maps(model, images, kind="probabilities", per_head=True, batch_size=3)
    for name in weights:
        np.testing.assert_array_equal(
            weights[name], choice[name]
        )  # outside training the most probable position is chosen
        np.testing.assert_allclose(probabilities[name].sum((2, 3)), 1, rtol=1e-5)
        best = probabilities[name].reshape(7, 2, -1).argmax(-1)
        chosen = attention_maps(model, images, kind="choice", per_head=True)[name].reshape(7, 2, -1).argmax(-1)
        np.testing.assert_array_equal(best, chosen)


def test_what_a_subset_is_drawn_from(images):
    model = classifier("reinforced")
    kept = attention_maps(model, images, kind="probabilities")
    for name, choice in attention_maps(model, images, kind="choice").items():
        assert set(np.unique(choice)) <= {0, 1}
        np.testing.assert_array_equal(choice == 1, kept[name] > 0.5)
        assert ((attention_maps(model, images)[name] > 0) == (choice == 1)).all()


def test_an_alignment_that_does_not_sample_has_no_choice(model, images):
    message = "The alignment must be one that samples. Expected one of: hard, reinforced."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        attention_maps(model, images, kind="choice")


def test_each_class_has_its_map(images):
    model = classifier(query="classes", num_heads=2)
    outputs = {name: numpy(values) for name, values in attention_outputs(model)(images).items()}
    predicted = outputs["logits"].argmax(-1)
    wanted = np.arange(7) % CLASSES
    for given, classes in ((None, predicted), (3, np.full(7, 3)), (wanted, wanted)):
        for name, values in attention_maps(model, images, class_index=given).items():
            of_class = outputs[f"attention_{name}"][np.arange(7), classes]
            np.testing.assert_allclose(values, of_class, rtol=1e-4, atol=1e-6)
    assert attention_maps(model, images, per_head=True)["conv1"].shape == (7, 2, 13, 11)


def test_a_model_of_ones_own(images):
    inputs = keras.Input((HEIGHT, WIDTH, 3))
    features = layers.Conv2D(4, 3, strides=2, padding="same", name="features")(inputs)
    layer = SpatialAttention("dot", name="where")
    context = layer(layers.GlobalAveragePooling2D()(features), features)  # its map is not an output
    model = keras.Model(inputs, layers.Dense(3)(context))
    maps = attention_maps(model, images, batch_size=4)
    assert {name: values.shape for name, values in maps.items()} == {"where": (7, 7, 6)}
    given = keras.Model(inputs, layer.input)(images)
    np.testing.assert_allclose(maps["where"], numpy(layer(*given, return_attention_scores=True)[1]), atol=1e-6)


def test_a_model_in_half_precision_has_maps_in_float32(images):
    keras.config.set_dtype_policy("mixed_bfloat16")
    for name, values in attention_maps(classifier(), images).items():
        assert values.dtype == np.float32, name
        np.testing.assert_allclose(values.sum((1, 2)), 1, rtol=1e-5)


@pytest.mark.parametrize("arguments", [{"attend": ()}, {"score": None}], ids=["plain", "no score"])
def test_a_model_without_attention(arguments):
    model = classifier(name="control", **arguments)
    message = (
        "The model must have attention layers. Expected a model with `SpatialAttention` layers. Received: control."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        attention_maps(model, np.zeros((1, HEIGHT, WIDTH, 3)))


WRONG_IMAGES = [
    (np.zeros((2, 12, 11, 3)), "The images must fit the model. Expected numbers (B, 13, 11, 3), B at least 1."),
    (np.zeros((13, 11, 3)), "The images must fit the model. Expected numbers (B, 13, 11, 3), B at least 1."),
    (np.zeros((0, 13, 11, 3)), "The images must fit the model. Expected numbers (B, 13, 11, 3), B at least 1."),
    (["a.jpg"], "The images must fit the model. Expected numbers (B, 13, 11, 3), B at least 1."),
    (
        [np.zeros((13, 11, 3)), np.zeros((12, 11, 3))],
        "The images must have the same size. Expected one array (B, 13, 11, 3).",
    ),
]


@pytest.mark.parametrize(("wrong", "message"), WRONG_IMAGES, ids=["size", "one", "none", "path", "sizes"])
def test_images_that_the_model_does_not_take(wrong, message, model):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        attention_maps(model, wrong)


@pytest.mark.parametrize(
    ("arguments", "name"), [({"resolution": "pixels"}, "resolution"), ({"kind": "scores"}, "kind")]
)
def test_unknown_choices(arguments, name, model, images):
    with pytest.raises(ValueError, match=f"^Unknown {name} "):
        attention_maps(model, images, **arguments)


@pytest.mark.parametrize("index", [5, -1, *(pytest.param(each, marks=pytest.mark.long) for each in (1.0, [0, 1], "3"))])
def test_a_class_that_is_none(index, images):
    message = (
        "`class_index` must be a class of the model. Expected a whole number from 0 to 4, or one for each of 7 images."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        attention_maps(classifier(query="classes"), images, class_index=index)


@pytest.mark.parametrize(
    ("height", "width", "size"), [(2, 2, 4), (4, 4, 32), (3, 5, 7), (7, 7, 7), (1, 1, 5), (13, 11, 5)]
)
def test_scaling(height, width, size, rng):
    maps = rng.random((3, height, width))
    found = resize_maps(maps, size)
    assert (found.shape, found.dtype) == ((3, size, size), np.float32)
    np.testing.assert_allclose(found, resized(maps, size), rtol=1e-5, atol=1e-6)


def test_scaling_to_a_height_and_a_width(rng):
    maps = rng.random((3, 4, 5))
    rows = resize_maps(maps, (9, 5))
    assert rows.shape == (3, 9, 5)
    np.testing.assert_allclose(rows.mean(2), resize_maps(maps.mean(2, keepdims=True), (9, 1))[..., 0], rtol=1e-5)


def test_scaling_by_hand():
    found = resize_maps(np.array([[[0, 4]]]), 4)
    # The centres of four pixels, in units of two pixels: −¼, ¼, ¾, 1¼.
    assert found[0].tolist() == [[0, 1, 3, 4]] * 4


@pytest.mark.parametrize("value", [1 / 49, 0.1, 1 / 3])
def test_a_constant_map_stays_exactly_constant(value):
    assert len(np.unique(resize_maps(np.full((1, 7, 7), value), 32))) == 1


def test_the_joint_map_is_the_product_of_what_is_left_of_the_largest(rng):
    maps = {"a": rng.random((3, 4, 4)), "b": 7 * rng.random((3, 2, 2))}
    found = joint_map(maps, 11)
    assert found.shape == (3, 11, 11)
    parts = [resized(values, 11) for values in maps.values()]
    expected = np.prod([part / part.max((1, 2), keepdims=True) for part in parts], axis=0)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    assert found.min() >= 0
    assert found.max() <= 1


def test_a_joint_map_of_one_block_and_of_an_empty_one(rng):
    maps = rng.random((2, 3, 3))
    maps[1] = 0
    found = joint_map({"a": maps}, 3)
    np.testing.assert_allclose(found[0], maps[0] / maps[0].max(), rtol=1e-6)
    assert found[1].tolist() == np.zeros((3, 3)).tolist()
    assert joint_map({"a": maps, "b": np.ones((2, 5, 5))}, 3)[1].max() == 0
