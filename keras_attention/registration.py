"""Registers the classes of saved models with Keras after `import keras_attention` alone, which does not load Keras."""

import importlib.abc
import importlib.util
import sys

LAYERS, MODELS = "keras_attention.layers", "keras_attention.models"


def register_with_keras():
    """Imports layers and models, which registers their classes: at once if Keras is loaded, else as soon as it is.

    Keras finds the classes of a saved model by their registered names. So a model can be loaded after importing this
    package, whether Keras was imported before or after it, and by whom.
    """
    if "keras" in sys.modules:
        _register()
    else:
        sys.meta_path.insert(0, _AfterKeras())


def _register():
    for name in (LAYERS, MODELS):
        importlib.import_module(name)


class _AfterKeras(importlib.abc.MetaPathFinder):
    """Imports layers and models right after Keras, once.

    If it is the layers that import Keras, they are not complete then; the models are imported after them.
    """

    def find_spec(self, name, path=None, target=None):
        if name not in ("keras", LAYERS):
            return None
        # Without this finder, which would find itself.
        others = [finder for finder in sys.meta_path if finder is not self]
        specs = (finder.find_spec(name, path, target) for finder in others if hasattr(finder, "find_spec"))
        spec = next((spec for spec in specs if spec is not None), None)
        if spec is not None:
            execute = spec.loader.exec_module

            def execute_and_register(module):
                execute(module)
                if name == LAYERS or LAYERS not in sys.modules:
                    self._finish()

            spec.loader.exec_module = execute_and_register
        return spec

    def _finish(self):
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        _register()
