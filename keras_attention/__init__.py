"""Attention for convolutional image classifiers in Keras, with tests of whether it helps.

Importing the package is cheap: a public name is loaded when it is first used.
"""

import importlib

from keras_attention.registration import register_with_keras

__version__ = "0.1.0"

# Public name → the module that defines it.
_HOME = {
    "ALIGNMENTS": "layers",
    "SCORES": "layers",
    "Attention": "layers",
    "SpatialAttention": "layers",
    "ReinforceModel": "models",
    "VGG16BN": "models",
    "attention_classifier": "models",
    "attention_outputs": "models",
    "TrainConfig": "config",
    "train": "training",
    "Run": "runs",
    "Comparison": "comparison",
    "Variant": "comparison",
    "compare": "comparison",
    "compare_datasets": "comparison",
    "DatasetsComparison": "comparison",
    "AttentionHyperModel": "tuning",
    "Search": "tuning",
    "search": "tuning",
    "evaluate": "evaluation",
    "check": "inspection",
    "explain": "explanation",
    "export_model": "export",
    "export_run": "export",
    "Predictor": "prediction",
    "load_predictor": "prediction",
    "predict_files": "prediction",
    "serve_demo": "demo",
}
# Verbs are functions, nouns are modules.
_MODULES = (
    "comparison",
    "data",
    "demo",
    "evaluation",
    "explanation",
    "export",
    "inspection",
    "layers",
    "maps",
    "metrics",
    "models",
    "prediction",
    "tuning",
)

__all__ = ["__version__", *_HOME, *_MODULES]


def __getattr__(name):
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return __all__


register_with_keras()
