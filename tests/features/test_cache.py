"""The cache gives the features of the backbone, detects damaged or foreign files, and survives a kill."""

import concurrent.futures
import dataclasses
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import nullcontext

import keras
import numpy as np
import pytest
import seams
import tensorflow as tf
from cases import some_now

from keras_attention.config import TrainConfig
from keras_attention.data import load
from keras_attention.data.augmentation import Augmentation
from keras_attention.features import FeatureCache, FeatureDataset, calibrate_once, default_folder, store
from keras_attention.features import cache as cache_module
from keras_attention.models import VGG16BN, freeze, unfreeze
from keras_attention.training import fill_cache

pytestmark = pytest.mark.usefixtures("shallow_backbone")

LAYERS = ("block3_pool", "block5_pool")
COUNTS = {"train": 150, "validation": 5, "test": 3}  # the first fills two shards and a part of a third
ROWS = np.array([149, 0, 70, 70, 63, 64])


@pytest.fixture(scope="module", autouse=True)
def _tensorflow():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("features are cached with the TensorFlow backend")


@pytest.fixture(scope="module")
def dataset():
    rng = np.random.default_rng(5)
    arrays = {
        name: (rng.integers(0, 256, (count, 32, 32, 3)).astype("uint8"), np.arange(count) % 3)
        for name, count in COUNTS.items()
    }
    return load(arrays)


@pytest.fixture(scope="module")
def backbone():
    keras.utils.set_random_seed(3)
    return VGG16BN((32, 32, 3), width=0.03)


@pytest.fixture(scope="module")
def expected(backbone, dataset):
    """Split → the features of its images as the backbone gives them, a list with an array for each layer."""
    network = keras.Model(backbone.input, [backbone.get_layer(name).output for name in LAYERS])
    images = {split: np.concatenate(list(dataset.split(split).images(64).as_numpy_iterator())) for split in COUNTS}
    return {split: network.predict(array.astype("float32"), verbose=0) for split, array in images.items()}


@pytest.fixture
def predictions(monkeypatch):
    """A list of the numbers of images that went through the backbone."""
    counted, original = [], seams.making_of_features()

    def predict(network, images):
        counted.append(len(images))
        return original(network, images)

    seams.making_of_features(monkeypatch, predict)
    return counted


def cached(folder, backbone, dataset, layers=LAYERS, split="train", **options):
    return FeatureCache(folder, backbone, layers).split(split, dataset.split(split), **options)[0]


@pytest.fixture(scope="module")
def masked(dataset):
    """The images of `dataset` with masks, a stripe of another width for each."""
    arrays = {}
    for split, count in COUNTS.items():
        images = np.concatenate(list(dataset.split(split).images(64).as_numpy_iterator()))
        masks = np.zeros((count, 32, 32), "uint8")
        for number, mask in enumerate(masks):
            mask[:, : 1 + number % 31] = 1
        arrays[split] = (images, np.arange(count) % 3, masks)
    return load(arrays)


def test_masks_go_with_the_features_of_their_images(masked, backbone, tmp_path):
    cache = FeatureCache(tmp_path, backbone, LAYERS)
    augment = "isotropic"
    data = FeatureDataset(masked, cache, augment, views=2, with_masks=True)
    batch = next(data.training_batches(20, seed=3).as_numpy_iterator())
    features, labels, masks = (batch[name] for name in ("features", "labels", "masks"))
    assert (masks.shape, masks.dtype, set(np.unique(masks))) == ((20, 32, 32, 1), np.uint8, {0, 1})
    # Every row of the batch has the features, the label and the mask of one image, augmented alike.
    images = masked.train.examples().batch(64)
    found = set()
    for view in range(2):
        changed = [_augmented(batch, augment, view, number) for number, batch in enumerate(images)]
        pixels, covers = (np.concatenate(parts) for parts in zip(*changed, strict=True))
        network = keras.Model(backbone.input, backbone.get_layer(LAYERS[0]).output)
        expected = network.predict(pixels, verbose=0)
        for row in range(20):
            same = np.flatnonzero(np.abs(expected - features[0][row]).max((1, 2, 3)) < 1e-4)
            for number in same[:1]:
                np.testing.assert_array_equal(masks[row], covers[number])
                assert labels[row].argmax() == number % 3
                found.add(row)
    assert len(found) == 20
    # Batches for `predict` have no masks.
    assert len(next(data.batches("test").as_numpy_iterator())) == 2


