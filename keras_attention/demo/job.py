"""A saved model → a web page that is served until it is stopped."""

import contextlib
import importlib.util
import os
import pathlib
import sys
import threading
import webbrowser

from keras_attention.arguments import invalid, require_choice, require_number
from keras_attention.members import SPLITS


def check_gradio():
    """Raises `ValueError` if Gradio, which makes the page, is not installed."""
    if importlib.util.find_spec("gradio") is None:
        raise invalid("The page needs Gradio.", "pip install gradio", "no package gradio")


def serve_demo(model, images=(), data=None, data_dir=None, split=None, port=None, browser=True, seconds=None):
    """Serves a page to try a model on images, until Ctrl-C.

    Args:
        model: a run folder, a `.keras` file or an exported folder.
        images: paths of files and folders whose images are the examples on the page.
        data: the source of a data set that gives the examples instead of files; if there are neither files nor data,
            a run gives examples from the data it was trained on.
        data_dir: the folder where TensorFlow Datasets keeps data sets.
        split: the split of the data that gives the examples; the test split if `None`.
        port: port of the address; 7860 or the next free one if `None`.
        browser: whether to open the page in a browser.
        seconds: how long the page is served, above 0; until Ctrl-C if `None`.

    Raises:
        ValueError: Gradio is missing, a model or images that do not exist, data that do not fit, a port that is taken,
            or seconds out of range.

    Example:

    >>> import pathlib, tempfile
    >>> from keras_attention import VGG16BN, attention_classifier
    >>> from keras_attention import serve_demo
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.keras"
    >>> attention_classifier(VGG16BN((32, 32, 3), width=0.05), 3, units=8).save(path)
    >>> serve_demo(path, browser=False, seconds=1)  # doctest: +ELLIPSIS
    page    http://127.0.0.1:...  (Ctrl-C ends it)
    """
    check_gradio()
    if seconds is not None:
        require_number("seconds", seconds, above=0)
    from keras_attention.demo.serving import check_port, served

    if port is not None:
        check_port(port)
    build = prepared(model, images, data, data_dir, split)
    with served(build, port) as address:
        print(f"page    {address}  (Ctrl-C ends it)", flush=True)
        if browser:
            _open(address)
        try:
            threading.Event().wait(seconds)
        except KeyboardInterrupt:
            print()


def prepared(model, images=(), data=None, data_dir=None, split=None):
    """Loads the model and the examples; returns the function that makes the page. Arguments as in `serve_demo`."""
    from keras_attention.demo.viewing import Viewer

    viewer = Viewer(model)
    examples, skipped = _examples(viewer.predictor, model, images, data, data_dir, split)
    title = f"Where {pathlib.Path(model).resolve().name} looks"

    def build():
        # Gradio chooses its folders when it is imported, so `served` must have set them before.
        from keras_attention.demo.page import demo_page

        return demo_page(viewer, examples, [*viewer.notes, *skipped], title)

    return build


def _examples(predictor, model, images, data, data_dir, split):
    from keras_attention.demo.examples import data_examples, file_examples, run_examples

    chosen = {"split": require_choice("split", split or "test", SPLITS)}
    if images:
        return file_examples(predictor, images)
    if data is not None:
        return data_examples(predictor, data, data_dir, **chosen)
    if (pathlib.Path(model) / "config.json").is_file():
        return run_examples(predictor, model, **chosen)
    if split is not None:
        raise invalid("`split` needs data.", "`data`, or the folder of a run, which knows its data", f"{model}")
    return [], []


def _open(address):
    """Opens a browser if it can have a window: a text browser would take over the terminal."""
    if sys.platform == "linux" and not any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))):
        return
    with contextlib.suppress(webbrowser.Error, OSError):
        webbrowser.open(address)
