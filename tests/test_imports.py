"""The package's imports: one way only, no backend in the layers, and cheap at the top."""

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import keras_attention

# From low to high. A module imports from lower ranks only; those of one rank do not know each other.
RANKS = [
    {
        "arguments",
        "atomic",
        "compiled",
        "figures",
        "memory",
        "precision",
        "quiet",
        "registration",
        "seeding",
        "text",
        "timing",
    },
    {"files", "members", "metrics", "plugins", "registry", "sources", "weight_files"},
    {"own_process", "patterns"},
    {"cards", "layers"},
    {"models", "data"},
    {"maps", "features"},
    {"config"},
    {"runs", "variants"},
    {"report"},
    {"export", "inspection"},
    {"prediction"},
    {"evaluation"},
    {"training"},
    {"comparison", "tuning", "explanation"},
    {"demo"},
    {"cli"},
    {"__main__"},
]
INSIDE = {
    "config": [
        {"checks", "rules"},
        {"setting"},
        {"data_settings", "model_settings", "training_settings", "weight_settings"},
        {"train_config"},
        {"defaults"},
    ],
    "metrics": [{"answers", "flips", "influence", "resampling"}, {"table"}, {"intervals"}],
    "runs": [{"data", "folder"}, {"run"}],
    "layers": [
        {"domains", "map_layer", "wide", "preprocessing", "queries", "query_shapes"},
        {"pooling", "gates", "registers"},
        {"score", "alignment", "regularization"},
        {"heads", "masks", "normalization"},
        {"attention"},
        {"spatial"},
    ],
    "models": [
        {"layout", "nested"},
        {"outputs"},
        {"grids", "focal", "rates", "extremes"},
        {"backbone"},
        {"calibration", "weights", "head", "reinforce", "supervision", "gated"},
        {"classifier", "vgg"},
        {"backbones"},
    ],
    "maps": [
        {"classifier", "gradient", "placed"},
        {"attention"},
        {"cam", "mask_measures", "pictures"},
        {"perturbation", "properties"},
        {"measures"},
        {"map_report"},
        {"measuring"},
    ],
    "evaluation": [{"figures"}, {"saved"}],
    "training": [
        {"schedules", "hooks", "map_watch"},
        {"optimizers"},
        {"networks", "callbacks"},
        {"stages", "results"},
        {"fitting"},
        {"together"},
        {"job"},
    ],
    "comparison": [
        {"spread", "family", "looks", "datasets", "defaults", "rates"},
        {"contrasts", "plan"},
        {"chances", "design"},
        {"verdicts"},
        {"rounds", "answer", "settling"},
        {"words", "folder", "tasks", "repeat", "judging", "images"},
        {"analysis", "request", "execution", "cost", "progress", "joining", "several_folder"},
        {"job"},
        {"several"},
    ],
    "tuning": [
        {"space", "oracles"},
        {"hypermodel", "trials"},
        {"tuner", "folder", "cluster"},
        {"progress", "winner"},
        {"job"},
    ],
    "inspection": [
        {"near_duplicates", "mask_facts"},
        {"pictures"},
        {"facts", "shortcuts"},
        {"findings", "grouped_table"},
        {"job"},
    ],
    "explanation": [{"examples", "reading"}, {"drawing"}, {"job"}],
    "demo": [{"viewing", "examples"}, {"figures"}, {"page"}, {"serving"}, {"job"}],
    "prediction": [{"reading"}, {"predictor", "sources"}, {"loading", "stream"}],
    "cards": [{"formats"}, {"card"}, {"listing"}],
    "export": [
        {"decoding", "folding"},
        {"graph", "map_check"},
        {"saved_model", "onnx_file", "litert_file"},
        {"openvino_file"},
        {"formats", "int8", "verification"},
        {"writing"},
        {"benchmark"},
        {"card"},
        {"job"},
        {"run"},
    ],
}
BACKENDS = {"tensorflow", "jax", "torch"}

PACKAGE = Path(keras_attention.__file__).parent
FILES = {path.relative_to(PACKAGE).with_suffix("").parts: path for path in sorted(PACKAGE.rglob("*.py"))}


