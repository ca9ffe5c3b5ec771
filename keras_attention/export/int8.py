"""Files that compute in 8 bits: their values are rounded to ranges that were measured on training images beforehand.

Each writer keeps a float32 file of the same format, from which its files in 8 bits are made.
"""

import dataclasses
import pathlib
import warnings

import numpy as np
import tensorflow as tf

from keras_attention.arguments import invalid
from keras_attention.export.litert_file import converter_of, write_litert
from keras_attention.export.onnx_file import properties_of, write_onnx
from keras_attention.export.openvino_file import write_openvino_of

# What a file computes in 8 bits; the rest stays in float. In the order in which they are tried.
PARTS = ("all", "convolutions", "convolutions but the first")
# Operations that go on in 8 bits between the convolutions, by format. They cost no accuracy, and a change of the
# precision before and after each would cost time.
ONNX_CONVOLUTIONS = ("Conv", "Relu", "MaxPool")
FLOAT = 0  # the number of float32 among the types of a LiteRT file
LITERT_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D", "MAX_POOL_2D", "RELU")


@dataclasses.dataclass(frozen=True)
class Calibration:
    """Images on which the ranges of all values are measured before they are rounded to 8 bits.

    Args:
        images: `(n, S, S, 3)` from 0 to 255, like those that the model is for.
        split: the split that they are from, for the card.
        seed: the seed with which they were drawn from it, for the card.

    Example:

    >>> import numpy as np
    >>> from keras_attention.export import Calibration
    >>> Calibration(np.zeros((8, 32, 32, 3)), split="train", seed=0).described
    {'images': 8, 'split': 'train', 'seed': 0}

    Reference:
        Jacob et al., *Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference*,
        CVPR 2018.
    """

    images: np.ndarray
    split: str | None = None
    seed: int | None = None

    @property
    def described(self):
        """What the card says: how many images, and which."""
        return {"images": len(self.images), "split": self.split, "seed": self.seed}


class OnnxInt8:
    """Writes ONNX files in 8 bits: weights with a scale for each channel, and every value with a range of its own.

    They are made by `quantize_static` of ONNX Runtime, as pairs of operations that quantize and dequantize (QDQ), which
    a runtime fuses with the operations between them.

    Args:
        graph: an `InferenceGraph`.
        images: those of a `Calibration`.
        folder: an empty folder for files that are needed in between.

    Attributes:
        float_path: the file in float32.
    """

    def __init__(self, graph, images, folder):
        from onnxruntime.quantization.shape_inference import quant_pre_process

        self.images, self.float_path = np.asarray(images, "float32"), pathlib.Path(folder) / "model.onnx"
        self.properties, self.prepared = properties_of(graph), pathlib.Path(folder) / "prepared.onnx"
        write_onnx(graph, self.float_path)
        # The symbolic shapes would need SymPy; those of ONNX are enough for convolutions and products.
        quant_pre_process(str(self.float_path), str(self.prepared), skip_symbolic_shape=True)

    def write(self, path, part="all"):
        """Writes a file in 8 bits, of which `part` says how much; see `PARTS`.

        Raises:
            ValueError: a network without a convolution in this part.
        """
        import onnx
        from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

        every, first = _convolutions(self.prepared)
        _require_convolutions(part, every, first)
        quantize_static(
            str(self.prepared),
            str(path),
            _reader(self.images),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=None if part == "all" else list(ONNX_CONVOLUTIONS),
            nodes_to_exclude=first if part == PARTS[-1] else [],
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            # Ranges that begin at 0 or lie evenly around it, which processors compute fastest.
            extra_options={"ActivationRestrictedAsymmetric": True},
        )
        model = onnx.load(str(path))
        onnx.helper.set_model_props(model, self.properties)
        onnx.save(model, str(path))


def _reader(images):
    """The images one by one, as `quantize_static` reads them."""
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.images = iter(images)

        def get_next(self):
            image = next(self.images, None)
            return None if image is None else {"images": image[None]}

    return Reader()


def _convolutions(path):
    """The names of the convolutions of an ONNX file: all of them, and those with no other convolution before them."""
    import onnx

    nodes = onnx.load(str(path)).graph.node  # in the order of computation
    after, first = set(), []
    for node in nodes:
        if after & set(node.input):
            after |= set(node.output)
        elif node.op_type == "Conv":
            first.append(node.name)
            after |= set(node.output)
    return [node.name for node in nodes if node.op_type == "Conv"], first