def _augmented(batch, augment, view, number):
    seed = tf.constant([cache_module.VIEW_SEED + view, 100_000 * number], tf.int64)
    images, masks = Augmentation(augment)(batch["image"], batch["mask"], seed)
    return images.numpy(), masks.numpy()


def test_masks_are_kept_and_made_anew_where_they_change(masked, backbone, tmp_path, predictions):
    first = FeatureCache(tmp_path, backbone, LAYERS)
    (store,) = first.masks("train", masked.train)
    assert predictions == []  # the backbone was not used
    np.testing.assert_array_equal(store.read(np.array([40]))[0][0, 0, :, 0], np.arange(32) < 1 + 40 % 31)
    written = {path: path.stat().st_mtime_ns for path in store.folder.rglob("*.npy")}
    assert len(written) == 3
    (again,) = FeatureCache(tmp_path, backbone, LAYERS).masks("train", masked.train)
    assert {path: path.stat().st_mtime_ns for path in again.folder.rglob("*.npy")} == written
    arrays = {name: masked.split(name).examples().batch(200) for name in COUNTS}
    arrays = {name: next(batches.as_numpy_iterator()) for name, batches in arrays.items()}
    turned = load({name: (each["image"], each["label"], 1 - each["mask"]) for name, each in arrays.items()})
    (other,) = first.masks("train", turned.train)
    assert other.folder != store.folder
    np.testing.assert_array_equal(other.read(np.array([40]))[0], 1 - store.read(np.array([40]))[0])


def assert_right(features, expected, rows=ROWS):
    for found, reference in zip(features.read(rows), expected, strict=True):
        np.testing.assert_allclose(found, reference[rows], rtol=1e-5, atol=1e-6)


def test_features_are_those_of_the_backbone(tmp_path, backbone, dataset, expected):
    for split, count in COUNTS.items():
        features = cached(tmp_path, backbone, dataset, split=split)
        assert_right(features, expected[split], np.arange(count))


def test_they_are_computed_once(tmp_path, backbone, dataset, expected, predictions):
    for _ in range(2):
        assert_right(cached(tmp_path, backbone, dataset), expected["train"])
    assert predictions == [64, 64, 22]


def test_freezing_changes_no_key(tmp_path, backbone, dataset, predictions):
    cached(tmp_path, backbone, dataset)
    try:
        cached(tmp_path, freeze(backbone), dataset)
    finally:
        unfreeze(backbone)
    assert sum(predictions) == COUNTS["train"]


def test_another_layer_is_added_to_those_that_are_there(tmp_path, backbone, dataset, expected, predictions):
    cached(tmp_path, backbone, dataset, LAYERS[:1])
    files = set(tmp_path.rglob("*.npy"))
    assert_right(cached(tmp_path, backbone, dataset, LAYERS), expected["train"])
    assert files < set(tmp_path.rglob("*.npy"))
    assert len({path.parents[1] for path in tmp_path.rglob("*.npy")}) == 1
    assert_right(cached(tmp_path, backbone, dataset, LAYERS[1:]), expected["train"][1:])
    assert len(predictions) == 2 * 3


def change_weights(backbone, dataset):
    other = keras.models.clone_model(backbone)
    other.set_weights([weight * (1 + 1e-6) for weight in backbone.get_weights()])
    return other, dataset


def change_preprocessing(backbone, dataset):
    other = VGG16BN((32, 32, 3), width=0.03)
    other.set_weights(backbone.get_weights())
    other.get_layer("preprocessing").set_weights([np.zeros(3), np.ones(3)])
    return other, dataset


