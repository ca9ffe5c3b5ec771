"""What stands in the README and in the guide works."""

import os
import pathlib
import re
import shlex
import subprocess
import sys

import keras
import pytest
import seams

from keras_attention.cli import parser

ROOT = pathlib.Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text("utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs" / "guide").glob("*.md"))]
COMMANDS = re.findall(r"^keras-attention .*$", README, re.M)

needs_tensorflow = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="data need TensorFlow")


def run_shallow(program, folder, *arguments):
    """Runs a program on a backbone of one convolution a block, which is soon traced, away from the user's data sets.

    What is generated once, all programs of the session find, whichever process of it runs them.
    """
    session = folder.parent.parent if folder.parent.name.startswith("popen-") else folder.parent
    environment = {**os.environ, "TFDS_DATA_DIR": str(session / "datasets")}
    command = [sys.executable, "-c", seams.SHALLOW_PROGRAM + program, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def python_blocks(page):
    return re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.S)


def run_blocks(pages, folder):
    """The blocks of each page in their order, one page after the other in one process, each with its own names."""
    program = ["import runpy"]
    for page in pages:
        if blocks := python_blocks(page):
            (folder / f"{page.stem}.py").write_text("\n".join(blocks), "utf-8")
            program.append(f"runpy.run_path('{page.stem}.py')")
    done = run_shallow("\n".join(program), folder)
    assert done.returncode == 0, done.stderr
    return len(program) - 1, done.stdout


@needs_tensorflow
@pytest.mark.slow
@pytest.mark.apart
@pytest.mark.long
def test_python_blocks_of_the_readme_run(tmp_path):
    assert run_blocks(PAGES[:1], tmp_path)[0] == 1


@needs_tensorflow
@pytest.mark.long
@pytest.mark.apart
def test_python_blocks_of_all_pages_run(tmp_path):
    pages, printed = run_blocks(PAGES, tmp_path)
    assert pages > 7
    assert "(100, 8, 8)" in printed
    assert (tmp_path / "runs" / "first" / "attention.png").exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_of_the_readme_parse(command):
    options = parser().parse_args(shlex.split(command)[1:])
    assert callable(options.command.run)


def test_the_readme_has_the_two_commands_and_its_picture():
    for marker, word in (("main job", "keras-attention train"), ("tests", "pytest")):
        block = re.search(rf"<!-- {marker} -->\n```sh\n(.*?)\n```", README)
        assert word in block.group(1)
        assert "\n" not in block.group(1)
    for picture in re.findall(r"!\[.*?\]\((.*?)\)", README):
        assert (ROOT / picture).is_file()
