"""The hooks that MkDocs calls while it builds the site (`hooks:` in mkdocs.yml).

They turn formulas into MathML, so that pages need no script, make the page of the command line from its parser, include
files of the repository as pages, and add the chapters that were executed to the navigation.
"""

import html
import pathlib
import re

from commands import commands_page
from latex2mathml.converter import convert
from mkdocs.structure.files import File

ROOT = pathlib.Path(__file__).parent.parent.parent
# A file of the repository → its page.
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "benchmarks/RESULTS.md": "results.md",
}
PICTURE = "attention.png"
MARKER = re.compile(r"^<!-- (include|commands|chapters) ?(\S*) -->$", re.M)
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?!https?://|#)([^)#]+)(#[^)]*)?\)")
NAME, THIN = r"<mi>[A-Za-z]{2,}</mi>", '<mspace width="0.17em"/>'
LONG = 70  # characters of LaTeX; a longer formula may be wider than a narrow page
FORMULA = re.compile(
    r'<span class="arithmatex">\\\((?P<inline>.*?)\\\)</span>(?P<after>[.,;:)]*)'
    r'|<div class="arithmatex">\s*\\\[(?P<block>.*?)\\\]\s*</div>',
    re.S,
)


def on_config(config):
    """Adds the chapters, in the order of their numbers, to the navigation."""
    for entry in config.nav:
        if "Tutorial" in entry:
            entry["Tutorial"] = ["tutorial/index.md", *(f"tutorial/{page.name}" for page in _chapters(config))]
    return config


def on_files(files, config):
    """Adds the picture of the home page, which is also the picture of the README."""
    picture = str(ROOT / "examples" / PICTURE)
    files.append(File.generated(config, PICTURE, abs_src_path=picture))
    return files


def on_page_markdown(markdown, page, config, files):
    """Fills in the included parts of a page."""
    makers = {
        "include": lambda name: included(name),
        "commands": lambda _: commands_page(),
        "chapters": lambda _: _list_of_chapters(config),
    }
    # In the summary of a chapter, *Takes* and *Reaches* begin new lines.
    markdown = re.sub(r"\n(\*(?:Takes|Reaches):\*)", r"  \n\1", markdown)
    markdown = MARKER.sub(lambda found: makers[found.group(1)](found.group(2)), markdown)
    return _below_its_heading(markdown) if page.file.src_uri.startswith("reference/") else markdown


def _below_its_heading(markdown):
    """Gives the entries of the reference that are below a second-level heading the third level."""
    first, heading, rest = markdown.partition("\n## ")
    return first + heading + re.sub(r"^(::: \S+)$", r"\1\n    options:\n      heading_level: 3", rest, flags=re.M)


def on_page_content(content, page, config, files):
    """Replaces each formula by its MathML, and makes wide tables scroll on their own."""
    content = FORMULA.sub(_mathml_of, content)
    return re.sub(r"<table\b.*?</table>", r'<div class="wide">\g<0></div>', content, flags=re.S)


def included(name):
    """A file of the repository as a page of the site; its links become links to pages, or names of files."""
    return LINK.sub(_link, (ROOT / name).read_text("utf-8"))


def mathml(latex, **attributes):
    """A formula in LaTeX as MathML."""
    found = convert(latex, display="block" if attributes else "inline").replace(' display="block"', "")
    # Function names are typeset as names: as operators they would be set apart from their parentheses.
    found = re.sub(r"<mo>([A-Za-z]{2,})</mo>", r"<mi>\1</mi>", found)
    # An argument without parentheses is separated from the name by a thin space: p log p.
    found = re.sub(rf"(?<!<msub>)(?<!<msup>)({NAME})(?!<mo|</m|<mspace)", rf"\1{THIN}", found)
    found = re.sub(rf"(</m(?:i|n|sub|sup|subsup)>|&#x02207;</(?:mo|mi)>)({NAME})", rf"\1{THIN}\2", found)
    found = found.replace("<mo>&#x0002F;</mo>", '<mo lspace="0" rspace="0">/</mo>')
    return found.replace("<math ", "<math " + "".join(f'{name}="{value}" ' for name, value in attributes.items()), 1)


def _mathml_of(found):
    if found["inline"] is not None:
        # Keeps the punctuation after a formula on the same line.
        formula = mathml(html.unescape(found["inline"]).strip())
        kind = "inline-formula long" if len(found["inline"]) > LONG else "inline-formula"
        return f'<span class="{kind}">{formula}{found["after"]}</span>'
    # On a narrow page, formulas that are side by side wrap one below the other.
    beside = [mathml(part.strip(), displaystyle="true") for part in html.unescape(found["block"]).split(r"\qquad")]
    return f'<div class="formula">{" ".join(beside)}</div>'


def _link(found):
    text, path, anchor = found.group(1), found.group(2), found.group(3) or ""
    path = path.removeprefix("./").removeprefix("../")
    if path in PAGES:
        return f"[{text}]({PAGES[path]}{anchor})"
    if path.startswith("docs/") and (ROOT / path).is_file():
        return f"[{text}]({path.removeprefix('docs/')}{anchor})"
    return text if path in text else f"{text} (`{path}`)"


def _chapters(config):
    return sorted(pathlib.Path(config.docs_dir, "tutorial").glob("[0-9]*.md"))


def _list_of_chapters(config):
    """A line for each chapter: its title, and what it shows."""
    lines = []
    for number, page in enumerate(_chapters(config), 1):
        text = page.read_text("utf-8")
        shows = re.search(r"^\*Shows:\*\s*(.*?)(?=\n\s*\n|\n\*|\\?\n\*Takes)", text, re.M | re.S)
        title = re.search(r"^# (.*)$", text, re.M).group(1)
        lines.append(f"{number}. [{title}]({page.name})  \n    {' '.join(shows.group(1).split()) if shows else ''}")
    return "\n".join(lines)
