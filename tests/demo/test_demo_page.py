"""The page as a person uses it in Chromium, if that is installed; and which files its server gives away."""

import asyncio
import gc
import json
import os
import pathlib
import time
import urllib.error
import urllib.parse
import urllib.request

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("gradio")

from keras_attention.demo.examples import Example
from keras_attention.demo.page import demo_page
from keras_attention.demo.serving import served
from keras_attention.demo.viewing import Viewer

WIDTHS = (400, 1300)
# Gradio leaves event loops and their sockets open.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


@pytest.fixture(scope="module", autouse=True)
def _left_by_gradio():
    """Closes here what Gradio leaves open, so that it is not closed during other tests."""
    yield
    asyncio.set_event_loop(None)
    gc.collect()


class Counted:
    """A reading of maps that counts how often the model runs."""

    def __init__(self, reading):
        self.reading, self.count = reading, 0

    def __call__(self, images):
        self.count += 1
        return self.reading(images)


@pytest.fixture(scope="module")
def viewer(attentive):
    viewer = Viewer(attentive)
    viewer.reading = Counted(viewer.reading)
    return viewer


@pytest.fixture(scope="module")
def address(viewer):
    """The address of a page with three examples."""
    images = np.random.default_rng(5).integers(0, 256, (3, 32, 32, 3)).astype("uint8")
    examples = [Example(image, f"test {number}", "<b>dog") for number, image in enumerate(images)]
    with served(lambda: demo_page(viewer, examples, ["A note & more."], "Where <run> looks")) as address:
        yield address


class Demo:
    """What a person sees on the page, and does to it."""

    def __init__(self, browser):
        self.browser = browser

    def run(self, expression):
        return self.browser.execute_script(f"return {expression}")

    def until(self, condition):
        limit = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < limit, (self.about, self.notice, self.classes)
            time.sleep(0.05)

    def text(self, name):
        return self.run(f"(document.getElementById('{name}')?.innerText ?? '').trim()")

    @property
    def about(self):
        return self.text("about")

    @property
    def notice(self):
        return self.text("notice")

    @property
    def classes(self):
        return self.text("classes")

    @property
    def pictures(self):
        return self.run("[...document.querySelectorAll('#figures img')].map(image => image.src)")

    def upload(self, path):
        self.browser.find_element("css selector", "#upload input[type=file]").send_keys(str(path))

    def click(self, selector):
        self.browser.execute_script("document.querySelector(arguments[0]).click()", selector)

    def set_opacity(self, value):
        program = """const slider = document.querySelector('#opacity input[type=range]');
            slider.value = arguments[0];
            slider.dispatchEvent(new Event('input', {bubbles: true}))"""
        self.browser.execute_script(program, value)

    @property
    def chosen(self):
        return self.run(
            "[...document.querySelectorAll('#examples button.thumbnail-item')]"
            ".flatMap((button, place) => button.classList.contains('selected') ? [place] : [])"
        )


@pytest.mark.slow
@pytest.mark.long
def test_the_page_as_it_is_used(browser, address, viewer, photo, tmp_path):
    demo = Demo(browser)
    opens(demo, address)
    flips(demo, viewer)
    blends(demo, viewer)
    takes_uploads(demo, viewer, photo, tmp_path)
    refuses(demo, viewer, photo, tmp_path)
    asks_nobody_else(demo, address)
    fits(demo, address)
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def opens(demo, address):
    demo.browser.get(address)
    demo.until(lambda: len(demo.pictures) == 5)
    assert demo.run("document.title") == "Where <run> looks"
    assert demo.run("document.querySelector('h1').innerText") == "Where <run> looks"
    assert demo.text("notes") == "A note & more."
    assert demo.about.startswith("test 0 · true class: <b>dog · ")
    assert {"cat", "<b>dog", "hen"} <= set(demo.classes.split("\n"))
    headings = demo.run("[...document.querySelectorAll('#figures figcaption b')].map(each => each.innerText)")
    assert headings == ["What the model sees", "block3_pool", "block4_pool", "Joint map", "Grad-CAM block5_relu1"]
    assert demo.run("[...document.querySelectorAll('#figures img')].every(i => i.naturalWidth == 384 && i.alt)")


def flips(demo, viewer):
    """The model runs once for each example, whichever way it is chosen."""
    demo.until(lambda: demo.chosen == [0])
    for selector, place in [
        ("#next", 1),
        ("#examples .gallery-item:nth-child(3) button", 2),
        ("#next", 0),
        ("#previous", 2),
    ]:
        before, pictures = viewer.reading.count, demo.pictures
        demo.click(selector)
        demo.until(lambda place=place: demo.about.startswith(f"test {place} ") and demo.chosen == [place])
        time.sleep(0.3)  # a second call would come now
        assert viewer.reading.count == before + 1, selector
        assert all(old != new for old, new in zip(pictures, demo.pictures, strict=True))


