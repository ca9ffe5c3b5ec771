"""Measures without masks: entropy and sparsity compared with their sums, agreement with SciPy."""

import re

import numpy as np
import pytest
from scipy.stats import entropy as scipy_entropy
from scipy.stats import spearmanr

from keras_attention.maps import agreement, entropy, resize_maps, sparsity

spread = pytest.mark.parametrize("measure", [entropy, sparsity])


def gini(values):
    """Σ_i Σ_j |a_i − a_j| / (2 n Σ a), divided by its largest value, (n − 1)/n."""
    flat = values.ravel().astype("float64")
    count = len(flat)
    differences = sum(abs(one - other) for one in flat for other in flat)
    return differences / (2 * count * flat.sum()) / ((count - 1) / count)


KINDS = {
    "random": lambda rng, size: rng.random(size),
    "steep": lambda rng, size: rng.random(size) ** 20,
    "with zeros": lambda rng, size: rng.integers(0, 3, size),
    "tiny": lambda rng, size: 1e-30 * rng.random(size),
    "huge": lambda rng, size: 1e30 * rng.random(size),
    "float32": lambda rng, size: rng.random(size).astype("float32"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(2, 3), (7, 5), (1, 11)], ids=str)
def test_random_maps(size, kind, rng):
    maps = KINDS[kind](rng, (3, *size))
    shares = maps.reshape(3, -1).astype("float64")
    expected = scipy_entropy(shares, axis=1) / np.log(shares.shape[1])
    np.testing.assert_allclose(entropy(maps), expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(sparsity(maps), [gini(values) for values in maps], rtol=1e-9, atol=1e-12)


def test_maps_by_hand():
    maps = np.array([[[1.0, 1, 1, 1]], [[1, 1, 0, 0]], [[0, 0, 5, 0]], [[1, 2, 3, 4]]])
    of_last = -sum(share * np.log(share) for share in (0.1, 0.2, 0.3, 0.4)) / np.log(4)
    assert entropy(maps) == pytest.approx([1, 1 / 2, 0, of_last])
    # Differences of two from the four: 0; 4 · 1; 3 · 5; 3 · 1 + 2 · 2 + 3, over (n − 1) Σ a.
    assert sparsity(maps) == pytest.approx([0, 4 / 6, 15 / 15, 10 / 30])


@spread
def test_only_shares_matter_and_not_their_order(measure, rng):
    maps = rng.random((4, 3, 5))
    shuffled = rng.permuted(maps.reshape(4, -1), axis=1).reshape(4, 5, 3)
    for same in (maps.tolist(), 1e9 * maps, 1e-9 * maps, shuffled):
        np.testing.assert_allclose(measure(same), measure(maps), rtol=1e-12)


@spread
def test_zeros_and_single_positions_are_not_defined(measure):
    maps = np.zeros((2, 3, 3))
    maps[1, 0, 0] = 1
    assert np.isnan(measure(maps)).tolist() == [True, False]
    assert np.isnan(measure(np.ones((3, 1, 1)))).tolist() == [True] * 3
    assert np.isnan(measure(np.zeros((1, 1, 1)))).tolist() == [True]
    assert not np.signbit(measure(maps)[1])


@spread
@pytest.mark.parametrize(
    ("maps", "expected", "received"),
    [
        (np.ones((3, 3)), "(B, H, W), at least 0", "shape (3, 3)"),
        (np.ones((2, 3, 3, 1)), "(B, H, W), at least 0", "shape (2, 3, 3, 1)"),
        (np.array([[[1.0, -0.5]]]), "finite numbers, at least 0", "-0.5 to 1.0"),
        (np.array([[[1.0, np.nan]]]), "finite numbers, at least 0", "nan to nan"),
        (np.array([[[1.0, np.inf]]]), "finite numbers, at least 0", "1.0 to inf"),
    ],
)
def test_what_are_no_weights(measure, maps, expected, received):
    message = f"`maps` must be maps of weights. Expected {expected}. Received: {received}."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        measure(maps)


def ranked_together(first, second):
    """SciPy's coefficient for each pair of maps of the same size."""
    pairs = zip(first, second, strict=True)
    return [spearmanr(one.ravel(), other.ravel()).statistic for one, other in pairs]


@pytest.mark.parametrize("levels", [3, 10**6], ids=["many ties", "few ties"])
def test_agreement_is_that_of_scipy(levels, rng):
    first, second = rng.integers(0, levels, (2, 6, 5, 7))
    np.testing.assert_allclose(agreement(first, second), ranked_together(first, second), rtol=1e-12)
    np.testing.assert_allclose(agreement(second, first), agreement(first, second), rtol=1e-12)


@pytest.mark.parametrize(("coarse", "fine"), [((3, 4), (6, 8)), ((2, 5), (7, 5)), ((3, 7), (5, 5))], ids=str)
def test_the_coarser_map_is_resized(coarse, fine, rng):
    first, second = rng.random((4, *coarse)), rng.random((4, *fine))
    expected = ranked_together(resize_maps(first, fine), second)
    np.testing.assert_allclose(agreement(first, second), expected, rtol=1e-12)
    np.testing.assert_allclose(agreement(second, first), expected, rtol=1e-12)


def test_only_the_order_of_positions_agrees(rng):
    maps = rng.random((3, 4, 5))
    assert agreement(maps, maps**3) == pytest.approx([1, 1, 1])
    assert agreement(maps, 1e-6 * np.exp(9 * maps)) == pytest.approx([1, 1, 1])
    assert agreement(maps, -maps) == pytest.approx([-1, -1, -1])
    assert np.abs(agreement(maps, maps)).max() <= 1
    assert agreement(maps.tolist(), (2 * maps + 7).tolist()) == pytest.approx([1, 1, 1])


def test_constant_maps_agree_with_nothing(rng):
    maps, flat = rng.random((3, 4, 4)), np.full((3, 4, 4), 1 / 16)
    flat[1] = maps[1]
    for first, second in ((maps, flat), (flat, maps)):
        assert np.isnan(agreement(first, second)).tolist() == [True, False, True]
    rounded = np.full((3, 4, 4), 1 / 16) * (
        1 + 1e-7 * rng.random((3, 4, 4))
    )  # like the rounding errors of resizing and softmax
    assert np.isnan(agreement(maps, rounded)).all()
    assert not np.isnan(agreement(maps, maps + 0.01 * rounded)).any()
    for value in (0, 1 / 9, 0.1, 1e-8, -3.3):
        assert np.isnan(agreement(np.full((3, 3, 3), value), rng.random((3, 7, 11)))).all()
    assert np.isnan(agreement(np.ones((3, 1, 1)), maps)).all()
    assert np.isnan(agreement(np.ones((2, 1, 1)), np.ones((2, 1, 1)))).all()


@pytest.mark.parametrize(
    ("first", "second"), [((3, 4, 4), (2, 4, 4)), ((4, 4), (4, 4)), ((3, 4, 4), (3, 4, 4, 1))], ids=str
)
def test_maps_that_do_not_fit(first, second):
    message = (
        "`first` and `second` must be maps of the same images. Expected two arrays (B, H, W) with the same B. "
        f"Received: {first} and {second}."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        agreement(np.ones(first), np.ones(second))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_maps_that_are_not_finite_rank_nothing(bad, rng):
    maps = rng.random((2, 3, 3))
    spoilt = maps.copy()
    spoilt[1, 2, 2] = bad
    message = "The maps must be finite. Expected numbers. Received: 1 NaN or infinite."
    for first, second in ((maps, spoilt), (spoilt, maps)):
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            agreement(first, second)
