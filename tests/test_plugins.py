"""Scores of one's own on the command line: what is loaded, where it is known, and what is said of mistakes."""

import os
import subprocess
import sys
import zipfile

import cloudpickle
import keras
import pytest
import seams

from keras_attention import attention_classifier
from keras_attention.cli import main
from keras_attention.layers import SCORES, Score
from keras_attention.own_process import call_in_own_process
from keras_attention.plugins import VARIABLE, find_plugins, load_plugins, program
from keras_attention.registry import PACKAGE, require_classes

CHEBYSHEV = '''
import keras
from keras_attention.layers import SCORES, Score


@SCORES.register("chebyshev")
class ChebyshevScore(Score):
    """e = −max |q − k|."""

    def pair(self, query, key):
        return -keras.ops.max(keras.ops.abs(query - key), axis=-1)
'''
TINY = ["--data-option", "count=60", "--image-size", "32", "--width", "0.05", "--epochs", "1", "--units", "8"]


@pytest.fixture(autouse=True)
def as_it_was(monkeypatch, tmp_path):
    """Undoes what a plugin leaves in this process."""
    monkeypatch.setenv(VARIABLE, "")
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    modules, scores, known = set(sys.modules), dict(SCORES._members), dict(keras.saving.get_custom_objects())
    yield
    for name in set(sys.modules) - modules:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]
    SCORES._members = scores
    keras.saving.get_custom_objects().clear()
    keras.saving.get_custom_objects().update(known)


@pytest.fixture
def chebyshev(tmp_path):
    """The path of a plugin, in a folder where Python does not look."""
    path = tmp_path / "own" / "chebyshev_of_a_test.py"
    path.parent.mkdir()
    path.write_text(CHEBYSHEV)
    return path


@pytest.mark.parametrize("before", [True, False], ids=["before the command", "behind it"])
def test_a_plugin_is_listed_with_the_others(before, chebyshev, capsys):
    given = ["--plugin", str(chebyshev)]
    assert main([*given, "list"] if before else ["list", *given]) == 0
    assert "e = −max |q − k|." in capsys.readouterr().out


def test_a_plugin_is_loaded_once_under_all_its_names(chebyshev):
    load_plugins([str(chebyshev)])
    load_plugins([os.path.relpath(chebyshev), str(chebyshev)])
    assert find_plugins() == [str(chebyshev)]
    assert SCORES["chebyshev"].__module__ == "chebyshev_of_a_test"


def test_a_module_is_found_by_its_name(chebyshev):
    sys.path.append(str(chebyshev.parent))
    load_plugins(["chebyshev_of_a_test"])
    assert "chebyshev" in SCORES


def test_a_plugin_may_import_what_lies_beside_it(chebyshev):
    (chebyshev.parent / "helper_of_a_test.py").write_text("NAME = 'helped'\n")
    chebyshev.write_text("from helper_of_a_test import NAME\n" + CHEBYSHEV.replace('"chebyshev"', "NAME"))
    load_plugins([str(chebyshev)])
    assert "helped" in SCORES


@pytest.mark.long
def test_processes_that_are_started_know_it(chebyshev):
    load_plugins([str(chebyshev)])
    score = cloudpickle.dumps(SCORES["chebyshev"])
    assert call_in_own_process(_formula, score) == "e = −max |q − k|."


def _formula(pickled):
    from keras_attention.layers import SCORES

    return SCORES.formulas()["chebyshev"] if cloudpickle.loads(pickled) is SCORES["chebyshev"] else "another class"


def test_the_commands_that_are_printed_name_it(chebyshev, monkeypatch, tmp_path):
    assert program() == "keras-attention"
    load_plugins([str(chebyshev)])
    assert program() == "keras-attention --plugin own/chebyshev_of_a_test.py"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert program() == f"keras-attention --plugin {chebyshev}"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def", "SyntaxError: "),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        (CHEBYSHEV.replace('"chebyshev"', '"dot"'), "The score 'dot' is already registered."),
        (CHEBYSHEV.replace("class ChebyshevScore", "class DotScore"), "A class DotScore is already registered."),
    ],
    ids=["raises", "no Python", "exits", "name of a score", "name of a class"],
)
def test_a_plugin_that_cannot_be_loaded_is_told_in_one_line(content, said, chebyshev, capsys):
    dot = SCORES["dot"]
    chebyshev.write_text(content)
    assert main(["--plugin", str(chebyshev), "list"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"keras-attention: error: The plugin {chebyshev} cannot be loaded. Expected a module")
    assert said in printed.err
    assert printed.err.count("\n") == 1
    assert SCORES["dot"] is dot
    assert keras.saving.get_registered_object(f"{PACKAGE}>DotScore") is dot
    assert os.environ[VARIABLE] == ""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere.py", "The file nowhere.py does not exist."),
        ("nowhere", "The module 'nowhere' does not exist."),
        ("no.where", "The module 'no.where' does not exist."),
        ("own", "The module 'own' does not exist."),
        ("scipy.py", "The plugin scipy.py has the name of another module."),
    ],
)
def test_a_plugin_that_is_not_there_is_told_before_tensorflow_is_loaded(name, said, tmp_path):
    (tmp_path / "scipy.py").write_text("")
    code = "import sys; from keras_attention.cli import main\n"
    code += f"code = main(['--plugin', {name!r}, 'list'])\nprint(code, 'keras' in sys.modules)"
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout == "2 False\n"
    assert done.stderr.startswith(f"keras-attention: error: {said} Expected ")
    assert done.stderr.count("\n") == 1


