"""The gallery: the files that are written and, if there is a Chromium, the behaviour of the page."""

import html.parser
import json
import re
import urllib.parse

import numpy as np
import pytest
from PIL import Image

from keras_attention.maps import MapScale
from keras_attention.report import gallery_columns, write_gallery

SCALES = {
    "block3_pool": MapScale(64, "weight / even weight", 0.0, 5.25),
    "<product>": MapScale(1, "value", -0.5, 1.0),
}
CLASSES = ("cat", "</script><b>&'\"", "dog")
LABELS = ("pointing game", "Jaccard")


def card(number, true, predicted, probability, figures):
    return {
        "picture": f"pictures/{number:05d}.png",
        "name": f"photo {number}.jpg",
        "predicted": predicted,
        "probability": probability,
        "true": true,
        "figures": figures,
    }


CAT, BAD, DOG = CLASSES
CARDS = [
    card(0, CAT, CAT, 0.9, {"pointing game": 1.0, "Jaccard": 0.25}),
    card(1, CAT, DOG, 0.5, {"pointing game": 0.0, "Jaccard": None}),
    card(2, BAD, BAD, 0.7, {"Jaccard": 0.75}),
    card(3, DOG, DOG, np.float32(0.625), {"pointing game": np.float32(1), "Jaccard": float("nan")}),
    card(4, None, DOG, 0.8, {}),
]


