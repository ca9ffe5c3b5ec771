"""`measure`: each figure equals the result of its function, in one chunk or in many, and the report shows it."""

import json
import random
import re

import keras
import numpy as np
import pytest
import seams
from keras import layers

from keras_attention.data import load
from keras_attention.maps import (
    MapReport,
    agreement,
    attention_maps,
    deletion_and_insertion,
    entropy,
    grad_cam,
    jaccard,
    joint_map,
    mean_figures,
    measure,
    measure_maps,
    measuring,
    resize_maps,
    sparsity,
)
from keras_attention.maps.measures import BEST_JACCARD, MEASURES, THRESHOLDS
from keras_attention.models import attention_classifier

COUNT, SIDE, CLASSES, BATCH = 24, 16, 3, 8
BLOCKS = ["conv1", "conv2"]
NAMES = [*BLOCKS, "joint", "grad_cam"]
AGAINST_MASKS = [name for name, measure in MEASURES.items() if measure.against_mask]
EMPTY = [0, 5, 23]  # images without a mask


def network():
    """Three convolutions, of 16×16, 8×8 and 4×4 positions."""
    inputs = x = keras.Input((SIDE, SIDE, 3), name="images")
    for number, filters in enumerate((3, 5, 7), start=1):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu", name=f"conv{number}")(x)
        features = x
        x = layers.MaxPooling2D(2, name=f"pool{number}")(x) if number < 3 else x
    return keras.Model(inputs, features)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(5)
    return attention_classifier(network(), CLASSES, attend=BLOCKS, query="conv3", units=4)


@pytest.fixture(scope="module")
def arrays():
    """Images with a bright square whose colour is the class, the labels, and the masks of the squares."""
    rng = np.random.default_rng(3)
    images, labels = rng.integers(0, 80, (COUNT, SIDE, SIDE, 3)), np.arange(COUNT) % CLASSES
    masks = np.zeros((COUNT, SIDE, SIDE), "uint8")
    for image, label, mask in zip(images, labels, masks, strict=True):
        top, left = rng.integers(0, 10, 2)
        image[top : top + 6, left : left + 5, label] += 150
        mask[top : top + 6, left : left + 5] = 255
    masks[EMPTY] = 0
    return images.astype("uint8"), labels, masks


OPTIONS = {"perturbed": 2, "steps": 3, "seed": 2, "batch_size": BATCH}


@pytest.fixture(scope="module")
def report(model, arrays):
    return measure(model, arrays, **OPTIONS)


def test_each_figure_is_that_of_its_function(report, model, arrays):
    images, labels, masks = arrays
    values, blocks = report.values, attention_maps(model, images)
    maps = {**blocks, "joint": joint_map(blocks, SIDE), "grad_cam": grad_cam(model, images)}
    assert list(report.maps) == NAMES
    expected = {f"entropy/{name}": entropy(maps[name]) for name in NAMES}
    expected |= {f"sparsity/{name}": sparsity(maps[name]) for name in NAMES}
    expected["agreement/conv1/conv2"] = agreement(maps["conv1"], maps["conv2"])
    expected["agreement/conv1/grad_cam"] = agreement(maps["conv1"], maps["grad_cam"])
    expected["agreement/conv2/grad_cam"] = agreement(maps["conv2"], maps["grad_cam"])
    of_blocks, expected["chance"] = measure_maps(blocks, masks)
    of_cam = measure_maps({"grad_cam": maps["grad_cam"]}, masks)[0]
    for name in of_blocks:
        expected |= {f"{name}/{block}": found for block, found in of_blocks[name].items()}
        expected[f"{name}/grad_cam"] = of_cam[name]["grad_cam"]
    for key, found in expected.items():
        # Rounding, which depends on the processor, may swap two pixels of nearly equal weight in a ranking.
        np.testing.assert_allclose(values[key], found, rtol=1e-3, atol=5e-4, err_msg=key)
    assert (values["label"] == labels).all()
    logits = keras.ops.convert_to_numpy(model(images.astype("float32")))
    np.testing.assert_allclose(values["probabilities"], keras.ops.softmax(logits), rtol=1e-3, atol=1e-5)
    others = {f"{kind}/{name}" for kind in ("random_weights", BEST_JACCARD) for name in NAMES}
    others |= {f"{kind}/{name}" for kind in ("deletion", "insertion") for name in [*NAMES, "chance"]}
    assert set(values) == set(expected) | others | {"label", "probabilities"}


