"""What stands in the README works, and so do the examples."""

import os
import pathlib
import re
import shlex
import subprocess
import sys

import keras
import pytest

from keras_attention.cli import parser

ROOT = pathlib.Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text("utf-8")
PYTHON_BLOCKS = re.findall(r"```python\n(.*?)```", README, re.S)
COMMANDS = re.findall(r"^keras-attention .*$", README, re.M)

needs_tensorflow = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="data need TensorFlow")


def run_shallow(program, folder, *arguments):
    """Runs a program on a backbone of one convolution a block, which is soon traced, away from the user's data sets."""
    shallow = (
        "from keras_attention.models import layout\nlayout.BLOCKS = tuple((1, width) for _, width in layout.BLOCKS)\n"
    )
    environment = {**os.environ, "TFDS_DATA_DIR": str(folder / "datasets")}
    command = [sys.executable, "-c", shallow + program, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@needs_tensorflow
@pytest.mark.slow
def test_python_blocks_of_the_readme_run(tmp_path):
    """All blocks in their order in one process."""
    assert len(PYTHON_BLOCKS) >= 3
    done = run_shallow("\n".join(PYTHON_BLOCKS), tmp_path)
    assert done.returncode == 0, done.stderr
    assert "(100, 8, 8)" in done.stdout
    assert (tmp_path / "runs" / "first" / "attention.png").exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_of_the_readme_parse(command):
    options = parser().parse_args(shlex.split(command)[1:])
    assert callable(options.run)


def test_the_readme_has_the_two_commands_and_its_picture():
    for marker, word in (("main job", "keras-attention train"), ("tests", "pytest")):
        block = re.search(rf"<!-- {marker} -->\n```sh\n(.*?)\n```", README)
        assert word in block.group(1)
        assert "\n" not in block.group(1)
    for picture in re.findall(r"!\[.*?\]\((.*?)\)", README):
        assert (ROOT / picture).is_file()


@needs_tensorflow
@pytest.mark.slow
@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.stem)
def test_examples_run(example, tmp_path):
    done = run_shallow(f"import runpy\nrunpy.run_path({str(example)!r})", tmp_path, "--smoke")
    assert done.returncode == 0, done.stderr