def change_precision(backbone, dataset):
    keras.config.set_dtype_policy("mixed_bfloat16")
    other = VGG16BN((32, 32, 3), width=0.03)
    other.set_weights(backbone.get_weights())
    return other, dataset


def change_a_pixel(backbone, dataset):
    images, labels = next(dataset.batches("train", 200).as_numpy_iterator())
    images = images.copy()
    images[77, 3, 5, 1] = 255 - images[77, 3, 5, 1]
    return backbone, load(dict.fromkeys(COUNTS, (images.astype("uint8"), labels.argmax(-1))))


def change_the_order(backbone, dataset):
    images, labels = next(dataset.batches("train", 200).as_numpy_iterator())
    arrays = images[::-1].astype("uint8"), labels.argmax(-1)[::-1]
    return backbone, load(dict.fromkeys(COUNTS, arrays))


CHANGES = {
    "weights": change_weights,
    "preprocessing": change_preprocessing,
    "precision": change_precision,
    "a pixel": change_a_pixel,
    "the order": change_the_order,
}


@pytest.mark.parametrize("change", some_now(CHANGES, "weights", "a pixel"))
def test_what_changes_the_features_changes_the_key(change, tmp_path, backbone, dataset, predictions):
    cached(tmp_path, backbone, dataset)
    other = cached(tmp_path, *CHANGES[change](backbone, dataset))
    assert sum(predictions) > COUNTS["train"]
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 2
    assert other.folder.name.startswith("vgg16_bn-train-")


def test_half_precision_is_kept_as_it_is(tmp_path, dataset):
    keras.config.set_dtype_policy("mixed_bfloat16")
    backbone = VGG16BN((32, 32, 3), width=0.03)
    features = cached(tmp_path, backbone, dataset).read(np.arange(4))
    images = next(dataset.split("train").images(16).as_numpy_iterator()).astype("float32")
    expected = keras.Model(backbone.input, backbone.get_layer("block3_pool").output)(images)
    assert features[0].dtype == "bfloat16"
    np.testing.assert_allclose(
        features[0].astype("float32"), np.asarray(expected, "float32")[:4], rtol=2**-6, atol=2**-6
    )


def truncate(path):
    path.write_bytes(path.read_bytes()[:-5])


def empty(path):
    path.write_bytes(b"")


def flip_a_bit(path):
    data = bytearray(path.read_bytes())
    data[-50] ^= 4
    path.write_bytes(data)


def swap(path):
    """The features of other images, under the name of these."""
    other = next(file for file in sorted(path.parent.iterdir()) if file != path)
    shutil.copy(other, path)


def half_written(path):
    path.rename(path.with_name(f".unfinished-1234-{path.name}"))


# Damage → how it is done, and whether a warning tells of it.
DAMAGES = {
    "truncated": (truncate, True),
    "empty": (empty, True),
    "a flipped bit": (flip_a_bit, True),
    "swapped": (swap, True),
    "removed": (os.remove, False),
    "half written": (half_written, False),
}


@pytest.mark.parametrize("kind", some_now(DAMAGES, "a flipped bit"))
def test_damage_is_noticed_and_mended(kind, tmp_path, backbone, dataset, expected, predictions):
    damage, warns = DAMAGES[kind]
    folder = cached(tmp_path, backbone, dataset).folder
    files = sorted(folder.rglob("*.npy"))
    damage(sorted((folder / "block3_pool").iterdir())[1])
    with (
        pytest.warns(UserWarning, match="1 damaged feature files in .* are computed again") if warns else nullcontext()
    ):
        cached(tmp_path, backbone, dataset)
    assert_right(cached(tmp_path, backbone, dataset), expected["train"], np.arange(150))
    assert sorted(path for path in folder.rglob("*") if path.suffix == ".npy") == files
    assert not list(folder.rglob(".unfinished-*"))
    assert predictions[3:] == [64]


