"""The report of a comparison: complete, self-contained, and with the same figures in every form."""

import copy
import csv
import functools
import html.parser
import re
import shutil

import numpy as np
import pytest

from keras_attention import TrainConfig
from keras_attention.comparison.analysis import summarize
from keras_attention.comparison.folder import Comparison
from keras_attention.comparison.plan import Plan
from keras_attention.metrics import classification_metrics
from keras_attention.report import best_run, results_table, write_comparison_report
from keras_attention.report.comparison_figures import differences_figure
from keras_attention.text import bounds, interval, number, short, signed
from keras_attention.variants import make_variants

CLASSES = ("circle & square", "<star>")
VARIANTS = ("plain", "multiscale", "additive+softmax", "dot+sparsemax@block4_pool")


def finish(run, strength, attends, with_masks, labels, rng):
    logits = rng.normal(size=(len(labels), 2)) + strength * np.eye(2)[labels]
    run.folder.mkdir(parents=True)
    arrays = {"map/block4_pool": rng.random((12, 4, 4))} if attends else {}
    if attends and with_masks:
        names = [
            f"measure/{name}/{block}"
            for name in ("pointing_game", "energy_inside", "jaccard")
            for block in ("block4_pool", "joint")
        ]
        arrays |= {name: rng.random(len(labels)) for name in names} | {"chance": np.full(len(labels), 0.2)}
    run.save_arrays(logits=logits, labels=labels, **arrays)
    run.write_history([{"epoch": epoch, "val_accuracy": 0.5 + 0.1 * epoch} for epoch in (1, 2, 3)])
    validation = {"validation": {"val_accuracy": float(rng.random())}}
    about = {"epochs": 3, "best_epoch": 2, "seconds": 1.5, "parameters": 1234, "class_names": CLASSES, **validation}
    run.finish(classification_metrics(logits, labels, CLASSES) | about | {"images": {"train": 500, "test": 60}})


@pytest.fixture(scope="module")
def written(cost, tmp_path_factory):
    """`written(…)`: what `report` copies, made once for the same arguments."""

    @functools.cache
    def make(seeds, with_masks, command, left_out):
        rng = np.random.default_rng(3)
        plan = Plan(TrainConfig(epochs=3), make_variants(VARIANTS), seeds)
        comparison = Comparison(tmp_path_factory.mktemp("comparison") / f"{seeds}-{with_masks}")
        comparison.begin(plan, resume=False)
        labels = rng.integers(0, 2, 60)
        for seed in plan.seed_numbers:
            for name in set(VARIANTS) - set(left_out):
                finish(comparison.run(name, seed), 1.0, "+" in name, with_masks, labels, rng)
        for name in VARIANTS[:3]:
            comparison.save_cost(name, cost)
        examples = {"number": np.arange(0, 60, 5), "image": rng.integers(0, 255, (12, 32, 32, 3)).astype("uint8")}
        masks = (
            {"mask": np.pad(np.ones((12, 9, 7, 1), "uint8"), ((0, 0), (5, 18), (9, 16), (0, 0)))} if with_masks else {}
        )
        comparison.save_examples(examples | {"label": labels[::5]} | masks)
        about = {
            "data": {"name": "shapes <b>", "image_size": 32, "notes": ["a note"]},
            "plan": plan.to_dict(),
            "command": command,
            "versions": {"python": "3"},
            "machine": {"cores": 2, "processor": "x", "system": "Linux", "accelerators": []},
        }
        errors = {(name, 0): "ValueError: <broken>" for name in left_out}
        summary = summarize(comparison, plan, errors) | about
        write_comparison_report(comparison, summary)
        return comparison, summary

    return make


@pytest.fixture
def report(written, tmp_path):
    """`report(seeds, with_masks, command)`: a separate comparison with its report, and its summary."""

    def make(seeds=2, with_masks=True, command="keras-attention compare --run 'a b'", left_out=()):
        comparison, summary = written(seeds, with_masks, command, left_out)
        folder = shutil.copytree(comparison.folder, tmp_path / comparison.folder.name)
        return Comparison(folder), copy.deepcopy(summary)

    return make


def runs_of(comparison):
    return list(csv.DictReader((comparison.folder / "results.csv").read_text().splitlines()))


class Page(html.parser.HTMLParser):
    """The parts of a page that tests check: tags that are still open, addresses, ids, rows and text."""

    VOID = ("meta", "link", "img", "br", "input", "hr")

    def __init__(self, text):
        super().__init__()
        self.open, self.addresses, self.ids, self.rows, self.text = [], [], [], 0, []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.rows += tag == "tr"
        self.addresses += [attributes[name] for name in ("src", "href", "xlink:href") if name in attributes]
        self.ids += [attributes["id"]] if "id" in attributes else []
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        while self.open and self.open[-1] != tag and self.open[-1] in ("option", "td", "th", "tr", "li", "p"):
            self.open.pop()
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_is_whole_and_needs_no_network(report):
    comparison, summary = report()
    text = comparison.report_path.read_text()
    page = Page(text)
    assert page.open == []
    assert all(address.startswith(("data:", "#")) for address in page.addresses)
    # XML namespaces are addresses too, but nothing opens them.
    opened = re.findall(r"https?://[^\s\"'<]+", text)
    assert all(
        address.startswith(
            ("http://www.w3.org/", "http://purl.org/", "http://creativecommons.org/", "https://matplotlib.org/")
        )
        for address in opened
    )
    assert "@import" not in text
    inside = "".join(page.text).replace("\u200b", "")
    for said in (*summary["verdict"], "shapes <b>", "circle & square", "<star>", summary["command"], *VARIANTS):
        assert said in inside, said
    assert len(page.ids) == len(set(page.ids))


