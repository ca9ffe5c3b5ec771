"""`keras-attention demo` on the command line."""

import contextlib
import importlib.util
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import webbrowser

import pytest
import seams

from keras_attention.cli import main
from keras_attention.demo import job


def one_line(capsys):
    """The one line on standard error."""
    printed, errors = capsys.readouterr()
    assert printed == ""
    assert errors.startswith("keras-attention: error: ")
    assert errors.count("\n") == 1
    return errors


def test_help_imports_nothing_heavy():
    code = "import sys; from keras_attention.cli import main\ntry: main(['demo', '--help'])\nexcept SystemExit: pass\n"
    code += "print([name for name in ('tensorflow', 'keras', 'numpy', 'gradio') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.endswith("[]\n")
    assert "--no-browser" in done.stdout


def test_without_gradio_the_command_says_how_to_install_it(attentive, monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "gradio" else pytest.fail(name))
    assert main(["demo", str(attentive)]) == 2
    assert "The page needs Gradio. Expected pip install gradio. Received: " in one_line(capsys)


needs_gradio = pytest.mark.skipif(job.importlib.util.find_spec("gradio") is None, reason="needs Gradio")


@needs_gradio
def test_a_port_that_is_taken_is_said_before_the_model_loads(capsys, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["demo", str(tmp_path), "--port", str(port)]) == 2
    assert f"Port {port} cannot be used: Address already in use. Expected a free port" in one_line(capsys)


@needs_gradio
@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["no such model"], "no such model does not exist. Expected a run folder"),
        (["{model}", "--port", "70000"], "--port is out of range. Expected an integer at least 1 and at most 65535"),
        (["{model}", "gone.png"], "gone.png does not exist. Expected image files and folders"),
        (["{model}", "a.png", "--data", "cifar10"], "--data has no effect if images are named"),
        (["{model}", "a.png", "--split", "train"], "--split has no effect if images are named"),
        (["{model}", "--data-dir", "data"], "--data-dir needs --data"),
        (["{model}", "--data", ""], "--data must not be empty"),
        (["{model}", "--split", "tset"], "Unknown split 'tset' (did you mean 'test'?)"),
        pytest.param(
            ["{model}", "--split", "train"],
            "--split needs data. Expected --data, or the folder of a run",
            marks=pytest.mark.long,
        ),
    ],
)
def test_mistakes_are_said_in_one_line(attentive, capsys, given, words):
    assert main(["demo", *(part.format(model=attentive) for part in given)]) == 2
    assert words in one_line(capsys)


@pytest.mark.parametrize(("options", "expected"), [([], ["http://here/"]), (["--no-browser"], [])])
def test_the_address_is_printed_and_opened_unless_unwanted(monkeypatch, capsys, tmp_path, options, expected):
    @contextlib.contextmanager
    def served(build, port):
        yield f"http://{build()}/"

    def ends(self, timeout=None):
        raise KeyboardInterrupt

    opened = []
    monkeypatch.setenv("BROWSER", "any")
    seams.check_of_gradio(monkeypatch, lambda: None)
    seams.preparation_of_the_page(monkeypatch, lambda *given: lambda: "here")
    seams.serving_of_the_page(monkeypatch, served)
    monkeypatch.setattr(threading.Event, "wait", ends)
    monkeypatch.setattr(webbrowser, "open", opened.append)
    assert main(["demo", str(tmp_path), *options]) == 0
    assert capsys.readouterr().out == "page    http://here/  (Ctrl-C ends it)\n\n"
    assert opened == expected


@pytest.mark.parametrize("seconds", [0, -1, "1"])
def test_seconds_out_of_range(monkeypatch, seconds):
    seams.check_of_gradio(monkeypatch, lambda: None)
    with pytest.raises(ValueError, match=r"`seconds` is out of range\. Expected a number above 0\. Received: "):
        job.serve_demo("model.keras", seconds=seconds)


def test_no_browser_is_no_mistake(monkeypatch):
    def fails(address):
        raise webbrowser.Error("could not locate runnable browser")

    monkeypatch.setattr(webbrowser, "open", fails)
    monkeypatch.setenv("BROWSER", "any")
    job._open("http://here/")
    monkeypatch.setattr(webbrowser, "open", lambda address: pytest.fail("a browser of text takes the terminal"))
    for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    if sys.platform == "linux":
        job._open("http://here/")


@needs_gradio
@pytest.mark.long
def test_the_page_is_there_until_ctrl_c(attentive, photo, tmp_path):
    """Runs in another process, with its temporary files in a folder that the test checks."""
    photo.save(tmp_path / "photo.png")
    (tmp_path / "files").mkdir()
    with socket.socket() as probe:  # not the usual port, which tests in other processes look for too
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = ["demo", attentive, tmp_path / "photo.png", "--no-browser", "--port", port]
    command = [sys.executable, "-m", "keras_attention", *arguments]
    environment = {**job.os.environ, "TMPDIR": str(tmp_path / "files")}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([*map(str, command)], env=environment, **pipes) as process:
        line = process.stdout.readline()
        assert line.startswith("page    http://127.0.0.1:"), process.communicate()
        assert line.endswith("  (Ctrl-C ends it)\n")
        with urllib.request.urlopen(line.split()[1], timeout=20) as page:
            assert "Where model.keras looks" in page.read().decode()
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        try:
            rest, errors = process.communicate(timeout=30)
        finally:
            process.kill()  # else the `with` block would wait for a process that ignored Ctrl-C
    assert (process.returncode, rest.strip(), errors) == (0, "", "")
    assert list((tmp_path / "files").iterdir()) == []
