"""Near duplicates: images that are one picture, scaled, compressed, moved, cropped, mirrored, turned or with a border.

Two steps, without a network. Perceptual hashes in the eight orientations of a square give candidates. A candidate is a
duplicate if the middle of one image is found in the other, at any shift of up to a sixteenth and any zoom up to a
ninth, and if that holds for their details too, without what two photographs of one kind have in common. Both are
smoothed a little first, so that shifts of half a pixel do not matter.

References:
    Zauner, *Implementation and Benchmarking of Perceptual Image Hash Functions*, 2010 (the hash by a cosine transform);
    Lewis, *Fast Normalized Cross-Correlation*, 1995.
"""

import dataclasses

import numpy as np
from PIL import Image
from scipy.fft import dctn
from scipy.ndimage import gaussian_filter
from threadpoolctl import threadpool_limits

SIDE, HASHED, FREQUENCIES = 64, 32, 8
MARGIN = 1 / 16  # the share of a side by which an image may be moved
ZOOMS = (1, 1.018, 1.037, 1.075, 1.11)  # the last takes a tenth of each side away
VIEWS = ((0.5, 0.5), (0, 0), (0, 1), (1, 0), (1, 1))  # the middle and the corners, of VIEW of each side
VIEW = 0.9
DISTANCE, DISTANCE_OF_VIEWS = 18, 10  # bits of 64 in which the hashes of candidates may differ
ALIKE, ALIKE_IN_DETAIL, ALIKE_FROM_AFAR = 0.96, 0.9, 0.93  # correlations
SMOOTH, DETAIL = 1.0, 2.0  # pixels of Gaussians: detail is what lies between them
INVERSE = (0, 3, 2, 1, 4, 5, 6, 7)  # the orientation that leads back from each
UNIFORM = 12  # the range of levels in the outer line of a border, and the mean deviation from it in others
ROWS = 256  # hashes that are compared with all others at a time
MOST_CANDIDATES = 1_000_000  # pairs of images and orientations that are looked at, in some minutes


@dataclasses.dataclass(frozen=True)
class NearDuplicate:
    """Two images that show one picture.

    Args:
        first, second: their numbers.
        correlation: that of their middles at the best shift, up to 1.
        turned: whether one is mirrored or turned.
    """

    first: int
    second: int
    correlation: float
    turned: bool


def grey_copies(pixels):
    """What is compared of an image, uint8 `(height, width, 3)`: its greys, uint8 `(1, SIDE, SIDE)`.

    If it has a border, there is a second copy without it: an edge that is only bright must not cost the rest.
    """
    inner = without_border(pixels)
    images = [pixels] if inner.shape == pixels.shape else [pixels, inner]
    scaled = [Image.fromarray(each).convert("L").resize((SIDE, SIDE), Image.Resampling.BOX) for each in images]
    return np.stack([np.asarray(each) for each in scaled])


def without_border(pixels):
    """An image without outer rows and columns of one colour each, of which at most half are taken away.

    Example:

    >>> import numpy as np
    >>> from keras_attention.inspection.near_duplicates import without_border
    >>> picture = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype("uint8")
    >>> without_border(np.pad(picture, ((3, 3), (4, 0), (0, 0)))).shape
    (20, 30, 3)
    """
    for axis in (0, 1):
        lines = np.moveaxis(pixels, axis, 0)
        start, end = _border(lines), len(lines) - _border(lines[::-1])
        if end - start >= len(lines) / 2:
            pixels = np.take(pixels, np.arange(start, end), axis)
    return pixels