def test_pictures_of_the_same_images_for_every_variant_with_attention(report):
    comparison, _ = report()
    text = comparison.report_path.read_text()
    assert text.count("data:image/jpeg") == 6 * (1 + 2)
    assert text.count('class="example"') == 6
    assert text.count('alt="map of additive+softmax at block4_pool"') == 6


def test_figures_take_the_colour_of_the_text(report):
    text = report()[0].report_path.read_text()
    assert text.count("<svg") == 3 + len(VARIANTS) + 4
    assert "#010203" not in text
    assert "currentColor" in text


def test_the_same_figures_in_every_form(report):
    comparison, summary = report()
    markdown = (comparison.folder / "report.md").read_text()
    page = comparison.report_path.read_text()
    table = results_table(summary)
    for variant in summary["variants"]:
        found = variant["metrics"]["accuracy"]
        for text in (markdown, page, table):
            assert number(found["mean"]) in text
        for each in variant["differences"].values():
            for text in (markdown, page, table):
                assert interval(each["accuracy"]) in text
    rows = runs_of(comparison)
    assert [(row["variant"], row["seed"]) for row in rows] == [
        (name, str(seed)) for name in VARIANTS for seed in (0, 1)
    ]
    run = summary["variants"][2]["runs"][1]
    assert float(rows[5]["roc_auc"]) == run["roc_auc"]


def test_tables_of_the_markdown_have_rows_of_one_length(report):
    comparison, _ = report()
    tables = re.findall(r"(?:^\|.*\n)+", (comparison.folder / "report.md").read_text(), re.M)
    assert len(tables) == 6
    for table in tables:
        lines = table.splitlines()
        assert {line.count("|") for line in lines} == {lines[0].count("|")}
        assert len(lines) >= 2 + 4


@pytest.mark.long
def test_without_costs_there_is_no_section_of_them(report):
    comparison, summary = report()
    assert "<h2>Cost</h2>" in comparison.report_path.read_text()
    for variant in summary["variants"]:
        variant["cost"] = None
    write_comparison_report(comparison, summary)
    page = comparison.report_path.read_text()
    assert Page(page).open == []
    assert "<h2>Cost</h2>" not in page
    assert "## Cost" not in (comparison.folder / "report.md").read_text()


@pytest.mark.long
def test_without_masks_one_seed_and_no_command(report):
    comparison, _ = report(seeds=1, with_masks=False, command=None)
    page = "".join(Page(comparison.report_path.read_text()).text)
    assert "One seed cannot tell" in page
    assert "have no masks" in page
    assert "comparison.json" in page
    assert "[" not in results_table(report(seeds=1)[1]).replace("no interval", "")


def test_what_failed_is_named(report):
    comparison, summary = report(left_out=("multiscale",))
    page = "".join(Page(comparison.report_path.read_text()).text)
    assert "multiscale, seed 0: ValueError: <broken>" in page
    assert "no run" in page
    assert "- multiscale, seed 0: ValueError: <broken>" in (comparison.folder / "report.md").read_text()
    assert "no run" in results_table(summary)
    rows = runs_of(comparison)
    assert rows[-1]["error"] == "ValueError: <broken>"


def test_the_best_comes_first(report):
    comparison, summary = report()
    means = {variant["name"]: variant["metrics"]["accuracy"]["mean"] for variant in summary["variants"]}
    listed = re.findall(r'class="name" data-label="variant" data-value="([^"]+)"', comparison.report_path.read_text())
    assert [means[name] for name in listed[:4]] == sorted(means.values(), reverse=True)


def test_the_run_to_use_is_chosen_on_validation(report):
    _, summary = report()
    best = max(summary["variants"], key=lambda variant: variant["metrics"]["accuracy"]["mean"])
    expected = max(best["runs"], key=lambda run: run["validation"])["folder"]
    assert best_run(summary) == expected
    less = summary | {"metric": "loss", "more_is_better": False}
    best = min(summary["variants"], key=lambda variant: variant["metrics"]["loss"]["mean"])
    assert best_run(less) == min(best["runs"], key=lambda run: run["validation"])["folder"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (number(-0.1234), "−0.123"),
        (number(None), "–"),
        (signed(0.05, 2), "+0.05"),
        (bounds({"low": None, "high": None}), ""),
        (interval({"mean": 0.1, "low": -0.1, "high": 0.3}), "+0.100 [−0.100, +0.300]"),
        (interval({"mean": 0.1, "low": None, "high": None}), "+0.100"),
        (short(14961097), "14,961,097"),
        (short(0.12345), "0.123"),
        (short(None), "–"),
    ],
)
def test_forms_of_figures(text, expected):
    assert text == expected


