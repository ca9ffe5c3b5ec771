"""The folder of a comparison: plans that survive it, and folders that may not be taken."""

import dataclasses
import re

import pytest

from keras_attention.comparison import Variant, make_variants
from keras_attention.comparison.folder import Comparison
from keras_attention.comparison.plan import Plan


def test_a_plan_survives_its_folder(plan, comparison):
    variants = (*make_variants(["dot+softmax@block4_pool"]), Variant("mine", {"units": 7, "attend": ("block3_pool",)}))
    given = dataclasses.replace(plan(seed=4, monitor="val_roc_auc"), variants=variants)
    comparison.begin(given, resume=False)
    assert comparison.plan == given
    assert given.seed_numbers == (4, 5, 6)
    assert given.metric == "roc_auc"


def test_a_run_has_its_folder(comparison):
    assert comparison.run("dot+softmax", 3).folder == comparison.folder / "runs" / "dot+softmax" / "seed-3"


def test_costs_are_kept(comparison, cost):
    assert comparison.cost("plain") is None
    comparison.save_cost("plain", cost)
    assert comparison.cost("plain") == cost


def test_variants_and_seeds_may_be_added(plan, comparison):
    comparison.begin(plan(["dot+softmax"], 2), resume=False)
    more = comparison.claim(plan(["concat+softmax"], 3), resume=True)
    assert [variant.name for variant in more.variants] == ["plain", "multiscale", "dot+softmax", "concat+softmax"]
    assert more.seeds == 3


def test_another_comparison_is_refused_and_says_what_differs(plan, comparison):
    comparison.begin(plan(epochs=4), resume=False)
    for other, message in (
        (plan(epochs=9), "`epochs` differs from that of the comparison. Expected epochs=4. Received: epochs=9."),
        (plan(seeds=2), "`seeds` is less than that of the comparison. Expected at least 3. Received: seeds=2."),
    ):
        refusals = {
            True: "cannot be resumed with different settings: leave out what differs, or use another `run`",
            False: "holds another comparison: use another `run`, or `overwrite=True`",
        }
        for resume, refusal in refusals.items():
            with pytest.raises(ValueError, match=f"^{re.escape(f'{comparison.folder} {refusal}. {message}')}$"):
                comparison.claim(other, resume=resume)
    own = Plan(plan().config, (Variant("plain", {"attend": (), "units": 3}),), 3)
    with pytest.raises(ValueError, match=r"The variant 'plain' differs from that of the comparison"):
        comparison.claim(own, resume=True)


def test_what_is_not_finished_has_no_summary(plan, comparison):
    comparison.begin(plan(), resume=False)
    with pytest.raises(ValueError, match=r"is not finished\. Expected the folder of a comparison, with summary\.json"):
        comparison.verdict  # noqa: B018


def test_a_list_in_a_variant_is_the_tuple_that_it_becomes(plan, comparison):
    mine = Plan(plan().config, (Variant("mine", {"attend": ["block3_pool"]}),), 2)
    comparison.begin(mine, resume=False)
    assert len(comparison.claim(mine, resume=True).variants) == 1


def test_whether_costs_are_measured_is_kept(plan, comparison):
    comparison.begin(dataclasses.replace(plan(), costs=False), resume=False)
    assert comparison.plan.costs is False
    assert comparison.claim(plan(), resume=True).costs is True


def test_damaged_runs_are_done_again(plan, begun, finish):
    comparison = begun(plan(seeds=1))
    for variant in plan().variants:
        finish(comparison.run(variant.name, 0), 1.0)
    (comparison.run("plain", 0).folder / "predictions.npz").write_bytes(b"PK")
    (comparison.run("multiscale", 0).folder / "metrics.json").write_text("{")
    assert comparison.forget_damaged_runs(plan(seeds=1)) == ["plain, seed 0", "multiscale, seed 0"]
    assert [comparison.run(variant.name, 0).finished for variant in plan().variants] == [False, False, True]
    assert comparison.forget_damaged_runs(plan(seeds=1)) == []


def test_a_folder_that_cannot_be_written(plan, tmp_path):
    (tmp_path / "file").write_text("")
    inside = Comparison(tmp_path / "file" / "comparison")
    with pytest.raises(ValueError, match=r"cannot be written: Not a directory\. Expected another `run`"):
        inside.begin(plan(), resume=True)


def test_folders_that_are_taken(plan, comparison, tmp_path):
    assert comparison.claim(plan()) == plan()
    with pytest.raises(ValueError, match="holds no comparison"):
        comparison.claim(plan(), resume=True)
    comparison.begin(plan(), resume=False)
    with pytest.raises(
        ValueError, match=re.escape("that is unfinished. Expected `resume=True` or `overwrite=True`, or another `run`.")
    ):
        comparison.claim(plan())
    assert comparison.claim(plan(), overwrite=True) == plan()
    (comparison.folder / "comparison.json").unlink()
    (comparison.folder / "letter.txt").write_text("mine")
    with pytest.raises(ValueError, match="is not empty and holds no comparison"):
        comparison.claim(plan(), overwrite=True)
    file = type(comparison)(tmp_path / "file")
    file.folder.write_text("")
    with pytest.raises(ValueError, match="is a file"):
        file.claim(plan())


def test_resuming_keeps_the_folder_and_beginning_makes_it_anew(plan, comparison):
    comparison.begin(plan(), resume=False)
    (comparison.folder / "kept").write_text("")
    comparison.begin(plan(seeds=5), resume=True)
    assert (comparison.folder / "kept").exists()
    assert comparison.plan.seeds == 5
    comparison.begin(plan(), resume=False)
    assert not (comparison.folder / "kept").exists()


@pytest.mark.parametrize("seeds", [0, -1, 1001, 2.5])
def test_numbers_of_seeds(plan, seeds):
    with pytest.raises(ValueError, match=r"^`seeds` is out of range"):
        plan(seeds=seeds)
