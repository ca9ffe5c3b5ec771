"""A local web page to try a model on images: the classes it predicts, and where it looks."""

from keras_attention.demo.job import serve_demo

__all__ = ["serve_demo"]