def imports(tree, parts):
    """The dotted names that a module imports, wherever in it, `from x import y` as `x.y`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = ".".join(("keras_attention", *parts)[: -node.level]) if node.level else ""
            start = ".".join(part for part in (above, node.module) if part)
            yield from (f"{start}.{alias.name}" for alias in node.names)


def rank(ranks, name):
    places = [number for number, names in enumerate(ranks) if name in names]
    assert places, f"{name} has no place in the order of imports. Place it in the table at the top of {__file__}."
    return places[0]


def violations(files, ranks, prefix):
    """`a imports b` for every import below `prefix` that does not point to a lower rank; `files`: parts → source."""
    depth = len(prefix)
    for parts, source in files.items():
        importer = parts[depth]
        if importer == "__init__":
            continue
        importer_rank = rank(ranks, importer)
        for name in imports(ast.parse(source), parts):
            target = name.split(".")
            if target[: depth + 1] != ["keras_attention", *prefix] or target[-1] == "__version__":
                continue
            # The package itself stands above all that it gives out, so taking a name from it points upwards.
            imported = target[depth + 1] if len(target) > depth + 1 else ""
            known = any(imported in names for names in ranks)
            if imported != importer and not (known and rank(ranks, imported) < importer_rank):
                yield f"{'.'.join(parts)} imports {name}"


def sources(*prefix):
    return {parts: path.read_text() for parts, path in FILES.items() if parts[: len(prefix)] == prefix}


def test_imports_point_one_way():
    assert list(violations(sources(), RANKS, ())) == []


@pytest.mark.parametrize("package", INSIDE)
def test_imports_inside_a_package_point_one_way(package):
    assert list(violations(sources(package), INSIDE[package], (package,))) == []


@pytest.mark.parametrize(
    ("parts", "source", "allowed"),
    [
        (("models", "vgg"), "from keras_attention.layers.score import SCORES", True),
        (("models", "vgg"), "from keras_attention import layers", True),
        (("models", "vgg"), "from keras_attention.models.weights import load", True),
        (("models", "vgg"), "from . import weights", True),
        (("cli",), "from keras_attention import __version__", True),
        (("models", "vgg"), "import keras", True),
        (("layers", "score"), "import keras_attention.models", False),
        (("layers", "score"), "def late():\n    from keras_attention.models import VGG16BN", False),
        (("models", "vgg"), "from keras_attention.data import load", False),
        (("models", "vgg"), "from ..data import load", False),
        (("registry",), "from keras_attention import SCORES", False),
        (("registry",), "import keras_attention", False),
    ],
)
def test_the_walk_sees_what_it_should(parts, source, allowed):
    assert (list(violations({parts: source}, RANKS, ())) == []) is allowed


def test_a_module_without_a_place_is_named():
    with pytest.raises(AssertionError, match="helpers has no place in the order of imports"):
        list(violations({("helpers",): ""}, RANKS, ()))


@pytest.mark.parametrize("folder", ["layers", "models"])
def test_layers_and_models_know_no_backend(folder):
    found = {
        (".".join(parts), name)
        for parts, source in sources(folder).items()
        for name in imports(ast.parse(source), parts)
        if name.split(".")[0] in BACKENDS
    }
    assert found == set()


def test_no_assert_in_the_package():
    found = [
        f"{path}:{node.lineno}"
        for path in FILES.values()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Assert)
    ]
    assert found == []


@pytest.mark.parametrize("name", keras_attention.__all__)
def test_every_public_name_resolves(name):
    assert getattr(keras_attention, name) is not None
    assert name in dir(keras_attention)


def listed(path):
    """The names in `__all__` of a module."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "__all__":
            yield from (each.value for each in node.value.elts if isinstance(each, ast.Constant))


def test_no_public_name_shadows_a_module():
    """Verbs are functions and nouns are modules: of neither does a name mean two things."""
    for parts, path in FILES.items():
        if parts[-1] == "__init__":
            beside = {each.stem for each in path.parent.iterdir() if each.suffix == ".py" or each.is_dir()}
            assert set(listed(path)) & beside == set(), parts
    assert set(keras_attention._HOME) & {parts[0] for parts in FILES} == set()


OUTPUTS = {"logits", "probabilities", "attention_", "joint"}


def test_names_of_outputs_are_spelled_out_in_one_module_alone():
    found = {
        (".".join(parts), node.value)
        for parts, path in FILES.items()
        if parts != ("models", "outputs")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in OUTPUTS
    }
    # A kind of map of sampled attention, and an answer in JSON, have the same name for another thing.
    assert found == {("maps.attention", "probabilities"), ("cli.predict", "probabilities")}


def test_every_lazy_name_is_the_one_of_its_module():
    for name, home in keras_attention._HOME.items():
        assert getattr(keras_attention, name) is getattr(importlib.import_module(f"keras_attention.{home}"), name)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'keras_attention' has no attribute 'Atention'"):
        keras_attention.Atention  # noqa: B018


def python(program, *arguments):
    command = [sys.executable, "-W", "error", "-c", program, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_importing_the_package_loads_no_framework():
    done = python("import sys, keras_attention; print({'keras', 'tensorflow', 'jax', 'numpy'} & set(sys.modules))")
    assert (done.stdout, done.stderr) == ("set()\n", "")


PROGRAMS = ["import keras, keras_attention", "import keras_attention, keras", "import keras_attention.layers, keras"]


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(each, marks=pytest.mark.long if number else pytest.mark.slow)
        for number, each in enumerate(PROGRAMS)
    ],
)
def test_importing_the_package_registers_every_class(program):
    """All classes that any module of the package registers are known after this import alone.

    tests/models/test_loading_alone.py loads a file of each.
    """
    show = "print(*(name for name in keras.saving.get_custom_objects() if name.startswith('keras_attention>')))"
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\n{show}"], capture_output=True, text=True, check=True, timeout=120
    )
    assert set(done.stdout.split()) == registered_by_all_modules()


def registered_by_all_modules():
    import keras

    for module in pkgutil.walk_packages(keras_attention.__path__, "keras_attention."):
        if "__main__" not in module.name and "demo" not in module.name:
            importlib.import_module(module.name)
    objects = keras.saving.get_custom_objects()
    return {name for name, cls in objects.items() if cls.__module__.startswith("keras_attention.")}
