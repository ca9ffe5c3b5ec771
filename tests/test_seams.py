"""What is replaced of the package is replaced by a seam, so that a move edits no test."""

import ast
import pathlib

import pytest
import seams

TESTS = pathlib.Path(__file__).parent
PATCHES = {"setattr", "delattr", "setitem", "delitem"}
FILES = sorted(path for path in TESTS.rglob("*.py") if path.name != "seams.py")


def names_of_the_package(tree):
    """The names under which a file knows what it imports from the package."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            inside = (getattr(node, "module", None) or "").split(".")[0] == "keras_attention"
            for alias in node.names:
                if inside or alias.name.split(".")[0] == "keras_attention":
                    yield alias.asname or alias.name.split(".")[0]


def test_other_files_replace_nothing_of_the_package():
    found = []
    for path in FILES:
        tree = ast.parse(path.read_text("utf-8"))
        inside = {*names_of_the_package(tree)}
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in PATCHES):
                continue
            if not node.args or getattr(node.func.value, "id", None) == "object":
                continue
            what = node.args[0]
            text = isinstance(what, ast.Constant) and str(what.value).startswith("keras_attention")
            while isinstance(what, ast.Attribute | ast.Subscript):
                what = what.value
            if text or getattr(what, "id", None) in inside:
                found.append(f"{path.relative_to(TESTS)}:{node.lineno}: {ast.unparse(node)[:100]}")
    assert found == []


@pytest.mark.parametrize("name", [name for name, seam in vars(seams).items() if isinstance(seam, seams.Seam)])
def test_what_a_seam_stands_for_is_there(name):
    getattr(seams, name)()


def test_a_seam_is_undone():
    with pytest.MonkeyPatch.context() as patch:
        before = seams.layout_of_vgg(patch, ((1, 3),))
        assert seams.layout_of_vgg() == ((1, 3),)
        assert before != ((1, 3),)
    assert seams.layout_of_vgg() == before
