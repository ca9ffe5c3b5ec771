"""Groups dealt out: whole, with each class near its share, and the same for a seed."""

import numpy as np
import pytest
from cases import some_now

from keras_attention.data.grouped import deal


def many_labels(seed, images=2000, labels=14):
    """Images in groups of several sizes, with labels of every frequency that depend on the group."""
    rng = np.random.default_rng(seed)
    groups = np.unique(np.repeat(np.arange(images), rng.geometric(0.2, images))[:images], return_inverse=True)[1]
    often = np.geomspace(0.3, 0.01, labels) * 2 * rng.random((groups.max() + 1, labels))
    return rng.random((images, labels)) < often[groups], groups


@pytest.mark.parametrize("shares", [(0.7, 0.15, 0.15), (0.2,) * 5], ids=["splits", "folds"])
@pytest.mark.parametrize("seed", some_now(range(3), "0"))
def test_several_labels_come_near_their_shares(seed, shares):
    labels, groups = many_labels(seed)
    of_image = deal(labels, groups, shares, seed)[groups]
    assert np.bincount(of_image) / len(labels) == pytest.approx(shares, abs=0.002)
    errors = [100 * abs(labels[of_image == part].mean(axis=0) - labels.mean(axis=0)) for part in range(len(shares))]
    assert np.mean(errors) <= 0.2  # points


def test_one_label_comes_near_its_share():
    rng = np.random.default_rng(0)
    groups = np.unique(rng.integers(0, 130, 400), return_inverse=True)[1]
    classes = rng.choice(3, groups.max() + 1, p=[0.2, 0.6, 0.2])[groups]
    of_image = deal(np.eye(3, dtype=bool)[classes], groups, (0.2,) * 5, 0)[groups]
    shares = np.stack([np.bincount(classes[of_image == part], minlength=3) for part in range(5)]) / 80
    assert 100 * abs(shares - np.bincount(classes) / 400).max() < 2.9  # that of scikit-learn's StratifiedGroupKFold


@pytest.mark.parametrize("seed", range(5))
def test_a_rare_class_is_in_every_part(seed):
    """Three groups of ten have it, beside a hundred groups that do not."""
    groups = np.repeat(np.arange(103), [10, 10, 10, *[7] * 100])
    labels = np.column_stack([groups < 3, groups >= 3])
    parts = deal(labels, groups, (0.7, 0.15, 0.15), seed)
    assert sorted(parts[:3]) == [0, 1, 2]


def test_the_same_for_a_seed_and_others_for_others():
    labels, groups = many_labels(0, images=300)
    first, again, other = (deal(labels, groups, (0.5, 0.5), seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
