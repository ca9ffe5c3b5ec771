"""Runs a chapter of the tutorial, and writes its page with what it printed and drew.

    python docs/tools/execute.py examples/04_attention_on_vgg16_bn.py

runs it in a temporary folder, and writes docs/tutorial/04_attention_on_vgg16_bn.md and its pictures. With `--smoke` the
script runs on fewer images; the page says so, and is not meant to be kept. `--keep FOLDER` runs the script in that
folder and keeps its files. The notebook with its outputs is saved in runs/tutorial; with `--prose` the page takes the
outputs from there, if the code has not changed, so that prose can be corrected without another run.
"""

import argparse
import io
import os
import pathlib
import re
import shutil
import sys
import tempfile
import time

import jupytext
import nbformat
from jinja2 import DictLoader
from nbclient import NotebookClient
from nbconvert import MarkdownExporter
from nbconvert.preprocessors import CoalesceStreamsPreprocessor
from PIL import Image
from traitlets.config import Config

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PAGES, NOTEBOOKS = ROOT / "docs" / "tutorial", ROOT / "runs" / "tutorial"
# More than three ticks, because an output may contain three.
OUTPUT, END, PICTURE = "`````{ .text .output .no-copy }", "`````", "![The figure that the code above draws]"
ADDRESS = re.compile(r"<.* at 0x[0-9a-f]+>")
# The first cell of a run, which the page does not show. It sets `sys.argv`, and makes pictures sharp and as large as
# their figure.
PREPARATION = """\
import sys
from matplotlib_inline.backend_inline import set_matplotlib_formats
sys.argv = {arguments!r}
set_matplotlib_formats("png", dpi=110, bbox_inches=None)
"""
TEMPLATE = {
    "chapter.md.j2": f"""\
{{% extends "markdown/index.md.j2" %}}
{{% block stream %}}{{% if output.name == "stdout" %}}{{{{ output.text | printed }}}}{{% endif %}}{{% endblock %}}
{{% block data_text %}}{{{{ output.data["text/plain"] | printed }}}}{{% endblock %}}
{{% block data_png %}}\n{PICTURE}({{{{ output.metadata.filenames["image/png"] }}}})\n{{% endblock %}}
"""
}


def main(arguments=None):
    """Runs the chapters that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("chapters", nargs="+", type=pathlib.Path, metavar="CHAPTER")
    parser.add_argument("--smoke", action="store_true", help="run on fewer images")
    parser.add_argument(
        "--prose", action="store_true", help="take the outputs of the last run, if only prose has changed"
    )
    parser.add_argument("--keep", type=pathlib.Path, metavar="FOLDER", help="run in that folder, and keep its files")
    parser.add_argument("--out", type=pathlib.Path, default=PAGES, metavar="FOLDER", help="(default docs/tutorial)")
    options = parser.parse_args(arguments)
    notebooks = NOTEBOOKS if options.out == PAGES else options.out
    for chapter in options.chapters:
        if chapter.suffix != ".py" or not chapter.is_file():
            parser.error(f"there is no chapter {chapter}")
        if options.prose and not (notebooks / f"{chapter.stem}.ipynb").exists():
            parser.error(f"{chapter.name} has not run here yet: run it without --prose")
    for chapter in options.chapters:
        saved = notebooks / f"{chapter.stem}.ipynb"
        if options.prose:
            notebook = with_outputs(chapter, saved)
        else:
            with tempfile.TemporaryDirectory() as folder:
                notebook = executed(chapter, options.keep or folder, options.smoke)
            notebooks.mkdir(parents=True, exist_ok=True)
            nbformat.write(notebook, saved)
        page = write_page(chapter, notebook, ran(chapter, **notebook.metadata["ran"]), options.out)
        print(f"{page}: {notebook.metadata['ran']['seconds']:.0f} s", flush=True)


def with_outputs(chapter, saved):
    """The notebook of a chapter, with the outputs of its last run."""
    notebook, last = read(chapter), nbformat.read(saved, as_version=4)
    new, old = ([cell for cell in each.cells if cell.cell_type == "code"] for each in (notebook, last))
    if [cell.source for cell in new] != [cell.source for cell in old]:
        sys.exit(f"The code of {chapter.name} has changed since it ran: run it again, without --prose.")
    for cell, ran_cell in zip(new, old, strict=True):
        cell.outputs = ran_cell.outputs
    notebook.metadata["ran"] = last.metadata["ran"]
    return notebook


def executed(chapter, folder, smoke=False):
    """Runs a chapter; returns its notebook with the outputs and the seconds. Raises if a cell fails."""
    notebook = read(chapter)
    arguments = [chapter.name, *(["--smoke"] if smoke else [])]
    notebook.cells.insert(0, nbformat.v4.new_code_cell(PREPARATION.format(arguments=arguments)))
    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
    # Imports the package of this checkout, not an installed one.
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    client = NotebookClient(notebook, timeout=None, resources={"metadata": {"path": str(folder)}})
    started = time.perf_counter()
    client.execute()
    del notebook.cells[0]
    cores = len(os.sched_getaffinity(0))
    notebook.metadata["ran"] = {"seconds": time.perf_counter() - started, "cores": cores, "smoke": smoke}
    return notebook


def ran(chapter, seconds, cores, smoke=False):
    """The line below the title of a page."""
    took = f"{seconds:.0f} seconds on {cores} core{'s' if cores > 1 else ''}{' with `--smoke`' if smoke else ''}"
    return f"*Ran in {took}; the script is `examples/{chapter.name}`.*"


def write_page(chapter, notebook, line, folder):
    """Writes the page and the pictures of a chapter that ran; returns the path of the page."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = folder / chapter.stem
    shutil.rmtree(pictures, ignore_errors=True)
    text, outputs = markdown(notebook, chapter.stem)
    for name, data in outputs.items():
        pictures.mkdir(exist_ok=True)
        # Saved again, the file is smaller, and has no metadata.
        Image.open(io.BytesIO(data)).save(folder / name, optimize=True)
    page = folder / f"{chapter.stem}.md"
    page.write_text(re.sub(r"^(# .*)$", rf"\1\n\n{line}", text, count=1, flags=re.M), "utf-8")
    return page


