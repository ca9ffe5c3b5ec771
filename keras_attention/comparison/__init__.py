"""The comparison: variants × seeds → runs → statistics → a verdict."""

from keras_attention.comparison.folder import Comparison
from keras_attention.comparison.job import compare
from keras_attention.comparison.several import compare_datasets
from keras_attention.comparison.several_folder import DatasetsComparison
from keras_attention.variants import DEFAULT_VARIANTS, Variant, make_variants

__all__ = [
    "DEFAULT_VARIANTS",
    "Comparison",
    "DatasetsComparison",
    "Variant",
    "compare",
    "compare_datasets",
    "make_variants",
]
