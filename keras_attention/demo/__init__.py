"""A local web page where a model is tried on images: classes, and where it looks."""

from keras_attention.demo.job import check_gradio, demo

__all__ = ["check_gradio", "demo"]
