"""The sensible values of an option, as plain data: a layer declares them, and a search draws from them."""

import dataclasses

from keras_attention.arguments import invalid


@dataclasses.dataclass(frozen=True)
class Choices:
    """A choice of a few values of one type.

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
            raise invalid("There must be values to choose from.", "at least one value", "values=()")


@dataclasses.dataclass(frozen=True)
class Range:
    """A number from `least` to `most`, both included; an integer if both are integers.

    Args:
        least, most: the ends of the range.
        step: the difference between two values, or their ratio if `logarithmic`, counted from `least`; `most` is then
            the largest value if whole steps lead to it. `None` allows every value.
        logarithmic: whether the values are spread evenly on a logarithmic scale.

    Raises:
        ValueError: `least` not below `most`, or not above 0 although `logarithmic`.

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
                "`least` must be below `most`.",
                "`least` below `most`, and above 0 if `logarithmic=True`",
                f"least={self.least}, most={self.most}, logarithmic={self.logarithmic}",
            )

    @property
    def whole(self):
        """Whether the values are integers."""
        return isinstance(self.least, int) and isinstance(self.most, int)

    @property
    def steps(self):
        """The values of a range of fractions with equal steps, to three digits; `None` for another range."""
        if self.step is None or self.whole or self.logarithmic:
            return None
        count = int((self.most - self.least) / self.step + 1e-6) + 1  # 0.5 / 0.1 may be rounded to below 5
        return tuple(float(f"{self.least + number * self.step:.3g}") for number in range(count))
