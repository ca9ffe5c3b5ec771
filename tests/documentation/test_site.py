"""The site: its reference is that of the package, its chapters are the examples, and it asks nothing of others."""

import functools
import http.server
import importlib
import importlib.util
import inspect
import os
import pathlib
import re
import shlex
import subprocess
import sys
import threading

import keras
import pytest

from keras_attention.cli import parser

ROOT = pathlib.Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"
CHAPTERS = sorted((ROOT / "examples").glob("[0-9]*.py"))
REFERENCE = sorted((DOCS / "reference").glob("*.md"))
PAGES = sorted(page for page in DOCS.rglob("*.md"))
COMMANDS = [
    (page.relative_to(DOCS), command)
    for page in PAGES
    for command in re.findall(r"^keras-attention .*$", page.read_text("utf-8"), re.M)
]
TEMPLATE = re.compile(r"…|\[")  # a line that shows the form of a command

needs_tensorflow = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="data need TensorFlow")


def tool(name):
    """A module of docs/tools, which is no package."""
    folder = str(DOCS / "tools")
    sys.path.insert(0, folder)
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(folder)


def beside(name):
    """A module of this folder, which is no package."""
    spec = importlib.util.spec_from_file_location(name, pathlib.Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def documented():
    """Every name that stands in the reference, as often as it does."""
    return [name for page in REFERENCE for name in re.findall(r"^::: (\S+)$", page.read_text("utf-8"), re.M)]


def resolved(name):
    """What a dotted name stands for."""
    module, attribute = name.rsplit(".", 1)
    return getattr(importlib.import_module(module), attribute)


# ---- the reference ----


@needs_tensorflow
def test_every_public_name_stands_in_the_reference():
    there = {id(resolved(name)) for name in documented()}
    assert [name for name, found in beside("public").public_names().items() if id(found) not in there] == []


def test_nothing_stands_twice_in_the_reference():
    names = documented()
    assert len(names) > 80
    assert sorted(names) == sorted(set(names))


@needs_tensorflow
@pytest.mark.parametrize("name", documented())
def test_what_stands_in_the_reference_is_there(name):
    found = resolved(name)
    # What has no docstring of its own has a sentence on the page.
    assert inspect.isclass(found) or inspect.isfunction(found) or _followed_by_text(name)


def _followed_by_text(name):
    page = next(page.read_text("utf-8") for page in REFERENCE if f"::: {name}\n" in page.read_text("utf-8"))
    after = page.split(f"::: {name}\n", 1)[1].split("\n:::", 1)[0].strip()
    return len(after) > 20


@needs_tensorflow
@pytest.mark.parametrize(
    ("page", "registry"),
    [
        ("scores", "SCORES"),
        ("alignments", "ALIGNMENTS"),
        ("layers", "MAP_REGULARIZERS"),
        ("poolings", "POOLINGS"),
        ("gates", "GATES"),
    ],
)
def test_the_tables_of_the_reference_hold_the_registries(page, registry):
    rows = re.findall(r"^\| `(\w+)` \| \[(\w+)\]", (DOCS / "reference" / f"{page}.md").read_text("utf-8"), re.M)
    members = getattr(importlib.import_module("keras_attention.layers"), registry)
    assert dict(rows) == {name: cls.__name__ for name, cls in members.items()}


@needs_tensorflow
def test_method_and_choosing_name_every_score_and_alignment():
    from keras_attention.layers import ALIGNMENTS, SCORES

    method, choosing = (DOCS / "method.md").read_text("utf-8"), (DOCS / "choosing.md").read_text("utf-8")
    for name in SCORES:
        assert f"| `{name}` |" in method
    for name in (*SCORES, *ALIGNMENTS):
        assert f"| `{name}` |" in choosing


def test_the_index_lists_what_the_package_offers():
    import keras_attention

    text = (DOCS / "reference" / "index.md").read_text("utf-8")
    listed = dict(re.findall(r"\[`(\w+)`\]\[keras_attention\.(\w+)\.\w+\]", text))
    assert listed == keras_attention._HOME
    for module in keras_attention._MODULES:
        assert f"`keras_attention.{module}`" in text


# ---- the chapters ----


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_has_its_page_as_it_now_stands(chapter):
    pytest.importorskip("nbconvert")
    execute = tool("execute")
    page = DOCS / "tutorial" / f"{chapter.stem}.md"
    assert page.exists(), f"python docs/tools/execute.py examples/{chapter.name}"
    text = page.read_text("utf-8")
    assert execute.without_outputs(text) == execute.page_of_script(chapter), "the page is older than its script"
    assert re.search(rf"^\*Ran in \d+ seconds on \d+ cores?; the script is `examples/{chapter.name}`\.\*$", text, re.M)
    for picture in re.findall(r"!\[.*?\]\((.*?)\)", text):
        assert (page.parent / picture).is_file()


def test_no_page_of_a_chapter_is_left_over():
    pages = {page.stem for page in (DOCS / "tutorial").glob("[0-9]*.md")}
    assert pages <= {chapter.stem for chapter in CHAPTERS}


CHAPTER = '''\
# %% [markdown]
r"""
# A chapter

*Shows:* that $e = w^{\\top} q$ stays a formula.
"""

# %%
import pathlib
import sys

import matplotlib.pyplot as plt

print("arguments", sys.argv)
print("```\\nticks")
print("noise", file=sys.stderr)
pathlib.Path("made").mkdir()

# %%
figure, axes = plt.subplots(figsize=(2, 1))
print("0 %", end="\\r")
print("100 %")

# %% [markdown]
"""
## The end
"""
'''


@pytest.mark.long
def test_a_chapter_is_executed(tmp_path):
    pytest.importorskip("nbconvert")
    script, folder = tmp_path / "00_chapter.py", tmp_path / "docs"
    script.write_text(CHAPTER, "utf-8")
    execute = DOCS / "tools" / "execute.py"
    command = [sys.executable, execute, script, "--smoke", "--out", folder, "--keep", tmp_path / "kept"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    page = (folder / "00_chapter.md").read_text("utf-8")
    assert "arguments ['00_chapter.py', '--smoke']" in page
    assert "*Ran in" in page.split("*Shows:*")[0]
    assert "noise" not in page.replace('print("noise"', "")
    assert "\n100 %\n" in page
    assert "\n0 %" not in page
    assert [path.suffix for path in (folder / "00_chapter").iterdir()] == [".png"]
    assert (tmp_path / "kept" / "made").is_dir()
    execute = tool("execute")
    assert execute.without_outputs(page) == execute.page_of_script(script)
    # Another script, or another text, is not the one that the page shows.
    script.write_text(CHAPTER.replace("The end", "An end"), "utf-8")
    assert execute.without_outputs(page) != execute.page_of_script(script)
    # Prose alone takes the outputs that are there; other code has none.
    execute.main([str(script), "--prose", "--out", str(folder)])
    mended = (folder / "00_chapter.md").read_text("utf-8")
    assert execute.without_outputs(mended) == execute.page_of_script(script)
    assert "\n100 %\n" in mended
    script.write_text(CHAPTER.replace("import sys", "import sys  # changed", 1), "utf-8")
    with pytest.raises(SystemExit, match="has changed since it ran"):
        execute.main([str(script), "--prose", "--out", str(folder)])


# ---- the command line ----


@pytest.mark.parametrize(("page", "command"), COMMANDS, ids=lambda value: str(value)[:60])
def test_commands_of_the_site_parse(page, command):
    if TEMPLATE.search(command):
        return
    assert callable(parser().parse_args(shlex.split(command, comments=True)[1:]).command.run)


def test_the_page_of_the_command_line_holds_every_option():
    text = tool("commands").commands_page()
    sections = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", text, re.M | re.S))
    commands = tool("commands").subcommands(parser())
    assert list(sections) == list(commands)
    for name, command in commands.items():
        terms = re.findall(r"^`([^`]+)`\n\n:   (.*)$", sections[name], re.M)
        assert len(terms) == len(command._actions) - 1  # but for --help
        for action in command._actions:
            if "--help" not in action.option_strings:
                flag = (action.option_strings or [action.metavar])[-1]
                [(term, shown)] = [each for each in terms if flag in re.split(r"[ ,]+|\.\.\.", each[0].strip("[]"))]
                assert action.metavar is None or str(action.metavar) in term
                # The words of the help, whatever Markdown made of their signs.
                assert (action.help or "").split("(")[0].split("%")[0].strip() in re.sub(r"\\(.)", r"\1", shown)


def test_the_page_of_the_command_line_needs_no_tensorflow():
    program = "import sys; import commands; commands.commands_page(); assert 'tensorflow' not in sys.modules"
    paths = os.pathsep.join([str(DOCS / "tools"), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


# ---- formulas ----

FORMULAS = {
    "e = wᵀ act(W₁q + W₂k + b) (+ c)": r"e = w^{\top} \operatorname{act} (W_{1} q + W_{2} k + b) \;(+ c)",
    "e = wᵀ act(W[q; k] + b)": r"e = w^{\top} \operatorname{act} (W [q; k] + b)",
    "e = qᵀk / √d": r"e = \frac{q^{\top} k}{\sqrt{d}}",
    "e = kᵀ(Wq + b)": r"e = k^{\top} (W q + b)",
    "e = −‖q − k‖₂": r"e = {-\left\lVert q - k\right\rVert_{2}}",
    "e = s · qᵀk / (‖q‖‖k‖)": (r"e = s \cdot \frac{q^{\top} k}{\left\lVert q\right\rVert \left\lVert k\right\rVert}"),
    "W₁ ∈ R^(dw×dq)": r"W_{1} \in \mathbb{R}^{d_{w} \times d_{q}}",
    "a = exp(e/τ) / Σ exp(e/τ)": r"a = \frac{\exp (e / \tau)}{\sum \exp (e / \tau)}",
    "a = 1 / (1 + exp(−e))": r"a = \frac{1}{1 + \exp ({-e})}",
    "a = max((α−1)e − τ, 0)^(1/(α−1))": (r"a = \max ((\alpha - 1) e - \tau, 0)^{1 / (\alpha - 1)}"),
    "a = softmax(e) · exp(−‖l − p‖² / 2σ²)": (
        r"a = \operatorname{softmax} (e) \cdot "
        r"\exp \left({-\frac{\left\lVert l - p\right\rVert^{2}}{2 \sigma^{2}}}\right)"
    ),
    "1 − 2 Σ a·m / (Σ a + Σ m)": r"1 - \frac{2 \sum a \cdot m}{\sum a + \sum m}",
    "Σ a·m / Σ a": r"\frac{\sum a \cdot m}{\sum a}",
    "rate · (Σ a)² / (n Σ a²)": r"\text{rate} \cdot \frac{(\sum a)^{2}}{n \sum a^{2}}",
    "rate · H(p) / log n": r"\text{rate} \cdot \frac{H (p)}{\log n}",
    "H(p) = −Σ p log p": r"H (p) = {-\sum p \log p}",
    "ReLU(Σ_c α_c A_c)": r"\operatorname{ReLU} (\sum_{c} \alpha_{c} A_{c})",
    "∂y/∂A_c": r"\partial y / \partial A_{c}",
    "|map ∩ mask| / |map ∪ mask|": (
        r"\frac{\left\lvert \text{map} \cap \text{mask}\right\rvert}"
        r"{\left\lvert \text{map} \cup \text{mask}\right\rvert}"
    ),
    "−(R − b) ∇log p − λ_H ∇H": r"{-(R - b) \nabla \log p} - \lambda_{H} \nabla H",
    "γ' = γ √((σ² + ε)/(v + ε))": r"\gamma' = \gamma \sqrt{(\sigma^{2} + \varepsilon) / (v + \varepsilon)}",
    "a = one-hot": r"a = \text{one-hot}",
    "3·10⁻⁴": r"3 \cdot 10^{-4}",
}
PROSE = (
    "a map of one position, e the score, 0 to 1 → a number",
    "from −1 to 1; NaN where one of the maps is constant",
    "images → logits, and/or a file, TKDE 35(4), 2023, eqs. 2–5",
    "a one-hot of one key, the first of equals; scored −∞",
    "rate · (mean over all maps)",
    "`W₁q` is code",
)


@pytest.mark.parametrize(("formula", "latex"), FORMULAS.items())
def test_formulas_become_latex(formula, latex):
    formulas = tool("formulas")
    assert formulas.to_latex(formula) == latex
    assert formulas.mark_formulas(f"So {formula}: as it is, with k.") == f"So ${latex}$: as it is, with k."


def test_an_indented_line_of_formulas_is_no_code():
    pytest.importorskip("griffe")
    found = tool("docstrings").to_markdown("It gets\n\n    m' = μ,   v' = σ²,\n\nand so on.\n\n    code()\n")
    assert found == "It gets\n\n$m' = \\mu$,   $v' = \\sigma^{2}$,\n\nand so on.\n\n    code()\n"


@pytest.mark.parametrize("text", PROSE)
def test_prose_stays_prose(text):
    pytest.importorskip("griffe")
    assert tool("docstrings").to_markdown(text) == text


def test_every_first_line_that_states_a_formula_is_rendered():
    """The first lines of scores and alignments begin with e = or a =, and what follows is a formula."""
    pytest.importorskip("griffe")
    from keras_attention.layers import ALIGNMENTS, SCORES

    for lines in (SCORES.formulas(), ALIGNMENTS.formulas()):
        for name, line in lines.items():
            assert tool("docstrings").to_markdown(line).startswith(("$e = ", "$a = ")), name


@pytest.mark.parametrize("latex", FORMULAS.values())
def test_latex_becomes_mathml(latex):
    pytest.importorskip("latex2mathml")
    found = tool("hooks").mathml(latex)
    assert found.startswith("<math ")
    # A command that the converter does not know would stand there as its name.
    assert not re.search(r"\\|<mtext>\\", found)


# ---- the site as it is built ----


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("mkdocs")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
def test_the_site_asks_nothing_of_others(site):
    address = r"[\"']?((?:https?:)?//[^\"' >]+)"
    loads = re.compile(rf"<(?:script|img|source|iframe|video|audio)\b[^>]*?\bsrc(?:set)?={address}")
    links = re.compile(rf"<link\b[^>]*?\bhref={address}")
    styles = re.compile(r"(?:url\(|@import\s+)[\"']?((?:https?:)?//[^\"')]+)")
    pages, sheets = list(site.rglob("*.html")), list(site.rglob("*.css"))
    assert len(pages) > 25
    assert sheets
    for page in pages:
        text = page.read_text("utf-8")
        assert [*loads.findall(text), *links.findall(text), *styles.findall(text)] == [], page
    for sheet in sheets:
        assert styles.findall(sheet.read_text("utf-8")) == [], sheet


@pytest.mark.slow
def test_the_reference_shows_each_name_as_what_it_is(site):
    """A function may have the name of its module, which is not what the page is to show."""
    for page in (site / "reference").glob("*.html"):
        assert "doc-module" not in page.read_text("utf-8"), page


@pytest.fixture
def address(site):
    """The site as it is served."""
    handler = functools.partial(QuietHandler, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves files, and says nothing of it."""

    def log_message(self, *_):
        """Nothing."""


@pytest.mark.long
@pytest.mark.parametrize("width", [400, 1400])
def test_pages_fit_and_load_nothing_from_elsewhere(browser, site, address, width):
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    )
    for page in sorted(site.rglob("*.html")):
        if page.name == "404.html":  # its paths are those of a server at the root of its name
            continue
        browser.get(f"{address}/{page.relative_to(site)}")
        asked = browser.execute_script("return performance.getEntriesByType('resource').map(each => each.name)")
        assert asked
        assert [each for each in asked if not each.startswith((address, "data:"))] == [], page
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width, page
    assert [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


@pytest.mark.slow
def test_no_formula_is_left_as_latex(site):
    text = (site / "method.html").read_text("utf-8")
    assert text.count("<math ") > 50
    assert (site / "reference" / "scores.html").read_text("utf-8").count("<math ") > 15
    for page in site.rglob("*.html"):
        assert "arithmatex" not in page.read_text("utf-8"), page
    for page in [site / "method.html", *(site / "reference").glob("*.html")]:
        assert not re.search(r"\\(?:frac|sum|sqrt|operatorname|mathbb|left|top|cdot)\b", page.read_text("utf-8")), page
    assert not (site / "tools").exists()


@pytest.mark.slow
def test_the_site_has_what_it_takes_from_elsewhere(site):
    assert "--supervise-attention WEIGHT" in (site / "commands.html").read_text("utf-8")
    for page in ("contributing", "results", "changelog"):
        assert len((site / f"{page}.html").read_text("utf-8")) > 10_000
    assert (site / "attention.png").read_bytes() == (ROOT / "examples" / "attention.png").read_bytes()
