"""Models as they leave: files that run without this package, each checked after it is written."""

from keras_attention.export.saved_model import export_saved_model, require_tensorflow

__all__ = ["export_saved_model", "require_tensorflow"]
