"""Griffe reads the docstrings of the package through this: what `help()` shows as text becomes Markdown.

Formulas become LaTeX, examples become blocks of code, and the headings that Griffe does not know become its own.
"""

import importlib.util
import pathlib
import re
import textwrap

import griffe

# Griffe loads this file by its path, without the folder that it lies in.
_SPEC = importlib.util.spec_from_file_location("docs_formulas", pathlib.Path(__file__).with_name("formulas.py"))
formulas = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(formulas)

CODE = re.compile(r"(^```.*?^```$|``[^`]+``|`[^`]+`)", re.S | re.M)
DOCTEST = re.compile(r"^>>> .*?(?=\n[ ]*\n|\Z)", re.S | re.M)
# A heading with what is indented below it; `Example:` stands above lines that are not.
PROSE_SECTION = re.compile(r"^(Returns|Yields|References?):\n((?:[ ]{4}.*\n?|[ ]*\n)+)", re.M)
# Formulas on a line of their own are indented; to Markdown that is code.
INDENTED_LINE = re.compile(r"(?<=\n\n)[ ]{4}(\S.*)(?=\n\n)")
HEADING = '<span class="doc-section-title">{}:</span>'


class ReadableDocstrings(griffe.Extension):
    """Rewrites every docstring that is loaded."""

    def on_object(self, *, obj, **kwargs):
        """Called for each module, class, function and attribute."""
        if obj.docstring is not None:
            obj.docstring.value = to_markdown(obj.docstring.value)


def to_markdown(docstring):
    """A docstring of the package as Markdown with sections of Google's style."""
    text = DOCTEST.sub(lambda found: f"```pycon\n{found.group()}\n```", docstring)
    text = re.sub(r"^Examples?:$", HEADING.format("Example"), text, flags=re.M)
    text = text.replace("Call arguments:\n", "Other parameters: Call arguments:\n")
    text = PROSE_SECTION.sub(_prose, text)
    text = INDENTED_LINE.sub(_dedented_formulas, text)
    parts = CODE.split(text)
    return "".join(part if place % 2 else formulas.mark_formulas(part) for place, part in enumerate(parts))


def _dedented_formulas(found):
    line = found.group(1)
    return found.group() if formulas.mark_formulas(line) == line else line


def _prose(found):
    title, body = found.groups()
    return f"{HEADING.format(title)}\n\n{textwrap.dedent(body).strip()}\n\n"