def test_deletion_and_insertion_of_some_images(report, model, arrays):
    chosen = [0, 23]
    images = arrays[0][chosen]
    for name, maps in attention_maps(model, images).items():
        found = deletion_and_insertion(model, images, maps, steps=3, batch_size=BATCH, seed=2)
        for kind in found:
            np.testing.assert_allclose(report.values[f"{kind}/{name}"], found[kind], rtol=1e-3)
    by_chance = np.random.default_rng(2).random((2, SIDE, SIDE))
    found = deletion_and_insertion(model, images, by_chance, steps=3)
    np.testing.assert_allclose(report.values["insertion/chance"], found["insertion"], rtol=1e-3)
    assert report.summary["chance"]["insertion"]["score"] == pytest.approx(found["insertion"].mean(), rel=1e-3)


def test_the_best_threshold_of_the_split(report, model, arrays):
    images, _, masks = arrays
    for name, maps in attention_maps(model, images, resolution="image").items():
        scores = [jaccard(maps, masks, threshold)["score"] for threshold in THRESHOLDS]
        assert report.summary["maps"][name][BEST_JACCARD]["score"] == pytest.approx(max(scores), rel=1e-3)
        assert scores[round(100 * report.thresholds[name])] == pytest.approx(max(scores), rel=1e-3)


@pytest.mark.long
def test_chunks_give_what_the_whole_gives(report, model, arrays, monkeypatch, capsys):
    seams.images_in_a_chunk(monkeypatch, BATCH)  # the second chunk has no perturbed image
    found = measure(model, arrays, verbose=1, **OPTIONS)
    assert list(found.values) == list(report.values)
    for key, values in report.values.items():
        np.testing.assert_allclose(found.values[key], values, rtol=1e-3, atol=1e-4, err_msg=key)
    assert found.thresholds == report.thresholds
    told = [f"measured {done} of 24 images" for done in (8, 16, 24)]
    assert capsys.readouterr().out.splitlines() == told


def numbers_in(plain):
    if isinstance(plain, dict):
        return [number for value in plain.values() for number in numbers_in(value)]
    return [plain]


def test_the_summary_is_plain_and_its_intervals_hold_the_scores(report):
    summary = report.summary
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert {type(number) for number in numbers_in(summary)} <= {int, float, str, type(None)}
    assert list(summary) == ["images", "accuracy", "grad_cam_layer", "thresholds", "maps", "agreement", "chance"]
    assert (summary["images"], summary["grad_cam_layer"]) == (COUNT, report.layer) == (COUNT, "conv3")
    right = report.values["probabilities"].argmax(axis=1) == np.arange(COUNT) % CLASSES
    assert summary["accuracy"] == pytest.approx(right.mean())
    assert list(summary["thresholds"]) == list(summary["maps"]) == NAMES
    assert list(summary["agreement"]) == ["conv1 and conv2", "conv1 and grad_cam", "conv2 and grad_cam"]
    for name, figures in summary["maps"].items():
        for kind, figure in figures.items():
            values = report.values[f"{kind}/{name}"]
            defined = values[np.isfinite(values)]
            assert figure["score"] == pytest.approx(defined.mean())
            assert defined.min() - 1e-9 <= figure["low"] <= figure["score"] <= figure["high"] <= defined.max() + 1e-9
            assert figure["high"] - figure["low"] < 5 * defined.std() / np.sqrt(len(defined)) + 1e-9
            assert (figure["count"], figure["skipped"]) == (len(defined), len(values) - len(defined))
            assert ("chance" in figure) == (kind in AGAINST_MASKS)


def test_empty_masks_are_counted(report):
    for figures in report.summary["maps"].values():
        for kind in AGAINST_MASKS:
            assert (figures[kind]["count"], figures[kind]["skipped"]) == (COUNT - 3, 3)
            assert figures[kind]["chance"] == pytest.approx(30 / SIDE**2)
        assert figures["entropy"]["count"] + figures["entropy"]["skipped"] == COUNT
        assert figures["deletion"]["count"] == 2
    assert np.flatnonzero(np.isnan(report.values["chance"])).tolist() == EMPTY


@pytest.fixture(scope="module")
def unlabelled(model, arrays):
    """A report without labels and without perturbed images, with coarse masks of 8×4."""
    return measure(model, (arrays[0], None, arrays[2][:, ::2, ::4, None]), **{**OPTIONS, "perturbed": 0})


