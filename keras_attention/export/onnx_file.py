"""ONNX files with class names in their metadata: how a classifier is written as one, and how the file is called."""

import json

import numpy as np

from keras_attention.arguments import invalid, reason, require_choice
from keras_attention.cards import needs
from keras_attention.export.graph import IMAGES
from keras_attention.models.grids import from_config
from keras_attention.models.outputs import attended_layer
from keras_attention.patterns import RESIZES

OPSET = 17  # of 2022; ONNX Runtime 1.12 and newer read it
KINDS = {"ONNX": "an ONNX file", "OpenVINO": "an OpenVINO model"}  # in messages
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

    model, _ = tf2onnx.convert.from_function(graph.frozen, [graph.signature], opset=OPSET, custom_op_handlers=HANDLERS)
    onnx.helper.set_model_props(model, properties_of(graph))
    if quantize == "float16":
        _halve(model.graph)
    onnx.save(model, str(path))
    if quantize == "dynamic":
        _quantize(path)


def properties_of(graph):
    """What a file says about itself, as texts: `class_names`, `image_size`, `resize` and `grids`."""
    return {
        "class_names": json.dumps(graph.class_names),
        "image_size": str(graph.image_shape[0]),
        "resize": graph.resize,
        "grids": json.dumps({attended_layer(name): grid.get_config() for name, grid in graph.grids.items()}),
    }


def read_properties(properties, path, kind):
    """The class names, the size of the images, the grids and `resize`, from the properties of a file.

    Args:
        properties: the texts of `properties_of`, or those of a foreign file.
        path, kind: the path of the file and the name of its format, for messages.

    Raises:
        ValueError: properties that this package did not write.
    """
    try:
        names, size = tuple(json.loads(properties["class_names"])), int(properties["image_size"])
        grids = from_config(json.loads(properties.get("grids", "{}")))
        resize = require_choice("resize", properties.get("resize", "stretch"), RESIZES)
    except (KeyError, TypeError, ValueError) as error:
        received = "metadata without class_names and image_size, or with an unknown resize"
        raise foreign(path, received, kind) from error
    return names, size, grids, resize


def _log1p(context, node, name, arguments):
    """log(1 + x), as ONNX has it."""
    _as_onnx(context, node, "Log", _with_one(context, node.input[0], "Add"))


def _expm1(context, node, name, arguments):
    """exp(x) − 1, as ONNX has it."""
    _then(context, node, "Exp", lambda output: _with_one(context, output, "Sub"))


def _erfc(context, node, name, arguments):
    """1 − erf(x), as ONNX has it."""
    _then(context, node, "Erf", lambda output: _with_one(context, output, "Sub", one_first=True))


def _with_one(context, tensor, operation, one_first=False):
    """The name of a new tensor: a tensor plus or minus 1, or 1 minus it."""
    from tf2onnx.utils import make_name

    one = context.make_const(make_name("one"), np.array(1, "float32")).output[0]
    return context.make_node(operation, [one, tensor] if one_first else [tensor, one]).output[0]


def _as_onnx(context, node, kind, tensor):
    """Makes a node of TensorFlow that of ONNX of another kind, with one input."""
    node.type, node.domain = kind, ""
    context.replace_inputs(node, [tensor])


def _then(context, node, kind, follow):
    """Makes a node of TensorFlow that of ONNX, and gives what follows from its output to those who used the output."""
    node.type, node.domain = kind, ""
    users = context.find_output_consumers(node.output[0])
    context.replace_all_inputs(node.output[0], follow(node.output[0]), ops=users)


# Operations that tf2onnx does not know; `entmax` and some activations consist of them.
HANDLERS = {name: (handler, []) for name, handler in (("Log1p", _log1p), ("Expm1", _expm1), ("Erfc", _erfc))}


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
        class_names, image_size, resize, grids: from the file's metadata; without it, `resize` is `"stretch"` and
            `grids` is empty.

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
        properties = self.session.get_modelmeta().custom_metadata_map
        self.class_names, self.image_size, self.grids, self.resize = read_properties(properties, path, "ONNX")
        if inputs != [IMAGES]:
            raise foreign(path, f"inputs {', '.join(inputs) or 'none'}")
        self.names = [output.name for output in self.session.get_outputs()]

    def __call__(self, images):
        return dict(zip(self.names, self.session.run(None, {IMAGES: images}), strict=True))


def foreign(path, received, kind="ONNX"):
    """The error for a file that this package did not write."""
    expected = f"{KINDS[kind]} that `keras-attention export` wrote"
    return invalid(f"{path} was not written by this package.", expected, received)
