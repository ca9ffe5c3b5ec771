"""The description of a figure: title, direction, range, unit, and whether it is a headline."""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Figure:
    """The description of a figure, used by tables, reports, the command line and the choice of the best epoch.

    Args:
        name: the name under which it is stored and chosen.
        title: its title in tables and plots.
        more_is_better: whether a larger value is better; `None` if neither is.
        least, most: the range of its values.
        unit: the unit of its values; empty for shares and correlations.
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
    """Name → figure, in the given order."""
    return {figure.name: figure for figure in figures}
