"""Why a file or a folder cannot be read: one reason for training, prediction, masks and every command."""

import dataclasses
import pathlib

from PIL import Image

from keras_attention.arguments import reason
from keras_attention.data.images import read_pixels

READ = "a JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF, JPEG 2000 or PNM image"

# First bytes of a file, and its kind. If a file of a readable kind does not decode, it is damaged.
READABLE = (
    *((b"\xff\xd8\xff", "JPEG"), (b"\x89PNG\r\n", "PNG"), (b"GIF8", "GIF"), (b"BM", "BMP"), (b"RIFF", "WebP")),
    *((start, "TIFF") for start in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
)
FOREIGN = ((b"8BPS", "Photoshop"), (b"%PDF", "PDF"))
AVIF_BRANDS = (b"avif", b"avis")
# Brands of files that begin with a length and `ftyp`.
FOREIGN_BRANDS = dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "HEIC")
POINTER = b"version https://git-lfs.github.com/spec/"
PAGE = (b"<!doctype html", b"<html")


@dataclasses.dataclass(frozen=True)
class Reason:
    """Why a file is not read as an image.

    Args:
        what: what is wrong, as it follows the name of the file: `"is empty"`.
        expected: what was expected instead.
    """

    what: str
    expected: str = READ

    @property
    def kind(self):
        """What is wrong without what belongs to this file alone, such as its number of pixels."""
        return self.what.split(" (")[0]


def reason_of(path, read=read_pixels):
    """The `Reason` why a file is not read; `None` if it is.

    Args:
        path: the path of the file.
        read: the function that reads encoded bytes, or raises `ValueError`.
    """
    try:
        encoded = pathlib.Path(path).read_bytes()
    except OSError as error:
        return no_access(error)
    try:
        read(encoded)
    except ValueError as error:
        return reason_of_bytes(encoded, error)
    return None


def no_access(error):
    """The `Reason` for a file whose opening raised an `OSError`."""
    return Reason(f"cannot be opened: {error.strerror or error}", "a readable path")


def reason_of_bytes(encoded, error):
    """The `Reason` for encoded bytes whose reading raised a `ValueError`."""
    if not encoded:
        return Reason("is empty")
    if encoded.startswith(POINTER):
        return Reason("is a pointer of Git LFS, not the image", "the image itself, which `git lfs pull` fetches")
    if encoded[:256].lstrip().lower().startswith(PAGE):
        return Reason("is an HTML page, not an image", "the image itself, downloaded again")
    brand = encoded[8:12] if encoded[4:8] == b"ftyp" else None
    kind = _begins(encoded, FOREIGN) or FOREIGN_BRANDS.get(brand)
    if kind:
        return Reason(f"contains {kind} data, which are not supported", f"{READ}; convert it to PNG or JPEG")
    if isinstance(error.__cause__, Image.DecompressionBombError):
        return Reason(f"has too many pixels ({reason(error)})", "a smaller image")
    if error.__cause__ is None:  # not the decoder, but `images` or `masks` refuses what it decoded
        return Reason(f"cannot be used ({reason(error)})", "an image of 8 or 16 bits")
    kind = _begins(encoded, READABLE) or ("AVIF" if brand in AVIF_BRANDS else None)
    if kind:
        return Reason(f"does not decode: the {kind} data are damaged, incomplete or of a rare kind")
    return Reason("does not decode")


def _begins(encoded, kinds):
    return next((kind for start, kind in kinds if encoded.startswith(start)), None)