def test_the_environment_variable_names_plugins_too(chebyshev, monkeypatch, capsys):
    monkeypatch.setenv(VARIABLE, os.path.relpath(chebyshev))
    assert main(["list"]) == 0
    assert "chebyshev" in capsys.readouterr().out


def test_a_class_that_is_defined_again_takes_its_own_place():
    def define(factor):
        class TwiceScore(Score):
            """e = 0."""

            def pair(self, query, key):
                return factor * query[..., 0]

        return SCORES.register("twice")(TwiceScore)

    first, second = define(1), define(2)
    assert SCORES["twice"] is second is not first
    assert keras.saving.get_registered_object(f"{PACKAGE}>TwiceScore") is second


def test_a_model_with_a_class_that_is_missing_says_which(chebyshev, tmp_path):
    load_plugins([str(chebyshev)])
    inputs = keras.Input((32, 32, 3))
    features = keras.layers.Conv2D(5, 3, strides=4, name="few")(inputs)
    backbone = keras.Model(inputs, keras.layers.Conv2D(7, 3, name="last")(features))
    model = attention_classifier(backbone, 3, attend=("few",), query="last", score="chebyshev", units=8)
    model.save(tmp_path / "model.keras")
    require_classes(tmp_path / "model.keras")
    keras.saving.get_custom_objects().pop(f"{PACKAGE}>ChebyshevScore")
    with pytest.raises(
        ValueError, match=r"not registered\. Expected .*--plugin FILE.* Received: class ChebyshevScore\."
    ):
        require_classes(tmp_path / "model.keras")


def test_files_that_do_not_read_are_left_to_keras(tmp_path):
    require_classes(tmp_path / "nothing.keras")
    (tmp_path / "text.keras").write_text("no archive")
    require_classes(tmp_path / "text.keras")
    with zipfile.ZipFile(tmp_path / "other.keras", "w") as archive:
        archive.writestr("config.json", "[")
    require_classes(tmp_path / "other.keras")


@pytest.mark.long
@pytest.mark.apart
def test_a_comparison_and_a_new_process_with_a_plugin(chebyshev, tmp_path, capsys):
    """Comparing and predicting in processes of their own; refused here, where it is not known."""
    # The plugin brings the shallow backbone along, to every process that loads it, and does not measure for long.
    chebyshev.write_text(seams.SHALLOW_PROGRAM + seams.SOON_MEASURED_PROGRAM + CHEBYSHEV)
    given = ["--plugin", str(chebyshev)]

    def command(*arguments):
        done = [sys.executable, "-m", "keras_attention", *given, *arguments]
        return subprocess.run(done, capture_output=True, text=True, cwd=tmp_path)

    variants = ["--variants", "chebyshev+softmax", "--seeds", "1", "--jobs", "2"]
    compared = command("compare", *variants, *TINY, "--run", "compared")
    assert compared.returncode == 0, compared.stderr
    assert "absl" not in compared.stderr  # of TensorFlow, in the processes of the jobs
    assert "not measured" not in compared.stdout
    report = (tmp_path / "compared" / "report.md").read_text()
    assert "keras-attention --plugin own/chebyshev_of_a_test.py compare" in report
    run = "compared/runs/chebyshev+softmax/seed-0"
    picture = f"{run}/attention.png"
    assert main(["predict", run, picture]) == 2
    assert "Received: class ChebyshevScore." in capsys.readouterr().err
    assert main(["train", "--resume", "--run", run]) == 2
    assert "whose module must be imported first (by --plugin FILE" in capsys.readouterr().err
    predicted = command("predict", run, picture)
    assert predicted.returncode == 0, predicted.stderr
