"""What values an option of a layer may sensibly take, as plain data: a layer says it, a search draws from it."""

import dataclasses

from keras_attention.arguments import invalid


@dataclasses.dataclass(frozen=True)
class Choices:
    """One of a few values of one type.

    Args:
        values: the values, at least one.

    Raises:
        ValueError: no values.

    Example:

    >>> from keras_attention.layers import Choices
    >>> Choices(["tanh", "relu"]).values  # in `search_space` of a score: {"activation": Choices(["tanh", "relu"])}
    ('tanh', 'relu')
    """

    values: tuple

    def __post_init__(self):
        object.__setattr__(self, "values", tuple(self.values))
        if not self.values:
            raise invalid("There is nothing to choose from.", "one value at least", "values=()")


@dataclasses.dataclass(frozen=True)
class Range:
    """A number from `least` to `most`, both included; whole where both are.

    Args:
        least, most: the ends.
        step: distance of two values; on a logarithmic scale their ratio; `None` for every value.
        logarithmic: whether the logarithm is spread evenly.

    Raises:
        ValueError: ends in the wrong order, or one that has no logarithm.

    Example:

    >>> from keras_attention.layers import Range
    >>> Range(1, 9, step=2).whole, Range(0.01, 1.0, logarithmic=True).whole
    (True, False)
    """

    least: float
    most: float
    step: float | None = None
    logarithmic: bool = False

    def __post_init__(self):
        if not self.least < self.most or (self.logarithmic and self.least <= 0):
            raise invalid(
                "The range is empty.", "`least` below `most`, and above 0 if logarithmic", f"{self.least}, {self.most}"
            )

    @property
    def whole(self):
        """Whether the values are integers."""
        return isinstance(self.least, int) and isinstance(self.most, int)
