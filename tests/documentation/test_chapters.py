"""The chapters of the tutorial run. They are long, and so in a file of their own, which runs beside the others."""

import runpy
import sys

import pytest
from test_documentation import ROOT, needs_tensorflow, run_shallow


@needs_tensorflow
@pytest.mark.long
@pytest.mark.apart
@pytest.mark.parametrize("chapter", sorted((ROOT / "examples").glob("[0-9]*.py")), ids=lambda path: path.stem)
def test_a_chapter_runs(chapter, tmp_path):
    done = run_shallow(f"import runpy\nrunpy.run_path({str(chapter)!r})", tmp_path, "--smoke")
    assert done.returncode == 0, done.stderr


@needs_tensorflow
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--images", "nowhere"), "there is no folder nowhere"),
        (("--images", "."), "There are no images in ."),
        (("--images", "without-packages"), "pip install onnx tf2onnx onnxruntime ai-edge-litert"),
    ],
)
def test_images_of_ones_own_that_are_not_there(arguments, said, tmp_path, monkeypatch, capsys):
    """The chapter ends with a text, in this process: it looks before it does anything."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["07_your_own_images.py", "--smoke", *arguments])
    if "without-packages" in arguments:
        monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(ROOT / "examples" / "07_your_own_images.py"))
    assert end.value.code  # a number or a text; Python prints the text
    assert said in f"{end.value.code}{capsys.readouterr().err}"
