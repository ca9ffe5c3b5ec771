"""Whole comparisons whose seeds depend on what is seen, with runs that are written down instead of trained."""

import json

import pytest
from cases import some_now
from PIL import Image

from keras_attention import TrainConfig, compare
from keras_attention.report import results_table

SMALL = {"image_size": 32, "width": 0.05, "units": 8, "epochs": 1}


def settings(**more):
    return TrainConfig(**SMALL, **{"data_options": {"count": 60}} | more)


def run(tmp_path, variants, config=None, **options):
    return compare(config or settings(), variants, run=tmp_path / "it", costs=False, verbose=False, **options)


def seeds_of(done, score):
    return [seed for each, seed in done if each == score]


@pytest.mark.slow
@pytest.mark.parametrize("most", some_now([7, 4], "4"))
def test_seeds_are_added_until_the_differences_are_settled(most, written, tmp_path):
    done = written({"additive": 3.0, "dot": lambda seed: 1.0 + 0.5 * (-1) ** seed})
    found = run(tmp_path, ["additive+softmax", "dot+softmax"], until="settled", max_seeds=most)
    assert seeds_of(done, "additive") == [0, 1, 2]
    assert seeds_of(done, "dot") == seeds_of(done, "plain") == seeds_of(done, "multiscale") == list(range(most))
    assert found.summary["ended"] == "all seeds are used"
    assert found.verdict.splitlines()[-1] == (
        f"The seeds ended with the most allowed, {most} seeds, before every difference was settled."
    )
    looks = json.loads((found.folder / "looks.json").read_text())
    assert [look["seeds"] for look in looks] == list(range(3, most + 1))
    assert sum(look["level"] for look in looks) == pytest.approx(0.05)
    of_additive = next(each for each in found.summary["variants"] if each["name"] == "additive+softmax")
    for reference in ("plain", "multiscale"):
        difference = of_additive["differences"][reference]["accuracy"]
        assert (difference["verdict"], difference["decided_with"]) == ("helps", 3)
    assert "helps" in results_table(found.summary)


@pytest.mark.long
def test_seeds_end_as_soon_as_all_is_settled(written, tmp_path):
    done = written({"additive": 2.0})
    found = run(tmp_path, ["additive+softmax"], until="settled")
    assert seeds_of(done, "additive") == [0, 1, 2]
    assert found.summary["ended"] == "settled"
    assert "it is the attention itself, not the added layers" in found.verdict.splitlines()[0]


@pytest.mark.slow
@pytest.mark.long
def test_a_comparison_whose_time_is_up_is_resumed_to_the_same_end(written, tmp_path):
    strengths = {"additive": lambda seed: 1.0 + 0.1 * (seed % 3)}
    done = written(strengths)
    found = run(tmp_path, ["additive+softmax"], until="settled", max_seeds=6, minutes=1e-6)
    assert (found.summary["ended"], max(seed for _, seed in done)) == ("the time is up", 2)
    with pytest.raises(ValueError, match="`max_seeds` is less than that of the comparison"):
        run(tmp_path, ["additive+softmax"], until="settled", max_seeds=4, resume=True)
    again = run(tmp_path, None, resume=True)
    assert sorted(set(done)) == sorted(done)
    assert again.summary["ended"] in ("settled", "all seeds are used")
    assert again.plan.max_seeds == 6


@pytest.mark.slow
@pytest.mark.long
def test_the_best_by_validation_is_confirmed_by_fresh_seeds_alone(written, tmp_path):
    done = written({"additive": 1.2, "dot": lambda seed: 3.0 if seed == 0 else 1.0, "cosine": 0.8})
    found = run(tmp_path, ["additive+softmax", "dot+softmax", "cosine+softmax"], choose=1, confirm=4)
    assert seeds_of(done, "dot") == [0, 1, 2, 3, 4]  # lucky once, and told by fresh seeds
    assert seeds_of(done, "additive") == seeds_of(done, "cosine") == [0]
    assert found.summary["seeds"] == [1, 2, 3, 4]
    assert found.summary["choice"]["chosen"] == ["dot+softmax"]
    assert [name for name, _ in found.summary["choice"]["ranking"]] == [
        "dot+softmax",
        "additive+softmax",
        "cosine+softmax",
    ]
    assert found.verdict.startswith("These runs cannot tell whether attention helps")
    assert found.verdict.splitlines()[-1] == (
        "Of 3 variants, dot+softmax did best in validation with seed 0. "
        "The verdict rests on 4 seeds that came after that choice."
    )
    again = run(tmp_path, None, resume=True, choose=1, confirm=5)
    assert (seeds_of(done, "dot")[-1], again.summary["seeds"]) == (5, [1, 2, 3, 4, 5])


