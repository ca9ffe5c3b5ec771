"""The comparison: variants × seeds → runs → statistics → a verdict."""

from keras_attention.comparison.folder import Comparison
from keras_attention.comparison.job import compare
from keras_attention.comparison.variants import DEFAULT_VARIANTS, Variant, make_variants

__all__ = ["DEFAULT_VARIANTS", "Comparison", "Variant", "compare", "make_variants"]
