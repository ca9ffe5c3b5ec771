"""The command line says flags where the library says arguments, and has a flag for every setting."""

import subprocess
import sys

import pytest
from test_config import APART, OTHERS

from keras_attention.cli import main, parser
from keras_attention.cli.flags import in_flags
from keras_attention.cli.settings import given_settings
from keras_attention.config import TrainConfig, settings_of

SETTINGS = settings_of(TrainConfig)

MESSAGES = {
    "a number": (
        "`units` is out of range. Expected an integer at least 1. Received: units=0.",
        "--units is out of range. Expected an integer at least 1. Received: --units 0.",
    ),
    "two arguments": (
        "x holds a run that is finished. Expected `resume=True` or `overwrite=True`, or another `run`. Received: x.",
        "x holds a run that is finished. Expected --resume or --overwrite, or another --run. Received: x.",
    ),
    "a flag that switches off": (
        "No space. Expected another `cache_dir`, or `cache_features=False`. Received: 3 MB free.",
        "No space. Expected another --cache-dir, or --no-cache. Received: 3 MB free.",
    ),
    "a flag that must be left out": (
        "Nothing is left. Expected `train_on_validation=False`. Received: patience=2.",
        "Nothing is left. Expected no --train-on-validation. Received: --patience 2.",
    ),
    "texts": (
        "Unknown score 'additiv'. Expected one of: additive, dot. Received: score='additiv'.",
        "Unknown score 'additiv'. Expected one of: additive, dot. Received: --score additiv.",
    ),
    "what differs": (
        "`epochs` differs from that of the run. Expected epochs=3. Received: epochs=5.",
        "--epochs differs from that of the run. Expected --epochs 3. Received: --epochs 5.",
    ),
    "None": (
        "`units` differs. Expected units=None. Received: units=5.",
        "--units differs. Expected --units none. Received: --units 5.",
    ),
    "a part of options": (
        "`map_regularizers['entropy']` is out of range. Expected a number. Received: map_regularizers['entropy']='x'.",
        "--map-regularizer entropy is out of range. Expected a number. Received: --map-regularizer entropy=x.",
    ),
    "a number with a point": (
        "`dropout` is out of range. Expected a number below 1. Received: dropout=1.5.",
        "--dropout is out of range. Expected a number below 1. Received: --dropout 1.5.",
    ),
    "a value in backticks": (
        'γ belongs to the focal loss. Expected `loss="focal"`. Received: focal_gamma=1.0.',
        "γ belongs to the focal loss. Expected --loss focal. Received: --focal-gamma 1.0.",
    ),
    "a backslash": (
        "`group` matches nothing. Expected a pattern. Received: group='re:(ISIC_\\\\d+)_', 1 group.",
        "--group matches nothing. Expected a pattern. Received: --group re:(ISIC_\\d+)_, 1 group.",
    ),
    "what no flag gives": (
        "`class_names` must fit. Expected `keras.Model`. Received: shape=(3,).",
        "`class_names` must fit. Expected `keras.Model`. Received: shape=(3,).",
    ),
    "a file name with an argument in it": (
        "my data=old.csv cannot be read. Expected a whole file. Received: OSError.",
        "my data=old.csv cannot be read. Expected a whole file. Received: OSError.",
    ),
}


@pytest.mark.parametrize(("message", "expected"), MESSAGES.values(), ids=MESSAGES)
def test_arguments_are_said_as_flags(message, expected):
    flags = parser().parse_args(["train"]).flags
    assert in_flags(message, flags) == expected


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_is_a_flag_and_comes_back(name):
    value = (OTHERS | APART)[name]
    words = SETTINGS[name].words(value)
    assert words
    assert words[0].startswith("--")
    assert given_settings(parser().parse_args(["train", *words])) == {name: value}


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_is_described_for_python_and_for_the_command_line(name):
    setting = SETTINGS[name]
    [action] = [action for action in parser().parse_args(["train"]).flags.values() if action.dest == name]
    assert action.help.replace("%%", "%") == setting.described()
    assert f"\n        {name}: " in TrainConfig.__doc__
    assert "{none}" not in TrainConfig.__doc__ + setting.described()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--data-option", "count"], "must be a name and a whole number. Expected --data-option KEY=N."),
        (["--data-option", "count=many"], "must be a name and a whole number. Expected --data-option KEY=N."),
        (["--map-regularizer", "entropy"], "must be a name and a number. Expected --map-regularizer NAME=RATE."),
        (["--units", "0"], "--units is out of range. Expected an integer at least 1. Received: --units 0."),
        (["--focal-gamma", "1"], "γ belongs to the focal loss. Expected --loss focal. Received: --focal-gamma 1.0."),
        (["--attend", "block9_pool"], "Received: --attend block9_pool."),
    ],
)
def test_a_mistake_is_one_line_in_flags(arguments, said, capsys):
    assert main(["train", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_the_settings_are_read_without_keras():
    program = (
        "import sys\nfrom keras_attention.cli import parser\nparser().parse_args(['train', '--epochs', '3'])\n"
        "print({'keras', 'tensorflow', 'numpy', 'scipy', 'sklearn'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("set()\n", "")
