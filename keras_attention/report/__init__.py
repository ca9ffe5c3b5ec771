"""Pictures and pages: plots of a run, the report of a comparison, the picture of a search, and galleries of maps."""

from keras_attention.report.comparison import write_comparison_report
from keras_attention.report.comparison_tables import best_run, results_table
from keras_attention.report.datasets import datasets_table, write_datasets_report
from keras_attention.report.gallery import gallery_columns, write_gallery
from keras_attention.report.plots import confusion_figure, history_figure
from keras_attention.report.search import search_figure

__all__ = [
    "best_run",
    "confusion_figure",
    "datasets_table",
    "gallery_columns",
    "history_figure",
    "results_table",
    "search_figure",
    "write_comparison_report",
    "write_datasets_report",
    "write_gallery",
]
