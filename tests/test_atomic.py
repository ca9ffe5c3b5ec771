"""Files and folders appear whole or not at all, and what was there before stays until then."""

import shutil
import subprocess
import sys
import threading
import time

import pytest

from keras_attention.atomic import TEMPORARY, alone, remove, remove_leftovers, replacing


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def fill(folder, **files):
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)


@pytest.mark.parametrize("old", [None, "before"])
def test_a_file(old, tmp_path):
    target = tmp_path / "model.weights.h5"
    if old:
        target.write_text(old)
    with replacing(target) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.name.endswith("model.weights.h5")
        assert temporary != target
        temporary.write_text("after")
        assert (target.read_text() if target.exists() else None) == old
    assert target.read_text() == "after"
    assert names(tmp_path) == [target.name]


def test_a_folder_takes_the_place_of_a_folder(tmp_path):
    target = tmp_path / "saved_model"
    fill(target, a="before", b="gone")
    with replacing(target) as temporary:
        fill(temporary, a="after", c="new")
        assert names(target) == ["a", "b"]
    assert names(tmp_path) == ["saved_model"]
    assert names(target) == ["a", "c"]
    assert (target / "a").read_text() == "after"


@pytest.mark.parametrize("old", [False, True])
def test_a_folder_where_none_was_or_a_file(old, tmp_path):
    target = tmp_path / "saved_model"
    if old:
        target.write_text("a file")
    with replacing(target) as temporary:
        fill(temporary, a="after")
    assert names(tmp_path) == ["saved_model"]
    assert (target / "a").read_text() == "after"


def test_folders_above_are_made(tmp_path):
    with replacing(str(tmp_path / "runs" / "first" / "notes.txt")) as temporary:
        temporary.write_text("whole")
    assert (tmp_path / "runs" / "first" / "notes.txt").read_text() == "whole"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("kind", ["file", "folder", "nothing"])
def test_after_an_error_the_old_one_is_there_and_nothing_else(kind, error, tmp_path):
    target = tmp_path / "target"
    fill(target, a="before") if kind == "folder" else target.write_text("before")

    def write():
        with replacing(target) as temporary:
            if kind == "folder":
                fill(temporary, a="half")
            elif kind == "file":
                temporary.write_text("half")
            raise error("in the middle")

    with pytest.raises(error, match="in the middle"):
        write()
    assert names(tmp_path) == ["target"]
    assert (target / "a" if kind == "folder" else target).read_text() == "before"


def test_after_an_error_nothing_is_where_nothing_was(tmp_path):
    with pytest.raises(ZeroDivisionError), replacing(tmp_path / "target") as temporary:
        temporary.write_text(str(1 / 0))
    assert names(tmp_path) == []


def test_a_file_does_not_take_the_place_of_a_folder(tmp_path):
    target = tmp_path / "target"
    fill(target, a="before")
    with pytest.raises(OSError, match="target"), replacing(target) as temporary:
        temporary.write_text("a file")
    assert names(tmp_path) == ["target"]
    assert names(target) == ["a"]


def test_nothing_written_is_an_error(tmp_path):
    target = tmp_path / "target"
    target.write_text("before")
    with pytest.raises(FileNotFoundError), replacing(target):
        pass
    assert names(tmp_path) == ["target"]
    assert target.read_text() == "before"


def test_remove(tmp_path):
    fill(tmp_path / "folder", a="a")
    (tmp_path / "file").write_text("a")
    (tmp_path / "kept").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    for name in ("folder", "file", "link", "not there"):
        remove(tmp_path / name)
    assert names(tmp_path) == ["kept"]


def test_what_a_killed_process_left_is_removed(tmp_path):
    left = tmp_path / "left"
    fill(left, a="a")
    for target, kind in ((tmp_path / "history.csv", "file"), (tmp_path / "saved_model", "folder")):
        with replacing(target) as temporary:
            fill(temporary, a="whole") if kind == "folder" else temporary.write_text("whole")
            # As it stands at this moment, a kill would leave it.
            shutil.copytree(tmp_path, tmp_path.with_name(f"killed {kind}"), dirs_exist_ok=True)
    for kind, whole in (("file", ["left"]), ("folder", ["history.csv", "left"])):
        killed = tmp_path.with_name(f"killed {kind}")
        assert len(names(killed)) == len(whole) + 1
        remove_leftovers(killed)
        assert names(killed) == whole


def test_of_one_name_nothing_else_is_removed(tmp_path):
    ours, moved_aside, others = (f"{TEMPORARY}12345678-{name}" for name in ("out", "old-out", "another"))
    folder = tmp_path / "folder"
    fill(folder, **{"out": "whole", ours: "half", moved_aside: "older", others: "half"})
    remove_leftovers(folder, "out")
    assert names(folder) == sorted(["out", moved_aside, others])


def test_a_lock_lets_in_one_at_a_time(tmp_path):
    order = []

    def enter(name):
        with alone(tmp_path / "lock"):
            order.append(f"{name} in")
            time.sleep(0.05)
            order.append(f"{name} out")

    threads = [threading.Thread(target=enter, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [event[0] for event in order[::2]] == [event[0] for event in order[1::2]]
    assert [event[2:] for event in order] == ["in", "out"] * 3


def test_a_lock_ends_with_an_error_and_with_its_process(tmp_path):
    with pytest.raises(RuntimeError), alone(tmp_path / "lock"):
        raise RuntimeError
    program = "import os, sys; from keras_attention.atomic import alone; alone(sys.argv[1]).__enter__(); os._exit(9)"
    assert subprocess.run([sys.executable, "-c", program, str(tmp_path / "lock")], check=False).returncode == 9
    with alone(tmp_path / "lock"):
        pass
