"""The data of runs, and what runs of a comparison share of them."""

import pytest
from PIL import Image

from keras_attention import TrainConfig
from keras_attention.runs import Run, load_data, read_once
from keras_attention.runs.data import write_split


@pytest.fixture
def config(folder_of_images):
    return TrainConfig(data=str(folder_of_images), image_size=32)


@pytest.fixture
def folder_of_images(tmp_path):
    """Twelve images of two classes."""
    for number in range(12):
        path = tmp_path / "images" / "train" / ("cat", "dog")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 32), (20 * number, 7, 7)).save(path)
    return tmp_path / "images"


def test_runs_that_name_the_same_data_share_them(config):
    with read_once():
        dataset = load_data(config)
        assert load_data(config.with_settings(seed=5, epochs=1, score="dot")) is dataset
        other = load_data(config.with_settings(split_seed=1))
        assert other.files != dataset.files
        assert load_data(config) is not dataset, "only the last data stay in memory"
    assert load_data(config) is not load_data(config)


def test_a_run_that_goes_on_reads_its_own_images(config, tmp_path):
    with read_once():
        run = Run(tmp_path / "run")
        run.begin(config)
        write_split(run.folder, load_data(config.with_settings(split_seed=1)))
        drawn = load_data(config)
        assert load_data(config, run.folder).files != drawn.files
        assert load_data(config) is drawn


def test_what_is_read_outside_is_not_shared(config):
    before = load_data(config)
    with read_once():
        assert load_data(config) is not before
