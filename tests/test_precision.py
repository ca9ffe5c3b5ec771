"""Which precision `auto` is."""

import keras
import pytest
import seams

from keras_attention import TrainConfig
from keras_attention.precision import precision_of

CACHED = {"freeze": "all", "weights": "imagenet"}
OTHERS = (
    {},
    {"freeze": "block3", "weights": "imagenet"},
    CACHED | {"cache_features": False},
    CACHED | {"unfreeze_after": 1},
)
tensorflow_alone = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="measured with TensorFlow alone")


@pytest.fixture
def processor(monkeypatch, tmp_path):
    """`processor(text)`: a processor that the system describes so."""

    def describe(text):
        (tmp_path / "cpuinfo").write_text(text)
        seams.place_of_the_processor(monkeypatch, tmp_path / "cpuinfo")

    return describe


@tensorflow_alone
@pytest.mark.parametrize("flag", ["avx512_bf16", "amx_bf16"])
def test_heads_over_cached_features_are_in_bfloat16_where_the_processor_multiplies_in_it(processor, flag):
    processor(f"processor : 0\nflags\t\t: fpu avx2 {flag} sse\nbugs\t: none\n")
    assert precision_of(TrainConfig(**CACHED)) == "mixed_bfloat16"
    assert [precision_of(TrainConfig(**each)) for each in OTHERS] == ["float32"] * len(OTHERS)


@pytest.mark.parametrize("text", ["flags : fpu avx2\nbugs : amx_bf16\n", "Features : bf16\n", ""])
def test_any_other_processor_computes_in_float32(processor, text):
    processor(text)
    assert precision_of(TrainConfig(**CACHED)) == "float32"


def test_a_system_without_a_description_computes_in_float32():
    assert precision_of(TrainConfig(**CACHED)) == "float32"


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_a_precision_that_is_told_is_taken(processor, precision):
    processor("flags : amx_bf16\n")
    assert precision_of(TrainConfig(precision=precision, **CACHED)) == precision