# ---- what the first screen and the sections say ----


def text_of(comparison):
    return "".join(Page(comparison.report_path.read_text()).text).replace("\u200b", "")


def test_the_answer_comes_before_any_statistics(report):
    comparison, summary = report()
    first = text_of(comparison).split("Results")[0].split("Does attention help? shapes", 2)[-1]
    assert first.index(summary["verdict"][0]) < first.index(summary["in_short"][0]["answer"])
    assert not re.search(r"\bp [=<]|degrees of freedom|correction", first)


def test_differences_say_whether_they_are_settled_not_by_colour_alone(report):
    comparison, summary = report(seeds=3)
    variant = summary["variants"][2]
    variant["differences"]["plain"]["accuracy"] |= {"verdict": "helps", "settled": True, "decided_with": 2}
    variant["differences"]["multiscale"]["accuracy"] |= {"verdict": "no evidence", "settled": False}
    write_comparison_report(comparison, summary)
    text = text_of(comparison)
    assert "● helps" in text
    assert "○ no evidence" in text
    assert "decided with 2 seeds" in text
    assert "(decided with 2 seeds)" in (comparison.folder / "report.md").read_text()


def interval_plot(settled, margin):
    found = {"mean": 0.1, "low": 0.0, "high": 0.2, "settled": settled}
    variant = {"name": "dot+softmax", "number": 1, "control": False, "differences": {"plain": {"accuracy": found}}}
    return differences_figure([variant], "accuracy", "accuracy", margin).axes[0]


def test_the_interval_plot_tells_settled_from_open_and_shades_the_margin():
    (line, settled, *_), (dashed, hollow, *_) = interval_plot(True, None).lines, interval_plot(False, None).lines
    assert settled.get_markerfacecolor() == settled.get_color()
    assert hollow.get_markerfacecolor() == "none"
    assert (line.is_dashed(), dashed.is_dashed()) == (False, True)
    assert not interval_plot(True, None).patches
    (band,) = interval_plot(True, 0.03).patches
    assert (band.get_x(), band.get_x() + band.get_width()) == pytest.approx((-0.03, 0.03))


def test_what_would_settle_it_is_told_in_seeds_images_and_minutes(report):
    comparison, summary = report(seeds=3)
    difference = summary["variants"][2]["differences"]["plain"]["accuracy"]
    difference |= {"verdict": "no evidence", "settled": False, "needed": [11, 900], "minutes": 42.0, "anew": False}
    write_comparison_report(comparison, summary)
    section = text_of(comparison).split("What would settle it")[1].split("What it could find")[0]
    for said in ("11", "now 3", "900", "now 60: these set the limit", "42 minutes"):
        assert said in section
    assert "| additive+softmax | plain |" in (comparison.folder / "report.md").read_text()


def test_the_spread_the_looks_and_the_choice_are_told(report):
    comparison, summary = report(seeds=3)
    ranking = [["additive+softmax", 0.7123], ["dot+sparsemax@block4_pool", None]]
    choice = {"seed": 9, "ranking": ranking, "chosen": ["additive+softmax"]}
    write_comparison_report(comparison, summary | {"looks": [1, 2], "level_left": 0.002, "choice": choice})
    page, markdown = text_of(comparison), (comparison.folder / "report.md").read_text()
    for name in VARIANTS:
        found = next(each for each in summary["variants"] if each["name"] == name)["spread"]["accuracy"]
        assert f"→ {number(found['moderated'], 4)}" in page
        assert f"| {number(found['own'], 4)} | → {number(found['moderated'], 4)} | {found['df']:.1f} |" in markdown
    for text in (page, markdown):
        assert "2 verdicts were given before, with 1, 2 seeds." in text
        assert "0.002 is left for later ones" in text
        assert "0.712" in text


def test_differences_have_a_table_of_their_own(report):
    comparison, summary = report()
    rows = list(csv.DictReader((comparison.folder / "differences.csv").read_text().splitlines()))
    assert len(rows) == sum(len(of) for each in summary["variants"] for of in each["differences"].values())
    row = next(row for row in rows if (row["variant"], row["metric"]) == ("additive+softmax", "roc_auc"))
    variant = summary["variants"][2]
    found = variant["differences"]["plain"]["roc_auc"]
    assert float(row["mean"]) == found["mean"]
    assert float(row["best"]) == variant["chances"]["roc_auc"]["best"]
    assert row["verdict"] == found["verdict"]


def test_the_table_of_the_terminal_says_what_would_settle_it(report):
    _, summary = report()
    assert results_table(summary | {"to_settle": "about 7 seeds"}).endswith("\n\nto settle what is open: about 7 seeds")
    assert "to settle" not in results_table(summary | {"to_settle": None})
