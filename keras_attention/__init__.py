"""Attention for convolutional image classifiers in Keras, and the proof of whether it helped.

Importing the package is cheap: a public name is loaded when it is first used.
"""

import importlib

from keras_attention.registration import register_with_keras

__version__ = "0.1.0"

# Public name → the module that has it.
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
    "AttentionHyperModel": "search",
    "Search": "search",
    "export_model": "export",
    "Predictor": "predict",
    "load_predictor": "predict",
    "predict_files": "predict",
}
_MODULES = ("data", "demo", "evaluation", "explain", "explanations", "export", "layers", "models", "predict", "search")

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
