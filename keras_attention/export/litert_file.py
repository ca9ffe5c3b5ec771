"""LiteRT (TensorFlow Lite) files: how a classifier is written as one, and how the file is called."""

import os
import pathlib

import numpy as np
import tensorflow as tf

from keras_attention.arguments import invalid, reason
from keras_attention.cards import needs
from keras_attention.export.graph import IMAGES


def write_litert(graph, path, quantize=None):
    """Writes a LiteRT file whose signature takes `images`, any number of them, and gives the outputs of the graph.

    It uses only operations that every LiteRT runtime has.

    Args:
        graph: an `InferenceGraph`.
        path: path of the file.
        quantize: `None`; `"float16"`, which stores weights in half precision; or `"dynamic"`, which stores them in 8
            bits and rounds the values they are multiplied with at each call.
    """
    converter = converter_of(graph)
    if quantize:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantize == "float16":
        converter.target_spec.supported_types = [tf.float16]
    pathlib.Path(path).write_bytes(converter.convert())


def converter_of(graph):
    """The converter of an `InferenceGraph`, to operations that every LiteRT runtime has."""
    converter = tf.lite.TFLiteConverter.from_concrete_functions([graph.frozen.get_concrete_function()], graph.model)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    return converter


class LiteRTRuntime:
    """An exported LiteRT file as a function from images to arrays.

    Args:
        path: path of the file.

    Attributes:
        image_size: side of the images, from the file's signature.

    Call arguments:
        images: float32 `(n, S, S, 3)` from 0 to 255.

    Raises:
        ValueError: a file that does not load or was not written by this package, or a runtime that is not installed.
    """

    def __init__(self, path):
        needs("ai_edge_litert")
        from ai_edge_litert.interpreter import Interpreter

        try:
            self.interpreter = Interpreter(str(path), num_threads=os.cpu_count())
        except (ValueError, RuntimeError) as error:
            raise invalid(f"{path} does not load.", "a whole LiteRT file", reason(error)) from error
        signatures = self.interpreter.get_signature_list()
        shapes = [given["shape_signature"].tolist() for given in self.interpreter.get_input_details()]
        inputs = [signature["inputs"] for signature in signatures.values()]
        if inputs != [[IMAGES]] or [len(shape) for shape in shapes] != [4]:
            expected = "a LiteRT file that `keras-attention export` wrote"
            raise invalid(f"{path} was not written by this package.", expected, f"inputs {inputs} of shapes {shapes}")
        self.image_size = shapes[0][1]
        self.call = self.interpreter.get_signature_runner()

    def __call__(self, images):
        # Copied, because the interpreter writes the next outputs into the same memory.
        return {name: np.array(values) for name, values in self.call(**{IMAGES: images}).items()}
