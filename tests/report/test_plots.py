"""Plots of a run: their contents, and that they are saved without a warning."""

import io

import numpy as np
import pytest
from cases import some_now
from PIL import Image

from keras_attention.report import confusion_figure, history_figure


def saved(figure):
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=60)
    return np.asarray(Image.open(file).convert("RGB"))


NAMES = ("loss", "val_loss", "accuracy", "val_accuracy")


@pytest.mark.parametrize("as_text", [False, True], ids=["numbers", "from a file"])
@pytest.mark.parametrize("count", [1, 7])
def test_history(count, as_text):
    rows = [
        {"epoch": epoch + 1} | {name: epoch + number / 8 for number, name in enumerate(NAMES)} for epoch in range(count)
    ]
    figure = history_figure([{name: str(value) for name, value in row.items()} for row in rows] if as_text else rows)
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "accuracy"]
    for axes, names in zip(figure.axes, (NAMES[:2], NAMES[2:]), strict=True):
        assert axes.get_xlabel() == "epoch"
        assert [text.get_text() for text in axes.get_legend().get_texts()] == ["training", "validation"]
        for line, name in zip(axes.lines, names, strict=True):
            assert line.get_xydata().tolist() == [[row["epoch"], row[name]] for row in rows]
        ticks = [tick for tick in axes.get_xticks() if axes.get_xlim()[0] <= tick <= axes.get_xlim()[1]]
        assert all(tick == round(tick) for tick in ticks)
    assert saved(figure).std() > 10


def test_a_history_with_a_figure_that_is_not_defined():
    rows = [dict.fromkeys(NAMES, 0.5) | {"epoch": epoch, "val_loss": "nan"} for epoch in (1, 2)]
    assert np.isnan(history_figure(rows).axes[0].lines[1].get_ydata()).all()


MATRIX = [[5, 0, 1], [2, 3, 0], [0, 0, 0]]


def test_confusion():
    figure = confusion_figure(MATRIX, ("ant", "bee", "cat"))
    axes, bar = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted", "true")
    for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
        assert [label.get_text() for label in labels] == ["ant", "bee", "cat"]
    image = axes.images[0]
    np.testing.assert_allclose(image.get_array(), [[5 / 6, 0, 1 / 6], [2 / 5, 3 / 5, 0], [0, 0, 0]])
    assert (image.norm.vmin, image.norm.vmax, bar.get_ylabel()) == (0, 1, "share of the true class")
    found = {text.get_position(): (text.get_text(), text.get_color()) for text in axes.texts}
    assert found == {
        (column, row): (str(MATRIX[row][column]), "white" if (row, column) in ((0, 0), (1, 1)) else "black")
        for row in range(3)
        for column in range(3)
    }
    assert saved(figure).std() > 10


@pytest.mark.parametrize(
    ("count", "length"),
    some_now([(2, 1), (2, 40), (3, 20), (25, 13), (26, 13), (101, 3)], "2-1", "2-40", "3-20", "26-13"),
)
def test_confusion_of_many_classes_and_long_names(count, length, rng):
    names = [f"{number:x>{length}}" for number in range(count)]
    figure = confusion_figure(rng.integers(0, 9, (count, count)), names)
    assert len(figure.axes[0].texts) == (count * count if count <= 25 else 0)
    assert saved(figure).std() > 10
    # The matrix gets the room, not its labels.
    assert figure.axes[0].get_position().width > 0.2