def test_masks_of_another_resolution(unlabelled, model, arrays):
    coarse, maps = arrays[2][:, ::2, ::4], attention_maps(model, arrays[0])
    for name in BLOCKS:
        expected = measure_maps({"a": resize_maps(maps[name], (8, 4))}, coarse)[0]
        for kind in expected:
            np.testing.assert_allclose(unlabelled.values[f"{kind}/{name}"], expected[kind]["a"], rtol=1e-3, atol=1e-4)
    expected = mean_figures(unlabelled.values["jaccard/conv1"], unlabelled.values["chance"])
    figure = unlabelled.summary["maps"]["conv1"]["jaccard"]
    assert {key: figure[key] for key in expected} == pytest.approx(expected)


def test_labels_that_are_not_known(unlabelled, report):
    assert unlabelled.summary["accuracy"] is None
    assert np.isnan(unlabelled.values["label"]).all()
    np.testing.assert_array_equal(unlabelled.values["probabilities"], report.values["probabilities"])
    assert {row["true"] for row in unlabelled.rows(range(COUNT), "abc")} == {None}


def test_nothing_is_perturbed(unlabelled):
    assert unlabelled.summary["chance"] == {}
    assert not [key for key in unlabelled.values if "deletion" in key or "insertion" in key]
    assert "insertion" not in unlabelled.table()


def test_without_masks(report, model, arrays):
    found = measure(model, (*arrays[:2], None), **{**OPTIONS, "perturbed": 0})
    of_masks = {f"{kind}/{name}" for kind in AGAINST_MASKS for name in NAMES} | {"chance"}
    perturbed = {name for name in report.values if name.startswith(("deletion/", "insertion/"))}
    assert set(found.values) == set(report.values) - of_masks - perturbed
    for key in found.values:
        np.testing.assert_allclose(found.values[key], report.values[key], rtol=1e-6, err_msg=key)
    assert found.summary["thresholds"] == {}
    assert "pointing game" not in found.table()
    assert "Jaccard" not in found.table()


def test_masks_that_are_all_empty(model, arrays):
    found = measure(model, [*(part[:BATCH] for part in arrays[:2]), np.zeros((BATCH, 3, 5))], perturbed=0)
    figure = found.summary["maps"]["joint"][BEST_JACCARD]
    assert figure == {"score": None, "low": None, "high": None, "chance": None, "count": 0, "skipped": BATCH}
    assert found.summary["thresholds"] == {}
    assert f"\nimages not measured against a mask, because it is missing or empty: {BATCH}" in found.table()
    assert "chosen on these images" not in found.table()


def test_random_weights_come_from_the_seed_alone(report, model, arrays):
    weights = [np.array(weight) for weight in model.get_weights()]
    random.seed(99)
    state, numpy_state = random.getstate(), np.random.get_state()[1].copy()
    other = measure(model, arrays[:2], **{**OPTIONS, "perturbed": 0, "seed": 3})
    assert random.getstate() == state
    assert (np.random.get_state()[1] == numpy_state).all()
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(after, before)
    for name in NAMES:
        key = f"random_weights/{name}"  # the tests above check that the same seed gives the same figures
        assert not np.allclose(other.values[key], report.values[key], equal_nan=True)
    # The maps of the model itself do not depend on the seed.
    np.testing.assert_allclose(other.values["entropy/conv1"], report.values["entropy/conv1"], rtol=1e-6)


@pytest.mark.long
def test_a_model_with_the_random_weights_agrees_with_itself(model, arrays):
    untrained = measuring._with_random_weights(model, 4)
    found = measure(untrained, [part[:6] for part in arrays[:2]], perturbed=0, seed=4)
    for name in BLOCKS:
        assert found.values[f"random_weights/{name}"] == pytest.approx(np.ones(6))


@pytest.mark.long
def test_a_data_set(model, arrays):
    data = load(arrays, split_seed=1)
    found = measure(model, data, split="validation", perturbed=0)
    batch = next(data.batches("validation", 100, with_masks=True).as_numpy_iterator())
    direct = measure(model, (batch["images"], batch["labels"].argmax(-1), batch["masks"]), perturbed=0)
    assert found.count == data.validation.count < COUNT
    assert list(direct.values) == list(found.values)
    for key, values in direct.values.items():
        np.testing.assert_allclose(found.values[key], values, rtol=1e-5, atol=1e-6, err_msg=key)