def _require_convolutions(part, every, first):
    """Raises `ValueError` for a part without convolutions, of which nothing would be in 8 bits."""
    left = {"convolutions": len(every), PARTS[-1]: len(every) - len(first)}.get(part)
    if left == 0:
        raise invalid(f"Nothing would be in 8 bits of the {part}.", "a network with convolutions", f"{len(every)}")


class OpenVinoInt8:
    """Writes OpenVINO models in 8 bits, from the ONNX files of `OnnxInt8`; see there."""

    def __init__(self, graph, images, folder):
        folder = pathlib.Path(folder)
        self.onnx, self.quantized = OnnxInt8(graph, images, folder), folder / "quantized.onnx"
        self.float_path, self.properties = folder / "model.xml", properties_of(graph)
        write_openvino_of(self.onnx.float_path, self.float_path, self.properties)

    def write(self, path, part="all"):
        """Writes a model in 8 bits, of which `part` says how much; see `PARTS`."""
        self.onnx.write(self.quantized, part)
        write_openvino_of(self.quantized, path, self.properties, "int8")


class LiteRTInt8:
    """Writes LiteRT files in 8 bits that take images and give outputs in float32.

    They are made by `TFLiteConverter`, and its `QuantizationDebugger` where a part stays in float.

    Args, attributes: as in `OnnxInt8`.
    """

    def __init__(self, graph, images, folder):
        self.graph, self.images = graph, np.asarray(images, "float32")
        self.float_path = pathlib.Path(folder) / "model.tflite"
        write_litert(graph, self.float_path)

    def write(self, path, part="all"):
        """Writes a file in 8 bits, of which `part` says how much; see `PARTS`."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of TensorFlow, about the interpreter with which it calibrates
            content = self._converter().convert() if part == "all" else self._in_part(part)
        pathlib.Path(path).write_bytes(content)

    def _converter(self):
        converter = converter_of(self.graph)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8, tf.lite.OpsSet.TFLITE_BUILTINS]
        converter.representative_dataset = self._examples
        return converter

    def _examples(self):
        for image in self.images:
            yield {"images": image[None]}

    def _in_part(self, part):
        kinds, every, first = self._operations()
        _require_convolutions(part, every, first)
        options = tf.lite.experimental.QuantizationDebugOptions(
            denylisted_ops=sorted(kinds - set(LITERT_CONVOLUTIONS)),
            denylisted_nodes=first if part == PARTS[-1] else [],
        )
        debugger = tf.lite.experimental.QuantizationDebugger(
            converter=self._converter(), debug_dataset=self._examples, debug_options=options
        )
        return _without_roundings(debugger.get_nondebug_quantized_model())

    def _operations(self):
        """The kinds of the operations of the network, and the outputs of its convolutions and of the first of them."""
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(str(self.float_path))
        names = {tensor["index"]: tensor["name"] for tensor in interpreter.get_tensor_details()}
        operations = interpreter._get_ops_details()
        every = [names[each["outputs"][0]] for each in operations if "CONV_2D" in each["op_name"]]
        return {each["op_name"] for each in operations}, every, every[:1]


def _without_roundings(content):
    """A LiteRT file without the pairs of operations that round a value to 8 bits and give it back in float at once.

    The converter leaves such a pair between a softmax and a selection that both stay in float, so that the weights of a
    map would be rounded to steps of 1/256.
    """
    from tensorflow.lite.tools import flatbuffer_utils as files

    model = files.convert_bytearray_to_object(bytearray(content))
    for graph in model.subgraphs:
        kinds = {id(each): files.opcode_to_name(model, each.opcodeIndex) for each in graph.operators}
        rounded = {each.outputs[0]: each.inputs[0] for each in graph.operators if kinds[id(each)] == "QUANTIZE"}
        rounded = {after: before for after, before in rounded.items() if graph.tensors[before].type == FLOAT}
        back = {
            each.outputs[0]: rounded[each.inputs[0]]
            for each in graph.operators
            if kinds[id(each)] == "DEQUANTIZE" and each.inputs[0] in rounded and each.outputs[0] not in graph.outputs
        }
        for each in graph.operators:
            each.inputs = [back.get(number, number) for number in each.inputs]
        graph.operators = [each for each in graph.operators if each.outputs[0] not in back]
        used = {number for each in graph.operators for number in each.inputs} | set(graph.outputs)
        graph.operators = [each for each in graph.operators if kinds[id(each)] != "QUANTIZE" or each.outputs[0] in used]
    return bytes(files.convert_object_to_bytearray(model))


# Each takes an `InferenceGraph`, images and a folder.
INT8_WRITERS = {"onnx": OnnxInt8, "litert": LiteRTInt8, "openvino": OpenVinoInt8}
