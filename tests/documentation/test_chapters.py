"""The chapters of the tutorial run. They are long, and so in a file of their own, which runs beside the others."""

import pytest
from test_documentation import ROOT, needs_tensorflow, run_shallow


@needs_tensorflow
@pytest.mark.slow
@pytest.mark.apart
@pytest.mark.parametrize("chapter", sorted((ROOT / "examples").glob("[0-9]*.py")), ids=lambda path: path.stem)
def test_a_chapter_runs(chapter, tmp_path):
    done = run_shallow(f"import runpy\nrunpy.run_path({str(chapter)!r})", tmp_path, "--smoke")
    assert done.returncode == 0, done.stderr


@needs_tensorflow
@pytest.mark.slow
@pytest.mark.apart
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--images", "nowhere"), "there is no folder nowhere"),
        (("--images", "."), "There are no images in ."),
        (("--images", "without-packages"), "pip install onnx tf2onnx onnxruntime ai-edge-litert"),
    ],
)
def test_images_of_ones_own_that_are_not_there(arguments, said, tmp_path):
    chapter = ROOT / "examples" / "07_your_own_images.py"
    blocked = "sys.modules['onnx'] = None\n" if "without-packages" in arguments else ""
    program = f"import runpy, sys\n{blocked}runpy.run_path({str(chapter)!r})"
    done = run_shallow(program, tmp_path, "--smoke", *arguments)
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr
