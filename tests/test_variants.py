"""Names of variants: what they stand for, what they expand to, and how a wrong one is answered."""

import re

import pytest
from seams import assert_three_parts

from keras_attention import TrainConfig
from keras_attention.comparison import DEFAULT_VARIANTS, Variant, make_variants
from keras_attention.layers import ALIGNMENTS, GATES, POOLINGS, SCORES, UniformScore
from keras_attention.variants import named_variant

BASE = TrainConfig(score="additive", score_options={"activation": "relu"}, units=9)


def named(*names):
    return {variant.name: variant for variant in make_variants(names)}


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("plain", {"attend": ()}),
        ("multiscale", {"score": None}),
        ("uniform", {"score": "uniform", "alignment": "softmax"}),
        ("additive+softmax", {"score": "additive", "alignment": "softmax"}),
        ("dot+entmax@block4_pool", {"score": "dot", "alignment": "entmax", "attend": ("block4_pool",)}),
        ("multiscale@block2_pool+block4_relu1", {"score": None, "attend": ("block2_pool", "block4_relu1")}),
        ("gem", {"score": None, "pooling": "gem", "feature_gate": None}),
        ("se@block4_pool", {"score": None, "pooling": "average", "feature_gate": "se", "attend": ("block4_pool",)}),
        ("uniform@block3_pool", {"score": "uniform", "alignment": "softmax", "attend": ("block3_pool",)}),
    ],
)
def test_what_a_name_stands_for(name, settings):
    assert named(name)[name].settings == settings
    config = named(name)[name].config(TrainConfig(), seed=5)
    assert config.seed == 5
    assert {key: getattr(config, key) for key in settings} == settings


def test_the_families_follow_the_registries():
    scores, alignments = named("all-scores"), named("all-alignments")
    assert list(scores) == ["plain", "multiscale", *(f"{score}+softmax" for score in SCORES)]
    assert list(alignments) == ["plain", "multiscale", *(f"additive+{alignment}" for alignment in ALIGNMENTS)]
    both = named("all-scores", "all-alignments")
    assert len(both) == 2 + len(SCORES) + len(ALIGNMENTS) - 1
    assert list(named("all-poolings")) == ["plain", "multiscale", *POOLINGS, *GATES]
    everything = named("all")
    assert list(everything)[:3] == ["plain", "multiscale", "uniform"]
    assert len(everything) == 3 + len(SCORES) * len(ALIGNMENTS)


def test_references_join_and_names_count_once():
    assert list(named("cosine+softmax", "plain", "cosine+softmax")) == ["multiscale", "cosine+softmax", "plain"]
    assert list(named(*DEFAULT_VARIANTS)) == list(DEFAULT_VARIANTS)
    assert [variant.name for variant in make_variants("plain")] == ["multiscale", "plain"]
    assert make_variants([" uniform "])[-1].name == "uniform"


def test_options_stay_with_their_score_only():
    assert named("additive+sigmoid")["additive+sigmoid"].config(BASE).score_options == {"activation": "relu"}
    assert named("concat+sigmoid")["concat+sigmoid"].config(BASE).score_options == {}
    assert named("multiscale")["multiscale"].config(BASE).score_options == {}
    mine = Variant("tanh", {"score": "concat", "score_options": {"activation": "tanh"}})
    assert mine.config(BASE).score_options == {"activation": "tanh"}
    assert mine.config(BASE).units == 9


def test_a_baseline_belongs_to_its_variant_alone():
    """Whatever the settings that are shared, the controls have none, and attention has no pooling."""
    base = TrainConfig(score=None, pooling="ep", pooling_options={"queries": 2}, feature_gate="se")
    others = named("multiscale", "plain", "additive+softmax", "gem", "eca")
    configs = {name: variant.config(base) for name, variant in others.items()}
    assert {name: (config.pooling, config.feature_gate) for name, config in configs.items()} == {
        "multiscale": ("average", None),
        "plain": ("average", None),
        "additive+softmax": ("average", None),
        "gem": ("gem", None),
        "eca": ("average", "eca"),
    }
    assert not any(config.pooling_options or config.feature_gate_options for config in configs.values())
    assert {config.kind for config in configs.values()} == set(others)


