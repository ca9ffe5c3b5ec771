"""The examples in the docstrings of the registry, the layers and the models run and print what they say."""

import doctest
import importlib
import pkgutil

import keras
import pytest

import keras_attention.layers
import keras_attention.models

MODULES = [
    "keras_attention.registry",
    *(
        module.name
        for package in (keras_attention.layers, keras_attention.models)
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
    ),
]

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the examples show how TensorFlow prints a shape"
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name, capsys):
    failed, attempted = doctest.testmod(importlib.import_module(name))
    assert failed == 0, capsys.readouterr().out
    assert attempted > 0, f"{name} has no example."
