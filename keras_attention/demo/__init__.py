"""A local web page where a model is tried on images: classes, and where it looks."""

from keras_attention.demo.job import serve_demo

__all__ = ["serve_demo"]
