"""The command line: what a person types and reads."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import seams
from PIL import Image

from keras_attention.cli import main, parser
from keras_attention.cli import train as train_command
from keras_attention.config import TrainConfig
from keras_attention.layers import ALIGNMENTS, GATES, POOLINGS, SCORES

COMMAND = [sys.executable, "-m", "keras_attention"]


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "digit.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3)).astype("uint8")).save(path)
    return str(path)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["train", "--help"], ["train", "--epoch-s", "3"], []])
def test_help_and_mistakes_do_not_import_tensorflow(arguments):
    code = f"import sys; from keras_attention.cli import main\ntry: main({arguments!r})\nexcept SystemExit: pass\n"
    code += "print([name for name in ('tensorflow', 'keras', 'numpy', 'matplotlib') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")


def test_a_value_of_another_kind_is_one_line(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["train", "--units", "many"])
    assert capsys.readouterr().err == "keras-attention: error: argument --units: invalid int or none value: 'many'\n"


@pytest.mark.parametrize(
    ("arguments", "code"), [(["--help"], 0), (["--version"], 0), (["train", "--wrong"], 2), ([], 2), (["fly"], 2)]
)
def test_exit_codes_of_the_parser(arguments, code, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == code


def test_list_names_every_member_with_its_formula(capsys):
    assert main(["list"]) == 0
    printed = capsys.readouterr().out
    for name, formula in {
        **SCORES.formulas(),
        **ALIGNMENTS.formulas(),
        **POOLINGS.formulas(),
        **GATES.formulas(),
    }.items():
        assert any(name in line and formula in line for line in printed.splitlines())


def test_a_variant_becomes_settings():
    def config(*given):
        return train_command._config(parser().parse_args(["train", *given]))

    assert config("--variant", "dot+sparsemax@block4_pool", "--units", "9") == TrainConfig(
        score="dot", alignment="sparsemax", attend=("block4_pool",), units=9
    )
    assert config("--variant", "se", "--feature-gate-option", "reduction=4").kind == "se"
    assert config("--variant", "plain").attend == ()


@pytest.mark.parametrize(
    ("begin", "variant", "expected"),
    [
        ({"score": None, "feature_gate": "se"}, "plain", {"attend": (), "score": None}),
        ({"score": None, "pooling": "gem"}, "multiscale", {"score": None}),
        ({"score": None, "pooling": "gem"}, "additive+softmax", {}),
        ({"score_options": {"activation": "relu"}}, "dot+softmax", {"score": "dot"}),
        ({"score_options": {"activation": "relu"}}, "gem", {"score": None, "pooling": "gem"}),
    ],
)
def test_a_variant_replaces_the_network_of_the_settings_it_begins_from(begin, variant, expected, tmp_path):
    (tmp_path / "config.json").write_text(TrainConfig(**begin).to_json())
    given = ["train", "--from", str(tmp_path / "config.json"), "--variant", variant]
    assert train_command._config(parser().parse_args(given)) == TrainConfig(**expected)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("--variant gemm", "Unknown variant 'gemm' (did you mean 'gem'?)."),
        ("--variant dot+softmax@pool", "Unknown layer in the variant 'dot+softmax@pool'"),
        ("--variant all-scores", "'all-scores' names several networks. Expected one of them"),
        (
            "--variant gem --score dot",
            "The variant 'gem' sets --score already. Expected --variant or --score, not both.",
        ),
        ("--pooling gem", "A pooling takes the place of attention. Expected --score none. Received: --pooling gem."),
        ("--feature-gate see", "Unknown feature gate 'see' (did you mean 'se'?)."),
    ],
)
def test_a_variant_that_cannot_be(given, said, capsys):
    assert main(["train", *given.split()]) == 2
    assert said in capsys.readouterr().err


def test_flags_become_settings():
    given = (
        "train --score none --attend block2_pool,block3_pool --data-option count=60 --data-option seed=3 --pool-query"
    )
    config = train_command._config(parser().parse_args(given.split()))
    assert config == TrainConfig(
        score=None, attend=("block2_pool", "block3_pool"), data_options={"count": 60, "seed": 3}, pool_query=True
    )
    folder = train_command._folder(parser().parse_args(given.split()), config)
    assert str(folder) == os.path.join("runs", "cluttered_digits-multiscale")


def test_options_of_layers_are_numbers_truth_values_lists_and_texts():
    given = (
        "train --score cosine --score-option learned=true --alignment local_monotonic --alignment-option window=[3,5]"
    )
    config = train_command._config(parser().parse_args(given.split()))
    assert config.score_options == {"learned": True}
    assert config.alignment_options == {"window": [3, 5]}
    given = "train --alignment hard --alignment-option estimator=reinforce --alignment-option temperature=0.5"
    config = train_command._config(parser().parse_args(given.split()))
    assert config.alignment_options == {"estimator": "reinforce", "temperature": 0.5}
    config = train_command._config(parser().parse_args(["train", "--units", "none"]))
    assert config.units is None


def interrupt(process):
    """Presses Ctrl-C until the process ends; returns what it said of it.

    Python loses the signal where it comes while an object is deleted, and a person presses again.
    """
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            # Long enough for an end under load: a second signal while Python ends would kill it.
            return process.communicate(timeout=20)[1]
    raise AssertionError("The process does not end.")


@pytest.mark.long
def test_train_resume_and_predict(data_dir, tmp_path, image, capsys):
    """The story as far as it needs processes of its own: one that Ctrl-C ends, and one that nothing was loaded in."""
    folder = tmp_path / "run"
    train = ["train", "--data-dir", data_dir, "--data-option", "count=450", "--image-size", "32", "--width", "0.05"]
    train += ["--units", "8", "--epochs", "3", "--run", str(folder)]
    # The command as it is, on the shallow backbone of these tests.
    command = [
        sys.executable,
        "-c",
        f"{seams.SHALLOW_PROGRAM}import sys; from keras_attention.cli import main; sys.exit(main())",
    ]
    for leave in ([], ["--overwrite"], ["--overwrite"]):
        process = subprocess.Popen(command + train + leave, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        limit = time.monotonic() + 120
        while not list(folder.glob("backup/epoch-*")) and time.monotonic() < limit and process.poll() is None:
            time.sleep(0.02)
        errors = interrupt(process)
        if process.returncode != 0:  # else Python lost the signal, and the run came to its end before the next one
            break
    assert process.returncode == 130
    assert f"continue with: keras-attention train --resume --run {folder}" in errors
    assert "Traceback" not in errors

    assert main(["train", "--resume", "--run", str(folder)]) == 0
    printed = capsys.readouterr().out
    for word in ("accuracy", "attention.png", "saved_model", "chance"):
        assert word in printed
    predict = [*COMMAND, "predict", str(folder), image, "--json"]
    predicted = subprocess.run(predict, capture_output=True, text=True, check=False)
    assert predicted.returncode == 0, predicted.stderr
    assert predicted.stderr == ""
    assert json.loads(predicted.stdout)["class"] in "0123456789"


def test_predict_prints_a_line_an_image(finished, image, capsys):
    assert main(["predict", str(finished.folder), image, image]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1  # the same image again is the same answer
    path, name, probability = lines[0].split("\t")
    assert (path, len(name)) == (image, 1)
    assert 0 < float(probability) <= 1


def test_predict_json_has_every_class(finished, image, capsys):
    assert main(["predict", str(finished.export_path), image, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["image"] == image
    assert list(answer["probabilities"]) == list("0123456789")
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-4)
    assert answer["class"] == max(answer["probabilities"], key=answer["probabilities"].get)


def test_an_unreadable_image_is_named_and_the_others_go_on(finished, image, tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("hello")
    assert main(["predict", str(finished.folder), str(tmp_path / "notes.txt"), "nowhere.png", image]) == 1
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 1
    assert "notes.txt does not decode" in printed.err
    assert "nowhere.png must be an existing file" in printed.err


@pytest.mark.long
def test_export_goes_to_saved_models_by_default(finished, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["export", str(finished.folder)]) == 0
    assert (tmp_path / "saved_models" / "finished" / "card.json").exists()
    assert "largest difference" in capsys.readouterr().out


BAD = {
    "score": (["--score", "aditive"], "Unknown score 'aditive' (did you mean 'additive'?). Expected one of: additive"),
    "alignment": (["--alignment", "hardmax"], "Unknown alignment 'hardmax'"),
    "layer": (["--attend", "block3_poo"], "Unknown layer 'block3_poo' (did you mean 'block3_pool'?)"),
    "source": (["--data", "cifar01"], "Unknown data source 'cifar01' (did you mean 'cifar10'?)"),
    "folder": (["--data", "./nowhere"], "There is no such folder"),
    "precision": (["--precision", "float8"], "Unknown precision 'float8'"),
    "size": (["--image-size", "31"], "--image-size is out of range. Expected an integer at least 32"),
    "no units": (["--units", "0"], "--units is out of range"),
    "rate": (["--learning-rate", "-1"], "--learning-rate is out of range"),
    "epochs": (["--epochs", "0"], "--epochs is out of range"),
    "option": (["--data-option", "clutter=many"], "--data-option KEY=N"),
    "unknown option": (["--data-option", "colour=3"], "colour"),
    "option of the alignment": (["--alignment", "hard", "--alignment-option", "estimator=gumbel"], "'gumbel'"),
    "option without a value": (["--score-option", "units"], "--score-option KEY=VALUE"),
    "option of another score": (["--score", "dot", "--score-option", "activation=relu"], "activation"),
    "resume": (["--resume"], "holds no run"),
    "masks": (["--masks", "here"], "--masks needs a folder or a table of images"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_exit_code_2(case, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments, message = BAD[case]
    assert main(["train", *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("keras-attention: error: ")
    assert message in printed.err
    assert printed.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_the_traceback_is_there_when_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERAS_ATTENTION_DEBUG", "1")
    with pytest.raises(ValueError, match="holds no run"):
        main(["train", "--resume"])


@pytest.mark.parametrize("command", ["predict", "evaluate", "explain", "demo", "export"])
def test_a_path_with_nothing_is_refused_before_tensorflow_is_loaded(command, tmp_path, capsys, monkeypatch):
    seams.loading_of_tensorflow(monkeypatch, lambda: pytest.fail("loaded"))
    assert main([command, str(tmp_path / "nowhere"), *["a.png"][: command == "predict"]]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith(f"keras-attention: error: {tmp_path / 'nowhere'} does not exist. Expected ")
    assert (printed.out, printed.err.count("\n")) == ("", 1)