def test_a_renamed_folder_is_rebuilt(tmp_path, backbone, dataset, expected):
    """The folder of the validation images holds features of the test images."""
    theirs = cached(tmp_path, backbone, dataset, split="test").folder
    ours = cached(tmp_path, backbone, dataset, split="validation").folder
    shutil.rmtree(ours)
    theirs.rename(ours)
    features = cached(tmp_path, backbone, dataset, split="validation")
    assert_right(features, expected["validation"], np.arange(COUNTS["validation"]))


def test_an_unreadable_description_is_rebuilt(tmp_path, backbone, dataset, expected):
    (cached(tmp_path, backbone, dataset).folder / "about.json").write_text("{")
    assert_right(cached(tmp_path, backbone, dataset), expected["train"])


def test_an_error_half_way_leaves_whole_files_and_the_next_call_goes_on(
    tmp_path, backbone, dataset, expected, predictions, monkeypatch
):
    original = seams.writing_of_features()

    def write(self, shard, arrays):
        if shard == 1:
            raise KeyboardInterrupt
        original(self, shard, arrays)

    with monkeypatch.context() as patched:
        seams.writing_of_features(patched, write)
        with pytest.raises(KeyboardInterrupt):
            cached(tmp_path, backbone, dataset)
    assert len(list(tmp_path.rglob("00000-*.npy"))) == 2
    assert_right(cached(tmp_path, backbone, dataset), expected["train"], np.arange(150))
    assert predictions == [64, 64, 64, 22]


PROGRAM = """
import sys, time
import keras, numpy as np
from keras_attention.data import load
from keras_attention.features import FeatureCache
from keras_attention.models import VGG16BN
keras.utils.set_random_seed(3)
images = np.random.default_rng(8).integers(0, 256, (640, 32, 32, 3)).astype("uint8")
split = load({"train": (images, np.arange(640) % 2), "validation": (images[:2], [0, 1])}).train
backbone = VGG16BN((32, 32, 3), width=0.03)
print("begins", flush=True)
features = FeatureCache(sys.argv[1], backbone, ["block2_pool"]).split("train", split)[0]
network = keras.Model(backbone.input, backbone.get_layer("block2_pool").output)
images = np.concatenate(list(split.images(64).as_numpy_iterator())).astype("float32")
expected = network.predict(images, verbose=0)
print("differs by", abs(features.read(np.arange(split.count))[0] - expected).max())
"""


@pytest.mark.long
def test_kill_9_half_way_then_again(tmp_path):
    """A process is killed: the files that it left are complete, and the next process ends with correct features."""
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while len(list(tmp_path.rglob("0*.npy"))) < 2 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    there = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("0*.npy")}
    assert there
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=True)
    assert float(done.stdout.split()[-1]) < 1e-5
    assert all(path.stat().st_mtime_ns == when for path, when in there.items())


def test_two_at_once_compute_once(tmp_path, backbone, dataset, expected, predictions):
    """A process that needs features which another computes waits for them, and removes nothing of the other's."""
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        stores = list(threads.map(lambda _: cached(tmp_path, backbone, dataset), range(2)))
    for features in stores:
        assert_right(features, expected["train"])
    assert predictions == [64, 64, 22]


def test_a_disk_without_room_is_told_before_anything_is_computed(tmp_path, backbone, dataset, predictions, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=store.FREE_AFTERWARDS + 10))
    with pytest.raises(ValueError, match=r"^The features need 0 MB in .* Expected so much free space and 268 MB more,"):
        cached(tmp_path, backbone, dataset)
    assert predictions == []