class Page(html.parser.HTMLParser):
    """The tags of a page with their attributes, its text, and the data of its script."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts, self.inside = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in ("meta", "link", "br", "img"):
            self.inside.append(dict(attributes).get("id") or tag)

    def handle_endtag(self, tag):
        self.inside.pop()

    def handle_data(self, data):
        self.texts.append((self.inside[-1] if self.inside else "", data))

    def text_of(self, name):
        return "".join(text for inside, text in self.texts if inside == name)

    @property
    def data(self):
        return json.loads(self.text_of("data"))


def written(folder, cards=CARDS, title="A & <b>", about=("first <i>", "second")):
    path = write_gallery(folder, cards, gallery_columns(SCALES), title, about)
    assert path == folder / "index.html"
    text = path.read_text("utf-8")
    return text, Page(text)


def test_the_cards_stand_in_the_page_in_their_order(tmp_path):
    _, page = written(tmp_path / "new")
    assert page.data["labels"] == list(LABELS)
    assert page.data["columns"] == ["input", "block3_pool", "<product>"]
    assert page.data["cards"] == [
        ["pictures/00000.png", "photo 0.jpg", CAT, 0.9, CAT, [1, 0.25]],
        ["pictures/00001.png", "photo 1.jpg", DOG, 0.5, CAT, [0, None]],
        ["pictures/00002.png", "photo 2.jpg", BAD, 0.7, BAD, [None, 0.75]],
        ["pictures/00003.png", "photo 3.jpg", DOG, 0.625, DOG, [1, None]],
        ["pictures/00004.png", "photo 4.jpg", DOG, 0.8, None, [None, None]],
    ]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["index.html"]


def test_everything_is_escaped(tmp_path):
    text, page = written(tmp_path)
    plain, _ = written(tmp_path, [card | {"true": "a", "predicted": "a"} for card in CARDS], "title", ())
    assert len(re.findall("(?i)</script", text)) == len(re.findall("(?i)</script", plain))
    assert text.count("<b>") == plain.count("<b>")
    assert (page.text_of("title"), page.text_of("h1")) == ("A & <b>", "A & <b>")
    assert page.text_of("p").startswith("first <i>second")


def test_one_legend_for_each_column_that_has_a_scale(tmp_path):
    _, page = written(tmp_path)
    bars = [attributes["style"] for tag, attributes in page.tags if attributes.get("class") == "bar"]
    assert len(bars) == 2
    assert all(re.fullmatch(r"background: linear-gradient\(to right(, #[0-9a-f]{6}){13}\)", bar) for bar in bars)
    assert page.text_of("b") == "block3_pool<product>"
    ends = [text.strip() for _, text in page.texts if re.fullmatch(r"-?[\d.]+", text.strip())]
    assert ends == ["0", "5.25", "-0.5", "1"]


def test_the_page_needs_nothing_from_elsewhere(tmp_path):
    names = ("a b#1?.png", "100%.png", "http://example.org/x.png")
    cards = [CARDS[0] | {"picture": f"pictures/{name}"} for name in names] + [CARDS[0] | {"picture": names[2]}]
    text, page = written(tmp_path, cards)
    pictures = [row[0] for row in page.data["cards"]]
    assert [urllib.parse.unquote(picture) for picture in pictures[:2]] == [f"pictures/{name}" for name in names[:2]]
    assert not any(set("#?: ") & set(picture) for picture in pictures)
    references = [
        value for _, attributes in page.tags for name, value in attributes.items() if name in ("src", "href", "action")
    ]
    assert references == ["data:,"]
    assert not re.search(r"https?://|@import|url\(|fetch\(", text)


def test_what_is_refused(tmp_path):
    with pytest.raises(
        ValueError, match=r"^`columns` must hold at least one column\. Expected .+\. Received: columns=\[\]\.$"
    ):
        write_gallery(tmp_path, CARDS, [], "title")
    without = {key: value for key, value in CARDS[0].items() if key not in ("true", "name")}
    with pytest.raises(ValueError, match=r"^A card lacks name, true\. Expected cards with .+\. Received: .+\.$"):
        write_gallery(tmp_path, [without], gallery_columns(SCALES), "title")
    for probability in (1.5, float("nan")):
        with pytest.raises(ValueError, match=r"^`probability` is out of range\."):
            write_gallery(tmp_path, [CARDS[0] | {"probability": probability}], gallery_columns(SCALES), "title")
    assert list(tmp_path.iterdir()) == []


class Gallery:
    """Uses the page like a person."""

    def __init__(self, browser):
        self.browser = browser

    def open(self, path, state=""):
        self.browser.get("about:blank")  # a change of the hash alone would not reload the page
        self.browser.get(f"{path.as_uri()}#{state}")

    def run(self, script, *arguments):
        return self.browser.execute_script(f"return {script}", *arguments)

    def choose(self, name, value):
        self.run(
            "(fields => { const select = fields[arguments[0]]; select.value = arguments[1];"
            "select.dispatchEvent(new Event('change', { bubbles: true })); })(document.forms[0].elements)",
            name,
            value,
        )

    def press(self, *keys):
        from selenium.webdriver import ActionChains

        ActionChains(self.browser, duration=0).send_keys(*keys).perform()

    @property
    def shown(self):
        """The numbers of the cards, in their order."""
        pictures = self.run("[...document.querySelectorAll('.cards img')].map(image => image.getAttribute('src'))")
        return [int(re.search(r"\d+", picture)[0]) for picture in pictures]

    @property
    def counts(self):
        return self.run("document.querySelector('.counts').textContent")

    @property
    def focused(self):
        """The number of the card that has the focus."""
        return self.run("[...document.querySelectorAll('.card')].indexOf(document.activeElement)")

    @property
    def opened(self):
        return self.run("document.querySelector('dialog').open && document.getElementById('opened').textContent")

    @property
    def state(self):
        return dict(urllib.parse.parse_qsl(self.run("location.hash.slice(1)")))


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A gallery of five cards with pictures; below it one of many cards whose true classes are not known."""
    folder = tmp_path_factory.mktemp("gallery")
    (folder / "pictures").mkdir()
    for number in range(len(CARDS)):
        Image.new("RGB", (96, 32), (50 * number, 0, 0)).save(folder / "pictures" / f"{number:05d}.png")
    many = [CARDS[4] | {"picture": f"../{CARDS[4]['picture']}", "name": f"{number}"} for number in range(200)]
    write_gallery(folder / "many", many, gallery_columns({}), "many")
    return write_gallery(folder, CARDS, gallery_columns(SCALES), "<title>", ["about"])


@pytest.mark.slow
def test_the_page_in_a_browser(browser, page):
    gallery = Gallery(browser)
    filters(gallery, page)
    orders(gallery)
    keyboard(gallery, page)
    address(gallery, page)
    widths(gallery, page)
    many(gallery, page.parent / "many" / "index.html")
    assert [entry for entry in browser.get_log("browser") if entry["level"] != "INFO"] == []


