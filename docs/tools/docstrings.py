"""An extension of Griffe that turns the docstrings of the package, which are plain text, into Markdown.

Formulas become LaTeX, examples become code blocks, and headings that Griffe does not know become HTML or headings that
it knows.
"""

import importlib.util
import inspect
import pathlib
import re
import textwrap

import griffe

# Griffe loads this file by its path, and its folder is not on `sys.path`.
_SPEC = importlib.util.spec_from_file_location("docs_formulas", pathlib.Path(__file__).with_name("formulas.py"))
formulas = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(formulas)

CODE = re.compile(r"(^```.*?^```$|``[^`]+``|`[^`]+`)", re.S | re.M)
DOCTEST = re.compile(r"^>>> .*?(?=\n[ ]*\n|\Z)", re.S | re.M)
# A heading with the indented text below it; the lines below `Example:` are not indented.
PROSE_SECTION = re.compile(r"^(Returns|Yields|References?):\n((?:[ ]{4}.*\n?|[ ]*\n)+)", re.M)
# A line of formulas is indented, which Markdown would take for code.
INDENTED_LINE = re.compile(r"(?<=\n\n)[ ]{4}(\S.*)(?=\n\n)")
HEADING = '<span class="doc-section-title">{}:</span>'


class ReadableDocstrings(griffe.Extension):
    """Rewrites every docstring that Griffe loads."""

    def on_object(self, *, obj, **kwargs):
        """Rewrites the docstring of a module, class, function or attribute."""
        if obj.docstring is not None:
            obj.docstring.value = to_markdown(_completed(obj.docstring.value))


def _completed(docstring):
    """The docstring of `TrainConfig` with its arguments, which are written where the settings are."""
    if "{arguments}" not in docstring:
        return docstring
    from keras_attention.config import TrainConfig

    return inspect.getdoc(TrainConfig)


def to_markdown(docstring):
    """A docstring of the package as Markdown with sections in Google style."""
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