@pytest.fixture
def folder(tmp_path, rng):
    """A folder of 160 images of two classes, without splits."""
    for label in ("cat", "dog"):
        (tmp_path / "pets" / label).mkdir(parents=True)
        for number in range(80):
            pixels = rng.integers(0, 256, (8, 8, 3)).astype("uint8")
            Image.fromarray(pixels).save(tmp_path / "pets" / label / f"{number}.png")
    return str(tmp_path / "pets")


@pytest.mark.parametrize(
    ("options", "ratio"),
    [
        pytest.param({"resplit": True, "seeds": 4}, 24 / 112, marks=pytest.mark.long, id="resplit"),
        pytest.param({"folds": 4}, 40 / 96, marks=pytest.mark.long, id="folds"),
    ],
)
def test_each_seed_has_its_own_test_images(options, ratio, written, folder, tmp_path):
    written({"additive": 1.6}, splits=True)
    config = TrainConfig(**SMALL, data=folder)
    found = run(tmp_path, ["additive+softmax"], config, **options)
    tests = [
        set(json.loads((found.run("plain", seed).folder / "images.json").read_text())["files"]["test"])
        for seed in range(4)
    ]
    assert all(one != other for number, one in enumerate(tests) for other in tests[:number])
    if "folds" in options:
        assert len(set.union(*tests)) == sum(map(len, tests)) == 160
    difference = found.summary["variants"][-1]["differences"]["plain"]["accuracy"]
    assert difference["image_error"] == 0
    assert found.plan.config_of(found.plan.variants[0], 1) != found.plan.config
    means = [run["accuracy"] for run in found.summary["variants"][-1]["runs"]]
    assert len(means) == 4
    assert found.summary["held_out_ratio"] == pytest.approx(ratio, rel=0.1)


def test_data_with_splits_have_none_to_draw(written, tmp_path):
    written({})
    with pytest.raises(ValueError, match=r"^`resplit` draws the splits that a folder of images lacks\."):
        run(tmp_path, ["additive+softmax"], resplit=True)
    with pytest.raises(ValueError, match=r"^`folds` makes test splits, and the data have one\."):
        run(tmp_path, ["additive+softmax"], folds=3)
    assert not (tmp_path / "it").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_seeds": 5}, r"^`max_seeds` needs `until`\. Expected `until` as well\. Received: max_seeds=5\.$"),
        ({"confirm": 5}, r"^`confirm` needs `choose`\."),
        ({"until": "bored"}, r"^Unknown until 'bored'\. Expected one of: settled\."),
        ({"until": "settled", "minutes": 0}, r"^`minutes` is out of range\."),
        (
            {"minutes": 3},
            r"^`minutes` limits how long seeds are added\. Expected `until` as well\.",
        ),
        ({"choose": 1, "seeds": 3}, r"^`choose` gives fresh seeds to the chosen variants\."),
        ({"choose": 2}, r"^`choose` must be less than the number of variants that are not controls\."),
        ({"choose": 1, "confirm": 1}, r"^A confirmation needs at least two seeds\."),
        ({"margin": -0.1}, r"^`margin` is out of range\."),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        run(tmp_path, ["additive+softmax", "dot+softmax"], **options)
    assert not (tmp_path / "it").exists()


def test_seeds_are_not_added_for_controls_alone(tmp_path):
    message = r"^`until` adds seeds until attention is judged, and no variant attends to anything\. .*plain, uniform\.$"
    with pytest.raises(ValueError, match=message):
        run(tmp_path, ["plain", "uniform"], until="settled")
    assert not (tmp_path / "it").exists()


@pytest.mark.long
def test_a_margin_makes_the_same_a_verdict(written, tmp_path):
    written({"additive": 1.0})
    found = run(tmp_path, ["additive+softmax"], seeds=6, margin=0.1)
    difference = found.summary["variants"][-1]["differences"]["plain"]["accuracy"]
    assert difference["verdict"] == "the same within the margin"
    assert found.summary["margin"] == 0.1
