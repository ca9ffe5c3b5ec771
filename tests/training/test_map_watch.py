"""Training warns once of each block whose maps are a single 1 or even, but not where they are so by design."""

import warnings

import keras
import numpy as np
import pytest

from keras_attention.files import write_json
from keras_attention.layers import ALIGNMENTS, Alignment, SoftmaxAlignment, UniformScore
from keras_attention.maps import entropy
from keras_attention.models import attention_classifier
from keras_attention.models.extremes import watched_blocks, with_extremes
from keras_attention.training.map_watch import MapWatch

SIZE, CHANNELS = 4, 5


def classifier(score="general", alignment="softmax", **options):
    """A classifier over maps that are given, with one attended block, `maps`."""
    given = keras.Input((SIZE, SIZE, CHANNELS), name="images")
    maps = keras.layers.Activation("linear", name="maps")(given)
    query = keras.layers.MaxPooling2D(2, name="query")(maps)
    backbone = keras.Model(given, query)
    # Not normalized, so that the size of the maps decides how far apart their scores are.
    options = {"attend": "maps", "query": "query", "units": 4, "normalize": "none"} | options
    return attention_classifier(backbone, 3, score=score, alignment=alignment, **options)


def predicted(model, images):
    return with_extremes(model).predict(images, verbose=0)


def outputs(*pairs, entropy=0.5):
    """The outputs of a model of `with_extremes`: for each image the largest share, the evenness, and the entropy."""
    numbers = np.array([(*pair, entropy) for pair in pairs], "float32")
    return {"logits": np.zeros((len(pairs), 3)), "attention_maps": numbers}


@pytest.fixture
def images(rng):
    return rng.normal(size=(8, SIZE, SIZE, CHANNELS)).astype("float32")


@pytest.mark.parametrize(
    ("options", "size", "kind"),
    [
        pytest.param({"alignment": "sparsemax"}, 1e3, "a single 1", marks=pytest.mark.long),
        ({"score": "dot"}, 1e3, "a single 1"),
        ({"score": "dot", "num_heads": 5, "units": 2}, 1e4, "a single 1"),
        pytest.param(
            {"query": "classes", "score": "cosine", "alignment": SoftmaxAlignment(1e-6)},
            1,
            "a single 1",
            marks=pytest.mark.long,
        ),
        ({}, 0, "even"),
        pytest.param({"score": "scaled_dot"}, 1e-3, "even", marks=pytest.mark.long),
        ({"score": "additive", "alignment": "sigmoid"}, 1e-4, "even"),
        ({"score": "additive"}, 1, None),
        pytest.param({"score": "additive"}, 0.1, None, marks=pytest.mark.long),
        pytest.param({"alignment": "sparsemax"}, 0.1, None, marks=pytest.mark.long),
        ({"score": UniformScore()}, 1, None),
        ({"alignment": "hard"}, 1e3, None),
        pytest.param({"alignment": "reinforced"}, 1e3, None, marks=pytest.mark.long),
        ({"score": None}, 1, None),
    ],
    ids=[
        *("sparsemax", "softmax", "heads", "classes", "no features", "small scores", "sigmoid"),
        *("additive", "small additive", "small sparsemax", "uniform", "hard", "reinforced", "no score"),
    ],
)
def test_what_is_warned_of(options, size, kind, images):
    model, watch = classifier(**options), MapWatch()
    found = predicted(model, size * images)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if isinstance(found, dict):
            watch(0, found)
            watch(1, found)  # warns once
    assert [f"The maps of maps are {kind}" in str(one.message) for one in caught] == [True] * (kind is not None)
    assert [(each["layer"], each["epoch"]) for each in watch.found] == [("maps", 1)] * (kind is not None)


def test_the_numbers_are_those_of_the_maps(images):
    model = classifier(num_heads=5, units=2)
    layer = model.get_layer("attention_maps")
    maps = keras.Model(model.input, layer.output[1]).predict(images, verbose=0).reshape(8, 5, -1)
    entropies = np.mean([entropy(maps[:, [head]]) for head in range(5)], axis=0)
    expected = [(maps.max(-1) / maps.sum(-1)).min(-1), (maps.mean(-1) / maps.max(-1)).min(-1), entropies]
    np.testing.assert_allclose(predicted(model, images)["attention_maps"].T, expected, rtol=1e-5)
    whole = model.predict(images, verbose=0)
    np.testing.assert_allclose(predicted(model, images)["logits"], whole, rtol=1e-5, atol=1e-6)


def test_nearly_all_images_and_nearly_one():
    single, soft = (1.0, 0.1), (0.5, 0.5)
    watch = MapWatch()
    watch(0, outputs(*[single] * 94, *[soft] * 6))
    watch(1, outputs(*[(0.998, 0.998)] * 100))
    assert watch.found == []
    with pytest.warns(UserWarning, match=r"single 1.* in 95% of the validation images after epoch 3\. .*softmax"):
        watch(2, outputs(*[single] * 95, *[soft] * 5))


@keras.saving.register_keras_serializable("test_map_watch")
class NothingAlignment(Alignment):
    """No weight at all."""

    normalized = False

    def align(self, scores, training=None):
        return 0 * scores


def test_a_map_of_zeros_is_even_and_one_of_nan_is_nothing(images):
    watch = MapWatch()
    watch(0, predicted(classifier(), np.nan * images))
    assert watch.found == []
    with pytest.warns(UserWarning, match="even"):
        watch(0, predicted(classifier(alignment=NothingAlignment()), images))


def test_a_resumed_run_does_not_warn_again(tmp_path):
    path = tmp_path / "backup" / "map_warnings.json"
    with pytest.warns(UserWarning, match="even"):
        MapWatch(path)(0, outputs((0.1, 1.0)))
    again = MapWatch(path)
    again(1, outputs((0.1, 1.0)))
    assert again.found == [{"layer": "maps", "maps": "even", "epoch": 1, "images": 1.0}]


def test_the_entropy_before_training_and_after_the_best_epoch_is_kept(tmp_path):
    path = tmp_path / "backup" / "map_warnings.json"
    watch = MapWatch(path)
    watch.begin(outputs((0.1, 0.5), entropy=0.9))
    watch(0, outputs((0.1, 0.5), entropy=0.8))
    again = MapWatch(path)  # of a run that is resumed
    again(1, outputs((0.1, 0.5), entropy=0.7))
    assert again.course(1) == {"maps": {"before": 0.9, "after": 0.8}}
    assert again.course(2) == {"maps": {"before": 0.9, "after": 0.7}}
    assert again.course(3) == MapWatch().course(1) == {}


def test_what_an_earlier_version_kept_is_read(tmp_path):
    path = tmp_path / "map_warnings.json"
    write_json(path, [{"layer": "maps", "maps": "even", "epoch": 1, "images": 1.0}])
    watch = MapWatch(path)
    watch(1, outputs((0.1, 1.0)))  # does not warn
    assert (len(watch.found), watch.course(2)) == (1, {})


def test_every_alignment_says_whether_it_chooses():
    chosen = [name for name in ALIGNMENTS if not watched_blocks(classifier(alignment=name))]
    assert chosen == ["hard", "reinforced"]
