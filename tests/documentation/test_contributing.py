"""CONTRIBUTING.md: its recipes, followed to the letter in a copy of the repository, and all else that it names."""

import functools
import importlib.util
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tomllib

import keras
import pytest

ROOT = pathlib.Path(__file__).parent.parent.parent
PAGE = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
# What stands above the recipes, and each recipe under its title.
GENERAL, *PARTS = re.split(r"^### ", PAGE, flags=re.M)
RECIPES = {part.split("\n")[0]: part for part in PARTS}
PASTED = re.compile(
    r"<!-- (append to|insert into) (\S+)(?: (above|below) `([^\n]+)`)? -->\n```(?:python)?\n(.*?)```", re.S
)
LONGEST_RECIPE = 50  # lines: a screen
NOT_COPIED = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info")


def commands(text):
    """The lines of the `sh` blocks of a text, each as the commands that `&&` joins, as lists of words."""
    lines = [line for block in re.findall(r"```sh\n(.*?)```", text, re.S) for line in block.splitlines()]
    return [shlex.split(part, comments=True) for line in lines for part in line.split("&&")]


def not_copied(folder, names):
    """What a copy of the repository leaves out: what is hidden or made."""
    made = {"runs", "site", "saved_models", "build", "dist"} if pathlib.Path(folder) == ROOT else set()
    return NOT_COPIED(folder, names) | made & set(names)


def paste(folder, recipe):
    """Puts each block of a recipe where its comment says; returns how many there were."""
    blocks = PASTED.findall(recipe)
    for how, path, side, line, code in blocks:
        text = (folder / path).read_text("utf-8")
        if how == "append to":
            text = f"{text}\n\n{code}"
        else:
            assert text.count(f"\n{line}\n") == 1, f"{line} does not stand once in {path}"
            both = f"{line}\n{code}" if side == "below" else f"{code}{line}\n"
            text = text.replace(f"\n{line}\n", f"\n{both}")
        (folder / path).write_text(text, "utf-8")
    return len(blocks)


def run(command, folder):
    """What a command of a recipe prints, in the copy alone."""
    programs = {"python": [sys.executable], "keras-attention": [sys.executable, "-m", "keras_attention"]}
    environment = {**os.environ, "PYTHONPATH": str(folder), "TFDS_DATA_DIR": str(folder / "datasets")}
    environment |= {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONDONTWRITEBYTECODE": "1"}
    whole = programs[command[0]] + command[1:]
    done = subprocess.run(whole, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """A copy of the repository with the blocks of all recipes pasted; what each of their commands prints, once.

    The copy has the shallow backbone, which is soon traced.
    """
    folder = tmp_path_factory.mktemp("copy") / "copy"
    shutil.copytree(ROOT, folder, ignore=not_copied, symlinks=True)
    for recipe in RECIPES.values():
        assert paste(folder, recipe) == recipe.count("<!--") > 0
    with (folder / "keras_attention" / "models" / "layout.py").open("a", encoding="utf-8") as file:
        file.write("\nBLOCKS = tuple((1, width) for _, width in BLOCKS)\n")
    return functools.cache(lambda line: run(shlex.split(line), folder))


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the command line needs TensorFlow")
@pytest.mark.long
@pytest.mark.parametrize("title", RECIPES)
def test_a_recipe_works_to_the_letter(title, followed):
    recipe = RECIPES[title]
    printed = [followed(shlex.join(command)) for command in commands(recipe)]
    assert any(re.search(r"\d+ passed", text) for text in printed)
    shown = [" ".join(line.split()) for text in printed for line in text.splitlines()]
    for block in re.findall(r"```text\n(.*?)```", recipe, re.S):
        for line in block.splitlines():
            assert any(each.startswith(line) for each in shown), f"{line} was not printed"


def test_there_are_six_recipes_of_a_screen_each():
    assert list(RECIPES) == ["A score", "An alignment", "A backbone", "A setting", "A metric", "A map measure"]
    for title, recipe in RECIPES.items():
        assert len(recipe.splitlines()) <= LONGEST_RECIPE
        assert recipe.count("```text") == 1, title


def requirements():
    """The packages that the project and its extras ask for, by name."""
    extras = PROJECT["project"]["optional-dependencies"].values()
    lists = [PROJECT["project"]["dependencies"], *extras]
    return {re.match(r"[\w-]+", requirement)[0] for each in lists for requirement in each}


@pytest.mark.parametrize("words", commands(PAGE), ids=" ".join)
def test_what_a_command_names_exists(words):
    while "=" in words[0]:  # a variable of the environment
        words = words[1:]
    program, *arguments = words
    built_in = {"python", "python3", ".", *PROJECT["project"]["scripts"]}
    assert program in built_in | requirements()
    assert program == "." or not arguments or arguments[0] not in ("-m",) or importlib.util.find_spec(arguments[1])
    for word in arguments:
        assert not re.match(r"(tests|docs|examples)/", word) or (ROOT / word).exists(), word
    for extra in re.findall(r"\.\[(\w+)\]", " ".join(arguments)):
        assert extra in PROJECT["project"]["optional-dependencies"]
    if "-m" in arguments[2:]:
        chosen = set(arguments[arguments.index("-m", 2) + 1].split()) - {"not", "and", "or"}
        markers = PROJECT["tool"]["pytest"]["ini_options"]["markers"]
        assert chosen <= {line.partition(":")[0] for line in markers}


def test_the_table_has_every_part_of_the_package():
    rows = re.findall(r"^\| (`.*?) \|", GENERAL, re.M)
    places = [place for row in rows for place in re.findall(r"`(.+?)`", row)]
    assert [place for place in places if not (ROOT / "keras_attention" / place).exists()] == []
    places_of_code = [path for path in (ROOT / "keras_attention").iterdir() if path.suffix in ("", ".py")]
    parts = {path.name for path in places_of_code if not path.name.startswith("__")}
    assert parts - {place.split("/")[0] for place in places} == set()


def test_every_file_that_is_named_exists():
    names = re.findall(r"`([\w/.]+(?:\.py|\.md|/run))`", PAGE)
    known = {path.name for path in ROOT.glob("keras_attention/**/*.py")}
    assert len(names) > 20
    assert [name for name in names if not (ROOT / name).exists() and name.split("/")[-1] not in known] == []