def read(chapter):
    """A script as a Python notebook."""
    notebook = jupytext.read(chapter)
    notebook.metadata["kernelspec"] = {"name": "python3", "language": "python", "display_name": "Python 3"}
    notebook.metadata["language_info"] = {"name": "python"}
    return notebook


def markdown(notebook, stem):
    """The page of a notebook, and its pictures: path relative to the page → bytes."""
    exporter = MarkdownExporter(
        config=Config({"NbConvertBase": {"display_data_priority": ["image/png", "text/plain"]}}),
        extra_loaders=[DictLoader(TEMPLATE)],
        template_file="chapter.md.j2",
        filters={"printed": printed},
    )
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if not _is_noise(output)]
    notebook, resources = CoalesceStreamsPreprocessor().preprocess(notebook, {"output_files_dir": stem})
    text, resources = exporter.from_notebook_node(notebook, resources)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n", resources["outputs"]


def _is_noise(output):
    """Whether an output is standard error, or the address of an object, such as the one that `fit` returns."""
    shown = output.get("data", {})
    return output.get("name") == "stderr" or (
        set(shown) == {"text/plain"} and ADDRESS.fullmatch(shown["text/plain"]) is not None
    )


def printed(text):
    """What a cell printed, as a block: without colours; of a line that was overwritten, only the last version."""
    text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text)
    lines = [re.sub(r"\x08+", "", line.split("\r")[-1]).rstrip() for line in text.replace("\r\n", "\n").split("\n")]
    shown = "\n".join(lines).strip("\n")
    return f"\n{OUTPUT}\n{shown}\n{END}\n" if shown else ""


def without_outputs(page):
    """The part of a page that follows from the script alone, without the outputs of the run."""
    page = re.sub(r"^\*Ran in .*\*$", "", page, flags=re.M)
    page = re.sub(rf"^{re.escape(OUTPUT)}\n.*?^{END}$", "", page, flags=re.M | re.S)
    page = re.sub(rf"^{re.escape(PICTURE)}\(.*\)$", "", page, flags=re.M)
    return re.sub(r"\n{2,}", "\n\n", page).strip()


def page_of_script(chapter):
    """The result that `without_outputs` must have for the page of a chapter."""
    return without_outputs(markdown(read(chapter), chapter.stem)[0])


if __name__ == "__main__":
    sys.exit(main())
