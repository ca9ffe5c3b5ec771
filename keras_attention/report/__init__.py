"""What people look at after a run: plots of its history and of its mistakes."""

from keras_attention.report.plots import confusion_figure, history_figure

__all__ = ["confusion_figure", "history_figure"]
