"""An image file → pixels, compared with Pillow for common kinds of files, and the reasons for refusing other files."""

import os

import numpy as np
import pytest
from PIL import Image

from keras_attention.prediction.reading import read_image

SIDE = 32


@pytest.fixture
def colours(rng):
    """A smooth picture, which JPEG keeps."""
    return np.asarray(Image.fromarray(rng.integers(0, 256, (4, 4, 3)).astype("uint8")).resize((SIDE, SIDE)))


@pytest.fixture
def opacity(rng):
    return rng.integers(1, 256, (SIDE, SIDE)).astype("uint8")


def save(path, pixels, mode=None, **options):
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path, **options)
    return path


def by_pillow(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def difference(path):
    """The largest and the mean difference from what Pillow reads."""
    differences = np.abs(read_image(path, SIDE) - by_pillow(path))
    return differences.max(), differences.mean()


@pytest.mark.parametrize(
    ("name", "mode", "options"),
    [
        ("grey.png", "L", {}),
        ("black-and-white.png", "1", {}),
        ("palette.png", "P", {}),
        ("palette.gif", "P", {}),
        ("palette.bmp", "P", {}),
        ("still.webp", None, {"lossless": True}),
    ],
)
def test_lossless_kinds_are_exact(name, mode, options, colours, tmp_path):
    assert difference(save(tmp_path / name, colours, mode, **options)) == (0, 0)


@pytest.mark.parametrize("colours_in_it", [2, 16, 200])
def test_a_bmp_may_have_a_short_palette(colours_in_it, colours, tmp_path):
    Image.fromarray(colours).quantize(colours_in_it).save(tmp_path / "image.bmp")
    assert difference(tmp_path / "image.bmp") == (0, 0)


@pytest.mark.parametrize("name", ["image.png", "image.webp"])
def test_opacity_is_left_out(name, colours, opacity, tmp_path):
    options = {"lossless": True, "exact": True} if name.endswith("webp") else {}
    path = save(tmp_path / name, np.dstack([colours, opacity]), **options)
    np.testing.assert_array_equal(read_image(path, SIDE), colours)


def test_of_sixteen_bits_the_upper_eight_are_taken(rng, tmp_path):
    grey = rng.integers(0, 2**16, (SIDE, SIDE)).astype("uint16")
    path = save(tmp_path / "wide.png", grey)
    np.testing.assert_array_equal(read_image(path, SIDE), (grey >> 8)[..., None].repeat(3, -1))


def test_jpegs_of_all_colour_spaces(colours, rng, tmp_path):
    black = rng.integers(0, 100, (4, 4)).astype("uint8").repeat(8, 0).repeat(8, 1)
    cmyk = Image.merge("CMYK", [Image.fromarray(part) for part in (*(255 - colours).transpose(2, 0, 1), black)])
    cmyk.save(tmp_path / "cmyk.jpg")
    save(tmp_path / "colour.jpg", colours)
    save(tmp_path / "grey.jpg", colours, "L")
    save(tmp_path / "progressive.jpg", colours, progressive=True)
    for name in ("cmyk", "colour", "grey", "progressive"):
        largest, mean = difference(tmp_path / f"{name}.jpg")
        assert largest <= 8, name
        assert mean <= 1.5, name
    assert by_pillow(tmp_path / "cmyk.jpg").std() > 20


@pytest.mark.parametrize("name", ["image.gif", "image.webp", "image.png"])
def test_of_an_animation_the_first_frame_is_taken(name, colours, tmp_path):
    colours = np.asarray(Image.fromarray(colours).quantize(64).convert("RGB"))
    options = {"lossless": True} if name.endswith("webp") else {}
    path = save(tmp_path / name, colours, save_all=True, append_images=[Image.fromarray(255 - colours)], **options)
    with Image.open(path) as image:
        assert image.n_frames == 2
    np.testing.assert_array_equal(read_image(path, SIDE), colours)


def test_an_animation_may_have_opacity(colours, opacity, tmp_path):
    frames = [np.dstack([part, opacity]) for part in (colours, 255 - colours)]
    options = {"save_all": True, "append_images": [Image.fromarray(frames[1])], "lossless": True, "exact": True}
    path = save(tmp_path / "image.webp", frames[0], **options)
    np.testing.assert_array_equal(read_image(path, SIDE), colours)


def test_forty_megapixels(colours, tmp_path):
    Image.fromarray(colours).resize((8000, 5000), Image.Resampling.NEAREST).save(tmp_path / "large.jpg", quality=60)
    differences = np.abs(read_image(tmp_path / "large.jpg", SIDE).astype(int) - colours)
    assert differences.mean() < 12  # scaled up and down again: about the picture that it was


def broken(path, colours):
    """Writes the faulty file that a name stands for."""
    save(path.with_suffix(".jpg"), colours)
    data = path.with_suffix(".jpg").read_bytes()
    path.with_suffix(".jpg").unlink()
    contents = {
        "truncated.jpg": data[: len(data) // 2],
        "text.png": b"hello",
        "short.webp": b"RIFF",
        "animated.webp": b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\x02",
        "short.bmp": b"BM" + b"\x08" * 40,
        "empty.jpg": b"",
        "phone.heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
        "new.avif": b"\0\0\0\x18ftypavif\0\0\0\0mif1avif",
        "scan.tif": b"II*\0\x08\0\0\0",
        "paper.png": b"%PDF-1.7",
        "lfs.png": b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n",
        "page.jpg": b"<!doctype html>",
    }
    path.write_bytes(contents[path.name])


REASONS = {
    "truncated.jpg": "does not decode: the JPEG data are damaged",
    "text.png": r"text\.png does not decode\. Expected a JPEG, .* or PNM image",
    "short.webp": "does not decode: the WebP data are damaged",
    "animated.webp": "does not decode: the WebP data are damaged",
    "short.bmp": "does not decode: the BMP data are damaged",
    "empty.jpg": "is empty",
    "phone.heic": "contains HEIC data, which are not supported. Expected a JPEG, .* or PNM image; convert it to PNG",
    "new.avif": "does not decode: the AVIF data are damaged",
    "scan.tif": "does not decode: the TIFF data are damaged",
    "paper.png": "contains PDF data, which are not supported",
    "lfs.png": r"is a pointer of Git LFS, not the image\. Expected the image itself, which `git lfs pull` fetches",
    "page.jpg": r"is an HTML page, not an image\. Expected the image itself, downloaded again",
}


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")  # of Pillow, for the TIFF file
@pytest.mark.parametrize("name", REASONS)
def test_the_error_for_a_file_that_is_not_an_image_says_why(name, colours, tmp_path):
    broken(tmp_path / name, colours)
    with pytest.raises(ValueError, match=REASONS[name]) as raised:
        read_image(tmp_path / name, SIDE)
    assert str(tmp_path / name) in str(raised.value)


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_tiff_of_either_byte_order(order, colours, tmp_path):
    grey = colours[..., 0]
    Image.fromarray((grey.astype("u2") * 256).astype(f"{order}u2")).save(tmp_path / "scan.png", format="tiff")
    np.testing.assert_array_equal(read_image(tmp_path / "scan.png", SIDE), grey[..., None].repeat(3, -1))


def test_an_image_of_too_many_pixels_is_named(colours, tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    save(tmp_path / "large.png", colours)
    with pytest.raises(ValueError, match=r"large\.png has too many pixels \(.*\)\. Expected a smaller image"):
        read_image(tmp_path / "large.png", SIDE)


def test_the_error_for_a_path_that_is_not_a_file_says_why(tmp_path):
    os.symlink(tmp_path / "self.png", tmp_path / "self.png")
    for path in (tmp_path, tmp_path / "nowhere.png", tmp_path / "self.png"):
        with pytest.raises(ValueError, match="must be an existing file"):
            read_image(path, SIDE)
    with pytest.raises(ValueError, match="is a URL; download it first"):
        read_image("http://x.org/a.jpg", SIDE)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_says_so(colours, tmp_path):
    save(tmp_path / "secret.png", colours).chmod(0)
    with pytest.raises(ValueError, match=r"secret\.png cannot be opened: Permission denied"):
        read_image(tmp_path / "secret.png", SIDE)