def test_a_disk_that_becomes_full(tmp_path, backbone, dataset, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    expected = (
        "The features could not be written: No space left on device. Expected free space in the folder of the cache, "
        f"another `cache_dir`, or `cache_features=False`. Received: cache_dir={str(tmp_path)!r}."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        cached(tmp_path, backbone, dataset)
    assert not list(tmp_path.rglob("*.npy"))


def test_a_folder_that_cannot_be_made(tmp_path, backbone, dataset):
    (tmp_path / "file").write_text("")
    for make in (
        lambda folder: FeatureCache(folder, backbone, LAYERS),
        lambda folder: calibrate_once(backbone, dataset.train, folder),
    ):
        with pytest.raises(ValueError, match=r"^The cache needs a folder: .* Expected a folder that"):
            make(tmp_path / "file")


def test_views_are_augmented_copies(tmp_path, backbone, dataset, expected):
    cache = FeatureCache(tmp_path, backbone, LAYERS)
    views = cache.split("train", dataset.train, "crop", 2)
    rows = np.arange(150)
    one, other = (view.read(rows)[0] for view in views)
    assert (one != other).any((1, 2, 3)).all()
    assert (one != expected["train"][0]).any((1, 2, 3)).all()
    again = FeatureCache(tmp_path / "again", backbone, LAYERS).split("train", dataset.train, "crop", 1)[0]
    np.testing.assert_array_equal(again.read(rows)[0], one)


def test_a_view_that_is_made_again_in_part_is_the_same(tmp_path, backbone, dataset):
    def make():
        return FeatureCache(tmp_path, backbone, LAYERS).split("train", dataset.train, "crop", 1)[0]

    before = make().read(np.arange(150))[0]
    for path in tmp_path.rglob("00001-*.npy"):
        path.unlink()
    np.testing.assert_allclose(make().read(np.arange(150))[0], before, rtol=1e-6)


def test_many_threads_read_at_once(tmp_path, backbone, dataset, expected):
    features = cached(tmp_path, backbone, dataset)
    with concurrent.futures.ThreadPoolExecutor(16) as threads:
        found = list(threads.map(features.read, [ROWS] * 400))
    for one in found:
        np.testing.assert_array_equal(one[0], found[0][0])


@pytest.fixture
def features(tmp_path, backbone, dataset):
    return FeatureDataset(dataset, FeatureCache(tmp_path, backbone, LAYERS))


def test_batches_of_features(features, dataset, expected):
    for split, count in COUNTS.items():
        batches = list(features.batches(split, 4).as_numpy_iterator())
        labels = np.concatenate([labels for _, labels in batches])
        np.testing.assert_array_equal(labels, np.eye(3)[np.arange(count) % 3])
        for layer, reference in enumerate(expected[split]):
            found = np.concatenate([maps[layer] for maps, _ in batches])
            np.testing.assert_allclose(found, reference, rtol=1e-5, atol=1e-6)


def test_training_batches_have_the_order_of_the_images(features, dataset, backbone):
    options = {"batch_size": 8, "seed": 4, "first_epoch": 2}
    network = keras.Model(backbone.input, backbone.get_layer(LAYERS[0]).output)
    pairs = zip(features.training_batches(**options), dataset.training_batches(**options), strict=False)
    for (maps, labels), (images, expected_labels) in (pair for pair, _ in zip(pairs, range(20), strict=False)):
        np.testing.assert_array_equal(labels, expected_labels)
        np.testing.assert_allclose(maps[0], network(images), rtol=1e-4, atol=1e-5)
    assert features.steps_per_epoch(8) == dataset.steps_per_epoch(8) == 18


@pytest.mark.long
def test_validation_is_trained_on_after_train_where_it_is_wanted(tmp_path, backbone, dataset, expected):
    both = dataclasses.replace(dataset, trains_on_validation=True)
    features = FeatureDataset(both, FeatureCache(tmp_path, backbone, LAYERS))
    count = COUNTS["train"] + COUNTS["validation"]
    (rows,) = features.views
    for layer, found in enumerate(rows.read(np.arange(count)[::-1])):
        reference = np.concatenate([expected[split][layer] for split in ("train", "validation")])
        np.testing.assert_allclose(found[::-1], reference, rtol=1e-5, atol=1e-6)
    assert features.steps_per_epoch(8) == both.steps_per_epoch(8) == count // 8
    for (_, labels), (_, expected_labels), _ in zip(
        features.training_batches(8), both.training_batches(8), range(30), strict=False
    ):
        np.testing.assert_array_equal(labels, expected_labels)


@pytest.mark.long
def test_training_takes_all_views(tmp_path, backbone, dataset):
    features = FeatureDataset(dataset, FeatureCache(tmp_path, backbone, LAYERS), "crop", 3)
    sums = [{float(row.sum()) for row in store.read(np.arange(150))[0]} for store in features.views]
    seen = set()
    for (maps, _), _ in zip(features.training_batches(10), range(30), strict=False):
        views = [number for number, known in enumerate(sums) if float(maps[0].numpy()[0].sum()) in known]
        seen.update(views)
        assert len(views) == 1
    assert seen == {0, 1, 2}


def test_the_default_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_ATTENTION_CACHE", str(tmp_path))
    assert default_folder() == tmp_path
    monkeypatch.delenv("KERAS_ATTENTION_CACHE")
    assert default_folder().parts[-2:] == (".cache", "keras_attention")


def test_calibration_is_kept(tmp_path, dataset, monkeypatch):
    backbones = [VGG16BN((32, 32, 3), width=0.03)]
    backbones += [keras.models.clone_model(backbones[0]) for _ in range(2)]
    for other in backbones[1:]:
        other.set_weights(backbones[0].get_weights())
    calls, original = [], seams.calibration_of_a_backbone()
    seams.calibration_of_a_backbone(monkeypatch, lambda *given: calls.append(1) or original(*given))
    calibrate_once(backbones[0], dataset.train, tmp_path)
    calibrate_once(backbones[1], dataset.train, tmp_path)
    assert len(calls) == 1
    for one, other in zip(backbones[0].get_weights(), backbones[1].get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    truncate(next(tmp_path.glob("calibration-*.npz")))
    calibrate_once(backbones[2], dataset.train, tmp_path)
    assert len(calls) == 2
    np.testing.assert_allclose(backbones[2].get_weights()[-1], backbones[0].get_weights()[-1], rtol=1e-5)


def test_calibration_without_a_folder(tmp_path, dataset, monkeypatch):
    monkeypatch.setenv("KERAS_ATTENTION_CACHE", str(tmp_path))
    backbone = VGG16BN((32, 32, 3), width=0.03)
    before = backbone.get_weights()[-1]
    calibrate_once(backbone, dataset.train, False)
    assert (backbone.get_weights()[-1] != before).any()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("verbose", some_now([True, False], "True"))
def test_a_comparison_and_a_search_tell_of_it_in_lines(verbose, tmp_path, dataset, backbone, capsys):
    config = TrainConfig(weights="some.weights.h5", freeze="all", cache_dir=str(tmp_path))
    fill_cache(config, LAYERS[:1], dataset, backbone, verbose)
    printed = capsys.readouterr().out
    assert ("train: features into" in printed and "150 of 150" in printed) is verbose
    assert "\x1b" not in printed
    assert any(tmp_path.iterdir())


def test_the_maps_of_a_model_inside_the_backbone(backbone, dataset, expected, tmp_path):
    """Given by their paths, which are one folder each; a second cache finds them complete."""
    images = keras.Input((32, 32, 3))
    outer = keras.Model(images, backbone(images), name="outer")
    paths = [f"{backbone.name}/{name}" for name in LAYERS]
    for _ in range(2):
        cache = FeatureCache(tmp_path, outer, paths)
        (stored,) = cache.split("test", dataset.test)
        for found, array in zip(stored.read(np.arange(COUNTS["test"])), expected["test"], strict=True):
            np.testing.assert_allclose(found, array, rtol=1e-5, atol=1e-6)
    assert cache.layers == tuple(paths)
    assert {path.parent.name for path in tmp_path.glob("*/*/*.npy")} == {path.replace("/", ".") for path in paths}
