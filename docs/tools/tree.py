"""The map of the package in CONTRIBUTING.md, made from the docstrings of its modules: `python docs/tools/tree.py`.

The order is that of imports, from low to high, as tests/test_imports.py holds it.
"""

import ast
import importlib.util
import pathlib

ROOT = pathlib.Path(__file__).parent.parent.parent
PACKAGE, PAGE = ROOT / "keras_attention", ROOT / "CONTRIBUTING.md"
BEGIN, END = "<!-- tree -->\n", "<!-- end of tree -->\n"


def table():
    """A row for each package and module at the top: what it is, and the modules inside."""
    rows = ["| place | what it is | modules |", "|---|---|---|"]
    order = _order_of_imports()
    for name in [name for rank in order.RANKS for name in sorted(rank) if not name.startswith("__")]:
        path = PACKAGE / name
        place = f"`{name}/`" if path.is_dir() else f"`{name}.py`"
        docstring = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        rows.append(f"| {place} | {_first_sentence(docstring)} | {_modules(path, order.INSIDE.get(name))} |")
    return "\n".join(rows) + "\n"


def main():
    """Writes the table between its two marks."""
    before, rest = PAGE.read_text("utf-8").split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}{table()}{END}{after}", "utf-8")


def _order_of_imports():
    spec = importlib.util.spec_from_file_location("order_of_imports", ROOT / "tests" / "test_imports.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _first_sentence(path):
    text = " ".join(ast.get_docstring(ast.parse(path.read_text("utf-8"))).split("\n\n")[0].split())
    return text.removesuffix(".").replace("|", "\\|")


def _modules(path, ranks):
    """The modules of a package in the order of imports, or of their names if none is held."""
    if not path.is_dir():
        return ""
    names = [name for rank in ranks for name in sorted(rank)] if ranks else sorted(_names_inside(path))
    return ", ".join(f"`{name}`" for name in names)


def _names_inside(path):
    return {each.stem for each in path.iterdir() if each.suffix == ".py" or (each / "__init__.py").is_file()} - {
        "__init__"
    }


if __name__ == "__main__":
    main()
