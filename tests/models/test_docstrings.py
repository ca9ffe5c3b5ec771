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
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    ),
]

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the examples show how TensorFlow prints a shape"
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name, capsys):
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0, capsys.readouterr().out


def test_what_users_call_has_an_example():
    public = [
        getattr(package, name)
        for package in (keras_attention.layers, keras_attention.models)
        for name in package.__all__
    ]
    without = [each.__name__ for each in public if callable(each) and ">>>" not in (each.__doc__ or "")]
    assert len(without) < len(public) / 2
    assert not {"Attention", "SpatialAttention", "attention_classifier", "ReinforceModel", "VGG16BN"} & set(without)
