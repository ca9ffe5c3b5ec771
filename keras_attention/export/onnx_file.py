"""ONNX files with class names in their metadata: how a classifier is written as one, and how the file is called."""

import json

import numpy as np

from keras_attention.arguments import invalid, reason, require_choice
from keras_attention.export.extras import needs
from keras_attention.export.graph import IMAGES
from keras_attention.models.grids import from_config
from keras_attention.models.outputs import attended_layer
from keras_attention.patterns import RESIZES

OPSET = 17  # of 2022; ONNX Runtime 1.12 and newer read it
SMALLEST_HALVED = 256  # constants with fewer elements stay in float32


def write_onnx(graph, path, quantize=None):
    """Writes an ONNX file that takes `images`, any number of them, and gives the outputs of the graph.

    Args:
        graph: an `InferenceGraph`.
        path: path of the file.
        quantize: `None`; `"float16"`, which stores weights in half precision and computes in float32; or `"dynamic"`,
            which stores them in 8 bits and rounds the values they are multiplied with at each call.
    """
    import onnx
    import tf2onnx

    model, _ = tf2onnx.convert.from_function(graph.frozen, [graph.signature], opset=OPSET)
    properties = {
        "class_names": json.dumps(graph.class_names),
        "image_size": str(graph.image_shape[0]),
        "resize": graph.resize,
        "grids": json.dumps({attended_layer(name): grid.get_config() for name, grid in graph.grids.items()}),
    }
    onnx.helper.set_model_props(model, properties)
    if quantize == "float16":
        _halve(model.graph)
    onnx.save(model, str(path))
    if quantize == "dynamic":
        _quantize(path)


def _halve(graph):
    """Stores the larger constants in float16, each with a cast to float32, which the runtime does once, on loading."""
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for constant in graph.initializer:
        if constant.data_type == TensorProto.FLOAT and np.prod(constant.dims) >= SMALLEST_HALVED:
            name, values = constant.name, numpy_helper.to_array(constant)
            constant.CopyFrom(numpy_helper.from_array(values.astype("float16"), f"{name}/float16"))
            casts.append(helper.make_node("Cast", [constant.name], [name], to=TensorProto.FLOAT))
    rest = list(graph.node)
    del graph.node[:]
    graph.node.extend(casts + rest)  # ONNX requires nodes in the order of computation


def _quantize(path):
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(str(path), str(path), weight_type=QuantType.QUInt8)


class OnnxRuntime:
    """An exported ONNX file as a function from images to arrays.

    Args:
        path: path of the file.

    Attributes:
        class_names, image_size, resize, grids: from the file's metadata; without it, `resize` is `"stretch"`, and there
            are no grids.

    Call arguments:
        images: float32 `(n, S, S, 3)` from 0 to 255.

    Raises:
        ValueError: a file that does not load or was not written by this package, or a runtime that is not installed.
    """

    def __init__(self, path):
        needs("onnxruntime")
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        try:
            self.session = onnxruntime.InferenceSession(str(path), options, onnxruntime.get_available_providers())
        except Exception as error:  # ONNX Runtime raises many kinds of exceptions for damaged files
            raise invalid(f"{path} does not load.", "a whole ONNX file", reason(error)) from error
        inputs = [given.name for given in self.session.get_inputs()]
        try:
            properties = self.session.get_modelmeta().custom_metadata_map
            self.class_names = tuple(json.loads(properties["class_names"]))
            self.image_size = int(properties["image_size"])
            self.grids = from_config(json.loads(properties.get("grids", "{}")))
            self.resize = require_choice("resize", properties.get("resize", "stretch"), RESIZES)
        except (KeyError, TypeError, ValueError) as error:
            raise _foreign(path, "metadata without class_names and image_size, or with an unknown resize") from error
        if inputs != [IMAGES]:
            raise _foreign(path, f"inputs {', '.join(inputs) or 'none'}")
        self.names = [output.name for output in self.session.get_outputs()]

    def __call__(self, images):
        return dict(zip(self.names, self.session.run(None, {IMAGES: images}), strict=True))


def _foreign(path, received):
    expected = "an ONNX file that `keras-attention export` wrote"
    return invalid(f"{path} was not written by this package.", expected, received)
