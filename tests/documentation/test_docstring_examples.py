"""Every public name has an example in its docstring, and all examples of the package run and print what they show."""

import doctest
import importlib
import importlib.util
import pkgutil

import pytest
from public import callables
from test_documentation import needs_tensorflow, run_shallow

import keras_attention

# Those that train take longer, and Gradio leaves sockets behind: they run in processes of their own.
ALONE = {
    "keras_attention.comparison.job",
    "keras_attention.demo.job",
    "keras_attention.export.run",
    "keras_attention.runs.run",
    "keras_attention.tuning.job",
    "keras_attention.training.job",
}
NEEDS = {"keras_attention.demo.job": "gradio"}
# These export or explain whole models, or make several.
LONG = (
    "keras_attention.export.",
    "keras_attention.evaluation.saved",
    "keras_attention.explanation.",
    "keras_attention.cards.",
    "keras_attention.maps.attention",
    "keras_attention.maps.cam",
    "keras_attention.maps.measuring",
    "keras_attention.maps.perturbation",
    "keras_attention.models.backbone",
    "keras_attention.models.weights",
    "keras_attention.prediction.",
)


def modules_with_examples():
    """The names of the modules that hold examples, by their source: imported, some want what may not be installed."""
    names = [module.name for module in pkgutil.walk_packages(keras_attention.__path__, "keras_attention.")]
    return [name for name in names if ">>> " in importlib.util.find_spec(name).loader.get_source(name)]


MODULES = modules_with_examples()


@needs_tensorflow
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.long, pytest.mark.apart] if name.startswith(LONG) else [])
        for name in MODULES
        if name not in ALONE
    ],
)
def test_examples(name, capsys):
    failed, attempted = doctest.testmod(importlib.import_module(name))
    assert failed == 0, capsys.readouterr().out
    assert attempted > 0


@needs_tensorflow
@pytest.mark.long
@pytest.mark.apart
@pytest.mark.parametrize("name", sorted(ALONE))
def test_examples_that_train_or_serve(name, tmp_path):
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    test = "import doctest, importlib, sys\nfailed, attempted = doctest.testmod(importlib.import_module(sys.argv[1]))\n"
    done = run_shallow(f"{test}sys.exit(failed or not attempted)", tmp_path, name)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", callables())
def test_every_public_name_has_an_example(name):
    assert ">>> " in (callables()[name].__doc__ or ""), f"{name} has no example in its docstring."
