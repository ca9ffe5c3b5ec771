"""Serves a page to this computer only, and removes its files at the end."""

import contextlib
import os
import socket
import tempfile

from keras_attention.arguments import invalid, require_integer
from keras_attention.demo.viewing import MOST_BYTES

HOST = "127.0.0.1"


def check_port(port):
    """Raises `ValueError` if a port is out of range or taken."""
    require_integer("port", port, at_least=1, at_most=65535)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise _unusable(port, error.strerror) from error


def _unusable(port, reason):
    return invalid(f"Port {port} cannot be used: {reason}.", "a free port, or no port for the next free one", f"{port}")


@contextlib.contextmanager
def served(build, port=None):
    """Serves the page that `build()` gives to this computer only; its files are removed at the end.

    Args:
        build: function that makes the `gradio.Blocks`; it is called here, because Gradio then chooses where its files
            go.
        port: port of the address; 7860 or the next free one if `None`.

    Yields:
        The address.

    Raises:
        ValueError: a port that is taken.
    """
    with tempfile.TemporaryDirectory(prefix="keras_attention-") as folder, _settings(folder):
        page = build()
        try:
            _launch(page, port)
            yield page.local_url
        finally:
            page.close(verbose=False)


@contextlib.contextmanager
def _settings(folder):
    """Sets what Gradio takes only from the environment: where files go, no telemetry, no proxy for this computer."""
    past_proxies = ",".join(filter(None, (os.environ.get("NO_PROXY") or os.environ.get("no_proxy"), HOST)))
    ours = {
        "GRADIO_TEMP_DIR": folder,
        "GRADIO_EXAMPLES_CACHE": folder,
        "GRADIO_ANALYTICS_ENABLED": "False",
        "GRADIO_ALLOWED_PATHS": "",
        "NO_PROXY": past_proxies,
        "no_proxy": past_proxies,
    }
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _launch(page, port):
    from keras_attention.demo.page import STYLE, theme

    try:
        page.launch(
            server_name=HOST,
            server_port=port,
            share=False,
            inbrowser=False,
            prevent_thread_lock=True,
            quiet=True,
            max_file_size=MOST_BYTES,
            theme=theme(),
            css=STYLE,
            footer_links=[],
            run_history=False,
            root_path="",
            ssr_mode=False,
            mcp_server=False,
            pwa=False,
            enable_monitoring=False,
        )
    except OSError as error:
        raise _unusable(port or "7860 and those after it", str(error).split(". ")[0]) from error
