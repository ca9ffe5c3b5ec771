"""Files, folders and patterns → images, and the errors for those that give no image."""

import os

import pytest

from keras_attention.prediction.sources import find_images, images_in


@pytest.fixture
def make(tmp_path, monkeypatch):
    """`make("a/b.jpg", …)`: empty files in a folder, which is the current one."""
    monkeypatch.chdir(tmp_path)

    def touch(*names):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path

    return touch


def paths(*named):
    sources = find_images(named)
    assert [source.error for source in sources] == [None] * len(sources)
    return [source.path for source in sources]


def error(named):
    (source,) = find_images([named])
    assert source.path == str(named)
    return str(source.error)


def test_a_folder_gives_all_images_below_in_order(make):
    make("in/z.png", "in/b/y.JPEG", "in/a/x.webp", "in/a/notes.txt", "in/a.bmp", "in/.hidden.png", "in/.git/x.png")
    assert paths("in") == ["in/a/x.webp", "in/a.bmp", "in/b/y.JPEG", "in/z.png"]


def test_images_that_are_not_read_are_named_too(make):
    make("in/a.png", "in/b.tiff", "in/c.HEIC")
    assert paths("in") == ["in/a.png", "in/b.tiff", "in/c.HEIC"]
    assert [path.name for path in images_in("in")] == ["a.png", "b.tiff", "c.HEIC"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("in/*.png", ["in/a.png", "in/b.png"]),
        ("in/[b-z].png", ["in/b.png"]),
        ("in/?.*", ["in/a.png", "in/b.png", "in/n.txt"]),
        ("in/**/*.png", ["in/a.png", "in/b.png", "in/deep/d.png", "in/deep/deeper/c.png"]),
        ("in/*/", ["in/deep/d.png", "in/deep/deeper/c.png"]),
        ("./in/.h*.png", ["in/.h.png"]),
        ("in/../in/b*", ["in/../in/b.png"]),
    ],
)
def test_patterns(pattern, expected, make):
    make("in/a.png", "in/b.png", "in/n.txt", "in/deep/d.png", "in/deep/deeper/c.png", "in/.h.png", "in/.x/y.png")
    assert paths(pattern) == expected


def test_a_pattern_may_begin_at_the_root_or_at_home(make, monkeypatch):
    folder = make("in/a.png")
    assert paths(f"{folder}/in/*.png") == [f"{folder}/in/a.png"]
    monkeypatch.setenv("HOME", str(folder))
    assert paths("~/in/*.png") == [f"{folder}/in/a.png"]


def test_a_file_whose_name_is_a_pattern_is_that_file(make):
    make("in/a[1].png", "in/a1.png")
    assert paths("in/a[1].png") == ["in/a[1].png"]


def test_a_file_comes_once_where_it_was_named_first(make):
    folder = make("in/a.png", "in/b.png")
    os.symlink(folder / "in" / "b.png", folder / "link.png")
    assert paths("link.png", "in/../in/a.png", "in", "in/*.png", str(folder / "in" / "a.png")) == [
        "link.png",
        "in/../in/a.png",
        "in/b.png",  # the link lies elsewhere
    ]


def test_links_to_folders_are_followed_but_not_in_a_circle(make):
    folder = make("in/a.png", "elsewhere/b.png")
    os.symlink(folder / "elsewhere", folder / "in" / "link")
    os.symlink(folder / "in", folder / "in" / "circle")
    os.symlink(folder / "in", folder / "elsewhere" / "back")
    assert paths("in") == ["in/a.png", "in/link/b.png"]
    assert paths("in/**/*.png") == ["in/a.png"]


def test_a_link_to_itself_is_left_to_the_reader(make):
    folder = make()
    os.symlink(folder / "self.png", folder / "self.png")
    assert paths("self.png") == ["self.png"]


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("nowhere.png", "nowhere.png must be an existing file. Expected the path of an image"),
        ("https://x.org/a.jpg", "https://x.org/a.jpg is a URL; download it first"),
        ("https://x.org/a.jpg?size=*", "matches nothing"),
        ("none/*.jpg", "none/*.jpg matches nothing. Expected a pattern that matches images"),
        ("no**/*.jpg", "matches nothing"),
        ("~nobody-of-that-name/*.jpg", "matches nothing"),
        ("empty", "empty has no images. Expected files such as .jpg"),
        ("", "The path of an image is empty"),
    ],
)
def test_what_names_nothing_says_why(named, message, make):
    make("empty/notes.txt")
    assert message in error(named)


def test_a_pattern_that_finds_folders_without_images_alone_matches_nothing(make):
    make("empty/notes.txt")
    assert "matches nothing" in error("emp*")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open everything")
def test_a_folder_that_may_not_be_opened_is_named_beside_the_others(make):
    folder = make("in/a.png", "in/b/c.png")
    (folder / "in" / "b").chmod(0)
    first, second = find_images(["in"])
    (folder / "in" / "b").chmod(0o755)
    assert (first.path, first.error) == ("in/a.png", None)
    assert "in/b cannot be opened: Permission denied" in str(second.error)