def test_what_counts_as_attention_in_an_answer():
    """What weighs positions or channels by what it sees; `gem` takes the same mean whatever it sees."""
    weighs = {name: variant.config(TrainConfig()).weighs for name, variant in named("all-poolings", "uniform").items()}
    others = dict.fromkeys(("plain", "multiscale", "uniform", "gem"), False)
    assert weighs == dict.fromkeys(("simpool", "abmil", "ep", "se", "cbam", "eca"), True) | others
    assert TrainConfig().weighs


def test_one_network_by_its_name():
    assert named_variant(" se ").settings == named("se")["se"].settings
    assert_three_parts(lambda: named_variant("all-poolings"), "names several networks", "variant='all-poolings'")


def test_uniform_has_no_parameters_of_its_own():
    assert isinstance(named("uniform")["uniform"].config(BASE).make_score(), UniformScore)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "plane",
            "Unknown variant 'plane' (did you mean 'plain'?). Expected one of: plain, multiscale, uniform, gem, ",
        ),
        ("softmax", "Unknown variant 'softmax'"),
        ("aditive+softmax", "Unknown score in the variant 'aditive+softmax': 'aditive' (did you mean 'additive'?)."),
        ("dot+softmaxx", "Unknown alignment in the variant 'dot+softmaxx': 'softmaxx' (did you mean 'softmax'?)."),
        (
            "dot+softmax@block9_pool",
            "Unknown layer in the variant 'dot+softmax@block9_pool' (several are joined by +): 'bl",
        ),
        ("dot+softmax@", "Unknown layer in the variant 'dot+softmax@' (several are joined by +): ''"),
        ("plain@block3_pool", "The plain network cannot attend to layers. Expected plain. Received: variants="),
        ("", "Unknown variant ''"),
    ],
)
def test_names_that_are_none(name, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        make_variants([name])


def test_things_that_are_no_variant():
    with pytest.raises(ValueError, match=r"^`variants` must name a variant\. Expected at least one"):
        make_variants([])
    with pytest.raises(
        TypeError,
        match=r"^`variants` must hold names or variants\. Expected a text or a Variant\. Received: variants=3",
    ):
        make_variants([3])
    with pytest.raises(ValueError, match=r"^Two variants have the same name"):
        make_variants([Variant("a", {"score": "dot"}), Variant("a", {"score": "concat"})])
    with pytest.raises(ValueError, match=r"^A variant must not have the name of a control"):
        make_variants([Variant("plain", {"score": "dot"})])
    for name in ("", "..", "a/b", "a\\b", None):
        with pytest.raises(ValueError, match=r"^The name of a variant must be usable for a folder"):
            Variant(name, {})
    for settings in (None, {"seed": 3}):
        with pytest.raises(ValueError, match=r"^The settings of a variant must be a dictionary without the seed"):
            Variant("a", settings)
    message = "Unknown setting 'scoer' (did you mean 'score'?)."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        Variant("a", {"scoer": "dot"}).config(BASE)


@pytest.mark.parametrize(
    "settings",
    [{"split_seed": 3}, {"image_size": 64}, {"data_options": {"clutter": 1}}, {"data": "photos"}, {"resize": "pad"}],
    ids=str,
)
def test_a_variant_does_not_change_the_images(settings):
    base = TrainConfig(image_size=32)
    with pytest.raises(ValueError, match=r"^The variant 'mine' would be compared on other images\. Expected the "):
        Variant("mine", settings).config(base)
    name, value = next(iter(settings.items()))
    assert Variant("mine", {name: getattr(base, name)}).config(base) == base
    assert Variant("mine", {"augment": "shift"}).config(base).augment == "shift"
    assert value != getattr(base, name)


def test_a_variant_does_not_train_on_what_chooses_the_best_epoch():
    message = r"^The variant 'mine' would train on the images that choose the best epoch of the others\. "
    with pytest.raises(ValueError, match=message):
        Variant("mine", {"train_on_validation": True}).config(TrainConfig())
    assert Variant("mine", {"train_on_validation": False}).config(TrainConfig()) == TrainConfig()
