"""OpenVINO files, `model.xml` and `model.bin`: how a classifier is written as them, and how they are called."""

import pathlib
import tempfile

from keras_attention.arguments import invalid, reason
from keras_attention.cards import needs
from keras_attention.export.graph import IMAGES
from keras_attention.export.onnx_file import foreign, properties_of, read_properties, write_onnx

OURS = "keras_attention"  # where the properties stand in the file
QUANTIZED = "quantized"
PRECISION = "INFERENCE_PRECISION_HINT"
FLOAT32 = "f32"


def write_openvino(graph, path, quantize=None):
    """Writes an OpenVINO model that takes `images`, any number of them, and gives the outputs of the graph.

    It is made of the ONNX file of the graph, so that its outputs keep their names.

    Args:
        graph: an `InferenceGraph`.
        path: path of the `.xml` file; the weights lie beside it in a `.bin` file.
        quantize: `None`, or `"float16"`, which stores weights in half precision.
    """
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "model.onnx"
        write_onnx(graph, source)
        write_openvino_of(source, path, properties_of(graph), quantize)


def write_openvino_of(source, path, properties, quantize=None):
    """Writes the OpenVINO model of an ONNX file; see `write_openvino`."""
    import openvino

    model = openvino.Core().read_model(str(source))
    for name, value in (properties | {QUANTIZED: str(quantize)}).items():
        model.set_rt_info(value, [OURS, name])
    openvino.save_model(model, str(path), compress_to_fp16=quantize == "float16")


class OpenVinoRuntime:
    """An exported OpenVINO model as a function from images to arrays.

    OpenVINO computes in the precision that suits the processor best, which is bfloat16 where it has it. What is not in
    8 bits in a file of `"int8"` is in float32: OpenVINO does not compile every network with 8 bits beside bfloat16.

    Args:
        path: path of the `.xml` file.
        precision: `"f32"` for float32; the precision that OpenVINO chooses if `None`.

    Attributes:
        class_names, image_size, resize, grids: from the file.
        precision: the name of the precision it computes in, such as `"f32"` or `"bf16"`.

    Call arguments:
        images: float32 `(n, S, S, 3)` from 0 to 255.

    Raises:
        ValueError: a file that does not load or was not written by this package, or a runtime that is not installed.
    """

    def __init__(self, path, precision=None):
        needs("openvino")
        import openvino

        core = openvino.Core()
        try:
            model = core.read_model(str(path))
            told = _told(model)
            chosen = FLOAT32 if told.get(QUANTIZED) == "int8" else precision
            hints = {"PERFORMANCE_HINT": "LATENCY"} | ({} if chosen is None else {PRECISION: chosen})
            self.compiled = core.compile_model(model, "CPU", hints)
        except Exception as error:  # which exception OpenVINO raises depends on the part that is damaged
            expected = "a whole OpenVINO model, the .xml file with its .bin file"
            raise invalid(f"{path} does not load.", expected, reason(error)) from error
        inputs = [given.get_any_name() for given in self.compiled.inputs]
        self.class_names, self.image_size, self.grids, self.resize = read_properties(told, path, "OpenVINO")
        if inputs != [IMAGES]:
            raise foreign(path, f"inputs {', '.join(inputs) or 'none'}", "OpenVINO")
        self.precision = self.compiled.get_property(PRECISION).get_type_name()
        self.names = {output: output.get_any_name() for output in self.compiled.outputs}

    def __call__(self, images):
        found = self.compiled({IMAGES: images})
        return {name: found[output].copy() for output, name in self.names.items()}


def _told(model):
    """The properties in a model that this package wrote; none if another program wrote it."""
    if not model.has_rt_info([OURS]):
        return {}
    return {name: value.astype(str) for name, value in model.get_rt_info([OURS]).astype(dict).items()}
