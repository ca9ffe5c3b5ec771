"""What is searched: every member with its options, narrowed as a person asked, and nothing that is not active."""

import dataclasses
import itertools

import keras_tuner
import pytest
import seams

from keras_attention import ALIGNMENTS, SCORES, TrainConfig
from keras_attention.layers.domains import Choices, Range
from keras_attention.tuning.progress import _network
from keras_attention.tuning.space import Space, draw
from keras_attention.variants import baselines

MEMBERS = [(registry, name) for registry in (SCORES, ALIGNMENTS) for name in registry]
every_member = pytest.mark.parametrize(("registry", "name"), MEMBERS, ids=[name for _, name in MEMBERS])


def hyperparameters(space, **values):
    """Declared hyperparameters of which some have these values."""
    hp = keras_tuner.HyperParameters()
    hp.values = dict(values)
    space.settings(hp)
    return hp


@every_member
def test_every_option_that_is_searched_can_have_every_value(registry, name):
    for option, domain in registry.search_space(registry[name]).items():
        values = domain.values if isinstance(domain, Choices) else (domain.least, domain.most)
        for value in values:
            layer = registry.make(name, {option: value})
            assert layer.get_config()[option] == value


def test_an_option_that_the_constructor_does_not_take_is_named(monkeypatch):
    seams.search_space_of(monkeypatch, SCORES["dot"], {"temprature": Range(1.0, 2.0)})
    with pytest.raises(ValueError, match=r"^Unknown option of DotScore in its search space: 'temprature'"):
        SCORES.search_space(SCORES["dot"])


@pytest.mark.parametrize(("score", "alignment"), list(itertools.product(SCORES, ALIGNMENTS)))
def test_every_pair_makes_settings_of_its_own_options_alone(score, alignment, config):
    space = Space(config)
    settings = space.settings(hyperparameters(space, score=score, alignment=alignment))
    assert set(settings["score_options"]) == set(SCORES.search_space(SCORES[score]))
    assert set(settings["alignment_options"]) == set(ALIGNMENTS.search_space(ALIGNMENTS[alignment]))
    made = dataclasses.replace(config, **settings)
    assert (made.score, made.alignment) == (score, alignment)


def test_inactive_hyperparameters_have_no_values(config):
    space = Space(config, choose={"score": ["none", "cosine"], "alignment": ["softmax", "entmax"]})
    hp = hyperparameters(space, score="none")
    assert set(hp.values) == {"score", "attend", "dropout", "learning_rate"}
    assert "units" not in space.settings(hp)
    hp = hyperparameters(space, score="cosine", alignment="entmax")
    options = {"cosine.temperature", "cosine.learned", "entmax.alpha", "entmax.learned"}
    assert options <= set(hp.values)
    assert "softmax.temperature" not in hp.values
    assert "softmax.temperature" in {each.name for each in hp.space}


@pytest.mark.parametrize("control", ["none", "uniform"])
def test_controls_can_be_among_the_scores(control, config):
    settings = Space(config, fix={"score": control}).settings(keras_tuner.HyperParameters())
    assert settings["score"] == (None if control == "none" else control)
    assert dataclasses.replace(config, **settings).alignment == "softmax"


@pytest.mark.parametrize("name", baselines())
def test_baselines_can_be_among_the_scores(name, config):
    space = Space(config, choose={"score": ["additive", name]})
    assert space.attending == ["additive"]
    settings = space.settings(hyperparameters(space, score=name))
    assert config.as_variant(**settings).kind == name
    assert config.as_variant(**space.settings(hyperparameters(space, score="additive"))).kind == "additive+softmax"
    assert _network(settings) == name


@pytest.mark.parametrize("value", ["gem", "se", "none"])
def test_baselines_are_no_alignments(value, config):
    with pytest.raises(ValueError, match=f"`alignment` cannot be '{value}'"):
        Space(config, choose={"alignment": ["softmax", value]})


def test_what_is_fixed_has_one_value_and_what_is_chosen_those(config):
    fix = {"score": "additive", "units": 64, "additive.activation": "relu", "attend": ("block2_pool", "block4_pool")}
    space = Space(config, fix, {"alignment": ["softmax", "hard"], "dropout": [0, 0.25], "hard.temperature": 2})
    values = {each.name: getattr(each, "values", None) for each in hyperparameters(space).space}
    assert list(values["score"]) == ["additive"]
    assert list(values["alignment"]) == ["softmax", "hard"]
    assert list(values["dropout"]) == [0.0, 0.25]
    assert list(values["hard.temperature"]) == [2]
    assert "concat.activation" not in values
    settings = space.settings(keras_tuner.HyperParameters())
    assert settings["attend"] == ("block2_pool", "block4_pool")
    assert settings["score_options"] == {"activation": "relu"}
    assert (settings["units"], settings["alignment"]) == (64, "softmax")
    assert space.layers == ("block2_pool", "block4_pool")


def test_units_may_be_none(config):
    assert Space(config, fix={"score": "general", "units": None}).settings(hyperparameters_of())["units"] is None
    space = Space(config, choose={"units": ["none", 64]})
    found = [space.settings(hyperparameters_of(units=units))["units"] for units in ("none", "64")]
    assert found == [None, 64]


def hyperparameters_of(**values):
    hp = keras_tuner.HyperParameters()
    hp.values = values
    return hp


