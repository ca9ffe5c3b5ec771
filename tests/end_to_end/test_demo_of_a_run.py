"""What the demo shows of a finished run and of its export, without a page."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from keras_attention.data import load
from keras_attention.demo.examples import data_examples, run_examples
from keras_attention.demo.viewing import NO_GRADIENTS, Viewer
from keras_attention.explanation.reading import MapReading
from keras_attention.prediction import Predictor


@pytest.fixture(scope="module")
def viewer(finished):
    return Viewer(finished.folder)


def test_a_run_shows_its_test_images_with_their_classes(viewer, finished):
    examples, skipped = run_examples(viewer.predictor, finished.folder, limit=4)
    config = finished.config
    dataset = load(config.data, data_dir=config.data_dir, image_size=config.image_size, **config.data_options)
    expected = list(dataset.split("test").examples().as_numpy_iterator())
    assert skipped == []
    assert [each.name for each in examples] == ["test 0", "test 5", "test 9", "test 14"]
    for example in examples:
        same = expected[int(example.name.split()[1])]
        np.testing.assert_array_equal(example.image, same["image"])
        assert example.true == dataset.class_names[same["label"]]


def test_another_split_can_be_chosen(viewer, finished):
    examples, _ = run_examples(viewer.predictor, finished.folder, "validation", limit=2)
    assert [each.name for each in examples] == ["validation 0", "validation 14"]


def test_a_run_without_its_data_has_no_examples_and_says_so(viewer, finished, tmp_path):
    config = dataclasses.asdict(finished.config) | {"data": str(tmp_path / "gone"), "data_options": {}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    examples, sentences = run_examples(viewer.predictor, tmp_path)
    assert examples == []
    assert len(sentences) == 1
    assert sentences[0].startswith("There are no examples, because the data of the run do not load: ")
    assert "gone" in sentences[0]


def test_data_of_other_classes_are_a_mistake(viewer, tmp_path):
    folders = ("train/cat", "train/dog", "validation/cat", "validation/dog", "test/cat", "test/dog")
    for number, folder in enumerate(folders):
        (tmp_path / folder).mkdir(parents=True)
        Image.new("RGB", (8, 8), (20 * number, 0, 0)).save(tmp_path / folder / "0.png")
    with pytest.raises(ValueError, match="The data have other classes than the model"):
        data_examples(viewer.predictor, str(tmp_path))


def test_the_layers_of_an_export_are_in_the_order_of_their_numbers():
    names = ["attention_block_12_add", "probabilities", "attention_block_5_add", "attention_out"]

    def outputs(images):
        return {name: np.ones((len(images), 2, 2)) / 4 for name in names}

    assert MapReading(Predictor(outputs, ("a", "b"), 8)).attend == ["block_5_add", "block_12_add", "out"]


def test_an_export_shows_the_same_maps_without_gradcam(viewer, finished):
    export = Viewer(finished.export_path)
    image = np.random.default_rng(1).integers(0, 256, (32, 32, 3)).astype("uint8")
    of_run, of_export = viewer(image), export(image)
    assert (viewer.notes, export.notes) == ([], [NO_GRADIENTS])
    assert list(of_run.maps) == [*of_export.maps, "Grad-CAM block5_relu1"]
    assert list(of_export.maps) == ["block3_pool", "block4_pool", "joint"]
    for title, values in of_export.maps.items():
        np.testing.assert_allclose(values, of_run.maps[title], atol=1e-5)
    assert of_export.probabilities == pytest.approx(of_run.probabilities, abs=1e-5)