def test_grad_cam_where_nothing_leads_past_its_layer(arrays):
    """With a dense layer on the average over n positions it is CAM/n, cut at 0."""
    backbone = network()
    plain = attention_classifier(backbone, CLASSES, attend=(), query="conv3")
    features = keras.ops.convert_to_numpy(keras.Model(plain.input, plain.get_layer("conv3").output)(arrays[0][:3]))
    weights = keras.ops.convert_to_numpy(plain.get_layer("logits").kernel)
    for count in (1, 3):
        expected = np.maximum(features[:count] @ weights[:, 1] / 16, 0)
        np.testing.assert_allclose(grad_cam(plain, arrays[0][:count], class_index=1), expected, rtol=1e-4, atol=1e-6)


def test_one_attended_block_and_one_image(arrays):
    model = attention_classifier(network(), CLASSES, attend="conv2", query="conv3", units=4)
    found = measure(model, [part[1:2] for part in arrays], layer="conv1", steps=2)
    assert found.maps == ("conv2", "grad_cam")
    assert found.layer == "conv1"
    figure = found.summary["maps"]["conv2"]["jaccard"]
    assert (figure["low"], figure["high"], figure["count"], figure["skipped"]) == (None, None, 1, 0)
    assert list(found.summary["agreement"]) == ["conv2 and grad_cam"]
    assert f"{figure['score']:.3f}" in found.table()


def test_the_table(report):
    against, alone, agreements, notes = report.table().split("\n\n")
    heads = ["map", "pointing game", "energy inside", "Jaccard at .5", "best Jaccard", "AP of pixels"]
    assert re.split(r"  +", against.splitlines()[0]) == heads
    rows = {line.split()[0]: line for line in against.splitlines()[1:]}
    assert list(rows) == [*NAMES, "chance"]
    assert rows["chance"].split()[1:] == [f"{30 / 256:.3f}"] * 5
    for name in NAMES:
        for kind in AGAINST_MASKS:
            figure = report.summary["maps"][name][kind]
            assert f"{figure['score']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]" in rows[name]
    heads = ["map", "insertion", "deletion", "entropy", "sparsity", "agreement with random weights"]
    assert re.split(r"  +", alone.splitlines()[0]) == heads
    by_chance = report.summary["chance"]
    assert alone.splitlines()[-1].split() == ["chance", *(f"{by_chance[kind]['score']:.3f}" for kind in heads[1:3])]
    assert [line.split("  ")[0] for line in agreements.splitlines()[1:]] == list(report.summary["agreement"])
    lines = notes.splitlines()
    assert lines[:2] == [
        "24 images; Grad-CAM of conv3; joint is the joint map, the product of the maps of all attended layers; "
        "95 % intervals in brackets",
        "images not measured against a mask, because it is missing or empty: 3",
    ]
    listed = ", ".join(f"{name} {threshold:g}" for name, threshold in report.thresholds.items())
    assert lines[2:4] == [
        f"thresholds of the best Jaccard, chosen on these images: {listed}",
        "insertion and deletion on 2 of them",
    ]


def test_rows(report):
    names = [f"{number}.png" for number in range(COUNT)]
    rows = report.rows(names, ("red", "green", "blue"))
    assert [row["name"] for row in rows] == names
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    for number, row in enumerate(rows):
        best = report.values["probabilities"][number].argmax()
        assert row["true"] == ("red", "green", "blue")[number % 3]
        assert row["predicted"] == ("red", "green", "blue")[best]
        assert row["probability"] == pytest.approx(report.values["probabilities"][number, best])
        assert (row["jaccard/conv1"] is None) == (number in EMPTY)
        assert row["entropy/conv2"] == pytest.approx(report.values["entropy/conv2"][number])
        assert "deletion/conv1" not in row


