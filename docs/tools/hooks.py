"""What MkDocs calls while it builds the site (`hooks:` in mkdocs.yml).

Formulas become MathML, so that pages need no script for them; the command line comes from its parser; files of the
repository stand in pages of their own; and the chapters that were executed stand in the navigation.
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
LONG = 70  # signs of LaTeX; what is longer may be wider than a narrow page
FORMULA = re.compile(
    r'<span class="arithmatex">\\\((?P<inline>.*?)\\\)</span>(?P<after>[.,;:)]*)'
    r'|<div class="arithmatex">\s*\\\[(?P<block>.*?)\\\]\s*</div>',
    re.S,
)


def on_config(config):
    """Puts the chapters, in the order of their numbers, into the navigation."""
    for entry in config.nav:
        if "Tutorial" in entry:
            entry["Tutorial"] = ["tutorial/index.md", *(f"tutorial/{page.name}" for page in _chapters(config))]
    return config


def on_files(files, config):
    """Adds the picture of the home page, which the README shows too."""
    picture = str(ROOT / "examples" / PICTURE)
    files.append(File.generated(config, PICTURE, abs_src_path=picture))
    return files


def on_page_markdown(markdown, page, config, files):
    """Fills in what a page takes from elsewhere."""
    makers = {
        "include": lambda name: included(name),
        "commands": lambda _: commands_page(),
        "chapters": lambda _: _list_of_chapters(config),
    }
    # What a chapter shows, takes and reaches: a line each.
    markdown = re.sub(r"\n(\*(?:Takes|Reaches):\*)", r"  \n\1", markdown)
    markdown = MARKER.sub(lambda found: makers[found.group(1)](found.group(2)), markdown)
    return _below_its_heading(markdown) if page.file.src_uri.startswith("reference/") else markdown


def _below_its_heading(markdown):
    """What stands below a heading of the second level in the reference is of the third."""
    first, heading, rest = markdown.partition("\n## ")
    return first + heading + re.sub(r"^(::: \S+)$", r"\1\n    options:\n      heading_level: 3", rest, flags=re.M)


def on_page_content(content, page, config, files):
    """Replaces each formula by its MathML, and lets what is too wide be scrolled by itself."""
    content = FORMULA.sub(_mathml_of, content)
    return re.sub(r"<table\b.*?</table>", r'<div class="wide">\g<0></div>', content, flags=re.S)


def included(name):
    """A file of the repository as a page of the site: what it links to are pages too, or names of files."""
    return LINK.sub(_link, (ROOT / name).read_text("utf-8"))


def mathml(latex, **attributes):
    """A formula in LaTeX as MathML."""
    found = convert(latex, display="block" if attributes else "inline").replace(' display="block"', "")
    # Names of functions are set as names: as operators they would stand apart from their parentheses.
    found = re.sub(r"<mo>([A-Za-z]{2,})</mo>", r"<mi>\1</mi>", found)
    # What stands without parentheses beside a name is set off by a thin space: p log p.
    found = re.sub(rf"(?<!<msub>)(?<!<msup>)({NAME})(?!<mo|</m|<mspace)", rf"\1{THIN}", found)
    found = re.sub(rf"(</m(?:i|n|sub|sup|subsup)>|&#x02207;</(?:mo|mi)>)({NAME})", rf"\1{THIN}\2", found)
    found = found.replace("<mo>&#x0002F;</mo>", '<mo lspace="0" rspace="0">/</mo>')
    return found.replace("<math ", "<math " + "".join(f'{name}="{value}" ' for name, value in attributes.items()), 1)


def _mathml_of(found):
    if found["inline"] is not None:
        # No line begins with the comma after a formula.
        formula = mathml(html.unescape(found["inline"]).strip())
        kind = "inline-formula long" if len(found["inline"]) > LONG else "inline-formula"
        return f'<span class="{kind}">{formula}{found["after"]}</span>'
    # Formulas side by side come to stand one below the other where the page is narrow.
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
