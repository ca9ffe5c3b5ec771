"""Every public name has an example in its docstring, and all examples of the package run and print what they show."""

import doctest
import importlib
import importlib.util
import pkgutil

import keras
import pytest
from public import callables
from test_documentation import run_shallow

import keras_attention

# Examples that train take longer; Gradio leaves sockets behind. They run in processes of their own.
ALONE = {
    "keras_attention.comparison.job",
    "keras_attention.comparison.record",
    "keras_attention.demo.job",
    "keras_attention.export.run",
    "keras_attention.runs",
    "keras_attention.search.job",
    "keras_attention.search.record",
    "keras_attention.training.job",
}
PACKAGES = {"keras_attention.demo.job": "gradio"}  # of the extras, which may be missing
SKIPPED = ("keras_attention.__main__",)  # importing it is running the command


def modules_with_examples():
    """The names of the modules in whose docstrings there are examples, of themselves and not of what they import."""
    names = ["keras_attention"]
    names += [module.name for module in pkgutil.walk_packages(keras_attention.__path__, "keras_attention.")]
    return [name for name in names if name not in SKIPPED and examples(name)]


def examples(name):
    """The doctests of a module that hold an example."""
    found = doctest.DocTestFinder().find(importlib.import_module(name))
    return [each for each in found if each.examples]


if keras.backend.backend() == "tensorflow":
    MODULES = modules_with_examples()
else:
    MODULES = []  # of those that other backends cannot import, and of how TensorFlow prints a shape

needs_tensorflow = pytest.mark.skipif(not MODULES, reason="the examples are those of TensorFlow")


@needs_tensorflow
@pytest.mark.parametrize("name", [name for name in MODULES if name not in ALONE])
def test_examples(name, capsys):
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0, capsys.readouterr().out


@needs_tensorflow
@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(ALONE))
def test_examples_that_train_or_serve(name, tmp_path):
    if name in PACKAGES:
        pytest.importorskip(PACKAGES[name])
    program = "import doctest, importlib, sys\nsys.exit(doctest.testmod(importlib.import_module(sys.argv[1])).failed)"
    done = run_shallow(program, tmp_path, name)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_tensorflow
def test_modules_that_run_alone_have_examples():
    assert set(MODULES) >= ALONE


@pytest.mark.parametrize(("name", "each"), callables().items(), ids=callables())
def test_every_public_name_has_an_example(name, each):
    assert ">>>" in (each.__doc__ or ""), f"{name} has no example in its docstring."
