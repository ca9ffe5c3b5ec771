"""How each format is written, and how its files are read back."""

from keras_attention.cards import FORMATS
from keras_attention.export.litert_file import LiteRTRuntime, write_litert
from keras_attention.export.onnx_file import OnnxRuntime, write_onnx
from keras_attention.export.openvino_file import OpenVinoRuntime, write_openvino
from keras_attention.export.saved_model import SavedModelRuntime, write_saved_model

# Each takes an `InferenceGraph`, a path and, if the format can be quantized, a quantization; files in 8 bits
# throughout have writers of their own, in `int8`.
WRITERS = {
    "savedmodel": write_saved_model,
    "onnx": write_onnx,
    "litert": write_litert,
    "openvino": write_openvino,
}
# Each takes the path that was written, and is called with images, which it maps to arrays.
RUNTIMES = {
    "savedmodel": SavedModelRuntime,
    "onnx": OnnxRuntime,
    "litert": LiteRTRuntime,
    "openvino": OpenVinoRuntime,
}


def write_format(name, graph, folder, quantize=None):
    """Writes an `InferenceGraph` in a format into the folder of an export; returns the path that its runtime takes."""
    path = FORMATS[name].path(folder, quantize)
    WRITERS[name](graph, path, **({} if quantize is None else {"quantize": quantize}))
    return path