def _border(lines):
    """How many of the lines of pixels, `(n, length, 3)`, from the first on have the colour of the first.

    JPEG data are not quite of one colour beside an edge, so that their mean counts; but the first line must be.
    """
    if np.ptp(lines[0], axis=0).max() > UNIFORM:
        return 0
    level = np.median(lines[0], axis=0).astype("float32")
    like = [np.abs(line - level).mean() <= UNIFORM for line in lines[: len(lines) // 2 + 1]]
    return like.index(False) if False in like else len(lines)


def find_near_duplicates(copies):
    """The `NearDuplicate`s among images, in the order of their numbers.

    Args:
        copies: the grey copies of each image, uint8 `(1 or 2, SIDE, SIDE)`.

    Returns:
        The near duplicates; and the distance of hashes up to which they were looked for. It is less than `DISTANCE` if
        more than `MOST_CANDIDATES` pairs are as near as that, as where all images are alike.
    """
    greys, owners = np.concatenate(copies), np.repeat(np.arange(len(copies)), list(map(len, copies)))
    candidates, distance = _candidates(hashes(greys), [hashes(_view(greys, *at))[:, 0] for at in VIEWS])
    best, small = {}, [_halved(_smoothed(_zoomed(greys, zoom))) for zoom in ZOOMS]
    with threadpool_limits(1):  # the products are so small that threads would only wait for each other
        for second, rows in _by_second(candidates):
            for (first, _, orientation), zooms in _alike_from_afar(small, second, rows):
                turned = turned_back(greys[first][None], orientation)[0]
                pair = int(owners[first]), int(owners[second])
                if pair[0] != pair[1] and (found := _correlation(turned, greys[second], zooms)):
                    best[pair] = max(best.get(pair, (0.0, False)), (found, orientation > 0))
    return [NearDuplicate(*pair, *best[pair]) for pair in sorted(best)], distance


def _by_second(candidates):
    """The second image of candidates, and the rows of all candidates with it."""
    candidates = candidates[np.lexsort((candidates[:, 2], candidates[:, 1]))]
    seconds, starts = np.unique(candidates[:, 1], return_index=True)
    return zip(seconds.tolist(), np.split(candidates, starts[1:]), strict=True) if len(candidates) else ()


def _alike_from_afar(small, second, rows):
    """The candidates with a second image that may show its picture, as tuples, and the zooms of both images.

    Copies of half the side are compared, which takes a part of the time and leaves few candidates.
    """
    zooms = [(1, zoom) for zoom in ZOOMS] + [(zoom, 1) for zoom in ZOOMS[1:]]
    middles = {zoom: _middles(_turned_rows(each, rows)) for zoom, each in zip(ZOOMS, small, strict=True)}
    parts = {zoom: _parts(each[second]) for zoom, each in zip(ZOOMS, small, strict=True)}
    found = np.stack([(middles[zoom] @ parts[other].T).max(axis=1) for zoom, other in zooms])
    for place in np.flatnonzero(found.max(axis=0) >= ALIKE_FROM_AFAR):
        for best in np.argsort(-found[:, place])[:2]:
            yield tuple(rows[place].tolist()), zooms[best]


def _turned_rows(small, rows):
    """The first images of candidates, whose orientations ascend, turned back to that of the second."""
    firsts, orientations = rows[:, 0], rows[:, 2]
    kinds = np.unique(orientations).tolist()
    return np.concatenate([turned_back(small[firsts[orientations == kind]], kind) for kind in kinds])


def _correlation(first, second, zooms):
    """How well the middle of one image is found in another; 0 if it is not."""
    images = [_smoothed(_zoomed(each[None], zoom))[0] for each, zoom in zip((first, second), zooms, strict=True)]
    found = _best(*images)
    if found < ALIKE or _best(*(image - gaussian_filter(image, DETAIL) for image in images)) < ALIKE_IN_DETAIL:
        return 0.0
    return min(found, 1.0)


def _best(image, other):
    return float((_middles(image[None]) @ _parts(other).T).max())


def _zoomed(greys, zoom):
    """The middles of images, uint8 `(n, side, side)`, scaled to their side."""
    return greys if zoom == 1 else _view(greys, 0.5, 0.5, 1 / zoom)


def _view(greys, right, down, share=VIEW):
    """A part of each image, scaled to its side; at 0 it touches the left or the upper edge, at 1 the other."""
    side = greys.shape[-1]
    left, upper, size = (1 - share) * right * side, (1 - share) * down * side, share * side
    box = (left, upper, left + size, upper + size)
    return np.stack([Image.fromarray(each).resize((side, side), Image.Resampling.BILINEAR, box) for each in greys])


def _smoothed(greys):
    return gaussian_filter(greys.astype("float32"), (0, SMOOTH, SMOOTH))


def _halved(greys):
    side = greys.shape[-1] // 2
    return greys.reshape(len(greys), side, 2, side, 2).mean(axis=(2, 4), dtype="float32").astype("uint8")


def oriented(images, number):
    """Square images `(n, side, side)` in one of the eight orientations; 0 is that of the images themselves."""
    return np.rot90(images.transpose(0, 2, 1) if number >= 4 else images, number % 4, (1, 2))


def turned_back(images, number):
    """The images of which `oriented` gives these."""
    turned = np.rot90(images, -(number % 4), (1, 2))
    return turned.transpose(0, 2, 1) if number >= 4 else turned


def hashes(greys):
    """The hash of each image in its eight orientations, `(n, 8)` unsigned integers of 64 bits.

    A bit says whether a coefficient of the cosine transform is above the median. Mirrored images have the same
    coefficients with other signs, and transposed images have them transposed.
    """
    small = greys.reshape(len(greys), HASHED, SIDE // HASHED, HASHED, SIDE // HASHED).mean(axis=(2, 4), dtype="float32")
    low = dctn(small, axes=(1, 2))[:, :FREQUENCIES, :FREQUENCIES]
    signs = (-1.0) ** np.arange(FREQUENCIES)
    found = []
    for number in range(8):
        turned = low.transpose(0, 2, 1) if number >= 4 else low
        for _ in range(number % 4):  # a quarter turn is a transposition and a flip
            turned = turned.transpose(0, 2, 1) * signs[:, None]
        flat = turned.reshape(len(greys), -1)
        bits = flat > np.median(flat, axis=1, keepdims=True)
        found.append(np.packbits(bits, axis=1).view(">u8")[:, 0].astype("uint64"))
    return np.stack(found, axis=1)


def _candidates(hashed, views):
    """Rows of two numbers of images, the smaller first, and an orientation in which their hashes are near; how near.

    Args:
        hashed: the hashes of the images in each orientation, `(n, 8)`.
        views: lists of the hashes of parts of the images, each `(n,)`, which may be near to those of whole images.
    """
    limit, kept, far = DISTANCE, [np.zeros((0, 3), "int64")], [np.zeros(0, "uint8")]
    for start in range(0, len(hashed), ROWS):
        rows = slice(start, start + ROWS)
        for orientation in range(8):
            others, limit_of_views = hashed[:, orientation], min(limit, DISTANCE_OF_VIEWS)
            found = [
                _near(hashed[rows, 0], others[start:], start, start, limit)
            ]  # of two whole images, one way is enough
            found += [_near(view[rows], others, start, 0, limit_of_views) for view in views]
            pairs, distances = (np.concatenate(each) for each in zip(*found, strict=True))
            kept.append(_ordered(pairs, orientation))
            far.append(distances)
        while limit and sum(map(len, far)) > MOST_CANDIDATES:
            limit -= 1
            kept = [rows[each <= limit] for rows, each in zip(kept, far, strict=True)]
            far = [each[each <= limit] for each in far]
    return np.unique(np.concatenate(kept), axis=0), limit


def _near(own, others, first, second, limit):
    """Pairs of numbers of images whose hashes are near, counted from `first` and `second`; and how near they are."""
    distances = np.bitwise_count(own[:, None] ^ others[None])
    pairs = np.argwhere(distances <= limit) + np.array([first, second])
    others = pairs[:, 0] != pairs[:, 1]
    return pairs[others], distances[distances <= limit][others]


def _ordered(pairs, orientation):
    """Rows of pairs, the smaller number first, and of the orientation of the second in which they are alike."""
    swapped = pairs[:, 0] > pairs[:, 1]
    numbers = np.where(swapped, INVERSE[orientation], orientation)
    return np.column_stack([np.sort(pairs, axis=1), numbers])


def _middles(images):
    """The middle of each image, without the margin, as rows."""
    margin = round(MARGIN * images.shape[-1])
    return _standardized(images[:, margin:-margin, margin:-margin].reshape(len(images), -1))


def _parts(image):
    """All parts of an image that are as large as its middle, as rows."""
    side = image.shape[-1]
    inner = side - 2 * round(MARGIN * side)
    return _standardized(np.lib.stride_tricks.sliding_window_view(image, (inner, inner)).reshape(-1, inner * inner))


def _standardized(rows):
    """Rows with mean 0 and length 1; of rows that are all equal, 0."""
    rows = rows - rows.mean(axis=1, keepdims=True, dtype="float32")
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
