"""What is known of a figure by its name alone: title, direction, range, unit, and whether it is a headline."""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Figure:
    """The facts of a figure; tables, reports, the command line and the choice of the best epoch follow from them.

    Args:
        name: under which it is stored and asked for.
        title: in tables and plots.
        more_is_better: whether a larger value is better; `None` if neither is.
        least, most: the range of its values.
        unit: of its values; empty for shares and correlations.
        headline: whether short summaries show it.
    """

    name: str
    title: str
    more_is_better: bool | None = True
    least: float = 0.0
    most: float = 1.0
    unit: str = ""
    headline: bool = False

    @property
    def sign(self):
        """The factor that makes the best value the largest: 1 or −1."""
        return 1 if self.more_is_better else -1


def by_name(*figures):
    """Name → figure, in their order."""
    return {figure.name: figure for figure in figures}