def test_a_report_of_figures_that_are_not_defined():
    values = {
        "label": np.array([0.0, 1.0, np.nan]),
        "probabilities": np.eye(3),
        "entropy/a": np.array([np.nan, 0.5, 0.5]),
        "sparsity/a": np.full(3, np.nan),
        "random_weights/a": np.full(3, np.nan),
        "agreement/a/b": np.array([0.25, np.nan, 0.75]),
    }
    report = MapReport(values, ("a",), "last")
    figures = report.summary["maps"]["a"]
    assert figures["entropy"] == {"score": 0.5, "low": 0.5, "high": 0.5, "count": 2, "skipped": 1}
    assert figures["sparsity"] == {"score": None, "low": None, "high": None, "count": 0, "skipped": 3}
    assert report.summary["agreement"] == {
        "a and b": {"score": 0.5, "low": 0.25, "high": 0.75, "count": 2, "skipped": 1}
    }
    assert report.summary["accuracy"] is None
    assert report.table().splitlines() == [
        "map  entropy               sparsity  agreement with random weights",
        "a    0.500 [0.500, 0.500]  –         –",
        "",
        "agreement (rank correlation)",
        "a and b                       0.500 [0.250, 0.750]",
        "",
        "3 images; Grad-CAM of last; 95 % intervals in brackets",
        "entropy of a is not defined for 1 image",
        "agreement with random weights of a is not defined for 3 images",
    ]


def test_intervals_narrow_with_the_images_and_follow_the_seed(rng):
    draws = rng.normal(3, 1, 400)

    def interval(count, seed=0):
        values = {"label": np.zeros(count), "probabilities": np.zeros((count, 2)), "entropy/a": draws[:count]}
        figure = MapReport(values, ("a",), "last", seed).summary["maps"]["a"]["entropy"]
        return figure["low"], figure["high"]

    few, many = np.diff(interval(25))[0], np.diff(interval(400))[0]
    # The width of a 95 % interval is 2 · 1.96 σ/√n; the bootstrap has 2000 resamples.
    assert few == pytest.approx(3.92 * draws[:25].std() / 5, rel=0.1)
    assert many == pytest.approx(3.92 * draws.std() / 20, rel=0.1)
    assert interval(25) == interval(25) != interval(25, seed=1)


ARRAYS = "(images, labels) or (images, labels, masks), with as many of each"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda images, labels, masks: (images, labels[:-1]),
            f"The arrays must be of the same images. Expected {ARRAYS}. Received: lengths [24, 23].",
        ),
        (
            lambda images, labels, masks: (images, None, masks[:5]),
            f"The arrays must be of the same images. Expected {ARRAYS}. Received: lengths [24, None, 5].",
        ),
        (
            lambda images, labels, masks: (images,),
            f"The arrays must be of the same images. Expected {ARRAYS}. Received: lengths [24].",
        ),
        (
            lambda images, labels, masks: [None, labels],
            f"The arrays must be of the same images. Expected {ARRAYS}. Received: lengths [None, 24].",
        ),
        (
            lambda images, labels, masks: (images[:0], None),
            f"The arrays must be of the same images. Expected {ARRAYS}. Received: lengths [0, None].",
        ),
        (
            lambda images, labels, masks: (images, labels / 2),
            "The labels must be class numbers. Expected integers from 0, (n,). Received: float64 (24,).",
        ),
        (
            lambda images, labels, masks: (images, labels + 1),
            f"Every label must be a class of the model. Expected numbers below {CLASSES}. Received: {CLASSES}.",
        ),
        (
            lambda images, labels, masks: (images, labels, np.where(masks, np.nan, 0.0)),
            "The masks must be finite. Expected 0 outside, one other number inside. Received: NaN.",
        ),
        (
            lambda images, labels, masks: (images[0], labels[0]),
            f"The arrays must be of the same images. Expected {ARRAYS}. Received: lengths [16, 0].",
        ),
        (
            lambda images, labels, masks: (images, labels - 1),
            "The labels must be class numbers. Expected integers from 0, (n,). Received: int64 (24,).",
        ),
        (
            lambda images, labels, masks: (images, np.eye(CLASSES, dtype=int)[labels]),
            "The labels must be class numbers. Expected integers from 0, (n,). Received: int64 (24, 3).",
        ),
        (
            lambda images, labels, masks: (images[:, :8], labels),
            "The images must fit the model. Expected numbers (B, 16, 16, 3), B at least 1. "
            "Received: uint8 (24, 8, 16, 3).",
        ),
    ],
)
def test_arrays_that_are_refused(change, message, model, arrays):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        measure(model, change(*arrays), perturbed=0)


def test_a_model_without_attention_and_a_number_of_images_below_zero(model, arrays):
    plain = attention_classifier(network(), CLASSES, attend=(), query="conv3", name="plain")
    message = "The model must have attention layers. Expected a model with `SpatialAttention` layers. Received: plain."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        measure(plain, arrays)
    message = "`perturbed` is out of range. Expected an integer at least 0. Received: perturbed=-1."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        measure(model, arrays, perturbed=-1)
