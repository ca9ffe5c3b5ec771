"""Registers the layers with Keras after `import keras_attention` alone, although that import does not load Keras."""

import importlib.abc
import importlib.util
import sys

LAYERS = "keras_attention.layers"


def register_with_keras():
    """Imports the layers, which registers them: at once if Keras is loaded, otherwise as soon as it is.

    Keras finds the classes of a saved model by their registered names. So a model can be loaded after importing this
    package, whether Keras was imported before or after it.
    """
    if "keras" in sys.modules:
        importlib.import_module(LAYERS)
    else:
        sys.meta_path.insert(0, _AfterKeras())


class _AfterKeras(importlib.abc.MetaPathFinder):
    """Imports the layers right after Keras, once."""

    def find_spec(self, name, path=None, target=None):
        if name != "keras":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None:
            execute = spec.loader.exec_module

            def execute_and_register(module):
                execute(module)
                importlib.import_module(LAYERS)

            spec.loader.exec_module = execute_and_register
        return spec