def test_options_that_are_given_are_not_searched_for_their_member(config):
    given = dataclasses.replace(config, score="cosine", score_options={"temperature": 5.0, "learned": True})
    space = Space(given)
    names = {each.name for each in hyperparameters(space).space}
    assert not {"cosine.temperature", "cosine.learned"} & names
    cosine = space.settings(hyperparameters(space, score="cosine"))
    assert cosine["score_options"] == {"temperature": 5.0, "learned": True}
    assert "temperature" not in space.settings(hyperparameters(space, score="additive"))["score_options"]


def test_a_grid_begins_with_the_settings_of_the_config(config):
    settings = Space(config).settings(keras_tuner.HyperParameters())
    for name in ("score", "alignment", "attend", "dropout", "num_heads", "units", "learning_rate"):
        assert settings[name] == getattr(config, name)
    assert settings["alignment_options"] == {"temperature": 1.0}


def test_units_are_powers_of_two_from_32_to_512(config):
    units = next(each for each in hyperparameters(Space(config)).space if each.name == "units")
    assert sorted({units.random_sample(seed) for seed in range(200)}) == [32, 64, 128, 256, 512]


def test_heads_divide_the_channels_of_all_layers():
    odd = Space(TrainConfig(width=0.05))  # 13 and 26 channels
    assert odd.values("num_heads") == (1,)
    assert Space(TrainConfig(width=0.05), fix={"attend": "block4_pool"}).values("num_heads") == (1, 2)


def test_alignments_that_share_the_heads_have_as_many_each():
    space = Space(TrainConfig(), choose={"alignment": ["softmax/sigmoid", "softmax"], "score": ["additive"]})
    assert space.values("num_heads") == (2, 4)
    settings = space.settings(hyperparameters(space, alignment="softmax/sigmoid", num_heads=4))
    assert (settings["alignment"], settings["num_heads"], settings["alignment_options"]) == ("softmax/sigmoid", 4, {})


@pytest.mark.parametrize("kind", [bool, int, float])
def test_a_value_keeps_its_type(kind):
    domains = {bool: Choices((True,)), int: Range(2, 4), float: Range(0.1, 0.3)}
    assert type(draw(keras_tuner.HyperParameters(), "x", domains[kind])) is kind


BAD = {
    "name": ({"fix": {"scores": "dot"}}, "Unknown hyperparameter 'scores' (did you mean 'score'?)"),
    "score": ({"fix": {"score": "aditive"}}, "`score` cannot be 'aditive'. Unknown score 'aditive' (did you mean"),
    "alignment": (
        {"choose": {"alignment": ["softmax", "max"]}},
        "`alignment` cannot be 'max'. Unknown alignment",
    ),
    "units": ({"choose": {"units": [64, 0]}}, "`units` cannot be 0. `units` is out of range. Expected an integer at"),
    "layer": ({"fix": {"attend": "block9_pool"}}, "`attend` cannot be 'block9_pool'. Unknown layer 'block9_pool'"),
    "no layer": ({"fix": {"attend": ()}}, "A search must attend to at least one layer. Expected names of layers."),
    "option": ({"fix": {"softmax.temperature": -1}}, "`softmax.temperature` cannot be -1. `temperature` is out of"),
    "other member": (
        {"fix": {"score": "dot", "additive.activation": "relu"}},
        "'additive.activation' is not searched. Expected 'additive' among the scores, and its activation not set.",
    ),
    "both": ({"fix": {"units": 64}, "choose": {"units": [32]}}, "A hyperparameter is in both `fix` and `choose`."),
    "shared heads": (
        {"choose": {"num_heads": [1, 2], "alignment": ["softmax/sigmoid"]}},
        "Alignments that share the heads need a multiple of 2 heads.",
    ),
    "heads": ({"choose": {"num_heads": [1, 3]}}, "The number of heads, 3, must divide the channels of block3_pool."),
    "nothing": ({"choose": {"score": []}}, "There must be values to choose from."),
    "kind": ({"fix": {"dropout": None}}, "`dropout` cannot have this value. Expected a text, a number, True or False."),
    "no attention": (
        {"fix": {"score": "none", "units": 64}},
        "'units' is not searched. Expected at least one score with attention. Received: units.",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case, config):
    arguments, message = BAD[case]
    with pytest.raises((TypeError, ValueError)) as raised:
        Space(config, **arguments)
    assert str(raised.value).startswith(message)


def test_domains_refuse_what_holds_nothing():
    for bad in (lambda: Choices(()), lambda: Range(2, 2), lambda: Range(0.0, 1.0, logarithmic=True)):
        with pytest.raises(ValueError, match="Expected"):
            bad()


@pytest.mark.parametrize(
    ("domain", "values"),
    [
        (Range(0.0, 0.5, step=0.1), (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)),
        (Range(0.1, 0.7, step=0.2), (0.1, 0.3, 0.5, 0.7)),
        (Range(0.0, 0.5, step=0.2), (0.0, 0.2, 0.4)),
        (Range(1, 7, step=2), (1, 3, 5, 7)),
        (Range(1, 8, step=2, logarithmic=True), (1, 2, 4, 8)),
    ],
    ids=str,
)
def test_both_ends_of_a_range_are_drawn(domain, values):
    hp = keras_tuner.HyperParameters()
    assert draw(hp, "number", domain) == values[0]
    assert tuple(hp.space[0].values) == values
    assert {hp.space[0].prob_to_value(prob / 100) for prob in range(100)} == set(values)