def filters(gallery, page):
    gallery.open(page)
    assert gallery.shown == [0, 1, 2, 3, 4]
    assert gallery.counts == "5 of 5 images shown, 3 of 4 right (75.0 %)"
    assert gallery.run("document.querySelector('.card b').textContent") == CAT
    words = gallery.run("[...document.querySelectorAll('.card')].map(card => card.innerText)")
    assert [("✓ right" in text, "✗ wrong" in text) for text in words] == [
        *((True, False), (False, True), (True, False), (True, False), (False, False))
    ]
    assert f"true class: {CAT}" in words[1]
    assert BAD in words[2]
    sizes = gallery.run("[...document.querySelectorAll('.card img')].map(i => [i.loading, i.width > 0, i.height > 0])")
    assert sizes == 5 * [["lazy", True, True]]
    for name, value, shown in [
        ("true", CAT, [0, 1]),
        ("answer", "wrong", [1]),
        ("predicted", CAT, []),
        ("answer", "", [0]),
        ("true", "", [0]),
        ("predicted", BAD, [2]),
        ("predicted", "", [0, 1, 2, 3, 4]),
        ("answer", "right", [0, 2, 3]),
    ]:
        gallery.choose(name, value)
        assert gallery.shown == shown, (name, value)
    assert gallery.counts == "3 of 5 images shown, 3 of 3 right (100.0 %)"
    gallery.choose("answer", "")


def orders(gallery):
    options = gallery.run("[...document.forms[0].elements.sort.options].map(option => [option.text, option.value])")
    expected = {
        "as given": [0, 1, 2, 3, 4],
        "confidence, lowest first": [1, 3, 2, 4, 0],
        "confidence, highest first": [0, 4, 2, 3, 1],
        "pointing game, lowest first": [1, 0, 3, 2, 4],
        "pointing game, highest first": [0, 3, 1, 2, 4],
        "Jaccard, lowest first": [0, 2, 1, 3, 4],
        "Jaccard, highest first": [2, 0, 1, 3, 4],
    }
    assert [text for text, _ in options] == list(expected)
    for text, value in options:
        gallery.choose("sort", value)
        assert gallery.shown == expected[text], text
    gallery.choose("sort", "")


def keyboard(gallery, page):
    from selenium.webdriver import Keys

    gallery.open(page, "true=cat")
    gallery.press(Keys.ARROW_RIGHT)
    assert gallery.focused == 0
    for keys, place in [("j", 1), ("j", 1), ("k", 0), (Keys.ARROW_RIGHT, 1), (Keys.ARROW_LEFT, 0)]:
        gallery.press(keys)
        assert gallery.focused == place
    gallery.press(Keys.ENTER)
    assert gallery.opened == "photo 0.jpg"
    assert gallery.run("document.querySelector('dialog dl').innerText").split("\n") == [
        *("predicted class", CAT, "probability", "90.0 %", "true class", CAT, "answer", "✓ right"),
        *("pointing game", "1", "Jaccard", "0.25"),
    ]
    assert gallery.run("document.querySelectorAll('.large img').length") == 3
    for key, name in [(Keys.ARROW_LEFT, 0), (Keys.ARROW_RIGHT, 1), (Keys.ARROW_RIGHT, 1), ("k", 0), ("j", 1)]:
        gallery.press(key)
        assert gallery.opened == f"photo {name}.jpg"
    assert gallery.run("document.querySelector('.place').textContent") == "2 of 2"
    gallery.press(Keys.ESCAPE)
    assert gallery.opened is False
    gallery.run("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
    assert gallery.focused == 1
    gallery.press("/")
    assert gallery.run("document.activeElement.name") == "true"


def address(gallery, page):
    chosen = {"true": CAT, "predicted": DOG, "answer": "wrong", "sort": "confidence low"}
    for name, value in chosen.items():
        gallery.choose(name, value)
    assert gallery.state == chosen
    gallery.open(page, urllib.parse.urlencode(chosen))
    assert gallery.shown == [1]
    gallery.open(page, urllib.parse.urlencode({"predicted": BAD, "true": "no such class", "sort": "nothing"}))
    assert gallery.shown == [2]
    gallery.run("document.querySelector('[type=reset]').click()")
    gallery.run("new Promise(done => setTimeout(done, 20))")
    assert (gallery.shown, gallery.state) == ([0, 1, 2, 3, 4], {})


def widths(gallery, page):
    for width in (360, 900, 1600):
        gallery.browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False},
        )
        gallery.open(page)
        assert gallery.run("document.documentElement.scrollWidth") <= width


def many(gallery, path):
    from selenium.webdriver import Keys

    gallery.open(path)
    assert gallery.counts == "200 of 200 images shown"
    assert 0 < gallery.run("document.querySelectorAll('.card').length") < 200
    hidden = gallery.run("[...document.querySelectorAll('label')].map(label => label.hidden)")
    assert hidden == [True, False, True, False]
    gallery.press(*190 * [Keys.ARROW_RIGHT])
    assert gallery.focused == 189
    gallery.press("/")
    assert gallery.run("document.activeElement.name") == "predicted"
