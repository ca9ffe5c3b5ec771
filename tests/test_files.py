"""JSON and arrays: what is written is read again, and a damaged file is named."""

import json
import re

import numpy as np
import pytest

from keras_attention.files import read_arrays, read_json, write_arrays, write_json


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_json(tmp_path):
    target, value = tmp_path / "metrics.json", {"name": "Käse → 1", "values": [0.1, None, {"a": 1}]}
    write_json(target, value)
    text = target.read_text("utf-8")
    assert json.loads(text) == value
    assert text.startswith('{\n  "name": "Käse → 1",\n')
    assert text.endswith("}\n")


def test_json_holds_names_that_are_no_text(tmp_path):
    value = {"caf\udce9.jpg": "é"}
    write_json(tmp_path / "images.json", value)
    assert read_json(tmp_path / "images.json") == value


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), {1, 2}])
def test_json_knows_no_nan(value, tmp_path):
    target = tmp_path / "metrics.json"
    target.write_text("{}\n")
    with pytest.raises((ValueError, TypeError), match="not JSON"):
        write_json(target, {"loss": value})
    assert names(tmp_path) == ["metrics.json"]
    assert target.read_text() == "{}\n"


def test_what_is_written_is_read(tmp_path):
    write_json(tmp_path / "a.json", {"a": [1, None]})
    assert read_json(tmp_path / "a.json") == {"a": [1, None]}
    arrays = {"map/block": np.arange(6.0).reshape(2, 3), "labels": np.array([1, 2])}
    write_arrays(tmp_path / "a.npz", arrays)
    found = read_arrays(tmp_path / "a.npz")
    assert list(found) == list(arrays)
    assert all((found[name] == arrays[name]).all() for name in arrays)
    assert names(tmp_path) == ["a.json", "a.npz"]


@pytest.mark.parametrize("share", [0, 0.3, 0.9, None])
def test_a_damaged_file_is_named(share, tmp_path):
    write_json(tmp_path / "a.json", {"a": list(range(50))})
    write_arrays(tmp_path / "a.npz", {"a": np.random.default_rng(0).random(1000)})
    for name, read in (("a.json", read_json), ("a.npz", read_arrays)):
        path = tmp_path / name
        whole = path.read_bytes()
        path.unlink()
        if share is not None:
            path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(ValueError, match=rf"^{re.escape(str(path))} cannot be read\. Expected a complete file"):
            read(path)
