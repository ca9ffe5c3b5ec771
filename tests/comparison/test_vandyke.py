"""A worked example from outside: what published programs find in it, and what the verdict does beyond."""

import numpy as np
import pytest
from scipy import stats
from vandyke import RATINGS, TRUTH

from keras_attention.comparison.contrasts import JointModel
from keras_attention.comparison.family import corrected
from keras_attention.metrics import METRICS
from keras_attention.metrics.answers import Answers

AREA = METRICS["roc_auc"]
IMAGES = len(TRUTH)


def answers(ratings):
    return Answers(np.stack([-ratings / 2, ratings / 2], axis=1), TRUTH)


def jackknife(ratings):
    """The deviations of the jackknife, (n − 1)/n Σ (left out − mean)²."""
    left_out = [AREA.of(answers(ratings).drawn(np.arange(IMAGES) != image)) for image in range(IMAGES)]
    return np.sqrt((IMAGES - 1) / IMAGES) * (np.mean(left_out) - left_out)


def comparison_by(deviations):
    figures = [[AREA.of(answers(ratings)) for ratings in readers] for readers in RATINGS]
    return JointModel(figures, [[deviations(ratings) for ratings in readers] for readers in RATINGS], IMAGES)


@pytest.fixture(scope="module")
def by_jackknife():
    """The comparison by the jackknife, as the published figures are; it takes seconds."""
    return comparison_by(jackknife)


@pytest.fixture(scope="module")
def by_influence():
    """The comparison by influence values, as those of the package are."""
    return comparison_by(lambda ratings: AREA.deviations(answers(ratings)))


def components(model):
    """Error variance, and covariances of the same reader, of the same treatment, and of neither."""
    both = np.einsum("tri,uri->tu", model.deviations, model.deviations) / 5
    common = model.image_covariance
    return np.trace(both) / 2, both[0, 1], np.trace(common) / 2, common[0, 1]


def hillis(model):
    """The difference, F and its degrees of freedom."""
    found = model.contrast(model.pair(1, 0))
    return found, (found.mean / found.error) ** 2, found.error**4 / (found.seed_error**4 / found.seed_df)


def test_the_areas(by_influence):
    expected = [
        [0.91964573, 0.85877617, 0.90386473, 0.97310789, 0.82979066],
        [0.94782609, 0.90531401, 0.92173913, 0.99935588, 0.92995169],
    ]
    np.testing.assert_allclose(by_influence.figures, expected, atol=5e-9)


@pytest.mark.long
def test_the_published_analysis(by_jackknife):
    """F = MS(T) / (MS(T·R) + r · max(Cov2 − Cov3, 0)), which is (difference / standard error)² here."""
    assert components(by_jackknife) == pytest.approx((0.00080229, 0.00034661, 0.00034407, 0.00023903), abs=5e-9)
    found, ratio, df = hillis(by_jackknife)
    assert (found.mean, found.error) == (pytest.approx(0.0438003, abs=5e-8), pytest.approx(0.0207486, abs=5e-8))
    assert (ratio, df) == (pytest.approx(4.4563, abs=5e-5), pytest.approx(15.2597, abs=5e-5))
    assert stats.f.sf(ratio, 1, df) == pytest.approx(0.051666, abs=5e-7)
    half = stats.t.ppf(0.975, df) * found.error
    assert (found.mean - half, found.mean + half) == pytest.approx((-0.000359, 0.087959), abs=5e-7)


@pytest.mark.long
def test_with_readers_or_cases_fixed(by_jackknife):
    found = by_jackknife.contrast(by_jackknife.pair(1, 0))
    assert found.seed_error == pytest.approx(0.01485, abs=5e-6)
    assert 2 * stats.t.sf(found.mean / found.seed_error, found.seed_df) == pytest.approx(0.0420, abs=5e-5)
    cases = by_jackknife.deviations.mean(1)
    error = np.linalg.norm(cases[1] - cases[0])
    assert error == pytest.approx(0.01872, abs=5e-6)
    assert 2 * stats.t.sf(found.mean / error, IMAGES - 1) == pytest.approx(0.0210, abs=5e-5)


@pytest.mark.long
def test_influence_values_differ_by_little(by_influence, by_jackknife):
    """They give DeLong's covariances: 1.3 % below the jackknife's."""
    found, published = (np.array(components(model)) for model in (by_influence, by_jackknife))
    np.testing.assert_allclose(found / published, 0.987, atol=0.001)


def test_the_analysis_by_influence_values(by_influence):
    """F is 4.485 instead of 4.456."""
    _, ratio, df = hillis(by_influence)
    assert (ratio, df) == (pytest.approx(4.4849, abs=5e-5), pytest.approx(15.066, abs=5e-4))
    assert stats.f.sf(ratio, 1, df) == pytest.approx(0.05123, abs=5e-6)


def test_what_the_verdict_makes_of_it(by_influence):
    """Each error has the t of its own degrees of freedom, 4 and 113, so that the interval is wider; of two variants
    there is no variance to move towards and no family to correct for."""
    model = by_influence
    found = model.contrast(model.pair(1, 0))
    expected = np.hypot(stats.t.ppf(0.975, 4) * found.seed_error, stats.t.ppf(0.975, 113) * found.image_error)
    assert found.interval() == pytest.approx((found.mean - expected, found.mean + expected))
    assert found.interval() == pytest.approx((-0.0063, 0.0939), abs=5e-5)
    assert found.p_value == pytest.approx(0.0757, abs=5e-5)
    assert model.spread.prior_df == 0
    assert corrected([found.p_value], model.correlation([model.pair(1, 0)])) == [found.p_value]
