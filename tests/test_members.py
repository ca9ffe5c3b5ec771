"""What is known of the members of the families without Keras is what the registries say."""

import importlib.util
import json
import pathlib
import subprocess
import sys

import pytest

from keras_attention import ALIGNMENTS, SCORES
from keras_attention.layers import GATES, MAP_REGULARIZERS, POOLINGS, Score
from keras_attention.members import REGISTRIES, members
from keras_attention.models import BACKBONES

ROOT = pathlib.Path(__file__).parent.parent
FAMILIES = {"score": SCORES, "alignment": ALIGNMENTS, "pooling": POOLINGS, "gate": GATES}
FAMILIES |= {"map_regularizer": MAP_REGULARIZERS, "backbone": BACKBONES}
# A program with its arguments, in one interpreter, as JSON: exit codes, and which modules were imported.
AT_ONCE = """
import json, sys
from keras_attention.cli import main

def code(arguments):
    try:
        return main(arguments)
    except SystemExit as stop:
        return stop.code

found = [code(arguments) for arguments in json.loads(sys.argv[1])]
print(json.dumps([found, [name for name in ("tensorflow", "keras") if name in sys.modules]]))
"""
# Every mistake in a name or a path that a command can be told of without its data.
MISTAKES = [
    ["train", "--score", "aditive"],
    ["train", "--alignment", "hardmax"],
    ["train", "--backbone", "vgg"],
    ["train", "--attend", "block9"],
    ["train", "--score-option", "activaton=relu"],
    ["train", "--alignment", "hard", "--alignment-option", "alpha=2"],
    ["train", "--map-regularizer", "spred=1"],
    ["train", "--freeze", "block9", "--weights", "w.npz"],
    ["train", "--loss", "focl"],
    ["train", "--precision", "float8"],
    ["train", "--monitor", "val_f2"],
    ["train", "--data", "./nowhere"],
    ["train", "--from", "nowhere"],
    ["train", "--resume", "--run", "nowhere"],
    ["compare", "--variants", "aditive+softmax"],
    ["compare", "--variants", "additive+softmax@block9"],
    ["compare", "--until", "setled"],
    ["compare", "--backend", "dusk"],
    ["compare", "--data", "./nowhere,./there"],
    ["compare", "--resume", "--run", "nowhere"],
    ["search", "--score", "aditive"],
    ["search", "--fix", "scor=dot"],
    ["search", "--fix", "dot.activation=relu"],
    ["search", "--choose", "alignment=softmax,hardmax"],
    ["search", "--choose", "attend=block9"],
    ["search", "--tuner", "gird"],
    ["search", "--resume", "--run", "nowhere"],
    ["evaluate", "nowhere"],
    ["evaluate", ".", "--split", "tset"],
    ["evaluate", ".", "--flips", "vertical"],
    ["explain", "nowhere"],
    ["explain", ".", "--format", "jpg"],
    ["predict", "nowhere", "a.png"],
    ["predict", ".", "a.png", "--out", "a.png"],
    ["demo", "nowhere"],
    ["demo", ".", "--split", "tset"],
    ["export", "nowhere"],
    ["export", ".", "--format", "onx"],
    ["export", ".", "--quantize", "int9"],
    ["models", "nowhere"],
]


def told(commands, folder):
    done = subprocess.run(
        [sys.executable, "-c", AT_ONCE, json.dumps(commands)], capture_output=True, text=True, cwd=folder, check=False
    )
    assert done.returncode == 0, done.stderr
    codes, imported = json.loads(done.stdout.splitlines()[-1])
    return codes, imported, done.stderr.splitlines(), done.stdout


def test_the_table_is_what_the_registries_say():
    spec = importlib.util.spec_from_file_location("members_tool", ROOT / "docs" / "tools" / "members.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert json.loads(tool.PLACE.read_text("utf-8")) == json.loads(json.dumps(tool.table())), (
        "Renew it: python docs/tools/members.py"
    )


def test_every_mistake_in_a_name_or_a_path_is_one_line_without_keras(tmp_path):
    codes, imported, errors, _ = told(MISTAKES, tmp_path)
    assert (codes, imported) == ([2] * len(MISTAKES), [])
    assert len(errors) == len(MISTAKES)
    for error, arguments in zip(errors, MISTAKES, strict=True):
        assert error.startswith("keras-attention: error: "), arguments
        assert " Expected " in error, arguments
    assert list(tmp_path.iterdir()) == []


def test_lists_need_no_keras_and_are_the_same_with_it(tmp_path, capsys):
    from keras_attention.cli import main

    (tmp_path / "saved_models").mkdir()
    codes, imported, _, printed = told([["list"], ["models"]], tmp_path)
    assert (codes, imported) == ([0, 0], [])
    assert main(["list"]) == 0
    assert printed.startswith(capsys.readouterr().out)


def test_settings_are_the_same_before_keras_is_loaded():
    program = "import sys; from keras_attention import TrainConfig; print(TrainConfig().to_json()); "
    program += "assert 'keras' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    from keras_attention import TrainConfig

    assert TrainConfig.from_json(done.stdout) == TrainConfig()


@pytest.mark.long
def test_a_wrong_value_of_an_option_is_found_before_the_data_at_the_latest(tmp_path):
    program = """
from keras_attention import TrainConfig
config = TrainConfig(data="photos", score_options={"activation": "rulu"})
try: TrainConfig().with_settings(score_options={"activaton": "relu"})
except ValueError as error: print(error)
from keras_attention import train
try: train(config)
except ValueError as error: print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path)
    first, second = done.stdout.splitlines()[:2]
    assert first.startswith("Unknown option of the score 'additive': 'activaton'")
    assert "rulu" in second
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("family", REGISTRIES)
def test_the_loaded_registry_answers(family):
    known = members(family)
    assert list(known) == list(FAMILIES[family])
    assert len(known) == len(FAMILIES[family])
    for name, member in known.items():
        assert vars(member) == FAMILIES[family].about(name)


def test_a_custom_member_is_known_at_once():
    try:

        @SCORES.register("chord_of_a_test")
        class ChordScore(Score):
            """e = −|q − k|: a chord."""

        assert members("score")["chord_of_a_test"].description == "e = −|q − k|: a chord."
    finally:
        SCORES._members.pop("chord_of_a_test", None)
