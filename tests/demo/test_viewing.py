"""What the page shows for an image, without a page."""

import io
import re
import struct
import zlib

import numpy as np
import pytest
import seams
from PIL import Image

from keras_attention.demo import figures
from keras_attention.demo.examples import file_examples
from keras_attention.demo.viewing import SIDE, View, Viewer, header_pixels
from keras_attention.maps import MapScale, map_scales
from keras_attention.maps.pictures import overlay

CLASSES = ("cat", "<b>dog", "hen")
MAPS = {"block3_pool": np.full((4, 4), 1 / 16), "joint": np.array([[0.0, 1.0], [0.25, 0.5]])}


@pytest.fixture(scope="module")
def viewer(attentive):
    return Viewer(attentive)


@pytest.fixture(scope="module")
def view(viewer):
    return viewer(np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype("uint8"))


def test_a_view_has_probabilities_and_maps_in_their_order(view):
    assert tuple(view.probabilities) == CLASSES
    assert sum(view.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert list(view.maps) == ["block3_pool", "block4_pool", "joint", "Grad-CAM block5_relu1"]
    assert [values.shape for values in view.maps.values()] == [(4, 4), (2, 2), (4, 4), (2, 2)]
    assert view.probabilities[view.predicted] == max(view.probabilities.values())


def test_a_view_is_that_of_the_predictor(viewer, view):
    outputs = viewer.predictor(view.image[None])
    np.testing.assert_allclose(list(view.probabilities.values()), outputs["probabilities"][0], atol=1e-6)
    np.testing.assert_allclose(view.maps["block4_pool"], outputs["attention_block4_pool"][0], atol=1e-6)


def test_blends_go_from_the_grey_image_to_the_colours(view):
    grey = view.large.astype("float32").mean(-1, keepdims=True)
    for pixels in view.blends(0).values():
        assert pixels.shape == (SIDE, SIDE, 3)
        np.testing.assert_array_equal(pixels, np.broadcast_to(grey.round(), pixels.shape))
    even, joint = View(view.image, view.probabilities, MAPS).blends(1).values()
    # An even map has one colour, and the corners of the other map have the first and last colours of inferno.
    assert len(np.unique(even.reshape(-1, 3), axis=0)) == 1
    assert joint[0, 0].tolist() == [0, 0, 4]
    assert joint[0, -1].tolist() == [252, 255, 164]
    half = view.blends(0.5)["joint"].astype("float32")
    np.testing.assert_allclose(half, (grey + view.blends(1)["joint"]) / 2, atol=1.01)


def test_the_opacity_at_the_start_is_that_of_the_other_pictures(view):
    scale = map_scales({"joint": view.maps["joint"][None]})["joint"]
    np.testing.assert_array_equal(view.blends()["joint"], overlay(view.large, view.maps["joint"], scale))


@pytest.mark.parametrize("opacity", [-0.1, 1.1])
def test_an_opacity_out_of_range_is_refused(view, opacity):
    with pytest.raises(ValueError, match=r"out of range\. Expected a number from 0 to 1\. Received: opacity="):
        view.blends(opacity)


def test_each_map_has_the_range_of_its_image(view):
    assert View(view.image, {}, MAPS).scales == {
        "block3_pool": MapScale(16.0, "weight / even weight", 0.0, 1.0),
        "joint": map_scales({"joint": MAPS["joint"][None]})["joint"],
    }


def test_a_model_without_attention_shows_gradcam_alone(saved, view):
    viewer = Viewer(saved(()))
    assert list(viewer(view.image).maps) == ["Grad-CAM block5_relu1"]
    assert viewer.notes == ["The model has no attention layers: only Grad-CAM is shown."]


def test_gradcam_that_fails_is_said_and_left_out(attentive, view, monkeypatch):
    def fails(self, images):
        raise ValueError("The logits do not depend on the layer.")

    seams.call_of_grad_cam(monkeypatch, fails)
    viewer = Viewer(attentive)
    assert list(viewer(view.image).maps) == ["block3_pool", "block4_pool", "joint"]
    assert viewer.notes == ["Grad-CAM cannot be shown: The logits do not depend on the layer."]


def test_without_attention_and_gradcam_the_classes_are_left(saved, view, monkeypatch):
    def fails(self, model, layer=None):
        raise ValueError("The model has no feature map.")

    seams.making_of_grad_cam(monkeypatch, fails)
    viewer = Viewer(saved(()))
    seen = viewer(view.image)
    assert (tuple(seen.probabilities), seen.maps, seen.blends()) == (CLASSES, {}, {})
    assert viewer.notes[-1] == "The model has no attention layers: there are no maps to show."


KINDS = {
    "grey.png": ("L", {}),
    "deep.png": ("I;16", {}),
    "transparent.png": ("RGBA", {}),
    "palette.png": ("P", {}),
    "press.jpg": ("CMYK", {}),
    "grey.jpg": ("L", {}),
    "plain.bmp": ("RGB", {}),
    "plain.webp": ("RGB", {}),
    "moving.gif": ("P", {"save_all": True}),
}


@pytest.mark.parametrize("name", KINDS)
def test_images_of_all_kinds_are_read(viewer, photo, tmp_path, name):
    mode, options = KINDS[name]
    image = photo.convert("I").point(lambda value: value * 256).convert("I;16") if mode == "I;16" else photo
    image = image if mode == "I;16" else image.convert(mode)
    if options:
        options = options | {"append_images": [image.rotate(180), image.rotate(90)]}
    image.save(tmp_path / name, **options)
    pixels = viewer.read(tmp_path / name)
    assert (pixels.shape, pixels.dtype) == ((32, 32, 3), np.uint8)
    expected = np.asarray(photo.convert("L").resize((32, 32), Image.Resampling.BILINEAR), "float32")
    assert np.corrcoef(expected.ravel(), pixels.astype("float32").mean(-1).ravel())[0, 1] > 0.8


def encoded(image, form):
    buffer = io.BytesIO()
    image.save(buffer, form)
    return buffer.getvalue()


def huge_png(width, height):
    """A PNG whose header announces more pixels than there are."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")
    )


BAD = {
    "text.png": (lambda image: b"no image", "text.png must be an image"),
    "empty.png": (lambda image: b"", "empty.png is empty"),
    "cut.jpg": (lambda image: encoded(image, "JPEG")[:900], "cut.jpg does not decode"),
    "cut.png": (lambda image: encoded(image, "PNG")[:900], "cut.png does not decode"),
    "cut.gif": (lambda image: encoded(image, "GIF")[:800], "cut.gif does not decode"),
    "page.eps": (lambda image: encoded(image, "EPS"), "page.eps must be an image"),  # no format of photographs
    "large.png": (lambda image: huge_png(10_001, 10_000), "large.png has too many pixels"),
    "bomb.png": (lambda image: huge_png(50_000, 50_000), "bomb.png has too many pixels"),
    "long.png": (lambda image: bytes(20 * 2**20 + 1), "long.png is too large"),
}


@pytest.mark.parametrize("name", BAD)
def test_the_error_for_a_file_that_is_not_a_whole_image_does_not_give_its_folder(viewer, photo, tmp_path, name):
    content, words = BAD[name]
    (tmp_path / name).write_bytes(content(photo))
    with pytest.raises(ValueError, match=rf"^{re.escape(words)}\. Expected .*\. Received: .*\.$") as caught:
        viewer.read(tmp_path / name)
    assert str(tmp_path) not in str(caught.value)


def test_pixels_are_refused_before_they_are_decoded(viewer, tmp_path, monkeypatch):
    (tmp_path / "bomb.png").write_bytes(huge_png(20_000, 20_000))
    monkeypatch.setattr(viewer.predictor, "read", lambda path: pytest.fail("decoded"))
    with pytest.raises(ValueError, match="too many pixels"):
        viewer.read(tmp_path / "bomb.png")


def test_the_frame_that_is_read_counts(photo, tmp_path, viewer, monkeypatch):
    photo.save(tmp_path / "moving.gif", save_all=True, append_images=[photo.rotate(90), photo.rotate(180)])
    assert header_pixels(tmp_path / "moving.gif") == 30 * 46
    seams.most_pixels_of_a_view(monkeypatch, 30 * 46 - 1)
    with pytest.raises(ValueError, match="too many pixels"):
        viewer.read(tmp_path / "moving.gif")


@pytest.mark.parametrize("suffix", ["tif", "jp2", "ppm"])
def test_the_page_takes_what_training_takes(suffix, photo, tmp_path, viewer):
    photo.save(tmp_path / f"a.{suffix}")
    np.testing.assert_array_equal(
        viewer.read(tmp_path / f"a.{suffix}"), viewer.predictor.read(tmp_path / f"a.{suffix}")
    )


def test_examples_are_even_over_the_files_and_know_their_classes(viewer, photo, tmp_path):
    for name in ("cat/0.png", "cat/1.png", "hen/2.png", "hen/3.png", "other/4.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        photo.save(tmp_path / name)
    (tmp_path / "hen" / "2.png").write_bytes(b"none")
    examples, skipped = file_examples(viewer.predictor, [tmp_path], limit=3)
    assert [(each.name, each.true) for each in examples] == [("cat/0.png", "cat"), ("other/4.png", None)]
    assert len(skipped) == 1
    assert "2.png" in skipped[0]
    np.testing.assert_array_equal(examples[0].image, viewer.predictor.read(tmp_path / "cat/0.png"))


def test_an_example_that_does_not_exist_is_an_error(viewer, tmp_path):
    with pytest.raises(ValueError, match=r"gone.png does not exist\. Expected image files and folders\. Received: "):
        file_examples(viewer.predictor, [tmp_path / "gone.png"])


@pytest.mark.parametrize(
    ("resize", "words"),
    [
        ("crop", "the central square of the image, scaled to 32 × 32 pixels"),
        ("pad", "the whole image, scaled and filled up with black to 32 × 32 pixels"),
    ],
)
def test_the_image_says_how_it_became_a_square(resize, words, view):
    html = figures.figures(View(view.image, view.probabilities, view.maps, resize), 0.5)
    assert f">{words}<" in html
    assert "the image, scaled to" not in html.replace("of the image, scaled to", "")


def test_what_is_written_into_the_page_is_escaped(view):
    named = View(view.image, {"<b>dog": 1.0}, {"Grad-CAM <i>": view.maps["joint"]})
    assert "<b>dog" not in figures.figures(named, 0.5)
    assert "&lt;b&gt;dog" in figures.figures(named, 0.5)
    assert "Grad-CAM &lt;i&gt;" in figures.figures(named, 0.5)
    assert "&lt;b&gt;dog</b> · ✓ right" in figures.about("<u>.png", named, "<b>dog")
    assert "✗ wrong" in figures.about("<u>.png", named, "cat")
    for html in (figures.about("<u>.png", named), figures.refused("<u>.png"), figures.notes(["<u>.png"])):
        assert "&lt;u&gt;.png" in html
        assert "<u>" not in html


def test_every_picture_says_what_it_is(view):
    html = figures.figures(view, 0.6)
    assert html.count("<img ") == html.count(' alt="') == html.count("data:image/jpeg;base64,") == 5
    assert re.findall(r"<figcaption><b>(.*?)</b>", html) == [
        *("What the model sees", "block3_pool", "block4_pool", "Joint map", "Grad-CAM block5_relu1")
    ]
    assert ">the image, scaled to 32 × 32 pixels<" in html
    assert html.count("weight / even weight") == 2
    assert figures.figures(None, 0.6) == ""