def blends(demo, viewer):
    before, (image, *maps) = viewer.reading.count, demo.pictures
    demo.set_opacity(0.2)
    demo.until(lambda: demo.pictures[1:] != maps)
    assert demo.pictures[0] == image
    assert all(old != new for old, new in zip(maps, demo.pictures[1:], strict=True))
    demo.set_opacity(0)
    demo.until(lambda: len(set(demo.pictures[1:])) == 1)  # the image in grey, without any colours
    demo.set_opacity(0.6)
    demo.until(lambda: demo.pictures[1:] == maps)
    assert viewer.reading.count == before


def takes_uploads(demo, viewer, photo, folder):
    photo.save(folder / "my photo.png")
    photo.rotate(90).save(folder / "other.jpg")
    for name in ("my photo.png", "other.jpg"):
        before, pictures = viewer.reading.count, demo.pictures
        demo.upload(folder / name)
        demo.until(lambda name=name: demo.about == name)
        assert viewer.reading.count == before + 1
        assert demo.pictures[0] != pictures[0]
        assert len(demo.pictures) == 5
        # The upload field takes the next file, and no example is selected.
        demo.until(lambda: "Drop File Here" in demo.text("upload") and demo.chosen == [])
    demo.click("#next")
    demo.until(lambda: demo.about.startswith("test 0 ") and demo.chosen == [0])


def refuses(demo, viewer, photo, folder):
    photo.save(folder / "whole.jpg")
    (folder / "cut.jpg").write_bytes((folder / "whole.jpg").read_bytes()[:900])
    (folder / "text.png").write_text("no image <b>")
    (folder / "empty.png").write_bytes(b"")
    before, pictures, about = viewer.reading.count, demo.pictures, demo.about
    for name, words in [("text.png", "must be an image"), ("cut.jpg", "does not decode"), ("empty.png", "is empty")]:
        demo.upload(folder / name)
        demo.until(lambda name=name, words=words: demo.notice.startswith(f"{name} {words}. Expected a whole image"))
        demo.until(lambda: "Drop File Here" in demo.text("upload"))
    assert (viewer.reading.count, demo.pictures, demo.about) == (before, pictures, about)
    (folder / "large.png").write_bytes(bytes(20 * 2**20 + 1))
    demo.upload(folder / "large.png")
    demo.until(lambda: "exceed the maximum allowed size" in demo.run("document.body.innerText"))
    demo.upload(folder / "whole.jpg")
    demo.until(lambda: demo.about == "whole.jpg")
    assert demo.notice == ""


def asks_nobody_else(demo, address):
    asked = demo.run("performance.getEntriesByType('resource').map(entry => entry.name)")
    asked = [url for url in asked if not url.startswith("data:")]
    assert len(asked) > 10
    assert [url for url in asked if not url.startswith(address)] == []


def fits(demo, address):
    for width in WIDTHS:
        demo.browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False},
        )
        demo.browser.get(address)
        demo.until(lambda: len(demo.pictures) == 5)
        assert demo.run("document.documentElement.scrollWidth") <= width
        columns = demo.run("getComputedStyle(document.querySelector('.looks')).gridTemplateColumns.split(' ').length")
        assert columns == {400: 2, 1300: 5}[width]


@pytest.mark.parametrize("path", ["/etc/hostname", "pyproject.toml", "here"])
def test_no_file_of_the_machine_is_served(address, path, tmp_path):
    (tmp_path / "secret.txt").write_text("secret")
    path = tmp_path / "secret.txt" if path == "here" else path
    for prefix in ("gradio_api/", ""):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{address}{prefix}file={path}", timeout=10)
        assert refused.value.code in (403, 404)


def test_a_file_that_was_not_uploaded_is_neither_read_nor_removed(address, photo, tmp_path, viewer):
    """Sends a request as another program could, without the page."""
    photo.save(tmp_path / "private.png")
    config = json.load(urllib.request.urlopen(f"{address}config", timeout=10))
    upload = next(each["id"] for each in config["components"] if each["props"].get("elem_id") == "upload")
    event = next(each["id"] for each in config["dependencies"] if [upload, "upload"] in each["targets"])
    file = {"path": str(tmp_path / "private.png"), "meta": {"_type": "gradio.FileData"}}
    before = viewer.reading.count
    body = json.dumps({"data": [file, 0.6], "fn_index": event, "session_hash": "abc"}).encode()
    request = urllib.request.Request(f"{address}gradio_api/queue/join", body, {"Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=10)
    with urllib.request.urlopen(f"{address}gradio_api/queue/data?session_hash=abc", timeout=20) as answers:
        text = answers.read().decode()
    assert '"success":false' in text
    assert (tmp_path / "private.png").is_file()
    assert viewer.reading.count == before


def test_the_files_of_the_page_are_gone_at_its_end(viewer, photo, monkeypatch):
    monkeypatch.delenv("GRADIO_TEMP_DIR", raising=False)
    examples = [Example(np.asarray(photo.resize((32, 32), Image.Resampling.BILINEAR)), "one")]
    with served(lambda: demo_page(viewer, examples, [], "Files")) as address:
        folder = pathlib.Path(os.environ["GRADIO_TEMP_DIR"])
        assert list(folder.rglob("*.webp"))
        assert address.startswith("http://127.0.0.1:")
    assert not folder.exists()
    assert "GRADIO_TEMP_DIR" not in os.environ
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(address, timeout=5)
