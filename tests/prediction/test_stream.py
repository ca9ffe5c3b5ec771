"""Prediction of many files: in order, in even batches, read while the model runs, past files that cannot be read."""

import threading
import time

import numpy as np
import pytest
from PIL import Image

from keras_attention.prediction import Predictor, predict_files
from keras_attention.prediction.stream import even_batch_size, predict_padded

SIDE = 5


@pytest.fixture
def folder(tmp_path):
    """A folder of eleven images with one grey value each, which is their number."""
    for number in range(11):
        Image.fromarray(np.full((SIDE, SIDE, 3), number, "uint8")).save(tmp_path / f"{number:02}.png")
    return tmp_path


class Recorder:
    """A model whose outputs show which image it saw, and which records the size of each batch."""

    def __init__(self):
        self.sizes = []

    def __call__(self, images):
        self.sizes.append(len(images))
        grey = images[:, 0, 0, 0]
        return {"probabilities": np.stack([grey, -grey], -1), "attention_a": images[..., 0]}


@pytest.fixture
def recorder():
    return Recorder()


@pytest.fixture
def predictor(recorder):
    return Predictor(recorder, ("a", "b"), SIDE)


def greys(predictions):
    return [int(prediction.outputs["probabilities"][0]) for prediction in predictions]


@pytest.mark.parametrize(("batch_size", "sizes"), [(1, [1] * 11), (4, [4, 4, 4]), (5, [4, 4, 4]), (32, [11])])
def test_all_come_in_order_in_even_batches(batch_size, sizes, folder, predictor, recorder):
    predictions = list(predict_files(predictor, [folder], batch_size))
    assert greys(predictions) == list(range(11))
    assert [prediction.path for prediction in predictions] == [str(folder / f"{n:02}.png") for n in range(11)]
    assert predictions[7].outputs["attention_a"].tolist() == np.full((SIDE, SIDE), 7).tolist()
    assert recorder.sizes == sizes


@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
def test_errors_stand_in_their_places(batch_size, folder, predictor, recorder):
    (folder / "03.png").write_text("hello")
    (folder / "04.png").write_text("hello")
    (folder / "10.png").unlink()
    named = ["nowhere.png", folder, folder / "10.png", "https://x.org/a.png"]
    found = [
        str(p.error) if p.error else int(p.outputs["probabilities"][0])
        for p in predict_files(predictor, named, batch_size)
    ]
    assert [value for value in found if isinstance(value, int)] == [0, 1, 2, 5, 6, 7, 8, 9]
    assert "nowhere.png must be an existing file" in found[0]
    assert "03.png does not decode" in found[4]
    assert "04.png does not decode" in found[5]
    assert "10.png must be an existing file" in found[11]
    assert "is a URL" in found[12]
    assert len(set(recorder.sizes)) == 1


def test_nothing_at_all(predictor, recorder):
    assert list(predict_files(predictor, [])) == []
    (only,) = predict_files(predictor, ["nowhere.png"])
    assert only.outputs is None
    assert recorder.sizes == []


def test_a_batch_is_there_before_the_next_one_is_computed(folder, predictor, recorder):
    predictions = predict_files(predictor, [folder], 4)
    assert greys([next(predictions) for _ in range(4)]) == [0, 1, 2, 3]
    assert recorder.sizes == [4]


def test_an_error_does_not_wait_for_a_batch(folder, predictor, recorder):
    assert next(predict_files(predictor, ["nowhere.png", folder], 4)).error
    assert recorder.sizes == []


def test_the_next_batch_is_read_while_the_model_works_and_no_more(folder, recorder):
    read, limit = [], time.monotonic() + 20

    class Watched(Predictor):
        def read(self, path):
            read.append(threading.current_thread())
            return super().read(path)

    def outputs(images):
        # The model waits until as many images are read as may be read ahead.
        while len(read) < min(3 * len(recorder.sizes) + 9, 11) - 2 and time.monotonic() < limit:
            time.sleep(0.001)
        return recorder(images)

    predictions = predict_files(Watched(outputs, ("a", "b"), SIDE), [folder], 3)
    assert next(predictions).outputs
    assert 7 <= len(read) <= 9
    assert time.monotonic() < limit
    assert threading.main_thread() not in read
    predictions.close()


def test_a_batch_size_below_one_is_refused_at_once(predictor):
    with pytest.raises(ValueError, match="`batch_size` is out of range"):
        predict_files(predictor, [], 0)


@pytest.mark.parametrize("count", [0, 1, 7, 31, 32, 33, 100])
def test_even_batches_are_no_more_than_others(count):
    size = even_batch_size(count, 32)
    assert 1 <= size <= 32
    assert -(-count // size) == -(-count // 32)
    assert -count % size < max(-(-count // 32), 1)  # hardly any padding


def test_padding_is_not_seen(predictor, recorder):
    images = np.arange(3)[:, None, None, None] * np.ones((1, SIDE, SIDE, 3), "uint8")
    assert predict_padded(predictor, images, 7)["probabilities"].tolist() == [[0, 0], [1, -1], [2, -2]]
    assert recorder.sizes == [7]
