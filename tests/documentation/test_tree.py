"""The map of the package in CONTRIBUTING.md follows from the tree."""

import importlib.util
import pathlib

ROOT = pathlib.Path(__file__).parent.parent.parent


def test_the_map_is_what_the_docstrings_say():
    spec = importlib.util.spec_from_file_location("tree", ROOT / "docs" / "tools" / "tree.py")
    tree = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tree)
    page = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    shown = page.split(tree.BEGIN)[1].split(tree.END)[0]
    assert shown == tree.table(), "python docs/tools/tree.py"
    parts = {path.stem for path in (ROOT / "keras_attention").iterdir() if not path.name.startswith("__")}
    assert all(f"| `{part}/` |" in shown or f"| `{part}.py` |" in shown for part in parts)
