"""Plots of a run."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator


def history_figure(rows):
    """Loss and accuracy over the epochs, training and validation.

    Args:
        rows: the rows of `history.csv`, dictionaries with `epoch`, `loss`, `accuracy` and, if there are any, `val_loss`
            and `val_accuracy`.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    epochs = [int(row["epoch"]) for row in rows]
    for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        for key, label in ((name, "training"), (f"val_{name}", "validation")):
            if key in rows[0]:  # there are none if the validation images were trained on
                axes.plot(epochs, [float(row[key]) for row in rows], marker="o", markersize=3, label=label)
        axes.set(xlabel="epoch", ylabel=name)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    return figure


def confusion_figure(matrix, class_names):
    """The confusion matrix as counts, coloured by the share of the true class.

    Args:
        matrix: `(classes, classes)`, rows true, columns predicted.
        class_names: the name of each class.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    matrix = np.asarray(matrix)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    # Room for the longest name beside and below the matrix: a tenth of an inch for each letter.
    names = 0.1 * max(map(len, class_names))
    side = min(12, 2.2 + 0.55 * len(class_names)) + names
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    places = range(len(class_names))
    axes.set_xticks(places, class_names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(places, class_names)
    axes.set(xlabel="predicted", ylabel="true")
    if len(class_names) <= 25:
        for (row, column), count in np.ndenumerate(matrix):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(count), ha="center", va="center", fontsize=8, color=colour)
    figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.8)
    return figure
