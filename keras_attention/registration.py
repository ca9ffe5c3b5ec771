"""Registers the classes of saved models with Keras after `import keras_attention` alone, which does not load Keras."""

import importlib.abc
import importlib.util
import sys

LAYERS, MODELS = "keras_attention.layers", "keras_attention.models"


def register_with_keras():
    """Imports layers and models, which registers their classes: at once if Keras is loaded, else as soon as it is.

    Keras finds the classes of a saved model by their registered names. So a model can be loaded after importing this
    package, whether Keras was imported before or after it.
    """
    if "keras" in sys.modules:
        _register()
    else:
        sys.meta_path.insert(0, _AfterKeras())


def _register():
    # If it was the layers that imported Keras, they are not complete yet, and the models cannot be imported.
    names = (LAYERS,) if LAYERS in sys.modules else (LAYERS, MODELS)
    for name in names:
        importlib.import_module(name)


class _AfterKeras(importlib.abc.MetaPathFinder):
    """Imports layers and models right after Keras, once."""

    def find_spec(self, name, path=None, target=None):
        if name != "keras":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None:
            execute = spec.loader.exec_module

            def execute_and_register(module):
                execute(module)
                _register()

            spec.loader.exec_module = execute_and_register
        return spec
