"""The SavedModel: what it gives, that it needs nothing of this package, and that it is checked."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_attention.export import export_saved_model, saved_model
from keras_attention.models import VGG16BN, attention_classifier, attention_outputs
from keras_attention.precision import dtype_policy

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3)).astype("uint8")


def tiny_model(policy="float32", **options):
    with dtype_policy(policy):
        return attention_classifier(VGG16BN((32, 32, 3), width=0.05), 3, **{"units": 5, **options})


# Every pair leaves as a layer in `tests/models/test_pairs.py`; here some leave in a classifier.
@pytest.mark.parametrize(
    ("score", "alignment"), [("additive", "softmax"), ("general", "local_predictive"), ("cosine", "reinforced")]
)
def test_classifiers_export_and_agree(score, alignment, tmp_path):
    model = tiny_model(score=score, alignment=alignment)
    assert export_saved_model(model, tmp_path / "out", ["a", "b", "c"]) <= 1e-5
    served = tf.saved_model.load(str(tmp_path / "out")).signatures["serving_default"](images=IMAGES)
    expected = attention_outputs(model).predict(IMAGES, verbose=0)
    assert set(served) == {"probabilities", "logits", "attention_block3_pool", "attention_block4_pool"}
    for name, values in expected.items():
        np.testing.assert_allclose(served[name], values, atol=1e-5)
        assert served[name].dtype == tf.float32
    np.testing.assert_allclose(served["probabilities"].numpy().sum(-1), 1, atol=1e-6)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_a_model_of_any_precision_leaves_in_float32(policy, tmp_path):
    model = tiny_model(policy)
    export_saved_model(model, tmp_path / "out", ["a", "b", "c"])
    outputs = tf.saved_model.load(str(tmp_path / "out")).signatures["serving_default"].structured_outputs
    assert {value.dtype for value in outputs.values()} == {tf.float32}


def test_uint8_and_float_give_the_same(tmp_path):
    export_saved_model(tiny_model(), tmp_path / "out", ["a", "b", "c"])
    loaded = tf.saved_model.load(str(tmp_path / "out"))
    from_bytes = loaded.serve(tf.constant(IMAGES))["logits"]
    np.testing.assert_array_equal(from_bytes, loaded.serve(tf.constant(IMAGES, tf.float32))["logits"])
    np.testing.assert_array_equal(from_bytes, loaded.signatures["serve"](images=IMAGES)["logits"])


def test_it_loads_without_this_package_and_without_keras_layers(finished):
    code = (
        "import sys, numpy as np, tensorflow as tf\n"
        f"model = tf.saved_model.load({str(finished.export_path)!r})\n"
        "outputs = model.signatures['serving_default'](images=np.zeros((2, 32, 32, 3), 'uint8'))\n"
        "assert 'keras_attention' not in sys.modules\n"
        "print(sorted(outputs), outputs['probabilities'].shape)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "['attention_block3_pool', 'attention_block4_pool', 'logits', 'probabilities'] (2, 10)" in done.stdout


def test_the_card_says_what_the_model_is(finished):
    card = json.loads((finished.export_path / "card.json").read_text())
    assert card["class_names"] == [str(digit) for digit in range(10)]
    assert card["image_size"] == 32
    assert card["result"]["accuracy"] == finished.metrics["accuracy"]
    assert card["training"]["score"] == "additive"
    assert card["versions"]["keras"] == keras.__version__


def test_an_export_that_disagrees_is_refused_and_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(saved_model, "LARGEST_DIFFERENCE", -1.0)
    with pytest.raises(RuntimeError, match="differs from the Keras model"):
        export_saved_model(tiny_model(), tmp_path / "out", ["a", "b", "c"])
    assert list(tmp_path.iterdir()) == []


def test_an_export_replaces_an_older_one(tmp_path):
    for names in (["a", "b", "c"], ["x", "y", "z"]):
        export_saved_model(tiny_model(), tmp_path / "out", names)
    assert json.loads((tmp_path / "out" / "card.json").read_text())["class_names"] == ["x", "y", "z"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_export_replaces_nothing_but_an_export(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    for target in (tmp_path, tmp_path / "thesis.txt"):
        with pytest.raises(ValueError, match="holds something else"):
            export_saved_model(tiny_model(), target, ["a", "b", "c"])
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_class_names_must_fit(tmp_path):
    with pytest.raises(ValueError, match=r"do not fit\. Expected 3 names\. Received: 2"):
        export_saved_model(tiny_model(), tmp_path / "out", ["a", "b"])
    assert list(tmp_path.iterdir()) == []
